"""The real app, which writes down how often it opens a large picture and encodes: python -m benchmarks.counted_app PORT FILE.

FILE gets a line for each: `decode 0.61` when Pillow decodes a picture of LARGE pixels or more, `encode 0.02` when a
gallery's encoder is asked, with the seconds that took. Both are counted where they happen, below all caches, so a count
says what was computed whatever the app is built of. Not for an exposed app, which decodes in another process.
"""

from __future__ import annotations

import functools
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL.ImageFile import ImageFile

LARGE = 10_000_000  # pixels: an upload of the benchmark, never a picture of its gallery


def counting(file: Path) -> None:
    """From now on this process writes to the file."""
    from pipeline import plugins

    def timed(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                with file.open("a") as lines:
                    lines.write(f"{kind} {time.perf_counter() - begun:.3f}\n")

        return wrapped

    load, build = ImageFile.load, plugins.build
    decode = timed("decode", load)

    def loaded(self: ImageFile) -> Any:
        # what is loaded already has no tiles left
        return (decode if self.tile and self.width * self.height >= LARGE else load)(self)

    def built(kind: str, spec: str, **given: Any) -> Any:
        made = build(kind, spec, **given)
        if kind == "encoders":
            object.__setattr__(made, "encode", timed("encode", made.encode))
        return made

    ImageFile.load = loaded
    plugins.build = built


if __name__ == "__main__":
    port, file = sys.argv[1:]
    counting(Path(file))
    words = ["--server.port", port, "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    sys.argv = ["streamlit", "run", "streamlit_app.py", *words]
    runpy.run_module("streamlit", run_name="__main__")
