"""Comparing by codes first gives what comparing every row exactly gives."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.stores import _scan
from pipeline.stores._scan import Block

DIM, ROWS = 24, 6_000
Found = list[tuple[int, int, float]]


def drawn(n: int, *, seed: int = 0) -> np.ndarray:
    """Around 40 centres, one dimension far from the middle and one that is the same in every row."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(40, DIM))[np.arange(n) % 40] + 0.3 * random.normal(size=(n, DIM))
    rows[:, 0] += 9
    rows[:, 1] = 0.5
    return rows.astype(np.float32)


def coded(vectors: np.ndarray) -> Block:
    block = Block(vectors)
    block.code()
    assert not block.needs_codes
    return block


def truth(blocks: list[Block], query: np.ndarray, passing: list[np.ndarray | None]) -> Found:
    """One cosine at a time, best first."""
    found = []
    for at, block in enumerate(blocks):
        for row, vector in enumerate(block.vectors.astype(np.float64)):
            mask = passing[at]
            if mask is None or mask[row]:
                wide = query.astype(np.float64)
                found.append((at, row, float(vector @ wide / np.linalg.norm(vector) / np.linalg.norm(wide))))
    return sorted(found, key=lambda one: -one[2])


@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("share", [None, 0.5, 0.01])
def test_the_nearest_are_those_that_a_loop_finds(k: int, share: float | None) -> None:
    vectors = drawn(ROWS) * np.random.default_rng(1).uniform(0.1, 9, (ROWS, 1)).astype(np.float32)  # of any length
    blocks = [coded(vectors), Block(drawn(50, seed=2))]
    random = np.random.default_rng(3)
    passing = [None if share is None else random.random(len(block.vectors)) < share for block in blocks]
    for query in (*drawn(3, seed=4), -drawn(1, seed=5)[0]):
        exact = truth(blocks, query, passing)
        found = sorted(_scan.nearest(blocks, query, k, passing), key=lambda one: -one[2])
        assert [one[:2] for one in found[:k]] == [one[:2] for one in exact[:k]]
        np.testing.assert_allclose([one[2] for one in found[:k]], [one[2] for one in exact[:k]], atol=1e-6)


def test_codes_say_how_far_they_may_be_wrong_and_are_near_enough_to_save_work() -> None:
    vectors, query = drawn(ROWS), drawn(1, seed=8)[0].astype(np.float64)
    query /= np.linalg.norm(query)
    block = coded(vectors)
    given = block.nearest(query, 40, None)
    true = block.scores(query, np.arange(ROWS))
    assert (given.scores >= true[given.rows]).all()
    assert (given.scores - true[given.rows] < 0.05).all()
    assert np.delete(true, given.rows).max() <= given.rest


def test_without_codes_yet_the_answer_is_the_same() -> None:
    vectors, query = drawn(ROWS), drawn(1, seed=6)[0]
    plain, quick = (_scan.nearest([block], query, 20, [None]) for block in (Block(vectors), coded(vectors)))
    best = [sorted(found, key=lambda one: -one[2])[:20] for found in (plain, quick)]
    assert best[0] == best[1]


def test_many_threads_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks, query = [coded(drawn(5_000, seed=seed)) for seed in (9, 10, 11)], drawn(1, seed=12)[0]
    alone = _scan.nearest(blocks, query, 30, [None] * 3)
    monkeypatch.setattr(_scan, "_MIN_SHARED", 1)
    assert _scan.nearest(blocks, query, 30, [None] * 3) == alone


def test_every_row_that_ties_with_the_last_is_given() -> None:
    """Which of them stay is for their ids to say."""
    vectors = np.repeat(drawn(2, seed=7), ROWS // 2, axis=0)
    for block in (Block(vectors), coded(vectors)):
        assert len(_scan.nearest([block], vectors[0], 3, [None])) == ROWS // 2


def test_more_than_there_are_or_none_that_passes() -> None:
    block, query = coded(drawn(ROWS)), drawn(1)[0]
    assert len(_scan.nearest([block], query, 16_384, [None])) == ROWS
    assert _scan.nearest([block], query, 5, [np.zeros(ROWS, dtype=bool)]) == []
    assert _scan.nearest([], query, 5, []) == []
    most = np.arange(ROWS) % 2 == 0
    assert {row for _, row, _ in _scan.nearest([block], query, ROWS, [most])} == set(range(0, ROWS, 2))
