"""Jobs as they lie on disk, a folder each: whatever app process looks, it sees the same ones in the same order."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.files import atomic
from pipeline.settings import current

KEPT = 200  # folders; the oldest make room
_STAMP = "%Y%m%d-%H%M%S"
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True)
class Job:
    """One child process and its folder `home/jobs/ID/`. Ids sort as the jobs were asked for."""

    id: str
    title: str
    gallery: str
    command: tuple[str, ...]  # after `python -m`
    started: float  # when it was asked for
    pid: int  # 0 while it waits
    process: str = ""  # its `processes.identity`; jobs of an older app have none and are taken for ended
    visitor: str = ""  # who asked, `quotas.visitor`


def home() -> Path:
    return current().home / "jobs"


def new_id(root: Path) -> str:
    """Later in order than every other, also when the clock has jumped back."""
    stamp = time.strftime(_STAMP)
    last = max((folder.name for folder in _folders(root)), default="")[: len(stamp)]
    if stamp <= last:
        with contextlib.suppress(ValueError, OverflowError):  # no folder of ours
            stamp = time.strftime(_STAMP, time.localtime(time.mktime(time.strptime(last, _STAMP)) + 1))
    return f"{stamp}-{uuid.uuid4().hex[:6]}"


def is_id(text: str) -> bool:
    """Whether `new_id` could have given it; nothing else may become a path."""
    return _ID.fullmatch(text) is not None


def write(root: Path, job: Job) -> None:
    (root / job.id).mkdir(parents=True, exist_ok=True)
    atomic.write_json(root / job.id / "job.json", asdict(job))


def read(root: Path, job_id: str) -> Job | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads((root / job_id / "job.json").read_text(encoding="utf-8"))
        return Job(**facts | {"command": tuple(facts["command"])})
    return None


def newest(root: Path, limit: int) -> Iterator[Job]:
    """The last first, those that were dismissed left out."""
    for folder in _folders(root)[-1 : -limit - 1 : -1]:
        if job := read(root, folder.name):
            yield job


def unfinished(root: Path) -> list[Job]:
    """Those whose end is not written, the one asked for first in front: at work, waiting, or lost with their app."""
    names = [folder.name for folder in _folders(root) if not (folder / "exit.txt").exists()]
    return [job for name in names if (job := read(root, name))]


def exit_code(root: Path, job_id: str) -> int | None:
    """None while it is not written, and for ever when the app that had started it ended before it."""
    with contextlib.suppress(OSError, ValueError):
        return int((root / job_id / "exit.txt").read_text())
    return None


def end(root: Path, job_id: str, code: int) -> None:
    with contextlib.suppress(OSError):  # the home was taken away
        (root / job_id / "exit.txt").write_text(str(code))


def explain(root: Path, job_id: str, sentence: str) -> None:
    """The last line of what it said, which is shown when it did not end well."""
    with contextlib.suppress(OSError), (root / job_id / "err.txt").open("a", encoding="utf-8") as errors:
        errors.write(f"\n{sentence}\n")


def prune(root: Path, spared: Collection[str]) -> None:
    for folder in _folders(root)[:-KEPT]:
        if folder.name not in spared:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(root: Path) -> list[Path]:
    """The oldest first."""
    try:
        return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
