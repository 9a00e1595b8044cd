"""Which files of a dataset have changed since, told as it happens: new pictures at once, all else when it is quiet.

New pictures are brought in by themselves, so that they can be searched within seconds however large the folder is. What was
moved, edited or deleted needs a look at all of it, as an ingest has it: each file is read, none is encoded anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.files.wanted import READABLE
from pipeline.records import Dataset, ImageRecord, Progress, silent

TOGETHER_MS = 400  # changes within so long are one round
QUIET_MS = 2_000  # without a change before all of it is looked at
RETRY_SECONDS = 30.0
MAX_WAIT = 60.0  # seconds that changes may go on before all of it is looked at all the same
Events = Iterator[set[tuple[Any, str]]]


@dataclass(frozen=True)
class Round:
    """new: paths of pictures (POSIX, relative to the root) that were not there; empty = look at all of it."""

    new: tuple[str, ...] = ()


class Only:
    """A dataset's records of some paths."""

    def __init__(self, dataset: Dataset, paths: Sequence[str]) -> None:
        self.root, self._dataset, self._paths = dataset.root, dataset, frozenset(paths)

    def prepare(self, progress: Progress = silent) -> None:
        self._dataset.prepare(progress)

    def records(self) -> Iterator[ImageRecord]:
        return (record for record in self._dataset.records() if record.path in self._paths)


def rounds(
    root: Path,
    known: Callable[[], set[str]],
    *,
    apart: Sequence[Path] = (),
    events: Events | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Round, bool, None]:
    """What to bring in next, all of it first, until Ctrl-C; it is sent whether the round before could be. known: paths that the gallery has.

    apart: folders whose changes are our own. events: as watchfiles tells them, the set empty after QUIET_MS without one;
    None = those of the system. UsageError where watchfiles is not installed.
    """
    base = Path(os.path.realpath(root))
    outside = [Path(os.path.realpath(one)) for one in apart]
    waits, not_before = 0.0, 0.0  # since when all of it waits to be looked at (0: it does not), and until when at least
    events = events or _events(base)
    next(events, None)  # from here on nothing is missed, and what was before is looked at now
    yield Round()
    for changes in events:
        now = clock()
        paths = {Path(path) for _, path in changes}
        paths = {one for one in paths if not any(one.is_relative_to(other) for other in outside)}
        paths = {one for one in paths if not any(part.startswith(".") for part in one.relative_to(base).parts)}
        pictures = {one for one in paths if one.suffix.lower().removeprefix(".") in READABLE and one.is_file()}
        named = {one.relative_to(base).as_posix() for one in pictures}
        new = named - known() if named else set()
        if paths - pictures or named - new:
            waits = waits or now
        if new:
            done = yield Round(tuple(sorted(new)))
            if not done or new - known():  # half written, or refused
                waits = waits or now
        elif waits and now >= not_before and (not changes or now - waits > MAX_WAIT):
            waits = 0.0
            if not (yield Round()):
                waits, not_before = now, now + RETRY_SECONDS


def _events(root: Path) -> Events:
    try:
        import watchfiles
    except ImportError:
        raise UsageError(
            "--watch needs the package watchfiles, which is not installed: pip install 'watchfiles>=1.1,<2'"
        ) from None
    return watchfiles.watch(
        root, debounce=TOGETHER_MS, step=100, rust_timeout=QUIET_MS, yield_on_timeout=True, watch_filter=None,
        ignore_permission_denied=True,
    )  # fmt: skip
