"""The golden feature against loops, and what it says of pictures a child could compare."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.errors import UsageError
from pipeline.features.appearance import colours, edges, membership
from pipeline.features.relevance import (
    between,
    class_relevance,
    features,
    golden_triplets,
    relevances,
    scale,
    thresholds,
)


def noise(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)


def made_up(n: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found = {name: random.normal(size=(n, 6)).astype(np.float32) for name in ("colour", "texture", "semantic")}
    return {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in found.items()}


def slow_relevance(parts: dict[str, np.ndarray], members: list[int], weights: dict[str, float]) -> dict:
    pairs = [(i, j) for i in members for j in members if i != j]
    mixed = dict.fromkeys(pairs, 0.0)
    for name, rows in parts.items():
        cosines = {(i, j): sum(float(a) * float(b) for a, b in zip(rows[i], rows[j], strict=True)) for i, j in pairs}
        mean, sd = statistics.mean(cosines.values()), statistics.pstdev(cosines.values())
        for pair in pairs:
            mixed[pair] += weights[name] * (cosines[pair] - mean) / sd
    low, high = min(mixed.values()), max(mixed.values())
    return {pair: (value - low) / (high - low) for pair, value in mixed.items()}


def test_a_colour_is_the_root_of_its_share_in_the_whole_and_in_each_quarter() -> None:
    [picture] = noise(1)
    picture[:32, :32] = (200, 30, 40)
    table, parts = membership(6), []
    for top, left, side in ((0, 0, 64), (0, 0, 32), (0, 32, 32), (32, 0, 32), (32, 32, 32)):
        histogram = np.zeros(table.shape[1])
        for r, g, b in picture[top : top + side, left : left + side].reshape(-1, 3).tolist():
            histogram += table[r // 16 * 256 + g // 16 * 16 + b // 16]
        parts.append(np.sqrt(histogram / side**2) / 5**0.5)
    np.testing.assert_allclose(features(picture[None])["colour"][0], np.concatenate(parts), atol=1e-4)


def test_features_have_unit_length_alone_and_among_others() -> None:
    pictures = noise(40)
    found = features(pictures)
    assert {name: (rows.shape, rows.dtype) for name, rows in found.items()} == {
        "colour": ((40, 900), np.float32),
        "texture": ((40, 512), np.float32),
    }
    for name, rows in found.items():
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(features(pictures[17:18])[name][0], rows[17], atol=1e-6)
    hog = edges(pictures, 8)
    np.testing.assert_allclose(found["texture"], hog / np.linalg.norm(hog, axis=1, keepdims=True), atol=1e-5)
    assert features(pictures[:0])["colour"].shape == (0, 900)


def test_the_share_of_a_colour_is_of_the_pictures_own_pixels() -> None:
    np.testing.assert_allclose(colours(noise(3)[:, :32, :16]).sum(axis=1), 1, atol=1e-5)


def test_a_plain_picture_has_a_colour_and_no_texture() -> None:
    found = features(np.full((1, 64, 64, 3), 90, np.uint8))
    assert np.linalg.norm(found["colour"]) == pytest.approx(1)
    assert not found["texture"].any()


@pytest.mark.parametrize("pictures", [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 64, 64, 3), np.float32)])
def test_other_shapes_and_types_are_refused(pictures: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"\(n, 64, 64, 3\) uint8"):
        features(pictures)


def test_the_near_colour_and_the_same_shape_are_more_relevant() -> None:
    def drawn(colour: str, *, square: bool = False) -> np.ndarray:
        image = Image.new("RGB", (64, 64), "white")
        getattr(ImageDraw.Draw(image), "rectangle" if square else "ellipse")((12, 12, 52, 52), fill=colour)
        return np.asarray(image)

    found = features(
        np.stack([drawn("red"), drawn("#e01010"), drawn("blue"), drawn("red", square=True), drawn("blue", square=True)])
    )
    r = class_relevance(found, np.arange(5))
    assert r[0, 1] == r.max() == 1
    assert r[0, 1] > r[0, 2] > r[0, 4]
    assert r[0, 1] > r[0, 3] > r[0, 4]


@pytest.mark.parametrize(
    "weights", [{"colour": 1, "texture": 1, "semantic": 1}, {"colour": 2, "texture": 1, "semantic": 5}]
)
def test_relevance_is_the_stretched_mean_of_z_scores_of_a_loop(weights: dict[str, float]) -> None:
    parts, members = made_up(20), [2, 3, 5, 7, 11, 13, 17]
    r = class_relevance(parts, np.array(members), weights=weights)
    truth = slow_relevance(parts, members, weights)
    for (i, j), value in truth.items():
        assert r[members.index(i), members.index(j)] == pytest.approx(value, abs=1e-4)
    off = r[~np.eye(7, dtype=bool)]
    assert (r.diagonal() == 0).all()
    assert (off.min(), off.max()) == (0, 1)
    assert (r == r.T).all()
    assert r.dtype == np.float32


def test_a_feature_without_weight_or_without_rows_does_not_count() -> None:
    parts, members = made_up(20), np.arange(9)
    alone = class_relevance({"colour": parts["colour"]}, members)
    weights = {"colour": 0.5, "texture": 0, "semantic": 0}
    np.testing.assert_allclose(class_relevance(parts, members, weights=weights), alone, atol=1e-6)
    constant = {**parts, "texture": np.tile(parts["texture"][:1], (20, 1))}  # says nothing: its z is 0
    without = {"colour": parts["colour"], "semantic": parts["semantic"]}
    np.testing.assert_allclose(class_relevance(constant, members), class_relevance(without, members), atol=1e-5)


def test_weights_that_cannot_be_are_refused() -> None:
    parts, members = made_up(5), np.arange(5)
    with pytest.raises(UsageError, match="no weight for the feature 'shape'; choose from colour, texture, semantic"):
        class_relevance({"shape": parts["colour"]}, members)
    for weights in ({"colour": 0.0}, {"colour": -1.0}):
        with pytest.raises(UsageError, match="a weight above 0"):
            class_relevance({"colour": parts["colour"]}, members, weights=weights)


def test_each_label_has_its_own_matrix_and_a_lone_picture_no_pair() -> None:
    parts, labels = made_up(11), list("cabacabacbz")
    members, matrices = relevances(parts, labels)
    assert [rows.tolist() for rows in members] == [[1, 3, 5, 7], [2, 6, 9], [0, 4, 8], [10]]
    for rows, matrix in zip(members, matrices, strict=True):
        assert matrix.dtype == np.float16
        np.testing.assert_allclose(matrix, class_relevance(parts, rows), atol=1e-3)
    assert matrices[3].tolist() == [[0]]
    assert relevances(made_up(0), []) == ([], [])


def test_pictures_that_are_all_alike_are_all_relevant() -> None:
    copies = {"colour": np.tile(made_up(1)["colour"], (4, 1))}
    assert class_relevance(copies, np.arange(4)).tolist() == (1 - np.eye(4)).tolist()
    assert class_relevance(made_up(2), np.arange(2)).tolist() == [[0, 1], [1, 0]]


def test_the_thresholds_are_the_percentile_and_the_spread_of_all_pairs() -> None:
    _, matrices = relevances(made_up(60), np.random.default_rng(0).integers(0, 3, 60))
    values = [float(m[i, j]) for m in matrices for i in range(len(m)) for j in range(len(m)) if i != j]
    cap, gap = thresholds(matrices)
    assert cap == pytest.approx(statistics.quantiles(values, n=20, method="inclusive")[18], abs=1e-4)
    assert gap == pytest.approx(statistics.pstdev(values), abs=1e-6)
    with pytest.raises(UsageError, match="no label has two pictures"):
        thresholds([np.zeros((1, 1), np.float16)])


def test_rows_against_rows_agree_with_the_matrix_of_the_whole_label() -> None:
    parts, members = made_up(40), np.arange(5, 40)
    label = {name: rows[members] for name, rows in parts.items()}
    matrix = class_relevance(parts, members)
    some = {name: rows[3:9] for name, rows in label.items()}
    found = between(some, label, scale(label))
    for row, picture in enumerate(range(3, 9)):
        for other in range(35):
            if other != picture:
                assert found[row, other] == pytest.approx(matrix[picture, other], abs=1e-4)
    sample = scale({name: rows[:20] for name, rows in label.items()})
    assert 0 <= between(some, label, sample).min() <= between(some, label, sample).max() <= 1


def test_golden_triplets_are_drawn_evenly_from_all_that_qualify() -> None:
    members, matrices = relevances(made_up(19), ["b"] * 6 + ["a"] * 12 + ["lone"])
    rows, r = members[1], matrices[1].astype(float)
    able = {
        (rows[a], rows[c], rows[f])
        for a in range(6)
        for c in range(6)
        for f in range(6)
        if len({a, c, f}) == 3 and r[a, c] - r[a, f] >= 0.25
    }
    everything = golden_triplets(members[1:2], matrices[1:2], gap=0.25, each=10_000, seed=0)
    assert len(everything) == len(able)
    assert {tuple(triplet) for triplet in everything.tolist()} == able
    counts = dict.fromkeys(able, 0)
    for seed in range(2000):
        for triplet in golden_triplets(members[1:2], matrices[1:2], gap=0.25, each=5, seed=seed).tolist():
            counts[tuple(triplet)] += 1
    expected = 10_000 / len(able)
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < len(able) + 5 * (2 * len(able)) ** 0.5


def test_each_label_gives_its_share_of_golden_triplets_and_a_lone_picture_none() -> None:
    members, matrices = relevances(made_up(19), ["b"] * 6 + ["a"] * 12 + ["lone"])
    found = golden_triplets(members, matrices, gap=0.1, each=20, seed=3)
    assert found.shape == (40, 3)
    assert (found[:20] >= 6).all()
    assert (found[20:] < 6).all()
    np.testing.assert_array_equal(found, golden_triplets(members, matrices, gap=0.1, each=20, seed=3))
    assert golden_triplets(members, matrices, gap=1.5, each=20, seed=3).shape == (0, 3)
    assert golden_triplets([], [], gap=0.1, each=20, seed=3).shape == (0, 3)
    with pytest.raises(UsageError, match="gap above 0"):
        golden_triplets(members, matrices, gap=0, each=20, seed=3)
