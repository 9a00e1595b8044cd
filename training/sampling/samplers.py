"""Which pictures a step sees, as pure functions of (seed, step): a resumed run goes on with the very same batches."""

from __future__ import annotations

import functools

import numpy as np

from pipeline.errors import UsageError


def shuffled(n: int, *, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Rows of the step's batch, (batch_size,) int64 in [0, n): each epoch is a new permutation of all pictures.

    What does not fill a batch at an epoch's end is dropped; it differs from epoch to epoch.
    """
    _check_size(batch_size, n)
    epoch, batch = divmod(step, n // batch_size)
    return _permutation(n, seed, epoch)[batch * batch_size : (batch + 1) * batch_size].copy()


def p_by_k(labels: np.ndarray, *, labels_per_batch: int, each: int, seed: int, step: int) -> np.ndarray:
    """Rows of `labels_per_batch` distinct labels with `each` distinct pictures, label by label: (P·K,) int64.

    labels: (n,). One with fewer than `each` pictures never comes; `too_small` counts them.
    """
    assert not labels.dtype.hasobject, "labels are numbers or numpy text"
    _check_size(labels_per_batch * each, len(labels))
    if each < 2:
        raise UsageError(f"{each} picture for each label gives no positives; take at least 2")
    groups = _groups(labels.tobytes(), labels.dtype.str, each)
    if len(groups) < labels_per_batch:
        raise UsageError(
            f"only {len(groups)} labels have {each} pictures and a batch takes {labels_per_batch} labels: "
            f"take fewer labels a batch, fewer pictures each, or a dataset with larger labels"
        )
    rng = np.random.default_rng((seed, step))
    chosen = rng.choice(len(groups), labels_per_batch, replace=False)
    return np.concatenate([rng.choice(groups[label], each, replace=False) for label in chosen])


def too_small(labels: np.ndarray, *, each: int) -> int:
    """How many labels have fewer than `each` pictures: what `p_by_k` leaves out, for a run to say."""
    return int((np.unique(labels, return_counts=True)[1] < each).sum())


def _check_size(batch: int, n: int) -> None:
    if batch < 1:
        raise UsageError(f"a batch of {batch} pictures is empty; take at least 1")
    if batch > n:
        raise UsageError(f"a batch of {batch:,} is larger than the dataset of {n:,} pictures; take a smaller batch")


@functools.lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(n)


@functools.lru_cache(maxsize=2)
def _groups(labels: bytes, dtype: str, each: int) -> tuple[np.ndarray, ...]:
    """Rows of each label that has `each` pictures. Bytes, since arrays cannot be keys of a cache."""
    values = np.frombuffer(labels, dtype)
    order = np.argsort(values, kind="stable")
    _, starts = np.unique(values[order], return_index=True)
    return tuple(rows for rows in np.split(order, starts[1:]) if len(rows) >= each)
