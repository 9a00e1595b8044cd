"""How far a map can be believed: scikit-learn's figure, a plain loop's, and what the caption says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics import map_placing, map_trust
from pipeline.metrics.map_trust import Trust, caption, measure


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def data(n: int = 120, dim: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings, and a poor map of them."""
    random = np.random.default_rng(0)
    rows = unit(random.normal(size=(n, dim)))
    return rows, (rows[:, :2] + 0.05 * random.normal(size=(n, 2))).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 10, 15])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_trustworthiness_is_scikit_learns(k: int, kind: type) -> None:
    from sklearn.manifold import trustworthiness

    rows, points = data()
    trust = measure(rows.astype(kind), points, k=k, seed=0)
    assert trust.trustworthiness == pytest.approx(trustworthiness(rows.astype(kind), points, n_neighbors=k), abs=1e-9)
    # Continuity is the same with the two spaces exchanged.
    assert trust.continuity == pytest.approx(trustworthiness(points, rows.astype(kind), n_neighbors=k), abs=1e-9)
    assert (trust.asked, trust.n, trust.k) == (120, 120, k)


def order(rows: np.ndarray, asking: int) -> list[int]:
    others = [row for row in range(len(rows)) if row != asking]
    return sorted(others, key=lambda row: (sum((rows[asking] - rows[row]) ** 2), row))


def test_the_figures_are_those_of_a_plain_loop() -> None:
    rows, points = data(40, 6)
    k, lost, kept = 4, 0, 0
    for asking in range(40):
        truth, seen = order(rows, asking), order(points, asking)
        lost += sum(max(0, truth.index(row) + 1 - k) for row in seen[:k])
        kept += len(set(truth[:k]) & set(seen[:k]))
    trust = measure(rows, points, k=k, seed=0)
    assert trust.trustworthiness == pytest.approx(1 - 2 * lost / (40 * k * (2 * 40 - 3 * k - 1)), abs=1e-12)
    assert trust.neighbours_kept == pytest.approx(kept / (40 * k), abs=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, points = data()
    whole = measure(rows.astype(np.float32), points, seed=0)
    monkeypatch.setattr(map_trust, "AT_ONCE", 500)
    assert measure(rows.astype(np.float32), points, seed=0) == whole


def test_a_map_that_is_the_embeddings_is_perfect_and_noise_is_not() -> None:
    rows, _ = data(200, 2)
    perfect = measure(rows, rows, seed=0)
    assert (perfect.trustworthiness, perfect.continuity, perfect.neighbours_kept) == (1, 1, 1)
    assert perfect.distances_kept == pytest.approx(1)
    noise = measure(rows, np.random.default_rng(1).normal(size=(200, 2)), seed=0)
    assert noise.trustworthiness < 0.6
    assert noise.neighbours_kept < 0.2
    assert abs(noise.distances_kept or 0) < 0.1


def test_a_sample_is_seeded_and_close_to_the_whole() -> None:
    rows, points = data(600)
    whole, sample = measure(rows, points, seed=0), measure(rows, points, seed=1, asked=200)
    assert sample == measure(rows, points, seed=1, asked=200)
    assert (sample.asked, sample.n, sample.seed) == (200, 600, 1)
    assert sample.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)


def test_the_rank_correlation_is_scipys_over_the_pairs() -> None:
    rows, points = data()
    found = map_trust.distances_kept(rows, points, seed=0, pairs=20_000)
    upper = np.triu_indices(120, 1)
    every = [np.linalg.norm(space[upper[0]] - space[upper[1]], axis=1) for space in (rows, points)]
    ranks = [np.argsort(np.argsort(distances)) for distances in every]
    assert found == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=0.03)


def test_equal_points_have_no_correlation_and_warn_of_nothing() -> None:
    rows, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure(rows, np.zeros((120, 2)), seed=0).distances_kept is None


def test_k_is_lowered_for_few_pictures_and_two_are_refused() -> None:
    rows, points = data(10)
    assert measure(rows, points, k=15, seed=0).k == 4
    with pytest.raises(UsageError, match="a map of 2 pictures"):
        measure(rows[:2], points[:2], seed=0)


def test_the_caption_says_what_sizes_and_gaps_do_not_mean() -> None:
    trust = Trust(0.934, 0.9, 0.4567, 0.5, k=15, asked=2000, n=20_000, seed=0)
    said = caption("umap", trust)
    assert "Of the 15 nearest pictures of each, 46 of 100 are also" in said
    assert "(trustworthiness 0.93), measured on 2,000 of 20,000." in said
    assert "size of a group" in said
    assert "gap between two groups mean nothing" in said
    assert "Distances are true along the directions shown" in caption("pca", trust)


def test_a_copy_takes_the_point_of_the_picture_it_copies() -> None:
    rows, points = data(50)
    np.testing.assert_allclose(map_placing.place(rows[:5], rows, points), points[:5], atol=1e-3)


def test_a_further_picture_stands_at_the_weighted_mean_of_its_nearest() -> None:
    rows, points = data(50)
    asking = unit(np.random.default_rng(5).normal(size=(1, 20)))
    scores = sorted(((float(asking[0] @ rows[row]), row) for row in range(50)), reverse=True)[: map_placing.NEAREST]
    total = sum(1 / (1 - score) for score, _ in scores)
    expected = [sum(points[row][axis] / (1 - score) for score, row in scores) / total for axis in (0, 1)]
    np.testing.assert_allclose(map_placing.place(asking, rows, points)[0], expected, rtol=1e-4)
