"""The process that opens pictures for `pipeline.images.sandbox`, inside limits that it cannot lift again.

It reads questions from stdin and answers on stdout: lengths, a line of JSON, raw pixels. Nothing is pickled.
"""

from __future__ import annotations

import io
import json
import struct
import sys
from collections.abc import Callable
from typing import IO

from PIL import AvifImagePlugin, Image, ImageColor, ImageFilter

from pipeline.errors import PictureError
from pipeline.images import decoding
from pipeline.records import Picture

QUESTION = struct.Struct(">?I")  # full, bytes that follow
ANSWER = struct.Struct(">I")  # bytes of JSON that follow; the pixels come after it
MEMORY = 800 << 20  # bytes of address space; pictures of the largest size accepted reached 511 MB of it
SECONDS = 10  # of the processor, for one picture

_STRIP = 4_000_000  # pixels sent at a time, so that no second copy of a large picture is made


def main(decode: Callable[..., Picture] = decoding.decode) -> None:
    """Answer until stdin ends."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    _warm_up()
    limit()
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        full, size = QUESTION.unpack(head)
        allow_seconds()
        _answer(answers, decode, questions.read(size), full)
        answers.flush()


def limit(memory: int = MEMORY) -> None:
    """Take from this process what opening a picture does not need. Windows has no such limits, macOS not all."""
    try:
        import resource
    except ImportError:  # Windows
        return
    # No new descriptor: neither a file nor a socket can be opened. No file grows, no memory image is left behind,
    # no thread and no process begins (root, whom that last limit passes over, is not who should run the app).
    for name, most in {"AS": memory, "NOFILE": 0, "FSIZE": 0, "CORE": 0, "NPROC": 0}.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):  # macOS takes no limit of address space
            continue


def allow_seconds() -> None:
    """Of the processor, SECONDS from now on."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _warm_up() -> None:
    """Load what decoders load when first used: later no file can be opened."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    assert ImageColor
    assert ImageFilter
    for kind, mode in [*((kind, "RGB") for kind in decoding.FORMATS), ("PNG", "I;16"), ("TIFF", "LAB"), ("GIF", "P")]:
        buffer = io.BytesIO()
        Image.new(mode, (16, 16)).save(buffer, kind)
        decoding.decode(buffer.getvalue())


def _answer(answers: IO[bytes], decode: Callable[..., Picture], data: bytes, full: bool) -> None:
    try:
        picture = decode(data, full=full)
    except PictureError as error:
        _write_head(answers, {"refused": str(error)})
        return
    image = picture.image
    _write_head(
        answers,
        {
            "size": image.size,
            "width": picture.width,
            "height": picture.height,
            "format": picture.format,
            "frames": picture.frames,
        },
    )
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        answers.write(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())


def _write_head(answers: IO[bytes], head: dict[str, object]) -> None:
    text = json.dumps(head).encode()
    answers.write(ANSWER.pack(len(text)) + text)
