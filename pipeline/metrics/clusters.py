"""Do embeddings fall into groups, and are the groups the labels? Silhouette, Davies-Bouldin, k-means against labels.

Embeddings have unit length; scikit-learn clusters. Large sets are sampled, evenly over rows and by the seed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UsageError
from pipeline.metrics.retrieval import Labels

MAX_ROWS = 20_000  # rows
STARTS = 5  # of k-means; the best of them counts
MANY = 100  # clusters; of more there is one start, which takes as long as five of a fifth as many
ONE_PLACE = 1e-9  # centres this close differ by rounding
MEGABYTES = 128  # of distances at a time; scikit-learn would take 1024


@dataclass(frozen=True)
class Agreement:
    """k-means clusters against labels: 1 = the same groups. By chance ami and ari are 0; nmi rises with more labels.

    nmi has the arithmetic mean of both entropies below the line. n: rows that were clustered.
    """

    ami: float
    nmi: float
    ari: float
    n: int


def silhouette(embeddings: np.ndarray, labels: Labels, *, sample_size: int = 10_000, seed: int) -> float:
    """Mean of (b - a) / max(a, b), -1 to 1, higher is better: 1 - cosine to the own label and to the nearest other one.

    a and b are means; a label with one row counts 0 (Rousseeuw 1987). Raises UsageError.
    """
    from sklearn import config_context
    from sklearn.metrics import silhouette_score

    rows, codes = _sample(embeddings, labels, min(sample_size, MAX_ROWS), seed)
    with config_context(working_memory=MEGABYTES):
        return float(silhouette_score(rows, codes, metric="cosine"))


def davies_bouldin(embeddings: np.ndarray, labels: Labels, *, seed: int) -> float:
    """Mean over labels of the worst (spread + other's spread) / distance of their centres, Euclidean; 0 is best.

    inf where two labels have one centre: scikit-learn leaves these two out, and calls a collapsed encoder perfect.
    Spread: mean distance to the centre (Davies and Bouldin 1979). Raises UsageError.
    """
    rows, codes = _sample(embeddings, labels, MAX_ROWS, seed)
    sizes = np.bincount(codes)
    centres = np.zeros((len(sizes), rows.shape[1]))  # (labels, dim)
    np.add.at(centres, codes, rows)
    centres /= sizes[:, None]
    spread = np.bincount(codes, np.linalg.norm(rows - centres[codes], axis=1)) / sizes
    worst = []
    for label in range(len(sizes)):
        distances = np.delete(np.linalg.norm(centres - centres[label], axis=1), label)
        sums = np.delete(spread + spread[label], label)
        with np.errstate(divide="ignore", invalid="ignore"):
            worst.append(np.where(distances > ONE_PLACE, sums / distances, np.inf).max())
    return float(np.mean(worst))


def kmeans_agreement(embeddings: np.ndarray, labels: Labels, *, seed: int) -> Agreement:
    """As many clusters as labels, and how well they are the labels: the best of STARTS starts, of many clusters one.

    Raises UsageError.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

    rows, codes = _sample(embeddings, labels, MAX_ROWS, seed)
    with warnings.catch_warnings():
        # Fewer different rows than labels is a finding about the encoder, and the scores tell it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        count = len(np.unique(codes))
        starts = STARTS if count <= MANY else 1
        clusters = KMeans(count, n_init=starts, random_state=seed).fit_predict(rows)
    return Agreement(
        ami=float(adjusted_mutual_info_score(codes, clusters)),
        nmi=float(normalized_mutual_info_score(codes, clusters)),
        ari=float(adjusted_rand_score(codes, clusters)),
        n=len(rows),
    )


def _sample(embeddings: np.ndarray, labels: Labels, max_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many rows and their labels as numbers 0, 1, … UsageError where these have no groups to speak of."""
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    rows = np.arange(len(codes))
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), max_rows, replace=False))
    n_labels = len(np.unique(codes[rows]))
    if not 2 <= n_labels < len(rows):
        raise UsageError(
            f"clusters need at least 2 labels and more rows than labels, not {n_labels} labels in {len(rows)} rows; "
            "choose other data or a larger sample"
        )
    return embeddings[rows], np.unique(codes[rows], return_inverse=True)[1]
