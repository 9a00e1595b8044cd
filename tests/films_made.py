"""Small films, written by PyAV itself: pans over photos, and what goes wrong with files."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

Shown = Callable[[float], Image.Image]
SIZE = (320, 180)


def pan(photo: Image.Image, seconds: float) -> Shown:
    """From the left end of the photo to the right."""
    tall = photo.convert("RGB").resize((2 * SIZE[0], 2 * SIZE[1]))

    def shown(at: float) -> Image.Image:
        left = round((tall.width - SIZE[0]) * at / seconds)
        return tall.crop((left, 60, left + SIZE[0], 60 + SIZE[1]))

    return shown


def still(photo: Image.Image) -> Shown:
    """The middle of the photo, as wide as the film."""
    whole = photo.convert("RGB").resize(SIZE)
    return lambda at: whole


def blurred(photo: Image.Image) -> Shown:
    soft = photo.convert("RGB").resize(SIZE).filter(ImageFilter.GaussianBlur(14))
    return lambda at: soft


def film(
    path: Path,
    scenes: Sequence[tuple[float, Shown]],
    *,
    rate: int = 10,
    codec: str = "libx264",
    times: Sequence[float] | None = None,
    sound: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Scenes, each for some seconds, one after another. times: of the frames, in place of the rate's."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, options={"preset": "ultrafast"} if codec == "libx264" else {})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        voice = out.add_stream("aac", rate=16_000) if sound else None
        first = True
        for number, (at, image) in enumerate(_frames(scenes, rate)):
            if first:
                stream.width, stream.height = image.size
                first = False
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = round(1000 * (times[number] if times else at)), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice is not None:
            _speak(out, voice, sum(seconds for seconds, _ in scenes))
    return path


def sound_alone(path: Path, seconds: float = 1.0) -> Path:
    import av

    with av.open(str(path), "w") as out:
        _speak(out, out.add_stream("aac", rate=16_000), seconds)
    return path


def turned(path: Path, source: Path) -> Path:
    """The film with a header that says: turn me a quarter clockwise, as a telephone's held upright."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4
    at += 52 if data[at] else 40  # version 1 has longer times; the matrix follows
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def _frames(scenes: Sequence[tuple[float, Shown]], rate: int) -> Iterator[tuple[float, Image.Image]]:
    begun = 0.0
    for seconds, shown in scenes:
        for number in range(round(seconds * rate)):
            yield begun + number / rate, shown(number / rate)
        begun += seconds


def _speak(out: object, stream: object, seconds: float) -> None:
    import av

    samples = (8_000 * np.sin(np.arange(int(16_000 * seconds)) / 8)).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts = 16_000, 0
    for one in (frame, None):
        for packet in stream.encode(one):  # type: ignore[attr-defined]
            out.mux(packet)  # type: ignore[attr-defined]
