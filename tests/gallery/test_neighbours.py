"""The nearest others: those of a plain loop, in that order, kept in the gallery and computed again when it changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import fill, photos

from pipeline.analysis import outliers
from pipeline.duplicates.find import find_duplicates
from pipeline.errors import UsageError
from pipeline.gallery import neighbours, reports
from pipeline.metrics import retrieval


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.float32(sum(float(x) * float(y) for x, y in zip(a, b, strict=True))))


def slow(rows: np.ndarray, k: int) -> list[list[int]]:
    found = []
    for asking in range(len(rows)):
        others = [row for row in range(len(rows)) if row != asking]
        found.append(sorted(others, key=lambda row: (-cosine(rows[asking], rows[row]), row))[:k])
    return found


@pytest.mark.parametrize("k", [1, 7, 29, 59])
def test_they_are_those_of_a_plain_loop(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "SCORES_AT_ONCE", 60 * 7)  # several blocks, the last one shorter
    rows = unit(np.random.default_rng(0).normal(size=(60, 12)))
    found = neighbours.exact(rows, k=k)
    assert found.rows.tolist() == slow(rows, k)
    assert (found.rows.dtype, found.scores.dtype) == (np.int32, np.float32)
    expected = [[cosine(rows[row], rows[other]) for other in found.rows[row]] for row in range(60)]
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    np.testing.assert_allclose(found.distances, np.linalg.norm(rows[:, None] - rows[found.rows], axis=2), atol=1e-3)


@pytest.mark.parametrize("copies", [3, 40])
def test_copies_are_ordered_by_row_also_where_there_are_more_of_them_than_candidates(copies: int) -> None:
    rows = np.repeat(unit(np.random.default_rng(1).normal(size=(4, 33))), copies, axis=0)
    rows = rows[np.random.default_rng(2).permutation(len(rows))]
    found = neighbours.exact(rows, k=5)
    assert found.rows.tolist() == slow(rows, 5)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert found.scores.max() <= 1


def test_scores_that_float32_cannot_tell_apart_are_told_apart() -> None:
    random = np.random.default_rng(3)
    rows = unit(random.normal(size=(1, 64)) + 1e-4 * random.normal(size=(80, 64)))
    assert neighbours.exact(rows, k=10).rows.tolist() == slow(rows, 10)


def test_fewer_neighbours_are_the_first_of_more() -> None:
    rows = unit(np.random.default_rng(4).normal(size=(70, 8)).round(1) + 1e-6)
    many, few = neighbours.exact(rows, k=40), neighbours.exact(rows, k=9)
    np.testing.assert_array_equal(many.first(9).rows, few.rows)
    np.testing.assert_array_equal(many.first(9).scores, few.scores)


def test_rows_long_enough_to_be_looked_at_in_groups_give_the_same() -> None:
    rows = unit(np.random.default_rng(5).normal(size=(1200, 6)))
    expected = retrieval.nearest(rows[:40], rows, k=2, exclude=np.arange(40))[1]
    np.testing.assert_array_equal(neighbours.exact(rows, k=2).rows[:40], expected)


def test_progress_reaches_the_end() -> None:
    said = []
    neighbours.exact(unit(np.eye(5)), k=2, progress=lambda *words: said.append(words))
    assert said[-1] == ("neighbours", 5, 5)


@pytest.mark.parametrize("k", [0, 5])
def test_more_neighbours_than_others_are_refused(k: int) -> None:
    with pytest.raises(UsageError, match=f"{k} neighbours of each of 5 pictures: ask for 1 to 4"):
        neighbours.exact(unit(np.eye(5)), k=k)


def test_an_embedding_that_is_not_finite_is_refused() -> None:
    rows = unit(np.eye(5))
    rows[2, 2] = np.nan
    with pytest.raises(UsageError, match="not finite"):
        neighbours.exact(rows, k=2)


def test_a_gallery_keeps_them_until_its_pictures_change(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 14))
    rows = gallery.rows()
    first = neighbours.of_gallery(gallery, rows, k=3)
    assert first.rows.tolist() == slow(rows.embeddings, 3)
    [file] = (gallery.root / "projections").glob("neighbours-*.npz")
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "exact", None)  # a second computation would fail
        again = neighbours.of_gallery(gallery, rows, k=13)
    np.testing.assert_array_equal(again.first(3).rows, first.rows)
    gallery.remove([rows.table["id"][0]])
    fewer = gallery.rows()
    assert neighbours.of_gallery(gallery, fewer, k=3).rows.tolist() == slow(fewer.embeddings, 3)
    [other] = (gallery.root / "projections").glob("neighbours-*.npz")
    assert other != file


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_computed_again(damage: bytes, home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 12))
    rows = gallery.rows()
    first = neighbours.of_gallery(gallery, rows, k=3)
    [file] = (gallery.root / "projections").glob("neighbours-*.npz")
    file.write_bytes(damage)
    np.testing.assert_array_equal(neighbours.of_gallery(gallery, rows, k=3).rows, first.rows)


def test_many_rows_have_nearly_their_exact_neighbours_and_never_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    rows = unit(np.random.default_rng(0).normal(size=(1500, 6)))
    rows[1] = rows[0]  # two copies
    found = neighbours.nearly(rows, k=10, seed=0)
    known = neighbours.exact(rows, k=10)
    assert "NN-descent" in found.note
    assert found.rows.shape == found.scores.shape == (1500, 10)
    assert not (found.rows == np.arange(1500)[:, None]).any()
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.rows, known.rows, strict=True)]) > 0.95
    truth = np.einsum("nd,nkd->nk", rows, rows[found.rows])
    assert np.allclose(found.scores, truth, atol=1e-4)
    assert (np.diff(found.scores, axis=1) <= 1e-6).all()
    assert neighbours.nearly(rows, k=10, seed=0).rows.tolist() == found.rows.tolist()


def test_a_map_of_many_takes_the_exact_neighbours_when_they_are_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 40))
    rows = gallery.rows()
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 20)
    assert "NN-descent" in neighbours.for_a_map(gallery, rows, k=5).note
    known = neighbours.of_gallery(gallery, rows, k=8)
    again = neighbours.for_a_map(gallery, rows, k=5)
    assert again.note == ""
    assert again.rows.tolist() == known.rows[:, :5].tolist()


def test_of_a_large_gallery_nearly_all_are_found_kept_and_the_share_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 40))
    rows = gallery.rows()
    exact = neighbours.exact(rows.embeddings, k=8)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 20)
    monkeypatch.setattr(neighbours, "ALL_PAIRS_UP_TO", 30)
    monkeypatch.setattr(neighbours, "KEPT", 8)
    found = neighbours.of_gallery(gallery, rows, k=8)
    share = np.mean([len(set(a) & set(b)) / 8 for a, b in zip(found.rows, exact.rows, strict=True)])
    assert f"{100 * share:.1f} % of the exact ones, measured on 40 pictures" in found.note
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "nearly", None)  # a second computation would fail
        again = neighbours.of_gallery(gallery, rows, k=5)
    assert again.note == found.note
    assert outliers.find(gallery, k=5)
    report = reports.read(gallery, reports.names(gallery, outliers.KIND)[0])
    assert report["neighbours"] == found.note
    assert find_duplicates(gallery)["neighbours"] == found.note


def test_many_copies_of_one_picture_have_neighbours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 20)
    rows = np.tile(unit(np.ones((1, 8))), (60, 1))
    found = neighbours.nearly(rows, k=5, seed=0)
    assert found.rows.shape == (60, 5)
    assert not (found.rows == np.arange(60)[:, None]).any()
    assert np.allclose(found.scores, 1, atol=1e-5)
