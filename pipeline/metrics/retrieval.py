"""Retrieval metrics on arrays: ranks by score, ties by lower index, queries without relevant items left out.

What takes hit_labels gives one value per query: their mean is the metric, intervals.interval says how sure it is. The map_at_r pair
and recall_at_1 take embeddings and give the metric itself. Labels are strings or numbers; embeddings have unit length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import UsageError
from pipeline.metrics import near_ties
from pipeline.metrics.registry import Metric

SCORES_AT_ONCE = 1 << 23  # 32 MB, and hardly more in temporaries; of fewer queries at a time the product is slower
GALLERY_STEP = 1024  # rows that are float64 at a time
GROUPED = 64  # scores, at most, of which only the highest is looked at first
SPARE = 16  # hits beyond the k-th that a sum in float32 could have put behind it

Labels = Sequence[str] | np.ndarray


def nearest(
    queries: np.ndarray, gallery: np.ndarray, *, k: int, exclude: np.ndarray | None = None, chunk: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(q, k) float32 scores and (q, k) gallery rows, closest first, equal scores by lower row.

    exclude: (q,) the gallery row that is query i itself and no hit, -1 for none; copies of it stay. chunk: queries
    at a time, 0 = what fits. The order is that of sums in float64, so that equal rows tie wherever they stand; a score
    whose place is in no doubt is summed in float32. UsageError when the gallery has fewer than k other rows or a value is
    not finite.
    """
    _check_finite(queries, gallery)
    return _nearest(queries, gallery, k, exclude, chunk or _step(gallery), near_ties.longest(gallery))


def highest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(q, k) the k highest of each row of (q, n) scores, in order, and their columns; equal ones by lower column.

    k groups of columns have a highest score of at least `floor`, so k scores do: only these few are sorted. A group's
    columns stand far apart, because galleries are often in the order of their labels.
    """
    n = scores.shape[1]
    groups = n // max(1, min(GROUPED, n // (4 * k)))
    tops = scores[:, :groups].copy()
    for start in range(groups, n - groups + 1, groups):
        np.maximum(tops, scores[:, start : start + groups], out=tops)
    floor = np.partition(tops, -k, axis=1)[:, -k]  # (q,)
    top, columns = np.empty((len(scores), k), scores.dtype), np.empty((len(scores), k), np.int64)
    for i, row in enumerate(scores):
        few = np.flatnonzero(row >= floor[i])  # ascending, so a stable sort leaves ties by column
        order = np.argsort(-row[few], kind="stable")[:k]
        columns[i] = few[order]
        top[i] = row[columns[i]]
    return top, columns


def _check_finite(queries: np.ndarray, gallery: np.ndarray) -> None:
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise UsageError("an embedding has a value that is not finite; encode again or train with a lower rate")


def _nearest(
    queries: np.ndarray, gallery: np.ndarray, k: int, exclude: np.ndarray | None, step: int, longest: float
) -> tuple[np.ndarray, np.ndarray]:
    others = len(gallery) - int(exclude is not None and bool(np.any(exclude >= 0)))
    if not 1 <= k <= others:
        raise UsageError(f"k={k} is not between 1 and {others}, the rows that each query can find")
    scores, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    candidates = min(k + SPARE, others)
    for start in range(0, len(queries), step):
        some, own = queries[start : start + step], None if exclude is None else exclude[start : start + step]
        close, columns = highest(_scores(some, gallery, own, np.float32), candidates)
        doubts = near_ties.doubt(some, longest)
        near_ties.settle(some, gallery, close, columns, doubts)
        if candidates < others:
            far = np.flatnonzero(close[:, k - 1] - close[:, -1] < doubts)  # a tie may go on beyond the candidates
            for at in range(0, len(far), step // 2 or 1):
                these = far[at : at + (step // 2 or 1)]
                exact = _scores(some[these], gallery, None if own is None else own[these], np.float64)
                close[these, :k], columns[these, :k] = highest(exact, k)
        scores[start : start + step], rows[start : start + step] = close[:, :k], columns[:, :k]
    return scores, rows


def relevant_counts(query_labels: Labels, gallery_labels: Labels, *, exclude: np.ndarray | None = None) -> np.ndarray:
    """R: (q,) gallery items of each query's label, the excluded row not counted. Leave out, and count, where it is 0."""
    query_codes, gallery_codes = label_codes(query_labels, gallery_labels)
    counts = np.bincount(gallery_codes, minlength=int(query_codes.max(initial=-1)) + 1)[query_codes]
    return counts if exclude is None else counts - ((exclude >= 0) & (gallery_codes[exclude] == query_codes))


