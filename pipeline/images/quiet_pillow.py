"""Pillow's warnings, muted in the one thread that opens a picture."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

_this_thread = threading.local()


class _QuietWarnings:
    """Stands for the module `warnings` inside Pillow's decoders: mute in a thread that is in `quiet_pillow`.

    Pillow warns about harmless oddities (a bad EXIF tag, a strange APNG). Whether that prints, raises or does nothing
    depends on filters that the whole process shares and that no thread may swap; so it is decided here, by thread.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)

    def warn(self, message: Any, category: Any = None, stacklevel: int = 1, **options: Any) -> None:
        if not getattr(_this_thread, "quiet", False):
            warnings.warn(message, category, stacklevel + 1, **options)


for _module in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    vars(_module).update(warnings=_QuietWarnings())


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Inside, Pillow's decoders warn of nothing in this thread."""
    _this_thread.quiet = True
    try:
        yield
    finally:
        _this_thread.quiet = False
