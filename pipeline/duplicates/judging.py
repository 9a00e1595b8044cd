"""Whether one picture of a gallery may stand for another: the evidence of aligned pixels, and of all frames."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from pipeline.duplicates.looks import GREY, Reader, orientation
from pipeline.features import evidence
from pipeline.features.perceptual_hash import in_orientation, quarter_turns
from pipeline.gallery.gallery import Gallery

_FRAME_TOLERANCE = 5.0  # grey levels on average between two frames that count as one
_TOGETHER = 32  # pairs that are laid over one another at a time
_AT_WORK = 64  # who may wait for answers at a time
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_GAP = 4  # pixels between the three pictures of evidence
ALTERED = "altered in places"  # a kind of variant: a watermark, a caption, a thing that came or went


@dataclass(frozen=True)
class Verdict:
    """same: the kept picture shows all that the other does. score: how far their details agree, -1 to 1."""

    same: bool
    score: float
    why_not: str  # '' when it is the same


Asked = tuple[int, Sequence[int], str]  # the kept row, the others, and as what they are seen
Look = Callable[[Sequence[Asked]], list[list[Verdict]]]
Found = TypeVar("Found")
Asking = Generator[list[Asked], list[list[Verdict]], Found]


def answered(askers: Iterable[Asking[Found]], look: Look) -> Iterator[Found]:
    """What askers that know nothing of each other find; what many of them ask is looked at together."""
    waiting: list[tuple[Asking[Found], list[Asked]]] = []
    coming = iter(askers)
    while True:
        while len(waiting) < _AT_WORK and (asker := next(coming, None)) is not None:
            try:
                waiting.append((asker, next(asker)))
            except StopIteration as end:
                yield end.value
        if not waiting:
            return
        verdicts = iter(look([one for _, asked in waiting for one in asked]))
        answers = [(asker, [next(verdicts) for _ in asked]) for asker, asked in waiting]
        waiting = []
        for asker, answer in answers:
            try:
                waiting.append((asker, asker.send(answer)))
            except StopIteration as end:
                yield end.value


def judge(reader: Reader, asked: Sequence[Asked]) -> list[list[Verdict]]:
    """Of rows that were looked at. Kinds: `grey`, an orientation in which the others are seen, both, ALTERED, or ''."""
    pairs: dict[str, dict[tuple[int, int], None]] = {}
    for kept, others, kind in asked:
        pairs.setdefault(kind, {}).update(((kept, row), None) for row in others)
    verdicts = {kind: _judged(reader, list(some), kind) for kind, some in pairs.items()}
    return [[verdicts[kind][kept, row] for row in others] for kept, others, kind in asked]


Pair = tuple[int, int]  # the kept row and the other


def _judged(reader: Reader, pairs: Sequence[Pair], kind: str) -> dict[Pair, Verdict]:
    found: dict[Pair, Verdict] = {}
    shorter = {pair: min(map(reader.shorter_side, pair)) for pair in pairs}
    pages: list[Pair] = []
    for side in evidence.SIDES[:2]:
        for some in _some([pair for pair in pairs if evidence.side_for(shorter[pair]) == side]):
            seen, on_pages = _at_side(reader, some, side, kind, finest=False)
            found |= seen
            pages += [pair for pair in on_pages if seen[pair].same]
    for side in evidence.SIDES:  # the pages once more, as finely as their size allows
        for some in _some([pair for pair in pages if evidence.side_for(shorter[pair], page=True) == side]):
            found |= _at_side(reader, some, side, kind, finest=True)[0]
    for kept, row in [pair for pair in pairs if found[pair].same]:
        if why_not := _frames_differ(reader.frames(kept), reader.frames(row)):
            found[kept, row] = Verdict(False, found[kept, row].score, why_not)
    return found


def _some(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    for start in range(0, len(pairs), _TOGETHER):
        yield pairs[start : start + _TOGETHER]


def _at_side(
    reader: Reader, pairs: Sequence[Pair], side: int, kind: str, *, finest: bool
) -> tuple[dict[Pair, Verdict], list[Pair]]:
    """The verdicts, the border taken off or left on as fits, and the pairs that are pages."""
    found: dict[Pair, Verdict] = {}
    pages: dict[Pair, None] = {}
    for border_off in (True, False):
        left = [pair for pair in pairs if border_off or (not found[pair].same and any(map(reader.has_border, pair)))]
        if not left:
            break
        seen, _ = _laid_over(reader, left, side, border_off, kind, finest=finest)
        for pair, same, page, score, why_not in zip(left, seen.same, seen.page, seen.score, seen.why_not, strict=True):
            if page:
                pages[pair] = None
            if pair not in found or same or score > found[pair].score:
                found[pair] = Verdict(bool(same), round(float(score), 4), why_not)
    return found, list(pages)


def _laid_over(
    reader: Reader, pairs: Sequence[Pair], side: int, border_off: bool, kind: str, *, finest: bool = True
) -> tuple[evidence.Evidence, np.ndarray]:
    """What is seen, and the others' squares (pairs, side, side, 3)."""
    kept, sides = zip(*(_square(reader, row, side, border_off) for row, _ in pairs), strict=True)
    others, their_sides = zip(*(_square(reader, row, side, border_off, kind) for _, row in pairs), strict=True)
    one, two = np.stack(kept), np.stack(others)
    grey = kind.startswith(GREY)
    if grey:
        one, two = _grey(one), _grey(two)
    rules = evidence.Rules(grey=grey, altered=bool(kind), finest=finest)
    return evidence.judge(one, two, zoom=np.stack(sides) / np.stack(their_sides), rules=rules), two


def _square(reader: Reader, row: int, side: int, border_off: bool, kind: str = "") -> tuple[np.ndarray, np.ndarray]:
    """(side, side, 3) uint8; (2, 2) width and height of what was squeezed, in pixels and as a share of the picture."""
    pixels, sides = reader.square(row, side, border_off)
    if seen_as := orientation(kind):
        return in_orientation(pixels, seen_as), sides[:, ::-1] if quarter_turns(seen_as) % 2 else sides
    return pixels, sides


def difference(reader: Reader, kept: int, other: int, *, kind: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kept picture as the other shows it, the other, and where they differ, brightened: squares, for people."""
    side = evidence.SIDES[1]
    pairs = [_laid_over(reader, [(kept, other)], side, border_off, kind) for border_off in (True, False)]
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


def evidence_pictures(gallery: Gallery, group: dict[str, Any], *, limit: int = 12) -> Iterator[tuple[str, bytes]]:
    """What a group's members were judged on, to look at: (id, PNG) of each other member of a group `same` or `variant` of a report, at most so many.

    From left to right: the kept picture laid over the member, the member, and their difference, dark where they differ.
    """
    members = group["members"][: limit + 1]
    reader = Reader(gallery, [member["id"] for member in members], [member["path"] for member in members])
    kept = next((row for row, member in enumerate(members) if member["id"] == group["keep"]), None)
    for row, member in enumerate(members):
        if kept is None or row == kept or reader.picture(row) is None or reader.picture(kept) is None:
            continue
        squares = difference(reader, kept, row, kind=member.get("kind", ""))
        gap = np.full((len(squares[0]), _GAP, 3), 255, np.uint8)
        strip = np.concatenate([squares[0], gap, squares[1], gap, squares[2]], axis=1)
        file = io.BytesIO()
        Image.fromarray(strip).save(file, "PNG")
        yield member["id"], file.getvalue()
