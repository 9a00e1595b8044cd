"""Triplets of a dataset that is read in parts: the paper's laws as far as reservoirs go, in bounded memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.features import relevance
from training.sampling.streamed import PART, REFILL, SAMPLE, StreamedSampler

SIZES = (120, 60, 90, 1)
LABELS = np.repeat(np.arange(4), SIZES)
PICTURES = 7 * np.arange(sum(SIZES)) + 3  # numbers with gaps, as rows of a split are
MEMBERS = [PICTURES[label == LABELS] for label in range(4)]


def unit_rows(n: int) -> dict[str, np.ndarray]:
    """Every other picture is much like the others of its kind, so its total relevance is higher."""
    random = np.random.default_rng(0)
    found = {name: random.normal(size=(n, 6)).astype(np.float32) for name in ("colour", "texture")}
    for rows in found.values():
        rows[::2] += 2
    return {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in found.items()}


GOLDEN = unit_rows(len(PICTURES))


def features(pictures: np.ndarray) -> dict[str, np.ndarray]:
    return {name: rows[np.searchsorted(PICTURES, pictures)] for name, rows in GOLDEN.items()}


def made(**options: object) -> StreamedSampler:
    return StreamedSampler(features, MEMBERS, **{"capacity": 30, "out_of_class": 0.2, "seed": 0} | options)


def golden(label: int) -> np.ndarray:
    """All pairs' relevance, as the exact sampler has it."""
    return relevance.class_relevance(GOLDEN, np.flatnonzero(label == LABELS))


def test_totals_and_thresholds_are_those_of_the_matrices_where_a_label_is_no_larger_than_the_sample() -> None:
    assert max(SIZES) <= SAMPLE
    sampler = made()
    for label in range(3):
        np.testing.assert_allclose(sampler._totals[label], golden(label).sum(axis=1), rtol=1e-4)
    cap, gap = relevance.thresholds([golden(label) for label in range(4)])
    assert sampler.cap == pytest.approx(cap, abs=0.03)  # of a thousand pairs a label
    assert sampler.gap == pytest.approx(gap, abs=0.02)


def test_triplets_keep_label_gap_share_and_cap_and_queries_come_from_every_refill() -> None:
    sampler, seen = made(), set()
    for step in range(40):
        drawn = sampler.sample(400, seed=(0, step))
        places = np.searchsorted(PICTURES, drawn)
        labels = LABELS[places]
        assert (labels[:, 0] == labels[:, 1]).all()
        inside = labels[:, 2] == labels[:, 0]
        assert abs(inside.mean() - 0.8) < 0.1
        for (query, positive, negative), label in zip(places[inside], labels[inside, 0], strict=True):
            first = np.flatnonzero(label == LABELS)[0]
            r = golden_of[label]
            assert r[query - first, positive - first] - r[query - first, negative - first] > sampler.gap - 0.01
        seen |= set(drawn[:, 0])
    assert 40 * 400 // (REFILL * 90) == 11  # refills of 30 pictures a label
    assert len(seen) > 0.9 * sum(SIZES[:3])


golden_of = {label: golden(label) for label in range(3)}


def test_a_sampler_made_again_goes_on_with_the_same_triplets_from_any_step() -> None:
    whole, again = made(), made()
    steps = [whole.sample(200, seed=(5, step)) for step in range(30)]
    for step in (29, 3, 17):
        assert (again.sample(200, seed=(5, step)) == steps[step]).all()
    assert (steps[0] != steps[1]).any()


def test_pictures_of_more_relevance_are_asked_with_more_often() -> None:
    """As often as their total says, flattened where a reservoir holds much of its label: here a tenth."""
    sampler = made(capacity=6, out_of_class=1.0)
    counts = np.zeros(len(PICTURES))
    for step in range(1000):
        np.add.at(counts, np.searchsorted(PICTURES, sampler.sample(20, seed=(0, step))[:, 0]), 1)
    first, totals = counts[:120], golden_of[0].sum(axis=1)
    wanted = totals[::2].sum() / totals[1::2].sum()
    assert wanted > 1.4
    assert first[::2].sum() / first[1::2].sum() == pytest.approx(wanted, rel=0.15)


def test_memory_is_that_of_the_reservoirs_however_large_the_dataset(tmp_path: Path) -> None:
    """8,192 pictures on the disk, 100 MB, and twice as many: what is held at the most hardly grows."""
    peaks, waves = [], np.random.default_rng(0).uniform(1, 1000, 900)
    for n in (8 * PART, 16 * PART):
        pixels = np.lib.format.open_memmap(tmp_path / f"{n}.npy", mode="w+", dtype=np.uint8, shape=(n, 64, 64, 3))
        members = [np.arange(start, n, 4) for start in range(4)]

        def drawn(pictures: np.ndarray, pixels: np.ndarray = pixels) -> dict[str, np.ndarray]:
            small = np.array(pixels[pictures])  # read, as the golden feature reads it
            noise = small.reshape(len(small), -1)[:, :900] + np.cos(np.outer(pictures, waves))
            return {"colour": (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)}

        tracemalloc.start()
        StreamedSampler(drawn, members, capacity=64, out_of_class=0.2, seed=0).sample(1_000, seed=(0, 0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 0.5 * 100e6
    assert peaks[1] < 1.1 * peaks[0]


def test_what_streams_without_a_pair_is_refused() -> None:
    with pytest.raises(UsageError, match="no label has two pictures"):
        StreamedSampler(features, [part[:1] for part in MEMBERS], capacity=30, out_of_class=0.2, seed=0)
