"""Work spread over processes that end with their parent; one that breaks loses no work."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

Task = TypeVar("Task", bound=Hashable)
Result = TypeVar("Result")


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
