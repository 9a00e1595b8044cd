"""The process that reads one film for `reading.frames`, inside limits that it cannot lift again.

The film is its stdin, opened by who started it; on stdout it answers with lengths, lines of JSON and raw pixels. Nothing
is pickled.
"""

from __future__ import annotations

import io
import json
import struct
import sys
from typing import IO, Any

from pipeline.errors import PictureError
from pipeline.films import decoding
from pipeline.images import sandbox_worker

HEAD = struct.Struct(">I")  # bytes of JSON that follow; the pixels come after it
MEMORY = 4 << 30  # bytes of address space: a film of 8K keeps some twenty pictures to refer to


def main() -> None:
    """Options come as JSON: per_second, shots."""
    options = json.loads(sys.argv[2])
    film, answers = open(0, "rb", buffering=1 << 20), sys.stdout.buffer  # noqa: SIM115  # stdin, which can be sought in
    warm_up()
    sandbox_worker.limit(memory=MEMORY)
    try:
        for one in decoding.frames(film, **options):
            sandbox_worker.allow_seconds()
            if isinstance(one, decoding.Passed):
                _tell(answers, {"passed": one.seconds, "of": one.of})
                continue
            about = {"seconds": one.seconds, "detail": one.detail, "number": one.number, "size": one.image.size}
            _tell(answers, about, one.image.tobytes())
        _tell(answers, {"end": True})
    except PictureError as error:
        _tell(answers, {"refused": str(error)})


def warm_up() -> None:
    """Load what is loaded when first used: later no file can be opened."""
    import av
    import av.subtitles.codeccontext
    import numpy as np

    film = io.BytesIO()
    with av.open(film, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=5, width=16, height=16, pix_fmt="yuv420p")
        for shade in range(2):
            picture = np.random.default_rng(shade).integers(0, 255, (16, 16, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))
    for shots in (False, True):
        film.seek(0)
        assert list(decoding.frames(film, per_second=1, shots=shots))


def _tell(answers: IO[bytes], about: dict[str, Any], pixels: bytes = b"") -> None:
    text = json.dumps(about).encode()
    answers.write(HEAD.pack(len(text)) + text)
    answers.write(pixels)
    answers.flush()
