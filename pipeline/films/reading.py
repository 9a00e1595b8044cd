"""The frames of a film that are worth a search: read in a process of few rights, blurred and repeated ones left out.

What comes back from that process is numbers, text and pixels, each checked here, as for pictures (images/sandbox.py).
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from pipeline import ROOT
from pipeline.errors import PictureError
from pipeline.features import alignment, evidence
from pipeline.films.decoding import REMEDY, SIDE, Frame, Passed
from pipeline.films.worker import HEAD
from pipeline.images.sandbox import environment, exactly, head_of

SILENCE = 120.0  # seconds without a word, after which a film is given up; its share of a busy machine may be small
BLURRED = 0.006  # Frame.detail below which nothing in it is sharp; photos of clothes have 0.05 and more
_LESS = 0.2  # of the sharpest of its neighbours: a blurred one among sharp ones, where it has less than _SOFT
_SOFT = 0.03
_BESIDE = 3  # neighbours on each side
_LIKELY = 0.9  # coarse agreement of frames that may be one view
_START = "import sys; sys.path += sys.argv[1].split('|'); from pipeline.films.worker import main; main()"
LEFT_OUT = {"plain": "of one shade", "blurred": "blurred", "repeated": "that repeat the one before"}


class NotRead(PictureError):
    """Of a film that may be whole: another time it may be read."""


def not_read(error: OSError) -> NotRead:
    return NotRead(f"the film cannot be read ({error.strerror or error}); check its permissions and the disk")


def frames(film: Path, *, per_second: float, shots: bool, left_out: Counter[str]) -> Iterator[Frame | Passed]:
    """The frames worth keeping, in order, and now and then how far it is.

    left_out: counts the others by LEFT_OUT. PictureError, at any time until the end, for a film that cannot be read whole.
    """
    yield from without_repeats(without_blurred(_read(film, per_second, shots), left_out), left_out)


def without_blurred(coming: Iterator[Frame | Passed], left_out: Counter[str]) -> Iterator[Frame | Passed]:
    """Frames of one shade and blurred ones left out: those without a sharp detail, and those far softer than their neighbours."""
    window: collections.deque[Frame] = collections.deque()  # at most 2 * _BESIDE + 1; those before `at` are judged
    at = 0

    def judged(frame: Frame) -> Iterator[Frame]:
        best = max(one.detail for one in window)
        if frame.detail == 0:
            left_out["plain"] += 1
        elif frame.detail < BLURRED or (frame.detail < _SOFT and frame.detail < _LESS * best):
            left_out["blurred"] += 1
        else:
            yield frame

    for one in coming:
        if isinstance(one, Passed):
            yield one
            continue
        window.append(one)
        if len(window) - at > _BESIDE:
            yield from judged(window[at])
            at += 1
        if at > _BESIDE:
            window.popleft()
            at -= 1
    for frame in list(window)[at:]:
        yield from judged(frame)


def without_repeats(coming: Iterator[Frame | Passed], left_out: Counter[str]) -> Iterator[Frame | Passed]:
    """A frame that shows all that the last kept one does, and no more, is left out, by what duplicates are judged by."""
    kept: tuple[np.ndarray, np.ndarray] | None = None
    for one in coming:
        if isinstance(one, Passed):
            yield one
            continue
        coarse, fine = (alignment.squeezed(one.image, side)[None] for side in (16, evidence.SIDES[1]))
        if kept is not None and _shows_all(kept, (coarse, fine)):
            left_out["repeated"] += 1
            continue
        kept = coarse, fine
        yield one


def _shows_all(kept: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    likely = alignment.coarse_agreement(kept[0], other[0])[0] >= _LIKELY
    return bool(likely and evidence.judge(kept[1], other[1]).same[0])


def _read(film: Path, per_second: float, shots: bool) -> Iterator[Frame | Passed]:
    """What the worker says. It is ended when this is left."""
    options = json.dumps({"per_second": per_second, "shots": shots})
    command = (sys.executable, "-I", "-c", _START, "|".join(_places()), options)
    with _opened(film) as file:
        worker = subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
    heard = [time.monotonic()]  # inf while it is not waited for
    late, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            if time.monotonic() - heard[0] > SILENCE:
                late.set()
                worker.kill()

    threading.Thread(target=watch, daemon=True).start()
    answers = worker.stdout
    assert answers is not None
    try:
        while (one := _answer(answers)) is not None:
            heard[0] = math.inf
            yield one
            heard[0] = time.monotonic()
    except (OSError, EOFError, ValueError, MemoryError, RecursionError) as error:
        fault = "takes too long" if late.is_set() else "makes its decoder fail"
        raise NotRead(f"reading this film {fault}; {REMEDY}") from error
    finally:
        ended.set()
        worker.kill()
        answers.close()
        worker.wait()


@contextlib.contextmanager
def _opened(film: Path) -> Iterator[IO[bytes]]:
    try:
        file = film.open("rb")
    except OSError as error:
        raise not_read(error) from None
    with file:
        if not os.fstat(file.fileno()).st_size:
            raise PictureError("the film is empty; copy or download it again")
        yield file


def _answer(answers: IO[bytes]) -> Frame | Passed | None:
    """One answer; None at the end. ValueError or EOFError unless it is just what a worker of ours says."""
    head = head_of(answers, HEAD)
    if "end" in head:
        return None
    if "passed" in head:
        return Passed(_number(head["passed"]), _number(head.get("of")))
    width, height = (int(_number(side)) for side in head.get("size", (0, 0)))
    if not 0 < min(width, height) <= max(width, height) <= SIDE:
        raise ValueError("no frame of ours")
    pixels = exactly(answers, 3 * width * height)
    image = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
    return Frame(image, _number(head.get("seconds")), _number(head.get("detail")), int(_number(head.get("number"))))


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError("no number of ours")
    return float(value)


def _places() -> list[str]:
    """Where our code lies, and the reader's, which a person may have installed for this user alone."""
    spec = importlib.util.find_spec("av")
    return [str(ROOT), *([str(Path(spec.origin).parents[1])] if spec and spec.origin else [])]
