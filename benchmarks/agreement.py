"""Does a second library say the same? Every metric that pytorch-metric-learning or scikit-learn has, on tie-free data.

    python -m benchmarks.agreement [--seed 0]

Prints metric, ours, theirs and the difference; exit 1 if one is above 1e-6. Libraries break ties and divide an average
precision at k in different ways, so scores are all different here and an average precision covers R or all hits.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks import measuring
from pipeline.metrics import clusters, ranking, retrieval, verification

MOST = 1e-6
QUERIES, GALLERY, DIM, LABELS = 60, 150, 16, 7
GAP = 1e-6  # between the scores of one query: ten times what float32 sums differ by

PML, SKLEARN = "pytorch-metric-learning", "scikit-learn"


@dataclass(frozen=True)
class Row:
    metric: str
    ours: float
    theirs: float
    library: str

    @property
    def difference(self) -> float:
        return abs(self.ours - self.theirs)


@dataclass(frozen=True)
class Data:
    """Unit queries and gallery, their labels and one more field; the first query's label is in no gallery item."""

    queries: np.ndarray
    asked: np.ndarray
    asked_field: np.ndarray
    gallery: np.ndarray
    held: np.ndarray
    held_field: np.ndarray


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows = compare(seed=asked.seed)
    print(f"{PML} {version(PML)}, {SKLEARN} {version(SKLEARN)}, numpy {np.__version__}; seed {asked.seed}")
    cells = [(row.metric, f"{row.ours:.9f}", f"{row.theirs:.9f}", row.library, f"{row.difference:.1e}") for row in rows]
    print(measuring.table(("metric", "ours", "theirs", "library", "difference"), cells))
    apart = [row.metric for row in rows if not row.difference <= MOST]  # a nan is apart too
    print(f"apart by more than {MOST:g}: {', '.join(apart) or 'none'}")
    return 1 if apart else 0


def compare(*, seed: int) -> list[Row]:
    data = tie_free(seed=seed)
    return [*_retrieval(data), *_leave_one_out(data), *_graded(data), *_verification(data, seed), *_groups(data, seed)]


def tie_free(*, seed: int) -> Data:
    """The first drawing in which no query has two scores closer than GAP."""
    random = np.random.default_rng(seed)
    while True:
        rows = random.normal(size=(QUERIES + GALLERY, DIM))
        marks = random.integers(0, LABELS, len(rows))
        rows += random.normal(size=(LABELS, DIM))[marks]
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        scores = rows.astype(np.float64) @ rows.T.astype(np.float64)
        if np.diff(np.sort(scores, axis=1), axis=1).min() > GAP:
            break
    field = random.integers(0, 3, len(rows))
    marks[0] = LABELS
    parts = (rows[:QUERIES], marks[:QUERIES], field[:QUERIES], rows[QUERIES:], marks[QUERIES:], field[QUERIES:])
    return Data(*parts)


def _retrieval(data: Data) -> list[Row]:
    from sklearn.metrics import average_precision_score
    from sklearn.neighbors import KNeighborsClassifier

    scores, hits = retrieval.nearest(data.queries, data.gallery, k=GALLERY)
    labels, counts = data.held[hits], retrieval.relevant_counts(data.asked, data.held)
    seen = counts > 0  # the other library leaves the first query out too
    names = ("mean_average_precision", "mean_average_precision_at_r", "mean_reciprocal_rank", "r_precision")
    said = _calculator((*names, "precision_at_1", "precision_at_10"), k=None).get_accuracy(
        *_tensors(data.queries, data.asked, data.gallery, data.held), ref_includes_query=False
    )
    all_precision = ranking.average_precision_at_k(labels, data.asked, counts, GALLERY)
    per_query = [
        average_precision_score(data.held == mark, data.gallery @ query)
        for query, mark in zip(data.queries[seen], data.asked[seen], strict=True)
    ]
    voters = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distances: np.exp((1 - distances) / 0.07)
    ).fit(data.gallery, data.held)
    found = {
        "recall_at_1": retrieval.recall_at_k(labels, data.asked, 1),
        "precision_at_10": retrieval.precision_at_k(labels, data.asked, 10),
        "r_precision": retrieval.r_precision(labels, data.asked, counts),
        "average_precision_at_r": retrieval.average_precision_at_r(labels, data.asked, counts),
        "average_precision, all hits": all_precision,
        "reciprocal_rank": ranking.reciprocal_rank(labels, data.asked),
    }
    theirs = {
        "recall_at_1": "precision_at_1",
        "average_precision_at_r": "mean_average_precision_at_r",
        "average_precision, all hits": "mean_average_precision",
        "reciprocal_rank": "mean_reciprocal_rank",
    }
    between = retrieval.map_at_r_between(data.queries, data.asked, data.gallery, data.held)
    right = retrieval.knn_accuracy(scores, labels, data.asked, k=20)
    return [
        *(Row(name, float(values[seen].mean()), said[theirs.get(name, name)], PML) for name, values in found.items()),
        Row("map_at_r_between", between, said["mean_average_precision_at_r"], PML),
        Row("average_precision, all hits", float(all_precision[seen].mean()), float(np.mean(per_query)), SKLEARN),
        Row("knn_accuracy", float(right.mean()), float(voters.score(data.queries, data.asked)), SKLEARN),
    ]


