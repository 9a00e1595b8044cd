"""The golden feature: how alike two pictures of one label are, from colour, texture and a semantic embedding.

Wang et al. 2014, section 4: the relevance r that draws the triplets. Pictures of different labels have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.features.appearance import DIRECTIONS, SIDE, colours, edges, membership, unit

WEIGHTS: Mapping[str, float] = {"colour": 0.4, "texture": 0.4, "semantic": 0.2}
CELLS = 8  # of the texture, a side
CAP_SHARE = 0.95  # of the pairs lie under T_p
NOISE = 1e-6  # a spread below this is float32 rounding, not a difference


@dataclass(frozen=True)
class Scale:
    """What turns the cosines of a label's pairs into relevance: their mean and sd by feature, the mix's range."""

    centres: Mapping[str, tuple[float, float]]
    low: float
    high: float


def features(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """(n, 64, 64, 3) uint8 RGB to "colour" (n, 900) and "texture" (n, 512), float32 rows of unit length.

    colour: CIELAB histogram of the whole and of each quarter, under a square root (Hellinger). texture: HOG, 8 x 8
    cells. A plain picture's texture is zero. Raises UsageError for another shape or type.
    """
    if pictures.shape[1:] != (SIDE, SIDE, 3) or pictures.dtype != np.uint8:
        raise UsageError(
            f"relevance needs (n, {SIDE}, {SIDE}, 3) uint8 pictures, got {pictures.shape} {pictures.dtype}; resize them"
        )
    table = membership(6)  # (4096, 180)
    colour = np.empty((len(pictures), 5 * table.shape[1]), np.float32)
    texture = np.empty((len(pictures), CELLS * CELLS * DIRECTIONS), np.float32)
    half = SIDE // 2
    for start in range(0, len(pictures), 16):  # the temporaries of 16 pictures stay in the processor's cache
        some = pictures[start : start + 16]
        quarters = some.reshape(-1, 2, half, 2, half, 3).swapaxes(2, 3).reshape(-1, half, half, 3)
        by_quarter = (colours(quarters) @ table).reshape(len(some), 4, -1)
        histograms = np.concatenate([by_quarter.mean(axis=1, keepdims=True), by_quarter], axis=1)  # (16, 5, 180)
        colour[start : start + 16] = unit(np.sqrt(histograms).reshape(len(some), -1))
        texture[start : start + 16] = unit(edges(some, CELLS))
    return {"colour": colour, "texture": texture}


def cosines(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m) of one feature. Plain pictures have a texture of zeros, which no two of them differ in: that counts as 1."""
    plain, too = (np.abs(of).sum(axis=1) == 0 for of in (rows, others))  # (n,), (m,)
    return np.where(plain[:, None] & too, 1, rows @ others.T).clip(-1, 1)


def class_relevance(
    features: Mapping[str, np.ndarray], members: np.ndarray, *, weights: Mapping[str, float] = WEIGHTS
) -> np.ndarray:
    """r of all pairs of one label: (n_c, n_c) float32 in [0, 1], symmetric, 0 on the diagonal.

    features: (n, dim) unit rows by name, any of the weights' names; members: (n_c,) rows of the label. The weighted
    mean of z-scored cosines, stretched so that the least alike pair has 0 and the most alike 1. Where all pairs are
    equally alike (two pictures, or copies) they have 1.
    """
    mixed = np.zeros((len(members), len(members)), np.float32)
    if len(members) > 1:
        rows = {name: features[name][members] for name in _shares(features, weights)}
        cosines = {name: _pairs(part @ part.T) for name, part in rows.items()}  # (n_c - 1, n_c) each
        _pairs(mixed)[:] = _scaled(cosines, _scale(cosines, weights), weights)
    return mixed


def relevances(
    features: Mapping[str, np.ndarray], labels: Sequence[str] | np.ndarray, *, weights: Mapping[str, float] = WEIGHTS
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For each label in sorted order: its members (n_c,), ascending, and their r (n_c, n_c) float16.

    A label with one picture has a (1, 1) matrix of 0: no pair. 2 bytes a pair: 100 MB for 200 labels of 500.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    sizes = np.bincount(codes)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])[: len(sizes)]  # none without pictures
    return members, [class_relevance(features, part, weights=weights).astype(np.float16) for part in members]


def thresholds(matrices: Sequence[np.ndarray]) -> tuple[float, float]:
    """T_p, the 95th percentile of r, and T_r, one standard deviation of r, over all pairs of all labels.

    UsageError when no label has two pictures.
    """
    pairs = [_pairs(matrix).ravel() for matrix in matrices if len(matrix) > 1]
    if not pairs:
        raise UsageError("no label has two pictures, so there is no relevance; choose a dataset with labels")
    return thresholds_of(np.concatenate(pairs).astype(np.float32))


def thresholds_of(relevances: np.ndarray) -> tuple[float, float]:
    """T_p and T_r of pairs (n,), all that there are or a sample."""
    return float(np.quantile(relevances, CAP_SHARE)), float(relevances.std(dtype=np.float64))


def weights_of(text: str) -> dict[str, float]:
    """`colour=0.3,semantic=0.7`: of each feature, 0 where it is not named; WEIGHTS for ''. Raises UsageError."""
    read = read_weights(text, tuple(WEIGHTS), least=0, what="golden weights", example="colour=0.3,semantic=0.7")
    return {name: read.get(name, 0.0) for name in WEIGHTS} if read else dict(WEIGHTS)