def recall_at_k(hit_labels: np.ndarray, query_labels: Labels, k: int) -> np.ndarray:
    """(q,) 1 where one of the first k hits has the query's label, else 0 (hit-rate; not the share of R found)."""
    return np.where(_relevant(hit_labels, query_labels, k).any(axis=1), 1.0, 0.0)


def precision_at_k(hit_labels: np.ndarray, query_labels: Labels, k: int) -> np.ndarray:
    """(q,) share of the first k hits that have the query's label; the divisor is k also where R is smaller."""
    return _relevant(hit_labels, query_labels, k).mean(axis=1)


def r_precision(hit_labels: np.ndarray, query_labels: Labels, counts: np.ndarray) -> np.ndarray:
    """(q,) share of the first R hits that have the query's label; counts: R, as relevant_counts gives; nan where 0."""
    relevant, inside = _first_r(hit_labels, query_labels, counts)
    return (relevant & inside).sum(axis=1) / _or_nan(counts)


def average_precision_at_r(hit_labels: np.ndarray, query_labels: Labels, counts: np.ndarray) -> np.ndarray:
    """(q,) (1/R) sum over ranks k <= R of precision at k where the k-th hit is relevant; nan where R is 0.

    Musgrave et al., A Metric Learning Reality Check, 2020, section 3.1. Its mean is map_at_r.
    """
    relevant, inside = _first_r(hit_labels, query_labels, counts)
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    return (precision * (relevant & inside)).sum(axis=1) / _or_nan(counts)


