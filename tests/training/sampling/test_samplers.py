"""Batches: complete, distinct, and the same again for the same seed and step."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UsageError
from training.sampling.samplers import p_by_k, shuffled, too_small

LABELS = np.repeat(np.arange(6), [9, 7, 4, 4, 2, 1])


def test_an_epoch_sees_every_picture_at_most_once_and_drops_less_than_a_batch() -> None:
    for epoch in range(3):
        seen = np.concatenate([shuffled(50, batch_size=8, seed=0, step=6 * epoch + i) for i in range(6)])
        assert len(seen) == len(set(seen.tolist())) == 48
        assert set(seen.tolist()) <= set(range(50))


def test_epochs_and_seeds_differ() -> None:
    first = shuffled(50, batch_size=8, seed=0, step=0).tolist()
    assert first != shuffled(50, batch_size=8, seed=0, step=6).tolist()
    assert first != shuffled(50, batch_size=8, seed=1, step=0).tolist()


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    forwards = [shuffled(50, batch_size=8, seed=3, step=step).tolist() for step in range(20)]
    backwards = [shuffled(50, batch_size=8, seed=3, step=step).tolist() for step in reversed(range(20))]
    assert forwards == backwards[::-1]
    options = {"labels_per_batch": 3, "each": 3, "seed": 3}
    forwards = [p_by_k(LABELS, **options, step=step).tolist() for step in range(20)]
    backwards = [p_by_k(LABELS, **options, step=step).tolist() for step in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert len(set(map(tuple, forwards))) == 20


def test_what_a_caller_writes_into_a_batch_does_not_reach_the_next() -> None:
    before = shuffled(50, batch_size=8, seed=0, step=2).tolist()
    shuffled(50, batch_size=8, seed=0, step=2)[:] = 0
    assert shuffled(50, batch_size=8, seed=0, step=2).tolist() == before


def test_p_by_k_has_p_labels_with_k_distinct_pictures_each() -> None:
    came = set()
    for step in range(200):
        rows = p_by_k(LABELS, labels_per_batch=3, each=4, seed=0, step=step)
        labels, counts = np.unique(LABELS[rows], return_counts=True)
        assert len(set(rows.tolist())) == 12
        assert counts.tolist() == [4, 4, 4]
        came |= set(labels.tolist())
    assert came == {0, 1, 2, 3}  # 4 and 5 are too small
    assert too_small(LABELS, each=4) == 2


def test_p_by_k_reads_labels_that_are_text_and_in_any_order() -> None:
    labels = np.array(["shoe", "hat", "shoe", "coat", "hat", "coat"])
    rows = p_by_k(labels, labels_per_batch=2, each=2, seed=0, step=0)
    assert labels[rows[0]] == labels[rows[1]] != labels[rows[2]] == labels[rows[3]]


def test_a_batch_larger_than_the_dataset_is_refused() -> None:
    with pytest.raises(UsageError, match="64 is larger than the dataset of 50 pictures"):
        shuffled(50, batch_size=64, seed=0, step=0)
    with pytest.raises(UsageError, match="40 is larger than the dataset of 27 pictures"):
        p_by_k(LABELS, labels_per_batch=10, each=4, seed=0, step=0)


def test_a_batch_as_large_as_the_dataset_is_the_dataset() -> None:
    assert sorted(shuffled(8, batch_size=8, seed=0, step=5).tolist()) == list(range(8))


def test_labels_too_few_or_too_small_are_refused() -> None:
    with pytest.raises(UsageError, match="only 2 labels have 5 pictures and a batch takes 3 labels"):
        p_by_k(LABELS, labels_per_batch=3, each=5, seed=0, step=0)
    with pytest.raises(UsageError, match="at least 2"):
        p_by_k(LABELS, labels_per_batch=3, each=1, seed=0, step=0)
    with pytest.raises(UsageError, match="a batch of 0 pictures"):
        shuffled(50, batch_size=0, seed=0, step=0)
