"""The metrics of retrieval by name: each file of this package that has some lists them in its METRICS, a row a metric.

What measures, reports, draws or documents metrics reads these rows, so that one more row is one more metric everywhere.

    python -m pipeline.metrics.registry      # the table of docs/evaluation.md
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline import metrics
from pipeline.errors import UsageError

MAX_K = 1_000
MAIN = "map_at_r"  # by which queries, labels and encoders are ordered where a report has it


@dataclass(frozen=True)
class Answers:
    """Some queries and their hits, closest first: as many as the metric's depth says, or all there are to find.

    hits, scores: (q, k) gallery rows and cosines. query_labels: (q,), gallery_labels: (n,) numbers. counts: (q,) R, how
    many of the gallery have the query's label. fields: per field to grade by, (q,) and (n,) numbers. exclude: (q,) the
    gallery row that is the query itself and no hit, -1 for none.
    """

    hits: np.ndarray
    scores: np.ndarray
    query_labels: np.ndarray
    gallery_labels: np.ndarray
    counts: np.ndarray
    fields: Sequence[tuple[np.ndarray, np.ndarray]] = ()
    exclude: np.ndarray | None = None

    @property
    def k(self) -> int:
        return int(self.hits.shape[1])

    @property
    def hit_labels(self) -> np.ndarray:
        """(q, k)"""
        return self.gallery_labels[self.hits]

    @property
    def relevant(self) -> np.ndarray:
        """(q, k) bool: whether the hit has the query's label."""
        return self.hit_labels == self.query_labels[:, None]

    def first(self, k: int) -> Answers:
        return replace(self, hits=self.hits[:, :k], scores=self.scores[:, :k])


@dataclass(frozen=True)
class Metric:
    """A row. name: as it is written, K standing for a number that the user chooses: `recall_at_K`, `map_at_r`.

    function: (q,) values from 0 to 1; those of queries with nothing to find are left out. meaning: of the mean, for
    people; meaning_at_1 where K = 1 reads better otherwise. depth: how many hits it looks at; R: as many as there are to
    find. better: the values that are. usual: the K, or 0 without one, that are measured when no metric is named.
    """

    name: str
    function: Callable[[Answers], np.ndarray]
    meaning: str
    depth: Literal["K", "R"] | int = "K"
    better: Literal["higher", "lower"] = "higher"
    usual: tuple[int, ...] = ()
    meaning_at_1: str = ""

    def written(self, k: int) -> str:
        """With this K: `recall_at_10`."""
        return re.sub("K$", str(k), self.name)

    def values(self, answers: Answers, k: int) -> np.ndarray:
        """(q,); k is that of the name, 0 without one."""
        depth = {"K": k, "R": max(1, int(answers.counts.max(initial=0)))}.get(str(self.depth), self.depth)
        return self.function(answers.first(int(depth)))


def available() -> list[Metric]:
    """Every row: those of retrieval.py and ranking.py, then of the other files by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(metrics.__path__))
    names.sort(key=lambda name: ("retrieval", "ranking", name).index(name))
    rows: list[Metric] = []
    for name in names:
        rows += getattr(importlib.import_module(f"{metrics.__name__}.{name}"), "METRICS", ())
    return rows


def usual() -> list[str]:
    """What is measured when nothing is named."""
    return [metric.written(k) for metric in available() for k in metric.usual]


def find(name: str) -> tuple[Metric, int]:
    """The row of `recall_at_10` and its K, 0 where it has none. UsageError names those that there are."""
    rows = {metric.name: metric for metric in available()}
    if (metric := rows.get(name)) and metric.depth != "K":
        return metric, 0
    head, _, k = name.rpartition("_")
    if (metric := rows.get(f"{head}_K")) and re.fullmatch("[1-9][0-9]*", k) and int(k) <= MAX_K:
        return metric, int(k)
    raise UsageError(f"no metric {name!r}; choose from {', '.join(rows)}, with K from 1 to {MAX_K:,}")


def meaning(name: str) -> str:
    """What a figure of this name says; '' for one that there is no more, as in an old report."""
    try:
        metric, k = find(name)
    except UsageError:
        return ""
    return metric.meaning_at_1 if k == 1 and metric.meaning_at_1 else re.sub(r"\bK\b", str(k), metric.meaning)


def sign(name: str) -> int:
    """1 where a higher value is better, -1 where a lower one is; 1 for a metric that there is no more."""
    try:
        return -1 if find(name)[0].better == "lower" else 1
    except UsageError:
        return 1


def main(names: Sequence[str]) -> str:
    """The metric of a report that says which queries are worst."""
    return MAIN if MAIN in names else names[0]


def table() -> str:
    """The rows as Markdown, for docs/evaluation.md."""
    lines = ["| Metric | Mean over queries | Hits it looks at | Better |", "|---|---|---|---|"]
    for row in available():
        depth = f"{row.depth:,}" if isinstance(row.depth, int) else row.depth
        lines.append(f"| `{row.name}` | {row.meaning} | {depth} | {row.better} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
