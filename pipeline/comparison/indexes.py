"""Indexes side by side on the same embeddings, queries, threads and machine: ann_recall, speed, building, size, memory.

Every figure of a report comes from one run. Each index is measured by index_worker in a process of its own.

A report (kind `indexes`):
    rows      a list, one entry a setting of an index:
      index   the plugin's name; spec: what builds just this setting again, such as `faiss_hnsw:ef=64`
      options the settings of the search, {} when there are none; grows: linear, root or log, with the number of rows
      ann_recall                            share of the exact k nearest that it returned, 0 to 1 (metrics/ann.py)
      queries_per_second, queries           many queries in one call, and how many those were
      single_per_second, p50_ms, p99_ms, single_queries      one query a call
      build_seconds, bytes_on_disk          bytes: None where it cannot be told
      megabytes                             by which the process grew; None for a server and where it cannot be told
      error, install                        '' or why there are no figures, and what to type to get the library
      pareto  no other row has both more ann_recall and more queries a second
    harness   {p50_ms, p99_ms, batch_ms}: what the measuring itself costs a query, by an index that does nothing
    n, dim, k, queries, threads, seed, seconds, timeout, notes (sentences), libraries {name: version}
    metric    of the indexes that have a choice
    ranked_alike  {queries, alike}: for how many of some queries all three metrics give the same first k
    advice    sentences: what to use at this size, at 10 and at 100 times it (index_advice.py)
and what every report has: command, machine, versions.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import ROOT, plugins
from pipeline.comparison import index_advice
from pipeline.comparison.index_worker import NOOP
from pipeline.errors import UsageError
from pipeline.gallery import artifacts
from pipeline.metrics import ann
from pipeline.metrics.retrieval import nearest
from pipeline.records import Progress, silent

KIND = "indexes"
LIBRARIES = ("faiss-cpu", "annoy", "nmslib", "ngt", "scikit-learn", "pymilvus", "milvus-lite", "scipy")
_FIGURES = (
    *("ann_recall", "queries_per_second", "queries", "single_per_second", "p50_ms", "p99_ms", "single_queries"),
    *("build_seconds", "bytes_on_disk", "megabytes"),
)
_GRACE = 5.0  # seconds
METRICS = ("cosine", "euclidean", "inner_product")
PROVED = 100  # queries for which the three metrics are compared
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")


def compare(
    embeddings: np.ndarray,
    *,
    specs: Sequence[str] = (),
    k: int = 10,
    queries: int = 1000,
    threads: int = 1,
    seconds: float = 20,
    timeout: float = 900,
    seed: int = 0,
    metric: str = "cosine",
    progress: Progress = silent,
    worker: Sequence[str] = (),
) -> dict[str, Any]:
    """The report, as this module says. Rows ask for their nearest others; a picture never finds itself.

    embeddings: (n, dim) float32 of unit length. specs: plugins of indexes/ with options; a bare name stands for its
    usual settings, none for every plugin. queries: rows drawn by the seed. seconds: what measuring one setting may take;
    slow ones get fewer queries. timeout: of one index with all its settings. metric: of the indexes that have a choice. worker: the command that measures one.
    Raises UsageError for what cannot be compared; an index that fails is a row that says so.
    """
    n, dim = _check(embeddings, k=k, queries=queries, threads=threads)
    if metric not in METRICS:
        raise UsageError(f"unknown metric {metric!r}; choose from {', '.join(METRICS)}")
    chosen = chosen_specs(specs)
    notes = []
    if k > n - 1:
        notes.append(f"k lowered from {k} to {n - 1}: each of {n} rows has so many others")
        k = n - 1
    if queries > n:
        notes.append(f"queries lowered from {queries:,} to {n:,}, the rows there are")
    own = np.sort(np.random.default_rng(seed).choice(n, min(queries, n), replace=False))
    query_rows = np.ascontiguousarray(embeddings[own], np.float32)
    progress("exact", 0, 1)
    exact = nearest(query_rows, embeddings, k=k, exclude=own)[0]
    alike = ann.ranked_alike(query_rows[:PROVED], embeddings, k=k, exclude=own[:PROVED])
    progress("exact", 1, 1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {"embeddings": f"{folder}/embeddings.npy", "queries": f"{folder}/queries.npy"}
        np.save(files["embeddings"], np.ascontiguousarray(embeddings, np.float32))
        np.save(files["queries"], query_rows)
        request = files | {"k": k + 1, "threads": threads, "seed": seed, "seconds": seconds, "metric": metric}
        for number, spec in enumerate([NOOP, *chosen]):
            progress("indexes", number, len(chosen) + 1)
            out = Path(folder) / f"{number}"
            measured = _measured(spec, request, out, timeout=timeout, worker=worker)
            rows += [_judged(row, out, query_rows, embeddings, own, exact) for row in measured]
        progress("indexes", len(chosen) + 1, len(chosen) + 1)
    harness, rows = rows[0], rows[1:]
    for row, best in zip(rows, index_advice.pareto(rows), strict=True):
        row["pareto"] = best
    report: dict[str, Any] = {
        "rows": rows,
        "harness": {
            "p50_ms": harness["p50_ms"],
            "p99_ms": harness["p99_ms"],
            "batch_ms": 1000 / harness["queries_per_second"] if harness["queries_per_second"] else None,
        },
        **{"n": n, "dim": dim, "k": k, "queries": len(own), "threads": threads, "seed": seed, "metric": metric},
        "ranked_alike": {"queries": len(alike), "alike": int(alike.sum())},
        **{"seconds": seconds, "timeout": timeout, "notes": notes, "libraries": artifacts.versions(LIBRARIES)},
    }
    report["advice"] = [index_advice.advice(report, n * times) for times in (1, 10, 100)]
    return report


def chosen_specs(specs: Sequence[str]) -> list[str]:
    """Each name as its usual specs; none: those of every plugin, also of one whose library is missing.

    Raises UsageError for a plugin or an option that does not exist.
    """
    chosen: list[str] = []
    for spec in specs or plugins.available("indexes"):
        name, options = plugins.parse(spec)
        names = [option.name for option in plugins.options("indexes", name)]
        if wrong := [key for key in options if key not in names]:
            raise UsageError(f"{name} has no option {wrong[0]!r}; its options are {', '.join(names) or '(none)'}")
        chosen += [spec] if options else plugins.usual("indexes", name)
    return list(dict.fromkeys(chosen))


def _check(embeddings: np.ndarray, *, k: int, queries: int, threads: int) -> tuple[int, int]:
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise UsageError(
            f"{len(embeddings)} embedding{'s' * (len(embeddings) != 1)} cannot be compared: each must have another to "
            "find; ingest more pictures"
        )
    if min(k, queries, threads) < 1:
        raise UsageError(f"k, queries and threads are 1 or more, not {k}, {queries} and {threads}")
    if not np.isfinite(embeddings).all():
        raise UsageError("an embedding has a value that is not finite; encode again or train with a lower rate")
    lengths = np.linalg.norm(embeddings, axis=1)
    if np.abs(lengths - 1).max() > 1e-3:
        raise UsageError(f"embeddings have unit length, these reach from {lengths.min():.3g} to {lengths.max():.3g}")
    return embeddings.shape[0], embeddings.shape[1]


def _measured(
    spec: str, request: dict[str, Any], out: Path, *, timeout: float, worker: Sequence[str]
) -> list[dict[str, Any]]:
    """What index_worker said, a row a setting, and one more with `error` when it did not come to its end."""
    out.mkdir()
    name = plugins.parse(spec)[0]
    shown = re.sub(r"//[^/@]*@", "//", spec)  # an address without its password
    row: dict[str, Any] = {"index": name, "spec": shown, "options": {}, "grows": "", "error": "", "install": ""}
    row |= dict.fromkeys(_FIGURES)
    if spec != NOOP and (install := plugins.missing("indexes", name)):
        return [row | {"error": "not installed", "install": install}]
    asking = out / "request.json"
    asking.write_text(json.dumps(request | {"spec": spec, "out": str(out)}), encoding="utf-8")
    error = _ran(
        [*(worker or (sys.executable, "-m", "pipeline.comparison.index_worker")), str(asking)], request, out, timeout
    )
    file = out / "results.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    failed = [line["error"] for line in lines if "error" in line]
    size = next((line["bytes_on_disk"] for line in lines if line.keys() == {"bytes_on_disk"}), 0)
    measured = []
    for line in lines:
        if "found" in line:
            settings = line.pop("settings")
            here = (
                row | {"options": settings, "spec": _with(row["spec"], settings), "bytes_on_disk": size or None} | line
            )
            measured.append(here | ({"megabytes": None} if size is None else {}))  # it lives in another process
    if error or failed or not measured:
        measured.append(row | {"error": (failed or [error or "it ended without an answer"])[0]})
    return measured


def _ran(command: list[str], request: dict[str, Any], out: Path, timeout: float) -> str:
    """'' when the process came to its end, else one sentence; what it said last is part of it."""
    environment = os.environ | {f"{library}_NUM_THREADS": str(request["threads"]) for library in _THREADS}
    environment |= {"TMPDIR": str(out), "PYTHONPATH": os.pathsep.join([str(ROOT), *_path()])}
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, text=True, errors="replace", **quiet)
    try:
        words = process.communicate(timeout=timeout)[1].strip().splitlines()
    except subprocess.TimeoutExpired:
        return f"it took longer than {timeout:g} s and was stopped; give it more with --timeout"
    finally:
        _stop(process)
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        why = ", as when memory runs out" if name == "SIGKILL" else ""
        return f"it crashed ({name}{why}); the others went on"
    if process.returncode:
        return f"it ended with exit code {process.returncode}: {(words or ['it said nothing'])[-1][:300]}"
    return ""


def _stop(process: subprocess.Popen[str]) -> None:
    """End it if it still runs, with some seconds to drop what it made on a server."""
    process.terminate()
    try:
        process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _path() -> list[str]:
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _judged(
    row: dict[str, Any], out: Path, query_rows: np.ndarray, embeddings: np.ndarray, own: np.ndarray, exact: np.ndarray
) -> dict[str, Any]:
    """The row with its ann_recall, from the rows that the index returned."""
    file = row.pop("found", "")
    if not file:
        return row
    hits, k = np.load(out / file), exact.shape[1]
    q = len(hits)
    if hits.shape != (row["queries"], k + 1) or not ((hits >= -1) & (hits < len(embeddings))).all():
        return (
            row | dict.fromkeys(_FIGURES) | {"error": "it returned rows that do not exist, or not one for each place"}
        )
    kept = ann.without_own(hits, own[:q], k=k)
    scores = ann.true_scores(query_rows[:q], embeddings, kept)
    return row | {"ann_recall": float(ann.ann_recall(kept, scores, exact[:q]).mean())}


def _with(spec: str, settings: dict[str, int]) -> str:
    name, options = plugins.parse(spec)
    merged = options | {key: str(value) for key, value in settings.items()}
    return name + (":" + ",".join(f"{key}={value}" for key, value in merged.items()) if merged else "")


def said_of_metrics(report: dict[str, Any]) -> str:
    """A sentence; '' of a report that is older than the question."""
    if "ranked_alike" not in report:
        return ""
    alike, queries = report["ranked_alike"]["alike"], report["ranked_alike"]["queries"]
    return (
        f"Cosine, Euclidean distance and inner product rank the first {report['k']} alike for {alike} of {queries} queries; "
        f"measured with {report['metric'].replace('_', ' ')}."
    )
