"""Which pictures to label next: so many of a gallery that labels of them tell the most about the others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline import filters
from pipeline.analysis import clustering, grouping, picking
from pipeline.errors import UsageError
from pipeline.filters.clauses import Filter
from pipeline.gallery import asked, reports, whole_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.records import Progress, silent

KIND = "to-label"
WAYS = {
    "covering": "stand for the most others",
    "diverse": "are farthest from each other and from what has a label (k-centre)",
    "typical": "are in the middle of a group each",
    "balanced": "come in equal numbers from each cluster",
    "uncertain": "have neighbours whose labels disagree",
    "mix": "cover, half of them; the others uncertain or diverse",
}
DOUBTFUL = 5  # times as many of the most doubtful as are asked for; among them the diverse ones are taken
MAX_PICKS = 10_000


@dataclass(frozen=True)
class _Pool:
    """embeddings: (n, dim) of every whole picture. free: rows to choose from. known: rows with a label."""

    embeddings: np.ndarray
    free: np.ndarray
    known: np.ndarray
    labels: np.ndarray
    groups: np.ndarray  # (n,) cluster of each, -1 = none; empty when none were found
    seed: int
    progress: Progress


def choose(
    gallery: Gallery,
    count: int,
    *,
    by: str = "covering",
    where: Filter = Filter(),
    everything: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> str:
    """Keep a report of `count` pictures to label and return its name; its table has rank, id, path, label, way.

    Chosen are pictures without a label that pass `where`; everything: those with one too. coverage: the mean cosine
    distance of the pictures to choose from to the nearest that is chosen or has a label, and by_chance what random picks
    would leave. UsageError when there are fewer, or when `by` needs labels that are not there.
    """
    _check(count, by, seed)
    pictures = whole_pictures.of_gallery(gallery, purpose="to choose from")
    begun, labels, table = time.perf_counter(), pictures.labels, pictures.rows.table
    passing = filters.mask(asked.settled(where, gallery, lambda: table), table).to_numpy()
    free = np.flatnonzero(passing & (everything | (labels == "")))
    known = np.empty(0, np.int64) if everything else np.flatnonzero(labels != "")
    if len(free) < count:
        raise UsageError(_too_few(gallery, count, len(free), passing=int(passing.sum()), everything=everything))
    groups = _groups(gallery, table["id"].tolist()) if by == "balanced" else np.empty(0, int)
    pool = _Pool(pictures.rows.embeddings, free, known, labels, groups, seed, progress)
    picked = _CHOOSERS[by](pool, count)
    rows = np.array([row for row, _ in picked], np.int64)
    about = np.unique(np.concatenate([free, known]))
    place = np.searchsorted(about, np.concatenate([rows, known]))
    seen, before = pool.embeddings[about], np.searchsorted(about, known)
    report: dict[str, Any] = {
        **{"by": by, "count": count, "where": str(where), "everything": everything, "seed": seed, **pictures.about},
        **{"free": len(free), "labelled": len(known)},
        "coverage": picking.distance_left(seen, place),
        "by_chance": picking.by_chance(seen, count, known=before, seed=seed),
        "seconds": round(time.perf_counter() - begun, 3),
    }
    chosen = table.iloc[rows][["id", "path", "label"]].reset_index(drop=True)
    chosen.insert(0, "rank", np.arange(1, len(chosen) + 1, dtype=np.int32))
    return reports.write(gallery, KIND, report, chosen.assign(way=[way for _, way in picked]))


def said(report: dict[str, Any]) -> str:
    """How well the choice covers the gallery, in a sentence."""
    left, chance = report["coverage"], report["by_chance"]
    than = f"{abs(1 - left / chance):.0%} {'less' if left <= chance else 'more'} than" if chance else "as"
    return f"the nearest chosen or labelled picture is {left:.3f} away on average (1 - score), {than} with random picks"


Picked = list[tuple[int, str]]


def _covering(pool: _Pool, count: int) -> Picked:
    about = np.concatenate([pool.free, pool.known])
    covered = np.arange(len(pool.free), len(about))
    rows = picking.covering(pool.embeddings[about], count, covered=covered, seed=pool.seed, progress=pool.progress)
    return [(int(about[row]), "covering") for row in rows]


def _diverse(pool: _Pool, count: int) -> Picked:
    about = np.concatenate([pool.free, pool.known])
    covered = np.arange(len(pool.free), len(about))
    rows = picking.farthest(pool.embeddings[about], count, covered=covered, progress=pool.progress)
    return [(int(about[row]), "diverse") for row in rows]


def _typical(pool: _Pool, count: int) -> Picked:
    rows = picking.central(pool.embeddings[pool.free], count, seed=pool.seed, progress=pool.progress)
    return [(int(pool.free[row]), "typical") for row in rows]


def _balanced(pool: _Pool, count: int) -> Picked:
    seen = pool.embeddings[pool.free]
    if len(pool.groups):
        groups = pool.groups[pool.free]
        groups = np.where(groups < 0, groups.max() + 1, groups)  # those in no cluster are a group of their own
    else:
        groups = grouping.k_means(seen, clusters=min(len(seen), max(2, round(count**0.5))), seed=pool.seed)
    return [(int(pool.free[row]), "balanced") for row in picking.from_each(seen, groups, count)]


def _uncertain(pool: _Pool, count: int) -> Picked:
    names = set(pool.labels[pool.known].tolist())
    if len(names) < 2:
        raise UsageError(
            "what is uncertain is told by labels: at least two different ones have to be there, and pictures without; "
            "choose covering or diverse first"
        )
    seen = pool.embeddings[pool.free]
    doubt = picking.doubts(pool.embeddings, pool.known, pool.labels[pool.known])[pool.free]
    most = np.argsort(-doubt, kind="stable")[: count * DOUBTFUL]
    rows = most[picking.farthest(seen[most], count, progress=pool.progress)]
    return [(int(pool.free[row]), f"uncertain {doubt[row]:.2f}") for row in rows]


def _mix(pool: _Pool, count: int) -> Picked:
    """What one way took is known to the next, so that none is chosen twice."""
    several = len(set(pool.labels[pool.known].tolist())) > 1
    shares = [(_covering, count - count // 2), (_uncertain if several else _diverse, count // 2)]
    picked: Picked = []
    for way, share in shares:
        taken = np.array([row for row, _ in picked], np.int64)
        labelled = pool.known if way is _uncertain else np.concatenate([pool.known, taken])
        rest = _Pool(
            pool.embeddings,
            np.setdiff1d(pool.free, taken),
            labelled,
            pool.labels,
            pool.groups,
            pool.seed,
            pool.progress,
        )
        picked += way(rest, share) if share else []
    return picked


_CHOOSERS: dict[str, Callable[[_Pool, int], Picked]] = {
    "covering": _covering, "diverse": _diverse, "typical": _typical, "balanced": _balanced, "uncertain": _uncertain, "mix": _mix,
}  # fmt: skip


def _groups(gallery: Gallery, ids: list[str]) -> np.ndarray:
    """The cluster of each picture in the newest report on clusters; empty when there is none of these pictures."""
    name = clustering.newest(gallery)
    if name is None:
        return np.empty(0, int)
    found = clustering.assignment(gallery, name)
    cluster = dict(zip(found["id"], found["cluster"].tolist(), strict=True))
    return np.array([cluster.get(picture, -1) for picture in ids], int)


def _check(count: int, by: str, seed: int) -> None:
    if by not in WAYS:
        raise UsageError(f"unknown way {by!r} to choose; take one of {', '.join(WAYS)}")
    if not 1 <= count <= MAX_PICKS:
        raise UsageError(f"{count:,} pictures to label; ask for 1 to {MAX_PICKS:,}")
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed is {seed}; choose one from 0 to {2**32 - 1}")


def _too_few(gallery: Gallery, count: int, free: int, *, passing: int, everything: bool) -> str:
    without = "" if everything else " without a label"
    more = "" if everything or passing < count else "; --all chooses among those with a label too"
    return f"{count:,} pictures to label, and {free:,}{without} to choose from in {gallery.name}; ask for fewer{more}"
