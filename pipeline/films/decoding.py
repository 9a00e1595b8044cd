"""A film's bytes to the sharpest upright frame of each stretch of time or of each shot, in this process.

Callers use `reading.frames`, which has it done in a process of few rights: films/worker.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Any

import numpy as np
from PIL import Image

from pipeline.errors import PictureError, display_name
from pipeline.features import alignment
from pipeline.images.decoding import MAX_SIDE, MIN_SIDE

SIDE = 1280  # pixels of a kept frame's longer side, at most
MAX_PIXELS = 36_000_000  # of the film's own picture: 8K has 33 million
MAX_HOURS = 12
CANDIDATES = 5  # frames looked at in each stretch, to choose the sharpest
LONGEST_SHOT = 10.0  # seconds of a shot after which it gives one more frame
_LOOK = 256  # pixels of the longer side of what frames are judged by
_SMALL = (32, 18)
_OTHER_COLOURS, _SOME_COLOURS = 0.4, 0.15  # share of the pixels whose colours are others
_SUDDEN, _LEAST = 3.0, 12.0  # times what it was lately; grey levels that this needs
_BROKEN = 0.02  # share of a film's packets that may be damaged
_SHORT = 0.9  # share of what its header promises that must be there
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,h264,hevc,m4v"
REMEDY = "export it again as MP4 (H.264)"


@dataclass(frozen=True)
class Frame:
    """A frame as it is seen. seconds: since the film's beginning. detail: how sharp it is, near 0 when blurred."""

    image: Image.Image = field(repr=False)
    seconds: float
    detail: float
    number: int  # of its stretch of time, or of its shot, from 0


@dataclass(frozen=True)
class Passed:
    """How far the film has been read."""

    seconds: float
    of: float  # 0 = unknown


def frames(film: IO[bytes], *, per_second: float, shots: bool) -> Iterator[Frame | Passed]:
    """film: seekable. PictureError, at any time until the end, for one that is damaged, cut short or without a picture."""
    import av

    try:
        with av.open(
            film,
            metadata_errors="replace",
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"},
        ) as container:
            yield from _Film(container).chosen(per_second, shots)
    except PictureError:
        raise
    except av.error.DecoderNotFoundError:
        raise PictureError(f"the film's pictures are coded in a way that cannot be read here; {REMEDY}") from None
    except MemoryError:
        raise PictureError(f"opening it needs more memory than there is; {REMEDY} and smaller") from None
    # Readers meet a damaged file with almost any exception, as those of pictures do.
    except Exception as error:
        raise _damaged(getattr(error, "strerror", "") or str(error) or type(error).__name__) from error


class _Film:
    def __init__(self, container: Any) -> None:
        streams = [one for one in container.streams.video if not _is_cover(one)]
        if not streams:
            sound = ", only sound" if container.streams.audio else ""
            raise PictureError(f"there is no moving picture in this file{sound}; leave it out")
        self.container, self.stream = container, streams[0]
        if self.stream.codec_context is None:
            raise PictureError(f"the film's pictures are coded in a way that cannot be read here; {REMEDY}")
        self.stream.codec_context.thread_count = 1  # the process may start none
        _check_size(self.stream.codec_context.width, self.stream.codec_context.height)
        self.length = container.duration / 1e6 if container.duration else 0.0
        if self.length > MAX_HOURS * 3600:
            raise PictureError(
                f"the film claims to have {self.length / 3600:,.0f} hours and at most {MAX_HOURS} are read"
            )
        self.start = container.start_time / 1e6 if container.start_time else 0.0
        self.rate = float(self.stream.average_rate or self.stream.guessed_rate or 25)
        self.packets = self.broken = 0
        self.reached = 0.0  # seconds, by what the packets say

    def chosen(self, per_second: float, shots: bool) -> Iterator[Frame | Passed]:
        stretch = _Stretch(self)
        apart = 0.4 if shots else 1 / per_second / CANDIDATES
        last, due, cuts, number = -1.0, -math.inf, _Cuts(), -1
        told = 0.0
        for seconds, frame in self._decoded():
            last = max(last, seconds)
            if shots:
                cut = cuts.seen(_small(frame)) or seconds >= stretch.begun + LONGEST_SHOT
                here = number + 1 if cut or number < 0 else number
            else:
                here = math.floor(seconds * per_second + 1e-6)
            if here != number:
                yield from stretch.best(number)
                number, due = here, -math.inf
                stretch.begin(seconds)
            if seconds >= due:
                stretch.offer(seconds, frame)
                due = seconds + min(apart, 1.0) - 1e-6
            if seconds - told >= 1:
                told = seconds
                yield Passed(seconds, self.length)
        yield from stretch.best(number)
        self._check_end(last)

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        """(seconds since the film's beginning, frame) in the order they are seen."""
        import av

        count = 0
        try:
            for packet in self.container.demux():  # of sound too: how far the file goes on
                if packet.pts is not None:
                    self.reached = max(self.reached, float(packet.pts * packet.time_base) - self.start)
                if packet.stream.index != self.stream.index:
                    continue
                self.packets += packet.size > 0
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    self.broken += 1
                    continue
                for frame in decoded:
                    _check_size(frame.width, frame.height)
                    seconds = count / self.rate if frame.time is None else float(frame.time) - self.start
                    count += 1
                    yield max(seconds, 0.0), frame
        except (av.error.InvalidDataError, av.error.EOFError, OSError):
            self.broken += 1 + self.packets  # it cannot be read on from here

    def _check_end(self, last: float) -> None:
        if last < 0:
            raise _damaged("no frame of it can be read")
        own = float(self.stream.duration * self.stream.time_base) if self.stream.duration else 0.0
        reached, length = (last, own) if own else (max(last, self.reached), self.length)
        if reached + 1 < _SHORT * length:
            raise _damaged(f"it ends at {clock(reached)} of {clock(length)}")
        if self.broken > self.packets:
            raise _damaged(f"it cannot be read on from {clock(last)}")
        if self.broken > max(2, _BROKEN * self.packets):
            raise _damaged(f"{self.broken:,} of its {self.packets:,} packets")


