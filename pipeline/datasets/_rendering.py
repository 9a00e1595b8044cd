"""What rendered datasets share: a folder for each set of options, and work in processes that end with their parent."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

from pipeline.errors import UsageError
from pipeline.settings import Settings

Task = TypeVar("Task", bound=Hashable)
Result = TypeVar("Result")


def check_ranges(name: str, **ranges: tuple[float, float, float]) -> None:
    """UsageError for an option whose (value, lowest, highest) are not in order."""
    for option, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise UsageError(f"{name}: {option}={value} is out of range; choose from {low} to {high}")


def folder_of(root: str, name: str, options: str) -> Path:
    """Where what these options give is rendered to: below root, or the cache."""
    parent = Path(root).expanduser() if root else Settings().cache
    return parent.absolute() / f"{name}-{hashlib.sha256(options.encode()).hexdigest()[:10]}"


def is_there(path: Path) -> bool:
    """Whether a file is rendered. A power cut may leave a renamed file without its bytes."""
    with contextlib.suppress(OSError):
        return path.stat().st_size > 0
    return False


def worthwhile(pixels: int) -> int:
    """How many processes to render so many pixels in; 1 when starting them takes longer than the work."""
    return min(os.cpu_count() or 1, 8) if pixels > 60 * 128**2 else 1


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], *, processes: int
) -> Generator[Result, None, None]:
    """Results as they come. A process that cannot start or is killed for memory: the rest is done in this one."""
    left = dict.fromkeys(tasks)
    if processes > 1 and len(tasks) > 1:
        with contextlib.suppress(BrokenProcessPool):
            pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_follow_parent)
            try:
                futures = {pool.submit(work, task): task for task in tasks}
                for future in as_completed(futures):
                    result = future.result()
                    del left[futures[future]]
                    yield result
            finally:
                pool.shutdown(cancel_futures=True)
    for task in left:
        yield work(task)


def _follow_parent() -> None:
    """In a child: leave Ctrl-C to the parent, and end when the parent is gone, even if it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
