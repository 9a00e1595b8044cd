"""Pictures of a map in cells: one each, none twice, and those that are beside each other stay so."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.analysis import selection
from pipeline.analysis.selection import in_cells


@pytest.mark.parametrize("n", [1, 2, 7, 60, 300])
def test_every_picture_has_a_cell_of_its_own_inside_the_grid(n: int) -> None:
    points = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    places, columns, rows = in_cells(points)
    assert len({tuple(place) for place in places}) == n
    assert (places >= 0).all()
    assert (places < (columns, rows)).all()
    assert n <= columns * rows < n + columns


def test_a_grid_that_is_one_already_stays_as_it_is() -> None:
    columns, rows = 7, 5
    cells = np.array(list(itertools.product(range(columns), range(rows))), np.float32)
    shuffled = np.random.default_rng(1).permutation(len(cells))
    points = cells * (1, -1)  # y upwards, as on a map
    places, found, _ = in_cells(points[shuffled].astype(np.float32))
    assert found == columns
    np.testing.assert_array_equal(places, cells[shuffled])


def test_of_many_a_sample_has_cells_and_the_same_seed_draws_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_CELLS", 50)
    points = np.random.default_rng(2).normal(size=(120, 3)).astype(np.float32)
    places, *_ = in_cells(points, seed=4)
    assert np.isfinite(places[:, 0]).sum() == 50
    np.testing.assert_array_equal(places, in_cells(points, seed=4)[0])


def test_two_groups_far_apart_are_not_mixed() -> None:
    random = np.random.default_rng(3)
    points = np.concatenate([random.normal(-5, 0.1, (40, 2)), random.normal(5, 3, (40, 2))]).astype(np.float32)
    places, columns, _ = in_cells(points)
    left = np.sort(places[:40, 0])
    assert left.mean() < places[40:, 0].mean() - columns / 4


def test_pictures_at_one_point_are_no_fault() -> None:
    places, *_ = in_cells(np.zeros((20, 2), np.float32))
    assert len({tuple(place) for place in places}) == 20