class _Stretch:
    """The sharpest frame offered since it began."""

    def __init__(self, film: _Film) -> None:
        self.begun = 0.0
        self._film = film
        self._best: tuple[float, float, Any] | None = None

    def begin(self, seconds: float) -> None:
        self.begun, self._best = seconds, None

    def offer(self, seconds: float, frame: Any) -> None:
        detail = detail_of(Image.fromarray(_pixels(frame, _LOOK, "gray")))
        if self._best is None or detail > self._best[0]:
            self._best = detail, seconds, frame

    def best(self, number: int) -> Iterator[Frame]:
        if self._best is not None:
            detail, seconds, frame = self._best
            yield Frame(Image.fromarray(_upright(frame, self._film.stream)), round(seconds, 3), detail, number)


class _Cuts:
    """Where a shot ends: a frame of other colours than the one before, or that differs from it as none did lately."""

    def __init__(self) -> None:
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._lately: float | None = None

    def seen(self, small: np.ndarray) -> bool:
        """small: (height, width, 3) uint8."""
        levels = np.bincount((small >> 6).astype(np.int64).reshape(-1, 3) @ (16, 4, 1), minlength=64)
        now = small.astype(np.float32), levels / levels.sum()
        before, self._before = self._before, now
        if before is None:
            return False
        changed = float(np.abs(now[0] - before[0]).mean())
        colours = float(np.abs(now[1] - before[1]).sum() / 2)
        sudden = self._lately is not None and changed >= max(_LEAST, _SUDDEN * self._lately)
        if colours >= _OTHER_COLOURS or (sudden and colours >= _SOME_COLOURS):
            self._lately = None
            return True
        self._lately = changed if self._lately is None else 0.8 * self._lately + 0.2 * changed
        return False


def detail_of(grey: Image.Image) -> float:
    """Sharpness as a share of contrast, so that a dark scene counts as a bright one does; 0 for one shade."""
    spread = float(np.asarray(grey, np.float32).var())
    return 0.0 if spread < alignment.FLAT**2 else alignment.sharpness(grey) / spread


def clock(seconds: float) -> str:
    """`0:12`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _pixels(frame: Any, side: int, kind: str) -> np.ndarray:
    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = (max(MIN_SIDE, 2 * round(length * scale / 2)) for length in (frame.width, frame.height))
    array: np.ndarray = frame.reformat(width, height, kind, interpolation="AREA", threads=1).to_ndarray()
    return array


def _small(frame: Any) -> np.ndarray:
    small: np.ndarray = frame.reformat(*_SMALL, "rgb24", interpolation="AREA", threads=1).to_ndarray()
    return small


def _upright(frame: Any, stream: Any) -> np.ndarray:
    """(height, width, 3) uint8, its pixels square, turned as the film says."""
    aspect = float(stream.sample_aspect_ratio or Fraction(1))
    width, height = float(frame.width), float(frame.height)
    if 0.2 < aspect < 5:
        width, height = (width * aspect, height) if aspect > 1 else (width, height / aspect)
    scale = min(1.0, SIDE / max(width, height))
    size = [max(MIN_SIDE, round(length * scale)) for length in (width, height)]
    seen = frame.reformat(*size, "rgb24", interpolation="AREA", threads=1).to_ndarray()
    return np.ascontiguousarray(np.rot90(seen, round(float(frame.rotation) / 90) % 4))


def _is_cover(stream: Any) -> bool:
    return "attached_pic" in str(stream.disposition)


def _check_size(width: int, height: int) -> None:
    if width and height and min(width, height) < MIN_SIDE:
        raise PictureError(f"the film's picture is {width} × {height} px and each side needs at least {MIN_SIDE}")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise PictureError(
            f"the film's picture is {width:,} × {height:,} px and at most {MAX_PIXELS / 1e6:.0f} megapixels are read; {REMEDY} "
            "and smaller"
        )


def _damaged(detail: str) -> PictureError:
    return PictureError(f"the film is damaged or cut short ({display_name(detail)[:120]}); copy it again, or {REMEDY}")
