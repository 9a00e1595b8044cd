"""Hits that show the query's own thing, or the whole that it is a part of: keypoints that one homography carries over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.plugins import Card
from pipeline.rerank import ByScore, Match, Places

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from pipeline.records import Encoder

CARD = Card(
    "of the first hits those that show the query's own thing, by SIFT keypoints and a homography; opens pictures",
    source="https://doi.org/10.1023/B:VISI.0000029664.99615.94",
    requires=("cv2",),
    install="pip install opencv-python-headless",
)
USUAL = ()  # finds the same thing again, which labels do not ask for; and it would open every picture of a gallery
CONTRAST = 0.01  # of a keypoint, a quarter of OpenCV's: a part of a picture may hold nothing but faint ones
RATIO = 0.8  # of the distances to the nearest and the next keypoint, above which a pair says nothing (Lowe 2004, 7.1)
WITHIN = 4.0  # px of a thumbnail that a keypoint may lie beside where the homography carries it
VERIFIED = 8  # pairs that agree, from which on it is the same thing: of different things up to six agree by chance, of two faces ten
HALF = 20.0  # pairs that agree at a score of 0.5
_LEAST = 4  # pairs that a homography takes
_LEAST_AREA, _MOST_AREA = 0.02, 50.0  # that a homography may change; beyond it folds many keypoints into one
_SIFT = 128  # numbers of a keypoint


class Geometric(ByScore):
    """A Matcher by keypoints, whatever the encoder."""

    encodes = False

    def __init__(self, depth: int, count: int) -> None:
        self.depth, self._count = depth, count
        self.kept_as = f"sift {count}"

    def places(self, encoder: Encoder | None, images: Sequence[Image], *, asking: bool) -> list[Places]:
        """features: (n, 128) uint8, no keypoint in a picture without any edge. A box is a pixel: its place is a point."""
        detector = _opencv().SIFT_create(nfeatures=self._count, contrastThreshold=CONTRAST)
        return [_of(detector, image) for image in images]

    def match(self, query: Places, hits: Sequence[Places]) -> list[Match]:
        own = _compared(query.features)
        return [_match(query, own, hit) for hit in hits]

    def merged(self, scores: np.ndarray, matches: np.ndarray) -> np.ndarray:
        """What is the same thing first, the surest before; the others as they were."""
        import numpy as np

        same = np.nan_to_num(matches) >= _score(VERIFIED)
        return np.argsort(-np.where(same, matches, 0.0), kind="stable")


def _opencv() -> Any:
    """UsageError for one that does not start here, as opencv-python without a screen's libraries, or that is too old."""
    try:
        import cv2
    except ImportError as error:
        raise UsageError(f"OpenCV does not start here ({error}): {CARD.install}") from None
    if not hasattr(cv2, "SIFT_create") or not hasattr(cv2, "USAC_MAGSAC"):
        raise UsageError(f"OpenCV {cv2.__version__} is too old, 4.5.1 has what is needed: {CARD.install} --upgrade")
    return cv2


def _of(detector: Any, image: Image) -> Places:
    import numpy as np

    found, described = detector.detectAndCompute(np.asarray(image.convert("L")), None)
    if described is None:
        return Places(np.zeros((0, 4), np.float32), np.zeros((0, _SIFT), np.uint8))
    side = np.array([image.width, image.height], np.float32)
    corners = (np.array([point.pt for point in found], np.float32) - 0.5) / side
    sides = np.broadcast_to(1 / side, corners.shape)
    return Places(np.concatenate([corners, sides], axis=1).astype(np.float32), described.astype(np.uint8))


def _compared(features: np.ndarray) -> np.ndarray:
    """(n, 128) of unit length, square roots of shares: https://doi.org/10.1109/CVPR.2012.6248018"""
    import numpy as np

    shares = features.astype(np.float32)
    return np.sqrt(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9))


def _match(query: Places, compared: np.ndarray, hit: Places) -> Match:
    own, other = _pairs(compared, _compared(hit.features))
    agreeing = _agreeing(_in_pixels(query.boxes[own]), _in_pixels(hit.boxes[other]))
    return Match(_score(len(agreeing)), query.boxes[own[agreeing]], hit.boxes[other[agreeing]])


def _score(agreeing: int) -> float:
    return agreeing / (agreeing + HALF)


def _pairs(query: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of features (n, d) and (m, d) that belong together, the clearest first, none twice."""
    import numpy as np

    if min(len(query), len(hit)) < _LEAST:
        return np.zeros(0, int), np.zeros(0, int)
    cosines = query @ hit.T  # (n, m)
    rows, best = np.arange(len(query)), cosines.argmax(axis=1)
    first = _distance(cosines[rows, best])
    cosines[rows, best] = -1
    ratio = first / np.maximum(_distance(cosines.max(axis=1)), 1e-9)
    clear = np.argsort(ratio, kind="stable")
    clear = clear[ratio[clear] < RATIO]
    _, once = np.unique(best[clear], return_index=True)  # of several for one keypoint of the hit the clearest
    own = clear[np.sort(once)]
    return own, best[own]


def _distance(cosines: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.sqrt(np.maximum(2 - 2 * cosines, 0))


def _agreeing(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which pairs of points (n, 2) one homography carries over: their places in the order given; none for a folded one."""
    import numpy as np

    none = np.zeros(0, int)
    if len(own) < _LEAST:
        return none
    cv2 = _opencv()
    found, inside = cv2.findHomography(own, other, cv2.USAC_MAGSAC, WITHIN)
    if found is None:
        return none
    rows = np.flatnonzero(inside.ravel())
    (left, top), (right, bottom) = own[rows].min(axis=0), own[rows].max(axis=0)
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float32)
    before = float(right - left) * float(bottom - top)
    after = cv2.contourArea(cv2.perspectiveTransform(corners, found))
    return rows if before and _LEAST_AREA < after / before < _MOST_AREA else none


def _in_pixels(boxes: np.ndarray) -> np.ndarray:
    """(n, 2) points; a box's sides say how large a pixel is."""
    import numpy as np

    return np.asarray(boxes[:, :2] / boxes[:, 2:] + 0.5, np.float32)


def build(*, depth: int = 100, count: int = 500) -> Geometric:
    """depth: hits that are compared, 10 to 1,000. count: keypoints of a picture, 50 to 2,000. UsageError."""
    if not 10 <= depth <= 1000:
        raise UsageError(f"depth={depth}: choose 10 to 1,000")
    if not 50 <= count <= 2000:
        raise UsageError(f"count={count}: choose 50 to 2,000")
    return Geometric(depth, count)
