"""How short a gallery's embeddings may be: PCA lengths against quality, search time, bytes and distance contrast."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.errors import GalleryError, UsageError
from pipeline.features import pca
from pipeline.gallery.gallery import Gallery
from pipeline.metrics.retrieval import map_at_r, nearest, recall_at_1
from pipeline.records import Progress, silent

KIND = "length"  # of the report
SAMPLE = 4000  # rows that quality and contrast are measured on
NEIGHBOURS = 10
MIN_PICTURES = 2 * NEIGHBOURS  # with fewer, most others are among the ten nearest at any length
CONTRAST_QUERIES = 100
SEARCHES, WARM_UP = 51, 3
KEEP = {"map_at_r": 0.99, "neighbours_kept": 0.95}  # share of the best length's figure that is enough


@dataclass(frozen=True)
class Length:
    """Figures at one length; None where there is nothing to measure. The last of a report is the full embedding."""

    dims: int
    variance: float  # share explained by the first `dims` principal axes
    map_at_r: float | None  # leave-one-out over the sample; None without labels, as recall_at_1
    recall_at_1: float | None
    neighbours_kept: float  # mean share of the ten nearest of the full embedding that are among the ten nearest here
    milliseconds: float  # an exact search over every row of the gallery, median
    bytes: int  # a picture's, as float32
    contrast: float | None  # see distance_contrast
    contrast_random: float | None  # the same of as many uniform random unit vectors


def measure(gallery: Gallery, *, dims: str = "", seed: int = 0, progress: Progress = silent) -> dict[str, Any]:
    """A report of kind `length`. Shortened as `reencode --pca` does; the full length is the embedding as it stands.

    dims: "8,16,32", the full length is always added; "" = powers of two. UsageError for lengths that cannot be, too
    few pictures, or an embedding that is not finite; GalleryError for an empty gallery.
    """
    generation, entry = gallery.generation, gallery.encoder()
    full, every_row = entry["dim"], gallery.rows(as_ingested=True)  # removed ones too: reencode fits on them
    present = np.flatnonzero(~every_row.table["id"].isin(gallery.removed()))
    _check(gallery, every_row.table["id"].tolist(), every_row.embeddings, len(present))
    chosen = lengths(dims, longest=min(full, len(every_row)) - 1, full=full)
    mean, axes, variance = pca.fit(every_row.embeddings)
    if variance.sum() < 1e-12:
        raise UsageError(f"all pictures of gallery {gallery.name} have the same embedding; choose another encoder")
    embeddings = every_row.embeddings[present]  # (n, dim)
    turned = (embeddings - mean.astype(np.float32)) @ axes.T.astype(np.float32)  # (n, dim): its first d are PCA to d
    labels = gallery.corrected(every_row.table)["label"].to_numpy()[present]
    sample, labelled = _sample(labels, seed)
    sample_labels = labels[sample] if labelled else None
    neighbours = _neighbours(embeddings[sample])
    measured = []
    for number, d in enumerate(chosen):
        progress("lengths", number, len(chosen))
        short = embeddings if d == full else _unit(turned[:, :d])
        some = short[sample]
        measured.append(
            Length(
                dims=d,
                variance=float(variance[:d].sum() / variance.sum()),
                map_at_r=None if sample_labels is None else map_at_r(some, sample_labels),
                recall_at_1=None if sample_labels is None else recall_at_1(some, sample_labels),
                neighbours_kept=_kept(_neighbours(some), neighbours),
                milliseconds=search_milliseconds(short, seed=seed),
                bytes=4 * d,
                contrast=distance_contrast(some, seed=seed),
                contrast_random=distance_contrast(random_directions(len(some), d, seed=seed), seed=seed),
            )
        )
    progress("lengths", len(chosen), len(chosen))
    decided_by = "map_at_r" if measured[-1].map_at_r else "neighbours_kept"  # a map_at_r of 0 decides nothing either
    recommended = knee(measured, decided_by)
    return {
        "generation": generation,  # of the rows that were read, whatever was ingested since
        "encoder": entry["spec"],
        "fingerprint": entry["fingerprint"],
        "dim": full,
        "rows": len(present),
        "fitted_on": len(every_row),
        "sampled": len(sample),
        "labels": 0 if sample_labels is None else len(set(sample_labels)),
        "seed": seed,
        "dims": chosen,
        "neighbours": NEIGHBOURS,
        "contrast_queries": min(CONTRAST_QUERIES, len(sample)),
        "searches": SEARCHES,
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "decided_by": decided_by,
        "keep": KEEP[decided_by],
        "recommended": recommended,
        "apply": f"python -m pipeline reencode {gallery.name} --pca {recommended}" if recommended < full else "",
        "lengths": [asdict(length) for length in measured],
    }


def lengths(text: str, *, longest: int, full: int) -> list[int]:
    """Ascending, ending in `full`. longest: the longest that reencode takes. UsageError for what is not among them."""
    if longest < 2:
        raise UsageError(f"embeddings of {full} dimensions cannot be shortened; choose an encoder with more")
    if not text:
        return [*(2**power for power in range(1, longest.bit_length()) if 2**power <= longest), full]
    try:
        wanted = {int(part) for part in text.split(",")}
    except ValueError:
        wanted = {0}
    if any(d != full and not 2 <= d <= longest for d in wanted):
        raise UsageError(
            f"--dims {text}: write whole numbers from 2 to {longest}, with commas between them: --dims 2,4,8"
        )
    return sorted(wanted | {full})


def knee(measured: list[Length], decided_by: str) -> int:
    """The smallest length whose figure is at least KEEP of the best one's."""
    least = KEEP[decided_by] * max(getattr(length, decided_by) for length in measured)
    return next(length.dims for length in measured if getattr(length, decided_by) >= least)


