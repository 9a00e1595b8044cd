"""Long work as child processes `python -m …`: asked for, shown, stopped and forgotten by pages; found again on reload."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.server import exposure, job_queue, job_records, processes, quotas
from app.server.exposure import shown
from app.server.job_records import Job
from pipeline.errors import SemblanceError, UsageError
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

__all__ = ["Job", "State", "dismiss", "recent", "resume", "running", "start", "state", "stop"]


@dataclass(frozen=True)
class State:
    """What a page shows. progress: the last {stage, done, total, rate, seconds_left}; exit_code: None before the end."""

    running: bool  # or waiting
    exit_code: int | None
    progress: dict[str, Any]
    output: str
    errors: str
    place: int = 0  # in the queue, from 1; 0 once it was begun


DEMO = ("pipeline", "demo")


def start(command: Sequence[str], *, title: str, gallery: str = "") -> Job:
    """`python -m command… --progress json`, now or when it has its turn.

    UsageError for what is not open to visitors, and when too many are asked for already.
    """
    root = job_records.home()
    with job_queue.alone(root):
        unfinished = check(command, gallery)
        job_records.prune(root, {job.id for job in unfinished})
        job = Job(job_records.new_id(root), title, gallery, tuple(command), time.time(), 0, visitor=quotas.visitor())
        job_records.write(root, job)
        job_queue.advance(root)
    job_queue.keep(root)
    return job_records.read(root, job.id) or job


def check(command: Sequence[str], gallery: str = "") -> list[Job]:
    """What works or waits; UsageError when `start` would refuse, asked before something is made for the job."""
    if any("\0" in token for token in command):
        raise UsageError("a title, name or path has a character of code 0, which no text has; write it without")
    exposure.check_plugins(command, _encoders_of(gallery))
    root = job_records.home()
    unfinished = [job for job in job_records.unfinished(root) if not job.pid or job_queue.at_work(root, job)]
    quotas.check_jobs(unfinished)
    return unfinished


def resume() -> None:
    """When the app starts: go on with what waits, and fill the demo's gallery where `demo` asks for it."""
    if Settings().demo and not running(*DEMO):
        start([*DEMO, "--no-app"], title="Rendered catalogue", gallery="catalogue")
    if job_records.unfinished(root := job_records.home()):
        job_queue.keep(root)


def recent(limit: int = 5) -> list[Job]:
    """Those at work, those that wait in their order, then the newest that ended; of these so many that it is `limit`."""
    root = job_records.home()
    jobs = list(job_records.newest(root, 50))
    working = [job for job in jobs if job.pid and _unfinished(root, job)]
    queue = [job for job in reversed(jobs) if not job.pid and _unfinished(root, job)]
    busy = {job.id for job in (*working, *queue)}
    ended = [job for job in jobs if job.id not in busy]
    return [*working, *queue, *ended[: max(0, limit - len(busy))]]


def running(*words: str, gallery: str = "", about: str = "") -> bool:
    """Whether a job works or waits whose command begins with these words; of this gallery, and with `about` in its command."""
    root = job_records.home()
    return any(
        job.command[: len(words)] == words
        and gallery in ("", job.gallery)
        and (not about or about in job.command)
        and _unfinished(root, job)
        for job in job_records.unfinished(root)
    )


def state(job: Job) -> State:
    root = job_records.home()
    job = job_records.read(root, job.id) or job  # it may have been begun since
    folder, unfinished = root / job.id, _unfinished(root, job)
    progress: dict[str, Any] = {}
    errors = []
    for line in _tail(folder / "err.txt").splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                progress = json.loads(line)
        elif line.strip():
            errors.append(line)
    queue = job_queue.waiting(root) if unfinished and not job.pid else []
    place = queue.index(job.id) + 1 if job.id in queue else 0
    code = None if unfinished else job_records.exit_code(root, job.id)
    return State(unfinished, code, progress, shown(_tail(folder / "out.txt").strip()), shown("\n".join(errors)), place)


def stop(job: Job) -> None:
    """Ask it to end as Ctrl-C does: it keeps what it has committed. One that waits never begins."""
    root = job_records.home()
    with job_queue.alone(root):
        job = job_records.read(root, job.id) or job
        if not job.pid:
            job_records.end(root, job.id, job_queue.STOPPED)
        elif job_queue.at_work(root, job):
            processes.interrupt(job.pid, job.process)


def dismiss(job: Job) -> None:
    """Forget a job that has ended."""
    (job_records.home() / job.id / "job.json").unlink(missing_ok=True)


def _unfinished(root: Path, job: Job) -> bool:
    return job_records.exit_code(root, job.id) is None and (not job.pid or job_queue.at_work(root, job))


def _encoders_of(gallery: str) -> list[str]:
    """Specs that the gallery has: whoever filled it chose them."""
    try:
        return [one["spec"] for one in open_gallery(gallery, Settings()).manifest()["encoders"].values()]
    except SemblanceError:
        return []


def _tail(file: Path, size: int = 20_000) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - size))
        return lines.read().decode("utf-8", "replace")
