"""SimHash against angles, and Hamming distances against a loop over bits."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.features import simhash


def differing(one: np.ndarray, other: np.ndarray) -> int:
    return sum(bin(int(a) ^ int(b)).count("1") for a, b in zip(one, other, strict=True))


def test_distances_are_those_of_a_loop_over_bits() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, (9, 2), dtype=np.uint64)
    found = simhash.hamming(hashes[:, None], hashes[None, :])
    assert found.tolist() == [[differing(one, other) for other in hashes] for one in hashes]


@pytest.mark.parametrize("degrees", [5, 30, 90, 150])
def test_the_share_of_bits_that_differ_is_the_angle(degrees: int) -> None:
    random, bits = np.random.default_rng(1), 4096
    one = random.standard_normal((20, 32))
    across = random.standard_normal((20, 32))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    across -= (across * one).sum(1, keepdims=True) * one
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cos(np.radians(degrees)) * one + np.sin(np.radians(degrees)) * across
    signed = simhash.signatures(np.concatenate([one, other]).astype(np.float32), bits=bits, seed=3)
    found = simhash.hamming(signed[:20], signed[20:]).mean()
    assert np.degrees(simhash.angle(found, bits=bits)) == pytest.approx(degrees, abs=2)


def test_a_seed_gives_its_hyperplanes_and_another_gives_others() -> None:
    embeddings = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    assert (simhash.signatures(embeddings, seed=1) == simhash.signatures(embeddings, seed=1)).all()
    assert (simhash.signatures(embeddings, seed=1) != simhash.signatures(embeddings, seed=2)).any()
    assert simhash.signatures(embeddings, bits=128).shape == (5, 2)


@pytest.mark.parametrize("bits", [0, 63, 100])
def test_bits_that_fill_no_words_are_refused(bits: int) -> None:
    with pytest.raises(UsageError, match="choose 64, 128"):
        simhash.signatures(np.eye(3, dtype=np.float32), bits=bits)


@pytest.mark.parametrize("words_at_once", [1, 50, 1 << 20])
def test_near_pairs_are_all_pairs_of_a_loop(words_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simhash, "_WORDS_AT_ONCE", words_at_once)
    hashes = np.random.default_rng(2).integers(0, 2**64, (40, 1), dtype=np.uint64)
    hashes[7] = hashes[3] ^ np.uint64(5)
    hashes[39] = hashes[0]
    for most in (0, 2, 26):
        slow = [(i, j) for i in range(40) for j in range(i + 1, 40) if differing(hashes[i], hashes[j]) <= most]
        found = np.concatenate(list(simhash.near_pairs(hashes, most=most, partners=40)))
        assert sorted(map(tuple, found.tolist())) == slow


def test_many_equal_rows_make_a_chain_and_not_every_pair() -> None:
    hashes = np.zeros((300, 1), np.uint64)
    found = np.concatenate(list(simhash.near_pairs(hashes, most=3, partners=4)))
    assert len(found) < 300 * 4
    assert {(i, i + 1) for i in range(299)} <= set(map(tuple, found.tolist()))


def test_the_histogram_counts_every_pair_once() -> None:
    hashes = np.array([[0], [1], [3], [2**64 - 1]], np.uint64)
    pairs = np.array([[0, 1], [0, 2], [1, 2], [0, 3]])
    found = simhash.histogram(hashes, pairs)
    assert len(found) == 65
    assert {distance: count for distance, count in enumerate(found) if count} == {1: 2, 2: 1, 64: 1}
    assert simhash.histogram(hashes, pairs[:0]) == [0] * 65
