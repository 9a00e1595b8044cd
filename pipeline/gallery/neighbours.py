"""The nearest others of every picture of a gallery, computed once: maps, clusters and duplicates all ask for them.

A float32 product finds them; rows whose order it leaves in doubt are decided by the float64 scores of retrieval.nearest.
Of more than ALL_PAIRS_UP_TO pictures, where that takes too long, nearly all are found, and a sample says how many.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.gallery.gallery import Gallery
from pipeline.metrics.retrieval import highest, nearest
from pipeline.records import Neighbours, Progress, Rows, silent

SCORES_AT_ONCE = 1 << 23  # 32 MB of float32
EXACT_UP_TO = 10_000  # rows that a map asks for; above, comparing all pairs takes longer than the map itself
ALL_PAIRS_UP_TO = 100_000  # rows; the time grows with the square, a hundredfold for ten times as many
MEASURED = 500  # rows whose exact neighbours say how many were found
KEPT = 90  # what t-SNE with its usual perplexity asks for, so that every later asker finds enough
SAME = 1e-6  # of two scores: by rounding
SPARE = 16  # candidates beyond the k-th that float64 decides among


def of_gallery(
    gallery: Gallery, rows: Rows, *, k: int, fingerprint8: str = "", progress: Progress = silent
) -> Neighbours:
    """Of these rows, all rows of the gallery's current encoder or of `fingerprint8`, read back when they were kept.

    Exact up to ALL_PAIRS_UP_TO rows. Numbers are rows of `rows`. Raises UsageError as `exact`.
    """
    _check(rows.embeddings, k)
    n, file = len(rows), _file(gallery, rows, fingerprint8)
    kept = _read(file, n)
    if kept is None or kept.rows.shape[1] < k:
        most = max(k, KEPT) if n <= ALL_PAIRS_UP_TO else k  # more of them cost NN-descent time, and bytes
        kept = of_rows(rows.embeddings, k=min(most, n - 1), progress=progress)
        _write(file, kept)
        for older in file.parent.glob(f"{file.stem.rpartition('-')[0]}-*.npz"):  # of the pictures as they were
            if older != file:
                older.unlink(missing_ok=True)
    return kept.first(k)


def for_a_map(
    gallery: Gallery, rows: Rows, *, k: int, fingerprint8: str = "", seed: int = 0, progress: Progress = silent
) -> Neighbours:
    """Like `of_gallery`; of many rows whose exact neighbours nobody has asked for yet, nearly all of them."""
    kept = _read(_file(gallery, rows, fingerprint8), len(rows))
    if kept is not None and kept.rows.shape[1] >= k:
        return kept.first(k)
    if len(rows) <= EXACT_UP_TO:
        return of_gallery(gallery, rows, k=k, fingerprint8=fingerprint8, progress=progress)
    return nearly(rows.embeddings, k=k, seed=seed, progress=progress)


def of_rows(embeddings: np.ndarray, *, k: int, progress: Progress = silent) -> Neighbours:
    """`exact` up to ALL_PAIRS_UP_TO rows, else `nearly`. Raises UsageError as both."""
    if len(embeddings) <= ALL_PAIRS_UP_TO:
        return exact(embeddings, k=k, progress=progress)
    return nearly(embeddings, k=k, seed=0, progress=progress)


def nearly(embeddings: np.ndarray, *, k: int, seed: int, progress: Progress = silent) -> Neighbours:
    """`exact` up to EXACT_UP_TO rows, else by NN-descent (Dong et al. 2011), some 99 of 100.

    The seed decides them: one thread. Raises UsageError as `exact`.
    """
    if len(embeddings) <= EXACT_UP_TO:
        return exact(embeddings, k=k, progress=progress)
    _check(embeddings, k)
    from pynndescent import NNDescent

    progress("neighbours", 0, 0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to correctly find n_neighbors", UserWarning)  # seen to below
        rows, distances = NNDescent(
            embeddings, n_neighbors=k + 1, metric="cosine", random_state=seed, n_jobs=1
        ).neighbor_graph  # (n, k + 1), mostly with the row itself first
    others = rows != np.arange(len(rows))[:, None]
    others[others.all(axis=1), -1] = False  # a copy of it stands in its place
    shape = (len(rows), k)
    found, scores = rows[others].reshape(shape), (1 - distances[others]).reshape(shape).astype(np.float32)
    if len(few := np.flatnonzero((rows < 0).any(axis=1))):  # of these too few were found, as among many copies
        scores[few], found[few] = nearest(embeddings[few], embeddings, k=k, exclude=few)
    progress("neighbours", len(rows), len(rows))
    note = (
        f"Nearest pictures were found by NN-descent: {100 * _share(embeddings, found, seed):.1f} % of the exact ones, measured "
        f"on {min(MEASURED, len(found)):,} pictures."
    )
    return Neighbours(found, scores, note)


def _share(embeddings: np.ndarray, found: np.ndarray, seed: int) -> float:
    """Of MEASURED rows' exact neighbours, the share that (n, k) `found` has; of equal scores any one counts."""
    some = np.random.default_rng(seed).choice(len(found), min(MEASURED, len(found)), replace=False)
    scores, _ = nearest(embeddings[some], embeddings, k=found.shape[1], exclude=some)
    own = np.einsum("qd,qkd->qk", embeddings[some], embeddings[found[some]], dtype=np.float64)
    return float((own >= scores[:, -1:] - SAME).mean())


