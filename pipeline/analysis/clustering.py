"""Clusters of a gallery: found once, kept in its reports, and read without the library that found them."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.analysis import cluster_facts, grouping
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import reports, whole_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.whole_pictures import WholePictures
from pipeline.kinds import readout, tags
from pipeline.kinds.readout import Readout
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

KIND = "clusters"
METHODS = ("hdbscan", "kmeans")
LABELS = 5  # counts of labels that are kept of each cluster
NO_CLUSTER = "no cluster"


def cluster(
    gallery: Gallery,
    *,
    method: str = "hdbscan",
    clusters: int = 0,
    smallest: int = 0,
    seed: int = 0,
    progress: Progress = silent,
) -> str:
    """The name of the report that is kept. Clusters are numbered from 0, the largest first; -1 is in none.

    clusters: of kmeans; 0 = the number with the best silhouette of a few. smallest: pictures that make a cluster of
    hdbscan; 0 = by the size of the gallery. UsageError for what cannot be; GalleryError where nothing was ingested.
    """
    pictures = whole_pictures.of_gallery(gallery, purpose="to make clusters")
    n, embeddings = len(pictures.rows), pictures.rows.embeddings
    _check(method, clusters, smallest, seed, n)
    begun = time.perf_counter()
    tried: list[dict[str, float]] = []
    if method == "hdbscan":
        smallest = smallest or grouping.smallest_of(n)
        nearest = pictures.neighbours(grouping.NEAREST, progress=progress) if n <= grouping.MAX_DENSE else None
        groups = grouping.dense(embeddings, smallest=smallest, seed=seed, nearest=nearest, progress=progress)
    elif clusters:
        progress("clusters", 0, 1)
        groups = grouping.k_means(embeddings, clusters=clusters, seed=seed)
        progress("clusters", 1, 1)
    else:
        groups, tried = grouping.best_k_means(embeddings, seed=seed, progress=progress)
    groups = _by_size(groups)
    facts = _facts(pictures, groups, readout.of_gallery(gallery.manifest()))
    inside = groups >= 0
    pure = [(one["purity"], sum(one["labels"].values())) for one in facts if one["purity"] is not None]
    labelled = sum(count for _, count in pure)
    report: dict[str, Any] = {
        **{"method": method, "clusters_asked": clusters, "smallest": smallest, "seed": seed, **pictures.about},
        **{"clusters": facts, "in_none": int((~inside).sum()), "tried": tried},
        "silhouette": _silhouette(embeddings, groups),
        "purity": sum(share * count for share, count in pure) / labelled if labelled else None,
        "notes": _notes(method, clusters, smallest, groups, embeddings),
        "seconds": round(time.perf_counter() - begun, 3),
    }
    table = pictures.rows.table[["id"]].assign(cluster=groups.astype(np.int32))
    for one in facts:  # the counts of all labels were for the purity
        one["labels"] = dict(list(one["labels"].items())[:LABELS])
    return reports.write(gallery, KIND, report, table)


def newest(gallery: Gallery) -> str | None:
    """Name of the newest report on clusters, whatever encoder it was made with; None when there is none."""
    return next(iter(reports.names(gallery, KIND)), None)


def assignment(gallery: Gallery, name: str) -> pd.DataFrame:
    """id, cluster (-1 = none), name (text of the cluster, `no cluster` for -1) of each picture as the clusters were found.

    Reads one small Parquet file. GalleryError when the report is gone or damaged.
    """
    report, table = reports.read(gallery, name), reports.table(gallery, name)
    try:
        names = {one["cluster"]: one["name"] for one in report["clusters"]} | {-1: NO_CLUSTER}
        return table.assign(name=table["cluster"].map(names))[["id", "cluster", "name"]]
    except (KeyError, TypeError) as error:
        raise GalleryError(f"the report {name} is damaged ({error!r}); find the clusters again") from error


def _check(method: str, clusters: int, smallest: int, seed: int, n: int) -> None:
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed is {seed}; choose one from 0 to {2**32 - 1}")
    if method == "hdbscan" and clusters:
        raise UsageError("hdbscan finds the number of clusters itself; leave clusters out, or take the method kmeans")
    if method == "kmeans" and smallest:
        raise UsageError("kmeans has no smallest cluster; leave it out, or take the method hdbscan")
    if not 0 <= clusters <= n:
        raise UsageError(f"{clusters:,} clusters of {n:,} pictures; ask for 1 to {n:,}, or for 0 to have it chosen")
    if smallest and not 2 <= smallest <= n:
        raise UsageError(f"a cluster of {smallest:,} pictures of {n:,}; the smallest can have 2 to {n:,}")


def _by_size(groups: np.ndarray) -> np.ndarray:
    """Numbered anew: the largest is 0, of equal ones that which comes first in the gallery."""
    kinds, first, sizes = np.unique(groups[groups >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    places = dict(zip(kinds[order].tolist(), range(len(order)), strict=True)) | {-1: -1}
    return np.array([places[group] for group in groups.tolist()], int)


def _facts(pictures: WholePictures, groups: np.ndarray, known: Readout | None) -> list[dict[str, Any]]:
    embeddings, labels = pictures.rows.embeddings, pictures.labels
    ids, metadata = pictures.rows.table["id"].tolist(), pictures.rows.table["metadata"].tolist()
    everywhere = Counter(pair for one in metadata for pair in one.items())
    shown_everywhere = known.probabilities(embeddings).mean(axis=0) if known else np.zeros(0)
    values = cluster_facts.silhouettes(embeddings, groups)
    several = len(set(labels) - {""}) > 1  # the only label of all tells no cluster from another
    facts = []
    for number in range(groups.max() + 1):
        members = np.flatnonzero(groups == number)
        pure = cluster_facts.purity(labels[members].tolist())
        name, by = pure.label if several else "", "label"
        if not name or (pure.purity or 0) < cluster_facts.SHARE:  # the most common label of a mixture says little
            value = cluster_facts.telling([metadata[row] for row in members], everywhere, len(ids))
            name, by = (value, "metadata") if value else (name, by)
        if not name and known:
            probabilities = known.probabilities(embeddings[members])
            name, by = (
                tags.in_common(probabilities, shown_everywhere, share=cluster_facts.SHARE, lift=cluster_facts.LIFT),
                "kinds",
            )
        shown = cluster_facts.typical(embeddings, members)
        centre = embeddings[members].mean(axis=0, dtype=np.float64)
        facts.append(
            {
                **{"cluster": number, "name": name, "named_by": by if name else "number"},
                **{"size": len(members), "share": len(members) / len(ids)},
                **{"label": pure.label, "purity": pure.purity, "labels": dict(pure.labels)},
                "silhouette": float(values[members].mean()) if groups.max() > 0 else None,
                **{"medoid": ids[shown[0]], "typical": [ids[row] for row in shown]},
                "typical_labels": [str(labels[row]) for row in shown],
                "typical_scores": (embeddings[shown] @ centre).round(4).tolist(),  # mean score to all members
            }
        )
    for one, name in zip(facts, cluster_facts.numbered([one["name"] for one in facts]), strict=True):
        one["name"] = name
    return facts


def _silhouette(embeddings: np.ndarray, groups: np.ndarray) -> float | None:
    """Mean over the pictures that are in a cluster; None for fewer than two clusters."""
    if groups.max() < 1:
        return None
    return float(cluster_facts.silhouettes(embeddings, groups)[groups >= 0].mean())


def _notes(method: str, clusters: int, smallest: int, groups: np.ndarray, embeddings: np.ndarray) -> list[str]:
    """One sentence for each thing that a reader would wonder about."""
    count, n = int(groups.max()) + 1, len(groups)
    if grouping.all_equal(embeddings):
        return [f"all {n:,} embeddings are equal: to this encoder they are one picture"]
    if not count:
        return [
            f"no group of at least {smallest:,} pictures stands out; allow smaller ones, or take the method kmeans, which "
            "puts every picture in a cluster"
        ]
    if clusters and count < clusters:
        return [f"{count:,} clusters instead of {clusters:,}: no more embeddings differ"]
    if method == "hdbscan" and n > grouping.MAX_DENSE:
        return [
            f"found in a sample of {grouping.MAX_DENSE:,}; the others went where the sampled ones closest to them did"
        ]
    return []
