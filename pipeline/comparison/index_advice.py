"""What a comparison of indexes says to somebody who has to choose: the rows worth having, one sentence a size, and the
setting of a gallery that a measured index stands for: `milvus:index=HNSW,ef=64` is `hnsw:ef=64`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pipeline import plugins
from pipeline.errors import UsageError

ENOUGH = 0.99  # ann_recall
AT_ONCE_MS = 10.0  # an exact answer within this is not worth an index: encoding the query takes longer
KINDS = (
    "flat",
    "hnsw",
    "hnsw_sq",
    "ivf_flat",
    "ivf_sq8",
    "ivf_rabitq",
    "diskann",
)  # the last two on a server that has them
_SETTINGS = ("ef", "m", "ef_construction", "nprobe", "cells")


def pareto(rows: Sequence[dict[str, Any]]) -> list[bool]:
    """For each row: no other has more of ann_recall or queries_per_second and no less of the other; errors: False."""

    def beats(other: dict[str, Any], row: dict[str, Any]) -> bool:
        pairs = [(other[name], row[name]) for name in ("ann_recall", "queries_per_second")]
        return all(left >= right for left, right in pairs) and any(left > right for left, right in pairs)

    measured = [row for row in rows if not row["error"]]
    return [not row["error"] and not any(beats(other, row) for other in measured) for row in rows]


def at_size(row: dict[str, Any], n: int, rows: int) -> dict[str, float]:
    """p50_ms, build_seconds and bytes (in memory, else on disk) of a row measured on n, as they would be on `rows`.

    Time of a search: linear, root or log in the number of rows as row["grows"] says; bytes linear; the time to build
    linear, and with it log(rows) for a graph. Extrapolated, and it says nothing of ann_recall, which falls as rows grow.
    """
    times = rows / n
    logs = math.log(max(rows, 2)) / math.log(max(n, 2))
    search = {"linear": times, "root": times**0.5, "log": logs}[row["grows"]]
    size = max((row["megabytes"] or 0) * 1e6, row["bytes_on_disk"] or 0)
    return {
        "p50_ms": row["p50_ms"] * search,
        "build_seconds": row["build_seconds"] * times * (logs if row["grows"] == "log" else 1),
        "bytes": size * times,
    }


def advice(report: dict[str, Any], n: int) -> str:
    """One sentence: what to use on n rows like those of the report, and why."""
    where = f"For {n:,} pictures" + ("" if n == report["n"] else f" (extrapolated from {report['n']:,})")
    measured = [row for row in report["rows"] if not row["error"]]
    if not measured:
        return f"{where}: no index gave figures, so nothing can be said."

    def cost(row: dict[str, Any]) -> float:
        return at_size(row, report["n"], n)["p50_ms"]

    good = [row for row in measured if row["ann_recall"] >= ENOUGH]
    if not good:
        best = max(measured, key=lambda row: (row["ann_recall"], -cost(row)))
        return (
            f"{where}: none reaches an ann_recall of {ENOUGH}; {best['spec']} comes closest with "
            f"{best['ann_recall']:.3f} at {_milliseconds(cost(best))} a query."
        )
    quickest = min(good, key=cost)
    exact = [row for row in measured if row["index"] == "brute_force"]
    simple = min(exact, key=cost) if exact else None
    if simple is not None and (simple is quickest or cost(simple) <= AT_ONCE_MS):
        beside = "" if simple is quickest else f"; {quickest['spec']} would answer in {_milliseconds(cost(quickest))}"
        return (
            f"{where}: use {simple['spec']}, which is exact, takes {_milliseconds(cost(simple))} a query and has "
            f"nothing to build{beside}."
        )
    whole = at_size(quickest, report["n"], n)
    size = f", {_size(whole['bytes'])}" if whole["bytes"] else ""
    against = f"; comparing every row takes {_milliseconds(cost(simple))}" if simple is not None else ""
    return (
        f"{where}: use {quickest['spec']}, {_milliseconds(whole['p50_ms'])} a query at an ann_recall of "
        f"{quickest['ann_recall']:.3f}{' as measured here' if n != report['n'] else ''}, "
        f"{_seconds(whole['build_seconds'])} to build{size}{against}."
    )


def _milliseconds(value: float) -> str:
    return f"{value:.2g} ms" if value < 100 else f"{value:,.0f} ms"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 120 else f"{value / 60:,.0f} min"


def _size(value: float) -> str:
    return f"{value / 1e6:,.0f} MB" if value < 1e10 else f"{value / 1e9:,.0f} GB"


def setting_of(spec: str) -> str:
    """What `sync.choose_index` takes; '' for an index that a gallery cannot have."""
    name, options = plugins.parse(spec)
    kind = options.get("index", "HNSW").lower()
    if name != "milvus" or kind not in KINDS:
        return ""
    settings = ",".join(f"{key}={options[key]}" for key in _SETTINGS if options.get(key, "0") != "0")
    return kind + (f":{settings}" if settings else "")


def checked_setting(text: str) -> str:
    """The setting itself, lower case; UsageError for a kind that a gallery cannot have. '' and auto: the store decides."""
    text = text.strip().lower()
    if text in ("", "auto"):
        return ""
    if text.partition(":")[0] not in KINDS:
        raise UsageError(f"unknown index {text!r}; choose from auto, {', '.join(KINDS)}, such as hnsw:ef=128")
    return text