def _leave_one_out(data: Data) -> list[Row]:
    names = ("precision_at_1", "mean_average_precision_at_r")
    said = _calculator(names, k="max_bin_count").get_accuracy(*_tensors(data.gallery, data.held))
    return [
        Row("map_at_r", retrieval.map_at_r(data.gallery, data.held), said["mean_average_precision_at_r"], PML),
        Row("recall_at_1, one set", retrieval.recall_at_1(data.gallery, data.held), said["precision_at_1"], PML),
    ]


def _graded(data: Data) -> list[Row]:
    from sklearn.metrics import ndcg_score

    hits = retrieval.nearest(data.queries, data.gallery, k=GALLERY)[1]
    fields = [(data.asked_field, data.held_field)]
    found = ranking.hit_grades(hits, data.asked, data.held, fields=fields)
    ideal = ranking.ideal_grades(data.asked, data.held, GALLERY, fields=fields)
    same = data.asked[:, None] == data.held
    grades = same * (1 + (data.asked_field[:, None] == data.held_field))  # (q, n), small here
    seen = same.any(axis=1)  # scikit-learn counts a query without relevant items as 0
    scores = data.queries @ data.gallery.T
    rows = []
    for k in (10, GALLERY):
        linear, exponential = ranking.ndcg(found, ideal, k), ranking.ndcg(found, ideal, k, gain="exponential")
        said = ndcg_score(grades[seen], scores[seen], k=k), ndcg_score(2.0 ** grades[seen] - 1, scores[seen], k=k)
        rows.append(Row(f"ndcg_at_{k}, linear", float(np.nanmean(linear)), float(said[0]), SKLEARN))
        rows.append(Row(f"ndcg_at_{k}, exponential", float(np.nanmean(exponential)), float(said[1]), SKLEARN))
    return rows


def _verification(data: Data, seed: int) -> list[Row]:
    """The curve and its areas are scikit-learn's own: these rows say that nothing is lost on the way."""
    from scipy.optimize import brentq
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    pairs = verification.draw_pairs(data.held, 500, seed=seed)
    same, different = (verification.pair_scores(data.gallery, some) for some in pairs)
    curve = verification.roc(same, different)
    truth, scores = np.repeat([1, 0], [len(same), len(different)]), np.concatenate([same, different])
    false_accepts, true_accepts, _ = roc_curve(truth, scores, drop_intermediate=False)
    # The usual recipe; where the curve rises straight up, interpolation takes the upper end and brentq still crosses.
    equal = brentq(lambda rate: 1 - rate - np.interp(rate, false_accepts, true_accepts), 0, 1, xtol=1e-12)
    rate = 0.01
    return [
        Row("auc", curve.auc, float(roc_auc_score(truth, scores)), SKLEARN),
        Row(
            "average_precision, pairs",
            curve.average_precision,
            average_precision_score(truth, scores),
            SKLEARN,
        ),
        Row("eer", verification.eer(curve)[0], float(equal), f"{SKLEARN} and scipy"),
        Row(
            f"true accepts at {rate:g}",
            verification.at_false_accept(curve, rate=rate)[1],
            float(true_accepts[false_accepts <= rate].max()),
            SKLEARN,
        ),
    ]


def _groups(data: Data, seed: int) -> list[Row]:
    """Silhouette and k-means are scikit-learn's own: these rows say that nothing is lost on the way."""
    import torch
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, davies_bouldin_score, silhouette_score

    rows, marks = data.gallery, data.held
    found = KMeans(len(np.unique(marks)), n_init=clusters.STARTS, random_state=seed).fit_predict(rows)
    calculator = _calculator(("AMI", "NMI"), k=None, clusters=torch.from_numpy(found))
    said = calculator.get_accuracy(*_tensors(rows, marks))
    ours = clusters.kmeans_agreement(rows, marks, seed=seed)
    return [
        Row(
            "silhouette",
            clusters.silhouette(rows, marks, seed=seed),
            silhouette_score(rows, marks, metric="cosine"),
            SKLEARN,
        ),
        Row(
            "davies_bouldin",
            clusters.davies_bouldin(rows, marks, seed=seed),
            davies_bouldin_score(rows, marks),
            SKLEARN,
        ),
        Row("ami", ours.ami, said["AMI"], PML),
        Row("nmi", ours.nmi, said["NMI"], PML),
        Row("ari", ours.ari, float(adjusted_rand_score(marks, found)), SKLEARN),
    ]


def _calculator(names: tuple[str, ...], *, k: int | str | None, clusters: object = None) -> Any:
    """Theirs, with precision at 10 as well as at 1: a metric is added by a method, as its documentation says."""
    import torch
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils import accuracy_calculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    class Calculator(accuracy_calculator.AccuracyCalculator):
        def calculate_precision_at_10(
            self, knn_labels: Any, query_labels: Any, not_lone_query_mask: Any, **_: Any
        ) -> Any:
            asked, equal = query_labels[not_lone_query_mask][:, None], self.label_comparison_fn
            return accuracy_calculator.precision_at_k(knn_labels[not_lone_query_mask], asked, 10, False, False, equal)

    return Calculator(
        include=names,
        k=k,
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),  # its default needs faiss, which we do not require
        kmeans_func=None if clusters is None else lambda rows, n: clusters,
    )


def _tensors(*arrays: np.ndarray) -> list:
    import torch

    return [torch.from_numpy(array) for array in arrays]


if __name__ == "__main__":
    raise SystemExit(main())
