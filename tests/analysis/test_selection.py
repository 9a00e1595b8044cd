"""Choosing on a map, against loops a child could check."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.analysis import selection


def crossings(x: float, y: float, polygon: list[tuple[float, float]]) -> int:
    """How often a ray to the right of the point crosses an edge."""
    found = 0
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if min(y1, y2) <= y < max(y1, y2) and x1 + (y - y1) / (y2 - y1) * (x2 - x1) > x:
            found += 1
    return found


@pytest.mark.parametrize("corners", [3, 4, 9, 60])
def test_a_point_is_inside_when_a_ray_from_it_leaves_an_odd_number_of_times(corners: int) -> None:
    random = np.random.default_rng(corners)
    polygon = [tuple(corner) for corner in random.normal(size=(corners, 2)).tolist()]  # crosses itself
    points = random.normal(size=(500, 2)).astype(np.float32)
    expected = [crossings(float(x), float(y), polygon) % 2 == 1 for x, y in points]
    assert selection.inside(points, np.array(polygon)).tolist() == expected
    assert any(expected)


def test_fewer_than_three_corners_hold_nothing() -> None:
    points = np.zeros((4, 2), np.float32)
    assert not selection.inside(points, np.array([[-1.0, -1.0], [1.0, 1.0]])).any()
    assert not selection.inside(points, np.empty((0, 2))).any()


def test_a_turn_keeps_lengths_that_lie_in_the_plane_and_no_turn_keeps_all() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    assert np.allclose(selection.looked_at(points, 0, 0), points[:, :2])
    assert np.allclose(selection.looked_at(points, np.pi / 2, 0), points[:, [2, 1]])
    assert np.allclose(selection.looked_at(points, 0, np.pi / 2), np.column_stack([points[:, 0], -points[:, 2]]))
    across, up = selection.looked_at(np.eye(3), 0.7, -0.4).T
    assert np.allclose([across @ across, up @ up, across @ up], [1, 1, 0])


def test_every_group_has_its_share_of_the_sample_and_none_is_left_out() -> None:
    groups = np.repeat(["many", "some", "few", "one"], [8000, 1500, 499, 1])
    chosen = selection.stratified(groups, 1000, seed=3)
    assert len(chosen) == len(set(chosen.tolist())) == 1000
    assert chosen.tolist() == sorted(chosen.tolist())
    names, counts = np.unique(groups[chosen], return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert found["one"] == 1
    for name, size in (("many", 8000), ("some", 1500), ("few", 499)):
        assert found[name] == pytest.approx(size / 10, abs=2)
    assert selection.stratified(groups, 1000, seed=3).tolist() == chosen.tolist()
    assert selection.stratified(groups, 1000, seed=4).tolist() != chosen.tolist()
    assert selection.stratified(groups, 20_000, seed=0).tolist() == list(range(10_000))