def knn_accuracy(
    scores: np.ndarray, hit_labels: np.ndarray, query_labels: Labels, *, k: int = 20, temperature: float = 0.07
) -> np.ndarray:
    """(q,) 1 where the label with the largest sum of exp(score / temperature) over k hits is the query's, else 0.

    The protocol of DINO (Caron et al. 2021). Equal sums: the smallest label.
    """
    true_labels = np.asarray(query_labels)
    _enough(hit_labels, k)
    names, codes = np.unique(hit_labels[:, :k], return_inverse=True)
    codes = codes.reshape(-1, k)
    votes = np.exp(scores[:, :k].astype(np.float64) / temperature)
    right = np.zeros(len(true_labels))
    step = max(1, SCORES_AT_ONCE // max(1, len(names)))
    for start in range(0, len(true_labels), step):
        here = slice(start, start + step)
        slots = codes[here] + np.arange(len(codes[here]))[:, None] * len(names)
        sums = np.bincount(slots.ravel(), votes[here].ravel(), slots.shape[0] * len(names)).reshape(-1, len(names))
        right[here] = names[sums.argmax(axis=1)] == true_labels[here]  # argmax takes the first, the smallest label
    return right


def map_at_r(embeddings: np.ndarray, labels: Labels) -> float:
    """Mean of average_precision_at_r, each row asking all others. nan when no query has a relevant item."""
    return map_at_r_between(embeddings, labels, embeddings, labels, exclude=np.arange(len(embeddings)))


def map_at_r_between(
    query_embeddings: np.ndarray,
    query_labels: Labels,
    gallery_embeddings: np.ndarray,
    gallery_labels: Labels,
    *,
    exclude: np.ndarray | None = None,
) -> float:
    """Mean of average_precision_at_r over queries with a relevant item in the gallery (exclude as in nearest); or nan."""
    query_codes, gallery_codes = label_codes(query_labels, gallery_labels)
    counts = relevant_counts(query_codes, gallery_codes, exclude=exclude)
    rows = np.flatnonzero(counts)
    _check_finite(query_embeddings[rows], gallery_embeddings)
    step, longest = _step(gallery_embeddings), near_ties.longest(gallery_embeddings)
    precisions = []
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        own = None if exclude is None else exclude[some]
        most = int(counts[some].max())
        hits = _nearest(query_embeddings[some], gallery_embeddings, most, own, step, longest)[1]
        precisions.append(average_precision_at_r(gallery_codes[hits], query_codes[some], counts[some]))
    return float(np.concatenate(precisions).mean()) if precisions else float("nan")


def recall_at_1(embeddings: np.ndarray, labels: Labels) -> float:
    """Share of queries whose nearest other item has their label, over queries that have a relevant item; or nan."""
    all_labels = np.asarray(labels)
    rows = np.flatnonzero(relevant_counts(all_labels, all_labels, exclude=np.arange(len(all_labels))))
    if not len(rows):
        return float("nan")
    hits = nearest(embeddings[rows], embeddings, k=1, exclude=rows)[1]
    return float(recall_at_k(all_labels[hits], all_labels[rows], 1).mean())


def _scores(queries: np.ndarray, gallery: np.ndarray, exclude: np.ndarray | None, summed: type) -> np.ndarray:
    """(q, n) float32; the last bits of a sum in float32 depend on where a row stands, which orders equal rows."""
    scores = np.empty((len(queries), len(gallery)), np.float32)
    if summed is np.float32:
        np.matmul(queries.astype(np.float32, copy=False), gallery.T.astype(np.float32, copy=False), out=scores)
    else:
        wide = queries.astype(np.float64)
        for start in range(0, len(gallery), GALLERY_STEP):
            here = slice(start, start + GALLERY_STEP)
            scores[:, here] = wide @ gallery[here].T.astype(np.float64)
    if exclude is not None:
        given = np.flatnonzero(exclude >= 0)
        scores[given, exclude[given]] = -np.inf
    return scores


def _step(gallery: np.ndarray) -> int:
    return max(1, SCORES_AT_ONCE // max(1, len(gallery)))


def label_codes(query_labels: Labels, gallery_labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Labels as numbers, equal where the labels are."""
    of_queries, of_gallery = np.asarray(query_labels), np.asarray(gallery_labels)
    codes = np.unique(np.concatenate([of_queries, of_gallery]), return_inverse=True)[1]
    return codes[: len(of_queries)], codes[len(of_queries) :]


def _enough(hit_labels: np.ndarray, k: int) -> None:
    if not 1 <= k <= hit_labels.shape[1]:
        raise UsageError(
            f"k={k} is not between 1 and {hit_labels.shape[1]}, the hits of each query; search with this k"
        )


def _relevant(hit_labels: np.ndarray, query_labels: Labels, k: int) -> np.ndarray:
    _enough(hit_labels, k)
    return hit_labels[:, :k] == np.asarray(query_labels)[:, None]


def _first_r(hit_labels: np.ndarray, query_labels: Labels, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(q, max R) bool: is the hit at this rank relevant, is the rank within the query's R."""
    max_r = max(1, int(counts.max(initial=0)))
    return _relevant(hit_labels, query_labels, max_r), np.arange(max_r) < counts[:, None]


def _or_nan(counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, counts, np.nan)


METRICS = (
    Metric(
        "recall_at_K",
        lambda answers: recall_at_k(answers.hit_labels, answers.query_labels, answers.k),
        "share of queries with at least one picture of their label among the first K",
        usual=(1, 10),
        meaning_at_1="share of queries whose first hit has their label",
    ),
    Metric(
        "precision_at_K",
        lambda answers: precision_at_k(answers.hit_labels, answers.query_labels, answers.k),
        "share of the first K that have the query's label",
        usual=(10,),
    ),
    Metric(
        "r_precision",
        lambda answers: r_precision(answers.hit_labels, answers.query_labels, answers.counts),
        "share of the first R that are right; R is how many right ones there are",
        depth="R",
        usual=(0,),
    ),
    Metric(
        "map_at_r",
        lambda answers: average_precision_at_r(answers.hit_labels, answers.query_labels, answers.counts),
        "mean precision at each right hit among the first R, over R",
        depth="R",
        usual=(0,),
    ),
    Metric(
        "knn_K",
        lambda answers: knn_accuracy(answers.scores, answers.hit_labels, answers.query_labels, k=answers.k),
        "share of queries whose label wins a vote of the K nearest",
        usual=(20,),
    ),
)
