"""Work on chunks in threads, results in order, a bounded number ahead; and how many threads torch may take."""

from __future__ import annotations

import collections
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pipeline import ctrl_c

AHEAD = 8  # chunks a thread may be ahead of the reader: what keeps it busy while the reader commits a part

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Result], *, chunk: int, workers: int = 0
) -> Iterator[Result]:
    """work(chunk of items) for all chunks, in order. workers: threads; 0 = one a core.

    Leaving the iteration early (an error, Ctrl-C) cancels what has not begun. A first Ctrl-C is raised between two
    chunks, so what the reader does with one is done whole.
    """
    threads = workers or os.cpu_count() or 1
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # our threads already fill the cores; torch's own would fight with them
    pending: collections.deque[Future[Result]] = collections.deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
    starts = iter(range(0, len(items), chunk))
    with ctrl_c.noted() as stopped:
        try:
            while True:
                for start in itertools.islice(starts, AHEAD * threads - len(pending)):
                    pending.append(pool.submit(work, items[start : start + chunk]))
                if not pending:
                    return
                yield pending.popleft().result()
                if stopped():
                    raise KeyboardInterrupt
        finally:
            pool.shutdown(cancel_futures=True)


def leave_cores_free() -> None:
    """For a single picture: torch takes half the cores. Call it in the thread that encodes.

    Where a server, Milvus Lite and a browser share the machine, torch with all cores waits for the one of its threads
    that has none, and spins meanwhile: 3 pictures a second instead of 30 on two busy cores (benchmarks.ingest, d).
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
