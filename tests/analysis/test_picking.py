"""Few pictures that stand for many: what a loop would take, in the same order, and never one twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis import picking

some = st.tuples(st.integers(2, 90), st.integers(0, 5)).map(lambda both: unit(*both))


def unit(n: int, seed: int, dim: int = 6) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@given(some, st.data())
def test_the_farthest_are_those_a_loop_finds(embeddings: np.ndarray, data: st.DataObject) -> None:
    n = len(embeddings)
    covered = data.draw(st.lists(st.integers(0, n - 1), max_size=min(5, n - 1), unique=True))
    count = data.draw(st.integers(0, n - len(covered)))
    picks = picking.farthest(embeddings, count, covered=np.array(covered, int)).tolist()
    assert len(set(picks) | set(covered)) == count + len(covered)
    there = list(covered)
    for number, pick in enumerate(picks):
        if there:
            far = {row: min(1 - float(embeddings[row] @ embeddings[one]) for one in there) for row in range(n)}
            assert far[pick] >= max(far[row] for row in range(n) if row not in there) - 1e-5, number
        there.append(pick)


@given(some, st.data())
def test_each_that_covers_lifts_the_mean_score_the_most(embeddings: np.ndarray, data: st.DataObject) -> None:
    n = len(embeddings)
    covered = data.draw(st.lists(st.integers(0, n - 1), max_size=min(3, n - 1), unique=True))
    count = data.draw(st.integers(0, min(6, n - len(covered))))
    picks = picking.covering(embeddings, count, covered=np.array(covered, int)).tolist()
    assert len(set(picks) | set(covered)) == count + len(covered)
    there = list(covered)

    def worth(rows: list[int]) -> float:
        return sum(max([0.0, *(float(one @ embeddings[row]) for row in rows)]) for one in embeddings)

    for pick in picks:
        best = max(worth([*there, row]) for row in range(n) if row not in there)
        assert worth([*there, pick]) == pytest.approx(best, abs=1e-3)
        there.append(pick)


def test_more_than_are_compared_whole_are_covered_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picking, "MAX_WHOLE", 50)
    embeddings = unit(400, 1)
    for count in (10, 80):
        picks = picking.covering(embeddings, count, seed=3)
        assert len(set(picks.tolist())) == count
        assert picks.tolist() == picking.covering(embeddings, count, seed=3).tolist()


def test_covering_and_middles_leave_less_than_chance_and_equal_pictures_do_no_harm() -> None:
    embeddings = unit(300, 2)
    chance = picking.by_chance(embeddings, 20, known=np.empty(0, int), seed=0)
    for picks in (picking.covering(embeddings, 20), picking.central(embeddings, 20)):
        assert len(set(picks.tolist())) == 20
        assert picking.distance_left(embeddings, picks) < chance
    equal = np.repeat(unit(1, 0), 9, axis=0)
    for choose in (picking.covering, picking.central, picking.farthest):
        assert len(set(choose(equal, 4).tolist())) == 4


def test_groups_give_in_turns_as_long_as_they_have_some() -> None:
    groups = np.array([0] * 6 + [1] * 2 + [2])
    picks = picking.from_each(unit(9, 0), groups, 7)
    assert np.bincount(groups[picks]).tolist() == [4, 2, 1]
    assert groups[picks[:3]].tolist() == [0, 1, 2]


def test_doubt_is_highest_between_two_labels_and_nothing_among_one() -> None:
    known = np.array([[1, 0], [0.99, 0.14], [0, 1], [0.14, 0.99]], np.float32)
    asked = np.array([[1, 0.02], [0.7071, 0.7071]], np.float32)
    embeddings = np.concatenate([known, asked])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = picking.doubts(embeddings, np.arange(4), np.array(["a", "a", "b", "b"]), k=4)
    assert found[5] == pytest.approx(1, abs=1e-3)
    assert found[4] < 0.2
    assert picking.doubts(embeddings, np.arange(2), np.array(["a", "a"])).tolist() == [0] * 6


def test_the_distance_left_is_what_a_loop_measures() -> None:
    embeddings = unit(30, 4)
    picks = np.array([3, 8])
    truth = np.mean(
        [0 if row in picks else min(1 - float(embeddings[row] @ embeddings[one]) for one in picks) for row in range(30)]
    )
    assert picking.distance_left(embeddings, picks) == pytest.approx(truth, abs=1e-6)
    assert picking.distance_left(embeddings, np.arange(30)) == 0
