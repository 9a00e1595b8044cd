"""Work on chunks in threads, results in order, a bounded number ahead."""

from __future__ import annotations

import collections
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 8  # chunks a thread may be ahead of the reader: what keeps it busy while the reader commits a part

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 8  # chunks begun or waiting for each thread: work goes on while the caller writes what it was given


def in_order(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Result], *, chunk: int, workers: int = 0
) -> Iterator[Result]:
    """work(chunk of items) for all chunks, in order. workers: threads; 0 = one a core.

    Leaving the iteration early (an error, Ctrl-C) cancels what has not begun.
    """
    threads = workers or os.cpu_count() or 1
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # our threads already fill the cores; torch's own would fight with them
    pending: collections.deque[Future[Result]] = collections.deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
    try:
        for start in range(0, len(items), chunk):
            pending.append(pool.submit(work, items[start : start + chunk]))
            if len(pending) > AHEAD * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
