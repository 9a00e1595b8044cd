"""Outliers of a gallery: pictures that have nothing near them, ranked by the mean score to their nearest others.

Measured against the local outlier factor (Breunig et al. 2000) on rendered pictures planted among photos of clothing:
benchmarks/label_errors.py. LOF looks for what is less dense than its surroundings and misses what lies in no surroundings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.gallery import reports, whole_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.records import Neighbours, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

KIND = "outliers"
K = 20
KEPT = 2000  # rows of the list, the most unusual first
SHOWN = 8  # neighbours that are kept with each
MAX_K = 1000


def closeness(nearest: Neighbours) -> np.ndarray:
    """(n,) float64: mean score to the (n, k) nearest others, -1 to 1; a pair of copies alone does not look at home."""
    return nearest.scores.mean(axis=1, dtype=np.float64)


def local_factor(nearest: Neighbours) -> np.ndarray:
    """(n,) float64, about 1 inside a group, higher where it is less dense than its neighbours (Breunig et al. 2000).

    Distances are Euclidean between unit-length embeddings. What the ranking was chosen against.
    """
    distances = nearest.distances.astype(np.float64)
    reach = np.maximum(distances[:, -1][nearest.rows], distances)  # (n, k): not closer than the neighbour's own k-th
    density = 1 / reach.mean(axis=1).clip(min=1e-9)
    return density[nearest.rows].mean(axis=1) / density


def fence(scores: np.ndarray) -> float:
    """Below it a score is unusual for its gallery: first quartile less 1.5 interquartile ranges (Tukey 1977)."""
    low, high = np.quantile(scores, [0.25, 0.75])
    return float(low - 1.5 * (high - low))


def percentiles(scores: np.ndarray) -> np.ndarray:
    """(n,) share of the others that score higher, in percent: 100 is the farthest from all."""
    ordered = np.sort(scores)
    higher = len(scores) - np.searchsorted(ordered, scores, side="right")
    return 100 * higher / max(1, len(scores) - 1)


def find(gallery: Gallery, *, k: int = K, progress: Progress = silent) -> str:
    """The name of the report that is kept; its table has the KEPT most unusual pictures, the farthest first.

    Columns: rank, id, path, label, score, percentile, unusual (below the fence), hits, hit_labels, hit_scores.
    k is lowered to what the gallery has. UsageError for a k that cannot be; GalleryError where nothing was ingested.
    """
    if not 1 <= k <= MAX_K:
        raise UsageError(f"k is {k}; choose 1 to {MAX_K:,} neighbours, such as {K}")
    pictures = whole_pictures.of_gallery(gallery, purpose="to say which is far from the others")
    nearest = pictures.neighbours(k, progress=progress)
    scores = closeness(nearest)
    limit = fence(scores)
    report: dict[str, Any] = {
        **pictures.about,
        **{"k": nearest.rows.shape[1], "fence": limit, "unusual": int((scores < limit).sum())},
        **{
            "quantiles": np.quantile(scores, [0, 0.01, 0.05, 0.25, 0.5, 0.75, 1]).tolist(),
            "histogram": _histogram(scores),
        },
        "seed": None,  # nothing is drawn
    }
    return reports.write(gallery, KIND, report, _table(pictures, nearest, scores, limit))


def _histogram(scores: np.ndarray, *, bins: int = 40) -> dict[str, list[float]]:
    counts, edges = np.histogram(scores, bins=bins)
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def _table(
    pictures: whole_pictures.WholePictures, nearest: Neighbours, scores: np.ndarray, limit: float
) -> pd.DataFrame:
    order = np.lexsort((pictures.rows.table["id"].to_numpy().astype(str), scores))[:KEPT]
    table = pictures.rows.table.loc[order, ["id", "path", "label"]].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(order) + 1))
    table["score"], table["percentile"] = scores[order], percentiles(scores)[order]
    table["unusual"] = scores[order] < limit
    return table.assign(**nearest_columns(pictures, nearest, order))


def nearest_columns(
    pictures: whole_pictures.WholePictures, nearest: Neighbours, rows: np.ndarray
) -> dict[str, list[Any]]:
    """hits, hit_labels, hit_scores of these rows: the SHOWN nearest others, closest first."""
    shown = nearest.first(SHOWN)
    ids, labels = pictures.rows.table["id"].to_numpy(), pictures.labels
    return {
        "hits": [ids[shown.rows[row]].tolist() for row in rows],
        "hit_labels": [labels[shown.rows[row]].tolist() for row in rows],
        "hit_scores": [[float(score) for score in shown.scores[row]] for row in rows],
    }