def scale(features: Mapping[str, np.ndarray], *, weights: Mapping[str, float] = WEIGHTS) -> Scale:
    """Of all pairs of these rows, two or more of one label."""
    return _scale({name: _pairs(features[name] @ features[name].T) for name in _shares(features, weights)}, weights)


def between(
    features: Mapping[str, np.ndarray],
    others: Mapping[str, np.ndarray],
    scale: Scale,
    *,
    weights: Mapping[str, float] = WEIGHTS,
) -> np.ndarray:
    """r of rows of one label to others of it, where the label is too large for a matrix: (n, m) float32 in [0, 1].

    The scale is of a sample of the label. A picture meets itself like any other.
    """
    return _scaled({name: features[name] @ others[name].T for name in _shares(features, weights)}, scale, weights)


def golden_triplets(
    members: Sequence[np.ndarray], matrices: Sequence[np.ndarray], *, gap: float, each: int, seed: int
) -> np.ndarray:
    """(n, 3) rows of the dataset, one label a triplet: anchor, closer, farther, with r(closer) - r(farther) >= gap.

    `each` a label, drawn without repetition and uniformly from all that qualify; fewer where fewer do.
    """
    if gap <= 0:
        raise UsageError(f"golden triplets need a gap above 0, got {gap}; thresholds() gives one")
    random = np.random.default_rng(seed)
    drawn = [
        rows[_qualifying(matrix.astype(np.float64), gap, each, random)]
        for rows, matrix in zip(members, matrices, strict=True)
    ]
    return np.concatenate([np.empty((0, 3), np.int64), *drawn])


def _qualifying(matrix: np.ndarray, gap: float, each: int, random: np.random.Generator) -> np.ndarray:
    """(at most each, 3) indices into one label's matrix; counts all triplets that qualify and numbers the drawn."""
    size = len(matrix)
    np.fill_diagonal(matrix, np.inf)
    order = np.argsort(matrix, axis=1, kind="stable")  # least alike first, the anchor itself last
    ascending = np.take_along_axis(matrix, order, axis=1)
    np.fill_diagonal(matrix, -np.inf)
    pairs = zip(ascending, matrix, strict=True)
    farther = np.array([np.searchsorted(row, r - gap, side="right") for row, r in pairs]).ravel()  # by (anchor, closer)
    ends = np.cumsum(farther)
    total = int(ends[-1]) if size else 0
    numbers = random.choice(total, min(each, total), replace=False, shuffle=False)
    pair = np.searchsorted(ends, numbers, side="right")
    anchor, closer = np.divmod(pair, max(size, 1))
    return np.stack([anchor, closer, order[anchor, numbers - (ends[pair] - farther[pair])]], axis=1)


def _shares(features: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of the features that are there, adding up to 1; a weight of 0 leaves its feature out."""
    if unknown := sorted(set(features) - set(weights)):
        raise UsageError(f"no weight for the feature {unknown[0]!r}; choose from {', '.join(weights)}")
    used = {name: weights[name] for name in features if weights[name]}
    if not used or min(used.values()) < 0:
        raise UsageError(f"relevance needs a weight above 0 and none below, got {dict(weights)} for {list(features)}")
    return {name: weight / sum(used.values()) for name, weight in used.items()}


def _pairs(matrix: np.ndarray) -> np.ndarray:
    """A view of all that lies off the diagonal of (n, n): (n - 1, n)."""
    size = len(matrix)
    return matrix.ravel()[1:].reshape(size - 1, size + 1)[:, :-1]


def _scale(cosines: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> Scale:
    centres = {name: (float(c.mean(dtype=np.float64)), float(c.std(dtype=np.float64))) for name, c in cosines.items()}
    mixed = _mixed(cosines, centres, weights)
    return Scale(centres, float(mixed.min()), float(mixed.max()))


def _mixed(
    cosines: Mapping[str, np.ndarray], centres: Mapping[str, tuple[float, float]], weights: Mapping[str, float]
) -> np.ndarray:
    parts = []
    for name, share in _shares(cosines, weights).items():
        mean, sd = centres[name]
        parts.append((cosines[name] - np.float32(mean)) * np.float32(share / sd if sd > NOISE else 0))
    return np.sum(parts, axis=0)


def _scaled(cosines: Mapping[str, np.ndarray], scale: Scale, weights: Mapping[str, float]) -> np.ndarray:
    spread = scale.high - scale.low
    mixed = _mixed(cosines, scale.centres, weights)
    return np.clip((mixed - scale.low) / spread, 0, 1) if spread > NOISE else np.ones_like(mixed)


def read_weights(text: str, names: Sequence[str], *, least: float, what: str, example: str) -> dict[str, float]:
    """Weights of named features from one line of text, `colour=0.4,texture=0.4`: {name: weight} of those that are not 0, in the order of `names`, from `least` to 1; {} for ''. UsageError."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (side.strip() for side in part.partition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = float("nan")
        if name not in names or name in weights or not least <= weight <= 1:
            raise UsageError(
                f"{what} {text!r} cannot be read at {part!r}; write each of {', '.join(names)} once at most with a weight "
                f"from {least:g} to 1, e.g. {example}"
            )
        weights[name] = weight
    if weights and not max(weights.values()) > 0:
        raise UsageError(f"{what} {text!r} say what counts for nothing or less; give one a weight above 0")
    return {name: weights[name] for name in names if weights.get(name)}


def written_weights(weights: Mapping[str, float], names: Sequence[str]) -> str:
    """What `read_weights` reads, in the order of `names`."""
    return ",".join(f"{name}={weights[name]:g}" for name in names if weights.get(name))
