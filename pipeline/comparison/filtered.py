"""A gallery's own index under filters: how many of the exact nearest that pass it returns, and how long that takes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import filters
from pipeline.filters.clauses import EXACT, Clause, Filter
from pipeline.metrics import ann
from pipeline.metrics.retrieval import nearest
from pipeline.records import Progress, Rows, VectorStore, silent

if TYPE_CHECKING:
    import pandas as pd

SHARES = (0.01, 0.1, 0.5)  # of the rows, that pass
ENOUGH = 0.98  # ann_recall
MAX_QUERIES = 200  # each is a search of its own
NEAR = 1.5  # a filter whose share is this many times another one stands for it
MAX_SHOWN = 50  # characters of a filter in a table
MAX_KEYS = 20  # of the metadata, whose values are counted
MAX_VALUES, MAX_NAMED = 50, 10_000  # values, or ids drawn at random, that a filter names


@dataclass(frozen=True)
class Asked:
    """A filter as it is typed, and as it is meant; '' lets all rows pass."""

    text: str
    where: Filter


def measure(
    store: VectorStore,
    collection: str,
    rows: Rows,
    asked: Sequence[Asked],
    *,
    k: int = 10,
    queries: int = MAX_QUERIES,
    seed: int = 0,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """For each filter: filter, share (of the rows, that pass), k, queries, ann_recall (0 to 1), p50_ms of one search.

    rows: what the collection holds. Rows drawn by the seed ask for their nearest others that pass, one at a time; fewer
    than `k` where fewer pass. A filter that fewer than two rows pass is left out. StoreError as a search raises it.
    """
    own = np.sort(np.random.default_rng(seed).choice(len(rows), min(queries, len(rows)), replace=False))
    vectors, ids = np.ascontiguousarray(rows.embeddings[own], np.float32), rows.table["id"].to_numpy()
    measured = []
    for number, one in enumerate(asked):
        progress("filters", number, len(asked))
        passing = np.flatnonzero(filters.mask(one.where, rows.table))
        if len(passing) < 2:
            continue
        few = min(k, len(passing) - 1)
        position = np.searchsorted(passing, own).clip(max=len(passing) - 1)
        itself = np.where(passing[position] == own, position, -1)  # (q,) of those that pass, itself
        exact = nearest(vectors, rows.embeddings[passing], k=few, exclude=itself)[0]
        place = dict(zip(ids[passing], passing.tolist(), strict=True))  # a hit that does not pass is none
        found, taken = np.full((len(own), few + 1), -1, np.int64), []
        for at, vector in enumerate(vectors):
            begun = time.perf_counter()
            [hits] = store.search(collection, vector[None], k=few + 1, where=one.where)
            taken.append(1000 * (time.perf_counter() - begun))
            found[at, : len(hits)] = [place.get(hit.id, -1) for hit in hits]
        kept = ann.without_own(found, own, k=few)
        recall = ann.ann_recall(kept, ann.true_scores(vectors, rows.embeddings, kept), exact).mean()
        figures = {"k": few, "queries": len(own), "ann_recall": float(recall), "p50_ms": float(np.median(taken))}
        measured.append({"filter": one.text, "share": len(passing) / len(rows)} | figures)
    progress("filters", len(asked), len(asked))
    return measured


def of_facts(table: pd.DataFrame, keys: Sequence[str], *, seed: int = 0) -> list[Asked]:
    """None, and a filter that about each of SHARES passes: of the gallery's own facts, else of rows drawn at random.

    keys: of the metadata, of which the first are looked at. A share is left out where no fact has it and its rows are too many to be named.
    """
    made, known = [Asked("", Filter())], list(_of_values(table, keys))
    for share in SHARES:
        count = max(2, round(share * len(table)))
        near = [(max(found / count, count / found), one) for found, one in known]
        times, best = min(near, key=lambda entry: entry[0], default=(np.inf, None))
        if best is not None and times <= NEAR:
            made.append(best)
        elif count <= min(MAX_NAMED, len(table)):
            drawn = np.random.default_rng(seed).choice(table["id"].to_numpy(), count, replace=False)
            made.append(Asked("drawn at random", Filter((Clause("id", tuple(drawn)),))))
    return made


def _of_values(table: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[int, Asked]]:
    """Filters by a field's values, and how many rows pass each: the commonest values that together keep to a share."""

    fields = {name: table[name] for name in ("label", "split")}
    fields |= {key: table["metadata"].map(lambda row, key=key: row.get(key, "")) for key in keys[:MAX_KEYS]}
    made = {f"{side}<={int(table[side].quantile(share))}" for side in ("width", "height") for share in SHARES}
    asked = {text: filters.parse([text]) for text in sorted(made)}
    for name, column in fields.items():
        counts: pd.Series = column[column != ""].value_counts()
        for share in SHARES:
            left, values = 1.1 * share * len(table), list[str]()
            for value, count in counts.items():
                if count <= left and len(values) < MAX_VALUES:
                    values.append(str(value))
                    left -= count
            if values:  # as text alone: what looks like a range is none here
                text = f"{name}={','.join(map(filters.escape, values))}"
                asked[text] = Filter((Clause(name, tuple(values), operator=EXACT),))
    for text, where in asked.items():
        settled = filters.check(where, keys)
        if passing := int(filters.mask(settled, table).sum()):
            yield passing, Asked(text, settled)


def shown(text: str) -> str:
    """A filter in a table."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def said(measured: Sequence[dict[str, Any]]) -> str:
    """What the figures come to, in a sentence; '' where no filter was measured."""
    if not (under := [row for row in measured if row["filter"]]):
        return ""
    worst = min(under, key=lambda row: row["ann_recall"])
    found = math.floor(1000 * worst["ann_recall"]) / 10  # a miss is never rounded away
    least = "all of" if worst["ann_recall"] == 1 else f"{found:.1f} % or more of"
    least = f"Under these filters the index finds {least} the nearest pictures that pass"
    if worst["ann_recall"] >= ENOUGH:
        return f"{least}."
    return (
        f"{least}, and {100 * ENOUGH:.0f} % is wanted: fewest with {shown(worst['filter'])}, which {100 * worst['share']:.1f} % pass; "
        "a larger ef, or an index that compares every row, finds more."
    )
