"""What a line of a YOLO text means: a box, a polygon, a box with keypoints, or a tracker's box."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.annotations.formats._rows import Rows, number

_EDGE = 0.1  # shares by which a box or a point may leave its picture; pixels are further out
_NO_LINE = "it is no line of class, centre and size; left out"
_PIXELS = "its numbers are no shares of the picture (0 to 1); write them as shares; left out"
_TRACK_OR_POLYGON = (
    "it is a polygon of three points or a tracker's box, score and number 1; left out: name the one with data.yaml"
)
_POSE_OR_POLYGON = "it is a polygon or a box with keypoints; left out: give data.yaml, with kpt_shape: [points, numbers each] for keypoints"
_NO_KEYPOINTS = "it has not the numbers that kpt_shape in data.yaml says; left out"


@dataclass(frozen=True)
class Kind:
    """How the lines of one dataset are read. keypoints: numbers of a line beyond its box, None = none.

    tracked: a box is followed by a track's number. unclear: why lines of more than five numbers are left out.
    """

    keypoints: int | None = None
    tracked: bool = False
    unclear: str = ""


def is_line(words: Sequence[str]) -> bool:
    """Whether it could be a line of numbers at all."""
    return len(words) >= 5 and not any(math.isnan(number(word)) and word.lower() != "nan" for word in words)


def kind_of(lines: Iterable[Sequence[str]], keypoints: int | None) -> Kind:
    """From all lines together, since one alone may be read in two ways. keypoints: as data.yaml says, None = there is none."""
    shares = [[number(word) for word in words[1:]] for words in lines if is_line(words)]
    last = [values[-1] for values in shares if len(values) in (5, 6)]
    whole = bool(last) and all(value >= 0 and value == int(value) for value in last if math.isfinite(value))
    if keypoints:
        return Kind(keypoints, tracked=_numbers_tracks(shares, 5 + keypoints) or _numbers_tracks(shares, 6 + keypoints))
    if whole and max(last) > 1 and all(len(values) <= 6 for values in shares):
        return Kind(tracked=True)
    longer = [values for values in shares if len(values) > 5]
    if longer and all(len(values) == 6 for values in longer) and all(values[5] in (0, 1) for values in longer):
        return Kind(unclear=_TRACK_OR_POLYGON)
    alike = keypoints is None and longer and len({len(values) for values in longer}) == 1
    if alike and all(map(_could_be_pose, longer)) and not all(map(_is_simple, longer)):
        return Kind(unclear=_POSE_OR_POLYGON)
    return Kind()


def add(
    rows: Rows,
    place: str,
    path: str,
    size: tuple[int, int],
    labels: Mapping[int, str],
    words: Sequence[str],
    kind: Kind,
) -> None:
    values = [number(word) for word in words]
    if len(values) < 5 or not math.isfinite(values[0]) or values[0] < 0 or values[0] != int(values[0]):
        rows.skip(place, _NO_LINE)
        return
    at, shares = int(values[0]), values[1:]
    score, track, fault = math.nan, "", ""
    box, ring = shares[:4], list[float]()
    rest = shares[4:]
    if kind.keypoints is not None and len(shares) > 5:
        if len(rest) - kind.keypoints not in (0, 1, 2):
            fault = _NO_KEYPOINTS
        rest = rest[kind.keypoints :]
    elif kind.unclear and len(shares) > 5:
        fault = kind.unclear
    elif len(shares) > 5 and not kind.tracked:
        ring, rest = shares[: len(shares) // 2 * 2], shares[len(shares) // 2 * 2 :]
    if kind.tracked and rest:
        rest, track = rest[:-1], str(int(rest[-1])) if math.isfinite(rest[-1]) else ""
    score = rest[0] if rest else math.nan
    numbers = ring or box
    fault = fault or (
        _PIXELS if any(value < -_EDGE or value > 1 + _EDGE for value in numbers) and max(numbers) > 2 else ""
    )
    if fault:
        rows.skip(place, fault)
        return
    if at not in labels:
        rows.faults.append((place, "its class is not in the list of names; the number is its label"))
    label = labels.get(at, str(at))
    if not ring:
        width, height = box[2] * size[0], box[3] * size[1]
        corner = (box[0] * size[0] - width / 2, box[1] * size[1] - height / 2)
        rows.box(path, label, corner, (width, height), score=score, attributes={"track": track} if track else None)
        return
    across, down = [x * size[0] for x in ring[::2]], [y * size[1] for y in ring[1::2]]
    outline = [value for point in zip(across, down, strict=True) for value in point]
    corner = (min(across), min(down))
    mask = json.dumps([outline]) if all(map(math.isfinite, outline)) else ""
    rows.box(path, label, corner, (max(across) - corner[0], max(down) - corner[1]), score=score, mask=mask)


def _numbers_tracks(shares: Sequence[Sequence[float]], length: int) -> bool:
    last = [values[-1] for values in shares if len(values) == length]
    return bool(last) and all(value == int(value) for value in last if math.isfinite(value)) and max(last) > 1


def _could_be_pose(values: Sequence[float]) -> bool:
    """Whether what follows a box could be points within it, with or without a sign whether each is seen."""
    x, y, width, height = values[:4]

    def holds(points: Iterable[tuple[float, float]]) -> bool:
        slack = 0.02
        return all(
            (a, b) == (0, 0) or (abs(a - x) <= width / 2 + slack and abs(b - y) <= height / 2 + slack)
            for a, b in points
        )

    rest = values[4:]
    pairs = len(rest) % 2 == 0 and holds(zip(rest[::2], rest[1::2], strict=True))
    signs = len(rest) % 3 == 0 and all(sign in (0, 1, 2) for sign in rest[2::3])
    return pairs or (signs and holds(zip(rest[::3], rest[1::3], strict=True)))


def _is_simple(values: Sequence[float]) -> bool:
    """Whether the values are a polygon whose sides do not cross, as an outline's do not and points of a body mostly do."""
    points = list(zip(values[::2], values[1::2], strict=False))
    sides = list(zip(points, points[1:] + points[:1], strict=True))
    if len(points) > 150:
        return True

    def turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    return not any(
        turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0
        for at, (a, b) in enumerate(sides)
        for c, d in sides[at + 1 :]
    )