def advice(report: dict[str, Any]) -> str:
    """What the report recommends and what that saves, without a full stop."""
    by, last = report["decided_by"], report["lengths"][-1]
    knee = next(length for length in report["lengths"] if length["dims"] == report["recommended"])
    enough = f"{100 * report['keep']:.0f} % of the best"
    if knee is last:
        return f"all {last['dims']:,} dimensions are needed; no shorter length has {enough} {by}"
    names = ("map_at_r", "recall_at_1") if by == "map_at_r" else (by,)
    figures = ", ".join(f"{name} {knee[name]:.3f} ({last[name]:.3f} with all)" for name in names)
    return (
        f"{knee['dims']:,} of {last['dims']:,} dimensions are the fewest with {enough} {by}: {figures}; they save "
        f"{last['bytes'] - knee['bytes']:,} of {last['bytes']:,} bytes a picture, and an exact search takes "
        f"{knee['milliseconds']:.3f} ms instead of {last['milliseconds']:.3f}"
    )


def distance_contrast(embeddings: np.ndarray, *, seed: int) -> float | None:
    """(d_max - d_min) / d_min of the Euclidean distances from a row to all others; the median over random rows.

    Near 0 the nearest is hardly nearer than the farthest, and "nearest" means little. For independent dimensions it
    goes to 0 as they grow: Beyer, Goldstein, Ramakrishnan and Shaft, When Is "Nearest Neighbor" Meaningful?, 1999.
    Rows with an exact copy are left out; None when all have one.
    """
    random = np.random.default_rng(seed)
    wide = embeddings.astype(np.float64)
    values = []
    for row in random.choice(len(wide), min(CONTRAST_QUERIES, len(wide)), replace=False):
        distances = np.delete(np.linalg.norm(wide - wide[row], axis=1), row)  # (n - 1,)
        if distances.min() > 0:
            values.append(distances.max() / distances.min() - 1)
    return float(np.median(values)) if values else None


def random_directions(count: int, dims: int, *, seed: int) -> np.ndarray:
    """(count, dims) float32 of unit length, uniform on the sphere."""
    drawn = np.random.default_rng([seed, dims]).standard_normal((count, dims))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def search_milliseconds(embeddings: np.ndarray, *, seed: int) -> float:
    """Median time to score every row against one query and put the best ten in order."""
    rows = np.ascontiguousarray(embeddings)
    best = min(NEIGHBOURS, len(rows))
    taken = []
    for query in rows[np.random.default_rng(seed).integers(len(rows), size=WARM_UP + SEARCHES)]:
        begun = time.perf_counter()
        scores = rows @ query  # (n,), cosine
        first = np.argpartition(scores, len(rows) - best)[len(rows) - best :]
        first[np.argsort(-scores[first])]
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken[WARM_UP:])) * 1000


def _check(gallery: Gallery, ids: list[str], embeddings: np.ndarray, count: int) -> None:
    """count: rows that are not removed."""
    if not count:
        raise GalleryError(f"gallery {gallery.name} holds no pictures to measure; ingest some first")
    if count < MIN_PICTURES:
        raise UsageError(
            f"gallery {gallery.name} holds {count} pictures and {MIN_PICTURES} are needed; ingest more first"
        )
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise UsageError(
            f"the embedding of picture {ids[int(bad.argmax())]} is not finite ({int(bad.sum()):,} of {len(ids):,} are not), its "
            f"part may be damaged; move {gallery.folder()} away and ingest again, which encodes every picture anew"
        )


def _sample(labels: np.ndarray, seed: int) -> tuple[np.ndarray, bool]:
    """Rows in ascending order, and whether all have labels that can be asked for; '' is no label."""
    with_label = np.flatnonzero(labels != "")
    enough = len(with_label) >= MIN_PICTURES and len(np.unique(labels[with_label])) > 1
    random = np.random.default_rng(seed)
    sample = np.sort(random.permutation(with_label if enough else len(labels))[:SAMPLE])
    return sample, enough and bool((np.unique(labels[sample], return_counts=True)[1] > 1).any())


def _unit(turned: np.ndarray) -> np.ndarray:
    """As encoders/pca.py: unit length, a row exactly at the mean becomes the first axis."""
    norms = np.linalg.norm(turned, axis=1, keepdims=True)
    short = np.where(norms > 1e-12, turned / np.maximum(norms, 1e-12), np.eye(1, turned.shape[1]))
    return short.astype(np.float32)


def _neighbours(embeddings: np.ndarray) -> np.ndarray:
    """(n, 10) the nearest other rows of each."""
    return nearest(embeddings, embeddings, k=NEIGHBOURS, exclude=np.arange(len(embeddings)))[1]


def _kept(hits: np.ndarray, truth: np.ndarray) -> float:
    """Mean share of each row's `truth` that is in its `found`."""
    return float((hits[:, :, None] == truth[:, None, :]).any(axis=1).mean())
