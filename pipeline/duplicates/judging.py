"""Whether one picture of a gallery may stand for another: the evidence of aligned pixels, and of all frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.duplicates.looks import GREY, Reader, orientation
from pipeline.features import evidence
from pipeline.features.perceptual_hash import in_orientation, quarter_turns

_FRAME_TOLERANCE = 5.0  # grey levels on average between two frames that count as one
_TOGETHER = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
ALTERED = "altered in places"  # a kind of variant: a watermark, a caption, a thing that came or went


@dataclass(frozen=True)
class Verdict:
    """same: the kept picture shows all that the other does. score: how far their details agree, -1 to 1."""

    same: bool
    score: float
    why_not: str  # '' when it is the same


def judge(reader: Reader, kept: int, others: Sequence[int], *, kind: str = "") -> list[Verdict]:
    """Of rows that were looked at. kind: `grey`, an orientation in which others are seen, both, or ALTERED."""
    verdicts: dict[int, Verdict] = {}
    for start in range(0, len(others), _TOGETHER):
        verdicts |= _judged(reader, kept, others[start : start + _TOGETHER], kind)
    return [verdicts[row] for row in others]


def _judged(reader: Reader, kept: int, others: Sequence[int], kind: str) -> dict[int, Verdict]:
    found: dict[int, Verdict] = {}
    shorter = {row: min(reader.shorter_side(row), reader.shorter_side(kept)) for row in others}
    pages: list[int] = []
    for side in evidence.SIDES[:2]:
        rows = [row for row in others if evidence.side_for(shorter[row]) == side]
        seen, on_pages = _at_side(reader, kept, rows, side, kind, finest=False)
        found |= seen
        pages += [row for row in on_pages if seen[row].same]
    for side in evidence.SIDES:  # the pages once more, as finely as their size allows
        rows = [row for row in pages if evidence.side_for(shorter[row], page=True) == side]
        found |= _at_side(reader, kept, rows, side, kind, finest=True)[0]
    moving = reader.frames(kept)
    for row in [row for row in others if found[row].same]:
        if why_not := _frames_differ(moving, reader.frames(row)):
            found[row] = Verdict(False, found[row].score, why_not)
    return found


def _at_side(
    reader: Reader, kept: int, rows: Sequence[int], side: int, kind: str, *, finest: bool
) -> tuple[dict[int, Verdict], list[int]]:
    """The verdicts, the border taken off or left on as fits, and the rows that are pages."""
    found: dict[int, Verdict] = {}
    pages: dict[int, None] = {}
    for border_off in (True, False):
        left = [row for row in rows if row not in found or not found[row].same]
        if not left:
            break
        seen, _ = _laid_over(reader, kept, left, side, border_off, kind, finest=finest)
        for row, same, page, score, why_not in zip(left, seen.same, seen.page, seen.score, seen.why_not, strict=True):
            if page:
                pages[row] = None
            if row not in found or same or score > found[row].score:
                found[row] = Verdict(bool(same), round(float(score), 4), why_not)
    return found, list(pages)


def _laid_over(
    reader: Reader, kept: int, rows: Sequence[int], side: int, border_off: bool, kind: str, *, finest: bool = True
) -> tuple[evidence.Evidence, np.ndarray]:
    """What is seen, and the others' squares (rows, side, side, 3)."""
    one, sides = _square(reader, kept, side, border_off)
    squares, others = zip(*(_square(reader, row, side, border_off, kind) for row in rows), strict=True)
    two = np.stack(squares)
    grey = kind.startswith(GREY)
    if grey:
        one, two = _grey(one), _grey(two)
    rules = evidence.Rules(grey=grey, altered=bool(kind), finest=finest)
    seen = evidence.judge(np.broadcast_to(one, two.shape), two, zoom=sides / np.stack(others), rules=rules)
    return seen, two


def _square(reader: Reader, row: int, side: int, border_off: bool, kind: str = "") -> tuple[np.ndarray, np.ndarray]:
    """(side, side, 3) uint8; (2, 2) width and height of what was squeezed, in pixels and as a share of the picture."""
    pixels, sides = reader.square(row, side, border_off)
    if seen_as := orientation(kind):
        return in_orientation(pixels, seen_as), sides[:, ::-1] if quarter_turns(seen_as) % 2 else sides
    return pixels, sides


def difference(reader: Reader, kept: int, other: int, *, kind: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kept picture as the other shows it, the other, and where they differ, brightened: squares, for people."""
    side = evidence.SIDES[1]
    pairs = [_laid_over(reader, kept, [other], side, border_off, kind) for border_off in (True, False)]
    seen, [two] = max(pairs, key=lambda pair: (bool(pair[0].same[0]), float(pair[0].score[0])))
    apart = (255 - 3.0 * seen.difference[0].astype(np.float32)).clip(0, 255).astype(np.uint8)
    return seen.aligned[0], two, np.repeat(apart[..., None], 3, axis=2)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """As programs take the colours away: ITU-R 601-2 luma, Pillow's too."""
    level = (pixels.astype(np.float32) @ _LUMA).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=-1)


def _frames_differ(one: list[np.ndarray] | None, two: list[np.ndarray] | None) -> str:
    """Why two animations, or one and a still picture, are not the same; '' when they are, or are both still."""
    if one is None or two is None:
        return "its frames cannot be read"
    if len(one) != len(two):
        return "one moves and the other does not" if not one or not two else "another number of frames"
    apart = [np.abs(a.astype(np.int16) - b).mean() for a, b in zip(one, two, strict=True)]
    return "other frames" if apart and max(apart) > _FRAME_TOLERANCE else ""
