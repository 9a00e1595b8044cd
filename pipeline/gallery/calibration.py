"""What a score means in one gallery: its rank among the scores of random pairs of that gallery's pictures."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.gallery.gallery import Gallery

STEPS = 1000  # quantiles 0, 0.1 %, … 100 %
PAIRS = 100_000
_TOGETHER = 250  # pairs multiplied at a time: they stay in the processor's cache, 4 times as fast as 10,000 (measured)
WEAK_PERCENTILE = 99.0
"""A hit below this percentile is a weak match: one random pair in a hundred is as close."""


def refresh(gallery: Gallery, fingerprint8: str, *, seed: int = 0) -> None:
    """Measure the scores of random pairs and keep their quantiles in the manifest. Needs the lock."""
    import numpy as np

    embeddings = gallery.rows(fingerprint8).embeddings
    n = len(embeddings)
    if n < 2:
        return
    random = np.random.default_rng(seed)
    first = random.integers(0, n, PAIRS)
    second = (first + random.integers(1, n, PAIRS)) % n  # never the picture itself
    scores = np.concatenate(
        [
            (embeddings[first[i : i + _TOGETHER]] * embeddings[second[i : i + _TOGETHER]]).sum(1)
            for i in range(0, PAIRS, _TOGETHER)
        ]
    )
    quantiles = np.quantile(scores, np.linspace(0, 1, STEPS + 1))
    gallery.set_calibration(fingerprint8, [round(float(q), 5) for q in quantiles])


def percentile(score: float, quantiles: Sequence[float]) -> float:
    """Share of random pairs, in percent, that score lower; nan in a gallery of fewer than two pictures."""
    import bisect

    if not quantiles:
        return float("nan")
    return 100.0 * min(bisect.bisect_left(quantiles, score), STEPS) / STEPS


def weak_below(quantiles: Sequence[float]) -> float:
    """The score under which a hit is a weak match; -1 when nothing is known."""
    return quantiles[round(WEAK_PERCENTILE * STEPS / 100)] if quantiles else -1.0
