"""Uploads that outlive a load of the page: in memory for a while, and for the browser that brought them alone.

An address names an upload by its content and says nothing to any other browser: `visits.visit` decides.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from app.server import intake, visits
from app.server.pictures import Upload
from pipeline.images.regions import box_text
from pipeline.search.ask import upload_named

MINUTES = 30  # after an upload was last asked with
MAX_EACH = 16  # uploads of one browser; the one used longest ago goes first
_NAMED = 8  # hex digits of the content's id


class KeptUploads:
    """Safe from many threads. limits: bytes of one browser, of all, as `intake.limits` says them."""

    def __init__(self, limits: Callable[[], tuple[int, int]], *, now: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._now = limits, now
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Upload, float]] = OrderedDict()  # by visit and name, until when

    def keep(self, visit: str, upload: Upload) -> None:
        if not visit:
            return
        with self._lock:
            self._kept[visit, upload.id[:_NAMED]] = (upload, self._now() + 60 * MINUTES)
            self._kept.move_to_end((visit, upload.id[:_NAMED]))
            self._make_room(visit)

    def find(self, visit: str, name: str) -> Upload | None:
        with self._lock:
            self._let_go()
            found = self._kept.get((visit, name))
            if not visit or found is None:
                return None
            self._kept[visit, name] = (found[0], self._now() + 60 * MINUTES)
            self._kept.move_to_end((visit, name))
            return found[0]

    def let_go(self) -> None:
        """What nobody has asked for in a while."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        for key, (_, until) in list(self._kept.items()):
            if until <= self._now():
                del self._kept[key]

    def _make_room(self, visit: str) -> None:
        self._let_go()
        one, everybody = self._limits()
        mine = [key for key in self._kept if key[0] == visit]
        while len(mine) > MAX_EACH or self._bytes(mine) > one:
            del self._kept[mine.pop(0)]
        while self._bytes(list(self._kept)) > everybody:
            self._kept.popitem(last=False)

    def _bytes(self, keys: list[tuple[str, str]]) -> int:
        return sum(len(self._kept[key][0].data) for key in keys)


_uploads = KeptUploads(intake.limits)


def keep(upload: Upload) -> None:
    """For the browser of this page's visit."""
    _uploads.keep(visits.visit(), upload)


def named(upload: Upload) -> str:
    """What an address holds of it: the beginning of its content's id, and the part that is asked with."""
    return upload.id[:_NAMED] + (f"@{box_text(upload.box)}" if upload.box else "")


def found(text: str) -> Upload | None:
    """The upload that `named` gave this text for, where this browser brought it lately."""
    name, box = upload_named(text)
    kept = _uploads.find(visits.visit(), name)
    return Upload(kept.data, box, name=kept.name) if kept else None


def let_go_in_time(ended: threading.Event) -> None:
    """Until `ended` is set: what nobody has asked for in a while goes within a minute, also when nobody comes."""
    while not ended.wait(60):
        _uploads.let_go()
