"""Long work as child processes `python -m …`: progress from their JSON lines, stop = SIGINT, found again on reload."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.server import exposure, processes
from app.server.exposure import shown
from pipeline import ROOT, logs
from pipeline.errors import SemblanceError
from pipeline.files import atomic
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

_children: dict[str, subprocess.Popen[bytes]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Job:
    """One child process and its folder `home/jobs/ID/`."""

    id: str
    title: str
    gallery: str
    command: tuple[str, ...]  # after `python -m`
    started: float
    pid: int
    process: str = ""  # its `processes.identity`; jobs of an older app have none and are taken for ended


@dataclass(frozen=True)
class State:
    """What a page shows. progress: the last {stage, done, total, rate, seconds_left}; exit_code: None while running."""

    running: bool
    exit_code: int | None
    progress: dict[str, Any]
    output: str
    errors: str


def start(command: Sequence[str], *, title: str, gallery: str = "") -> Job:
    """Run `python -m command… --progress json` in a process group of its own. UsageError for an encoder not open to visitors."""
    exposure.check_encoders(command, _encoders_of(gallery))
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder = _folder() / name
    folder.mkdir(parents=True)
    environment = os.environ | {"SEMBLANCE_HOME": str(Settings().home.absolute()), "PYTHONUNBUFFERED": "1"}
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        child = subprocess.Popen(
            [sys.executable, "-m", *command, "--progress", "json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
    job = Job(name, title, gallery, tuple(command), time.time(), child.pid, processes.identity(child.pid))
    with _lock:
        _children[name] = child
    atomic.write_json(folder / "job.json", asdict(job))
    logs.event("job", job=name, title=title, gallery=gallery)
    return job


def recent(limit: int = 5) -> list[Job]:
    """The newest jobs first, running ones before all others."""
    found = []
    for file in sorted(_folder().glob("*/job.json"), reverse=True)[:50]:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            facts = json.loads(file.read_text(encoding="utf-8"))
            found.append(Job(**facts | {"command": tuple(facts["command"])}))
    return sorted(found, key=lambda job: not state(job).running)[:limit]


def running(*words: str, gallery: str = "", about: str = "") -> bool:
    """Whether a job is at work whose command begins with these words; of this gallery, and with `about` in its command."""
    return any(
        job.command[: len(words)] == words
        and gallery in ("", job.gallery)
        and (not about or about in job.command)
        and state(job).running
        for job in recent(50)
    )


def state(job: Job) -> State:
    folder = _folder() / job.id
    running, code = _alive(job)
    progress: dict[str, Any] = {}
    errors = []
    for line in _tail(folder / "err.txt").splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                progress = json.loads(line)
        elif line.strip():
            errors.append(line)
    return State(running, code, progress, shown(_tail(folder / "out.txt").strip()), shown("\n".join(errors)))


def stop(job: Job) -> None:
    """Ask it to end as Ctrl-C does: it keeps what it has committed."""
    if _alive(job)[0]:
        processes.interrupt(job.pid, job.process)


def dismiss(job: Job) -> None:
    """Forget a job that has ended."""
    folder = _folder() / job.id
    (folder / "job.json").unlink(missing_ok=True)


def _alive(job: Job) -> tuple[bool, int | None]:
    ended = _folder() / job.id / "exit.txt"
    with _lock:
        child = _children.get(job.id)
    if child is not None:
        code = child.poll()
        if code is not None and not ended.exists():
            ended.write_text(str(code))
            logs.event("job ended", job=job.id, exit_code=code)
        return code is None, code
    if ended.exists():
        return False, int(ended.read_text())
    # The app was restarted meanwhile: the process is no child of ours, and how it ended cannot be known.
    return bool(job.process) and processes.identity(job.pid) == job.process, None


def _encoders_of(gallery: str) -> list[str]:
    """Specs that the gallery has: whoever filled it chose them."""
    try:
        return [one["spec"] for one in open_gallery(gallery, Settings()).manifest()["encoders"].values()]
    except SemblanceError:
        return []


def _folder() -> Path:
    return Settings().home / "jobs"


def _tail(file: Path, size: int = 20_000) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - size))
        return lines.read().decode("utf-8", "replace")
