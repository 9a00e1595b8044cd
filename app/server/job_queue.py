"""Who works and who waits: one job at a time, two where the cores allow, none with more memory than its share.

What is to be done lies on disk (job_records), so whichever app process of this home runs goes on with it. While a job
works or waits, a thread looks four times a second: it starts the next one and ends one that holds too much.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from app.server import job_records, memory, processes
from app.server.job_records import Job
from pipeline import ROOT, logs
from pipeline.settings import Settings

STEP_SECONDS = 0.25
CORES_FOR_TWO = 4
SHARE = 0.5  # of the memory, for all jobs together: the app, its visitors' pictures and Milvus have the rest
KILLED, STOPPED = 137, 130  # exit codes, as a shell says them

_children: dict[tuple[Path, str], subprocess.Popen[bytes]] = {}
_keepers: dict[Path, threading.Thread] = {}
_lock = threading.Lock()


def places() -> int:
    """How many jobs may work at a time."""
    return Settings().jobs or (2 if (os.cpu_count() or 1) >= CORES_FOR_TWO else 1)


def memory_limit() -> int:
    """Bytes that one job and its children may hold."""
    return int(Settings().job_memory * 2**30) or int(SHARE * memory.total() / places())


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """While no other app process or visitor changes who works and who waits."""
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock", timeout=30):
        yield


def at_work(root: Path, job: Job) -> bool:
    """Whether its process runs. How our own child ended is written down then."""
    with _lock:  # so that nobody who sees it gone finds its end not written
        if child := _children.get((root, job.id)):
            if (code := child.poll()) is not None:
                del _children[root, job.id]
                _note_end(root, job, code)
            return code is None
    # The app was restarted meanwhile, or it is another app's: how it ends cannot be known here.
    return bool(job.process) and processes.identity(job.pid) == job.process


def waiting(root: Path) -> list[str]:
    """Ids of those that were not begun, in their order."""
    return [job.id for job in job_records.unfinished(root) if not job.pid]


def advance(root: Path) -> bool:
    """Begin what has its turn, end what holds too much. Inside `alone`. False when nothing works and nothing waits."""
    unfinished = job_records.unfinished(root)
    working = [job for job in unfinished if job.pid and at_work(root, job)]
    for job in working:
        _hold(root, job)
    queue = [job for job in unfinished if not job.pid]
    for job in queue:
        if len(working) >= places():
            break
        if not job.gallery or job.gallery not in {one.gallery for one in working}:  # one writer a gallery
            working += _begin(root, job)
    return bool(working or queue)


def keep(root: Path) -> None:
    """Go on by itself until nothing works and nothing waits."""
    with _lock:
        if root not in _keepers:
            _keepers[root] = threading.Thread(target=_keep, args=(root,), name="jobs", daemon=True)
            _keepers[root].start()


def _keep(root: Path) -> None:
    pause = threading.Event()
    while not pause.wait(STEP_SECONDS):
        try:
            with alone(root) if root.is_dir() else contextlib.nullcontext():
                busy = advance(root)
        except OSError as error:  # a full disk; Timeout of the lock
            logs.trouble("jobs wait", reason=str(error))
            busy = root.is_dir()
        with _lock:
            if not busy and not waiting(root):  # one may have come since
                del _keepers[root]
                return


def _begin(root: Path, job: Job) -> list[Job]:
    """The job as it is at work; none when no process could be begun."""
    folder = root / job.id
    environment = os.environ | {"SEMBLANCE_HOME": str(root.parent.absolute()), "PYTHONUNBUFFERED": "1"}
    try:
        with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
            child = subprocess.Popen(
                [sys.executable, "-m", *job.command, "--progress", "json"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        job_records.explain(root, job.id, f"error: no process could be begun ({error.strerror}); try again later")
        job_records.end(root, job.id, 1)
        return []
    with contextlib.suppress(OSError):  # when memory runs out all the same, the system ends a job and not the app
        Path(f"/proc/{child.pid}/oom_score_adj").write_text("1000")
    with _lock:
        _children[root, job.id] = child
    begun = replace(job, pid=child.pid, process=processes.identity(child.pid))
    job_records.write(root, begun)
    logs.event("job", job=job.id, title=job.title, gallery=job.gallery)
    return [begun]


def _hold(root: Path, job: Job) -> None:
    """End it when it holds more than its share. What it has committed stays, as after any kill."""
    limit = memory_limit()
    if memory.held_at_most(job.pid) <= limit or (held := memory.held(job.pid)) <= limit:
        return
    for pid in memory.members(job.pid):
        processes.kill(pid, processes.identity(pid))
    logs.trouble("job ended for its memory", job=job.id, held=held, limit=limit)
    job_records.explain(
        root,
        job.id,
        f"error: ended because it held {held / 2**30:.1f} GB of memory and a job may hold {limit / 2**30:.1f} GB here; take "
        "a smaller encoder or fewer pictures, or have SEMBLANCE_JOB_MEMORY raised. What was committed is kept",
    )
    job_records.end(root, job.id, KILLED)
    with _lock:
        child = _children.pop((root, job.id), None)
    if child:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)  # its memory is free before the next one begins


def _note_end(root: Path, job: Job, code: int) -> None:
    if job_records.exit_code(root, job.id) is not None:
        return  # `_hold` has said why
    if code == -signal.SIGKILL:
        job_records.explain(
            root,
            job.id,
            "error: the system ended it, most likely because memory ran out; take a smaller encoder or fewer pictures, or "
            "run it when less else is at work. What was committed is kept",
        )
    job_records.end(root, job.id, code if code >= 0 else 128 - code)
    logs.event("job ended", job=job.id, exit_code=code)
