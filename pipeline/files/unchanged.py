"""What was read of a small file, kept as long as the file is the same: a search asks the same few files again and again."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")

_SETTLED = 2.0  # seconds after which another write gives another time of change, also on a coarse file system


class WhileUnchanged(Generic[Content]):
    """Reads by `read`, once for each state of a file: its inode, its size, and when it was last written and changed.

    What was changed within the last seconds is not kept, because the next change may bear the same time. Callers share
    what they are given: it must not be changed. Threads may share one.
    """

    def __init__(self, read: Callable[[Path], Content], *, files: int = 64) -> None:
        self._read = read
        self._most = files
        self._kept: OrderedDict[Path, tuple[tuple[int, ...], Content]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, file: Path) -> Content:
        """Whatever `read` returns or raises."""
        try:
            about = os.stat(file)
        except OSError:
            return self._read(file)  # which says what is wrong with it, or what it means that there is none
        state = about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns  # a copy may bring an old mtime
        with self._lock:
            kept = self._kept.get(file)
            if kept and kept[0] == state:
                self._kept.move_to_end(file)
                return kept[1]
        content = self._read(file)
        if time.time() - max(about.st_mtime, about.st_ctime) < _SETTLED:
            return content
        with self._lock:
            self._kept[file] = state, content
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return content
