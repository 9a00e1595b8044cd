"""Do two pictures, laid over one another, show the same thing everywhere? The evidence on which one may be removed.

What `alignment` finds likely is looked at again at the smaller picture's own size and at the pictures' own contrast:
window by window, because two forms of one template agree almost everywhere, and in colour, because a red shirt and a
blue one agree in all their lines. Shapes: p pairs, pictures (p, side, side, 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.features import alignment

SIDES = (64, 128, 192)  # pictures are compared in the largest square that the smaller one nearly fills
WINDOW = 8
_CONTRAST = 50.0  # grey levels of standard deviation that every picture is brought to
_CONTENT = 7.0  # grey levels at that contrast: a window that varies less is empty
_AGREES, _CONTRADICTS = 0.6, 0.35  # agreement of a window
_WORST = {64: 0.75, 128: 0.7, 192: 0.5}  # of a page, how far the second worst window must agree in such a square
_STRIKING = 12.0  # grey levels at that contrast: a window that varies so much is seen in every copy
_PLACE = {64: 0.6, 128: 0.5, 192: 0.4}  # how far each such window must agree; what JPEG and resizing leave is above
_PAPER = 0.45  # share of pixels of one shade: a page, a drawing or a product on white
_UNSEEN = 0.02  # share of a picture's edges that may lie outside the kept one
_OTHER_COLOUR = 26.0  # levels between the channels of a window, at the kept picture's contrast; two windows count
_ALTERED_COLOUR = 0.025  # share of windows of another colour where a place may differ
_STRETCHED, _ZOOMED = 0.05, 0.08  # of a page: a crop of 5 % and a border are less, two discs on white are more


@dataclass
class Evidence:
    """Of p pairs, the kept picture and the other."""

    same: np.ndarray  # (p,) bool
    page: np.ndarray  # (p,) bool: a page, a drawing or a product on white, which is to be judged as finely as can be
    score: np.ndarray  # (p,) how far their details agree, -1 to 1
    why_not: list[str]  # '' where they are the same
    aligned: np.ndarray  # (p, side, side, 3) uint8: the kept picture as the other shows it
    difference: np.ndarray  # (p, side, side) uint8: grey levels between the two


def side_for(*shorter: int, page: bool = False) -> int:
    """The side of the square in which pictures with such shorter sides are compared. page: as finely as can be."""
    fitting = [side for side in (SIDES if page else SIDES[:2]) if side <= 1.3 * min(shorter)]
    return fitting[-1] if fitting else SIDES[0]


@dataclass(frozen=True)
class Rules:
    """grey: colours do not count. altered: a place may differ, as a watermark does. finest: no finer square follows."""

    grey: bool = False
    altered: bool = False
    finest: bool = True


def judge(kept: np.ndarray, other: np.ndarray, *, zoom: np.ndarray | None = None, rules: Rules = Rules()) -> Evidence:
    """(p, side, side, 3) uint8 both.

    zoom: (p, 2, 2) across and down, the kept picture's side through the other's: of what was squeezed, in pixels, and as
    a share of the canvas that a border was taken from. None = squares of the same canvas.
    """
    zoom = np.ones((len(kept), 2, 2)) if zoom is None else zoom
    as_they_lie = _judged(kept, other, None, zoom, rules)
    moved = np.flatnonzero(~as_they_lie.same & (as_they_lie.score > -1))  # -1: too flat to be laid over one another
    if not len(moved):
        return as_they_lie
    one, two = kept[moved], other[moved]
    pose = alignment.pose(one, two)
    if one.shape[1] > alignment.SIDE:
        one_level, two_level = alignment.grey(one), alignment.grey(two)
        for _ in range(2):
            pose = alignment.step(one_level, two_level, pose)
    aligned = _judged(one, two, pose, zoom[moved], rules)
    for position, pair in enumerate(moved):
        if aligned.same[position] or aligned.score[position] > as_they_lie.score[pair]:
            for name in ("same", "score", "why_not", "aligned", "difference"):
                getattr(as_they_lie, name)[pair] = getattr(aligned, name)[position]
    return as_they_lie


def _judged(kept: np.ndarray, other: np.ndarray, pose: np.ndarray | None, zoom: np.ndarray, rules: Rules) -> Evidence:
    """pose: None = they lie over one another as they are."""
    one, two = kept.astype(np.float32), other.astype(np.float32)
    warped, inside = (one, np.ones(one.shape[:3], bool)) if pose is None else alignment.warped(one, pose)
    level, level_one = alignment.grey(two), alignment.grey(one)
    spread = level.std(axis=(1, 2))
    flat = (spread < alignment.FLAT) | (level_one.std(axis=(1, 2)) < alignment.FLAT)
    gain, offset, _ = alignment.fit(warped, two, inside)
    seen = gain * warped + offset
    scale = (_CONTRAST / np.maximum(spread, alignment.FLAT))[:, None, None]
    facts = _windows(alignment.grey(seen) * scale, level * scale, inside)
    paper = _paper(level) | _paper(level_one)
    colour = np.zeros(len(one)) if rules.grey else _other_colour(seen, two, inside)
    n_windows = (one.shape[1] // WINDOW) ** 2
    place = facts["striking"] < _PLACE[one.shape[1]]
    share = inside.mean(axis=(1, 2))
    reasons = (
        ("too little contrast to tell", flat),
        ("turned into its negative", gain[:, 0, 0, 0] <= 0.1),
        ("a part of it only", share < 0.55),
        ("shows what the kept one does not", _unseen(level, inside) > _UNSEEN),
        ("details differ", facts["score"] < np.where(paper, 0.86, 0.78)),
        ("places contradict each other", facts["contradicting"] > np.where(paper, 0.015, 0.05)),
        ("placed or stretched otherwise", paper & _replaced(zoom if pose is None else zoom * pose[:, None, ::2])),
        ("one place differs", paper & rules.finest & (facts["worst"] < _WORST[one.shape[1]])),
        ("one place differs", place & (not rules.altered)),
        ("something is added or missing", facts["different"] > np.where(paper, 0.05, 0.16)),
        ("another colour", colour > (_ALTERED_COLOUR * n_windows if rules.altered else 1)),
    )
    why_not = [next((reason for reason, found in reasons if found[i]), "") for i in range(len(one))]
    difference = np.where(inside, alignment.grey(np.abs(seen - two)), 0).clip(0, 255).astype(np.uint8)
    same = np.array([not reason for reason in why_not], bool)
    score = np.where(flat, -1.0, facts["score"])
    return Evidence(same, paper, score, why_not, seen.clip(0, 255).astype(np.uint8), difference)


def _windows(one: np.ndarray, two: np.ndarray, inside: np.ndarray) -> dict[str, np.ndarray]:
    """Of windows with content in either: their weighted agreement, and the shares that contradict and that differ."""
    whole = alignment.windows(inside).all(axis=2)  # (p, windows)
    a, b = alignment.windows(one), alignment.windows(two)
    a, b = a - a.mean(axis=2, keepdims=True), b - b.mean(axis=2, keepdims=True)
    aa, bb, ab = (a * a).mean(axis=2), (b * b).mean(axis=2), (a * b).mean(axis=2)
    alike = 2 * ab / (aa + bb + 8.0)
    content = whole & (np.maximum(aa, bb) > _CONTENT**2)
    both = content & (np.minimum(aa, bb) > _CONTENT**2 / 2)
    count = np.maximum(content.sum(axis=1), 1)
    weight = content * np.maximum(aa, bb) ** 0.25
    ordered = np.sort(np.where(content, alike, 2.0), axis=1)
    return {
        "worst": ordered[:, 1],
        "striking": np.where(whole & (np.maximum(aa, bb) > _STRIKING**2), alike, 2.0).min(axis=1),
        "score": (weight * alike).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-6),
        "contradicting": (both & (alike < _CONTRADICTS)).sum(axis=1) / count,
        "different": (content & (alike < _AGREES)).sum(axis=1) / count,
    }


def _paper(level: np.ndarray) -> np.ndarray:
    """(p,) bool: most of the picture is one shade."""
    shades = np.stack([np.bincount((one.ravel() / 8).astype(int).clip(0, 31), minlength=32) for one in level])
    two = shades[:, :-1] + shades[:, 1:]
    share: np.ndarray = two.max(axis=1) / level[0].size
    return share > _PAPER


def _other_colour(seen: np.ndarray, two: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(p,) count of the windows whose hue differs, brightness aside."""
    apart = seen - two
    apart -= alignment.grey(apart)[..., None]
    channels = [np.abs(alignment.windows(apart[..., channel]).mean(axis=2)) for channel in range(3)]
    whole = alignment.windows(inside).all(axis=2)
    most = np.max(channels, axis=0)
    count: np.ndarray = (whole & (most > _OTHER_COLOUR)).sum(axis=1)
    return count


def _replaced(zoom: np.ndarray) -> np.ndarray:
    """(p,) bool: one side is stretched, or the thing is larger or smaller on its canvas: of a plain shape another one."""
    in_pixels, on_canvas = np.log(zoom).transpose(1, 0, 2)
    stretched = np.abs(in_pixels[:, 0] - in_pixels[:, 1]) > _STRETCHED
    zoomed: np.ndarray = np.abs(on_canvas).max(axis=1) > _ZOOMED
    return stretched | zoomed


def _unseen(level: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(p,) share of the other picture's edges that lie outside the kept one, a rim of one pixel aside."""
    down, across = np.gradient(level, axis=(1, 2))
    edges = np.hypot(down, across)
    near = inside.copy()
    for axis in (1, 2):
        for shift in (-1, 1):
            near |= np.roll(inside, shift, axis=axis)
    outside: np.ndarray = (edges * ~near).sum(axis=(1, 2)) / np.maximum(edges.sum(axis=(1, 2)), 1e-6)
    return outside