def exact(embeddings: np.ndarray, *, k: int, progress: Progress = silent) -> Neighbours:
    """The k nearest others of each row of (n, dim) unit-length float32. Memory is bounded; time grows with n².

    Rows are those of retrieval.nearest, in its order; scores agree to about 1e-6.
    Raises UsageError when there are no k others or a value is not finite.
    """
    _check(embeddings, k)
    n, dim = embeddings.shape
    vectors = np.ascontiguousarray(embeddings, np.float32)
    rows, scores = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    # Rounding in a float32 sum of `dim` products of unit vectors, met by two scores at once.
    doubt = 2 * float(np.finfo(np.float32).eps) * dim**0.5
    step = max(1, SCORES_AT_ONCE // n)
    candidates = min(k + SPARE, n - 1)
    for start in range(0, n, step):
        progress("neighbours", start, n)
        here = np.arange(start, min(n, start + step))
        block = vectors[here] @ vectors.T  # (step, n)
        block[here - start, here] = -np.inf
        close, columns = highest(block, candidates)  # (step, candidates)
        unsure = np.flatnonzero((close[:, :-1] - close[:, 1:] < doubt)[:, :k].any(axis=1))
        columns[unsure] = _decided(vectors, here[unsure], columns[unsure])
        far = unsure[close[unsure, k - 1] - close[unsure, -1] < doubt] if candidates < n - 1 else unsure[:0]
        columns = columns[:, :k]
        if len(far):  # a tie that may go on beyond the candidates
            columns[far] = nearest(vectors[here[far]], vectors, k=k, exclude=here[far])[1]
        rows[here] = columns
        # Not the sums of float64, which only some rows have: a map must not depend on how many neighbours were asked.
        scores[here] = np.minimum.accumulate(np.take_along_axis(block, columns, axis=1).clip(max=1), axis=1)
    progress("neighbours", n, n)
    return Neighbours(rows, scores)


def digest(ids: Iterable[str]) -> str:
    """8 hex digits that stand for these ids in this order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:8]


def _file(gallery: Gallery, rows: Rows, fingerprint8: str) -> Path:
    name = f"neighbours-{fingerprint8 or gallery.current}-{digest(rows.table['id'])}.npz"
    return gallery.root / "projections" / name


def _check(embeddings: np.ndarray, k: int) -> None:
    if not 1 <= k < len(embeddings):
        raise UsageError(f"{k} neighbours of each of {len(embeddings)} pictures: ask for 1 to {len(embeddings) - 1}")
    if not np.isfinite(embeddings).all():
        raise UsageError("an embedding has a value that is not finite; encode again or train with a lower rate")


def _decided(vectors: np.ndarray, queries: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(q, candidates) the columns given for each row of `queries`, in order of scores that are summed in float64."""
    ordered = np.sort(columns, axis=1)  # so that a stable sort leaves ties by row
    for start in range(0, len(queries), 64):  # what is gathered at a time: 64 x candidates x dim
        here = slice(start, start + 64)
        products = np.einsum("qd,qcd->qc", vectors[queries[here]], vectors[ordered[here]], dtype=np.float64)
        order = np.argsort(-products.astype(np.float32), axis=1, kind="stable")
        ordered[here] = np.take_along_axis(ordered[here], order, axis=1)
    return ordered


def _read(file: Path, n: int) -> Neighbours | None:
    """None when there are none, or the file is damaged: they are computed again."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            kept = Neighbours(held["rows"], held["scores"], str(held["note"]) if "note" in held else "")
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return kept if kept.rows.shape == kept.scores.shape and len(kept.rows) == n else None


def _write(file: Path, kept: Neighbours) -> None:
    file.parent.mkdir(exist_ok=True)
    with atomic.replacing(file) as temporary, temporary.open("wb") as out:
        np.savez(out, rows=kept.rows, scores=kept.scores, note=np.array(kept.note))
