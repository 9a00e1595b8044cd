"""Indexes compared: figures against the slow truth, ones that crash or hang or are not there, advice, the verbs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_gallery

from pipeline import plugins
from pipeline.comparison import index_advice, index_worker, indexes
from pipeline.errors import UsageError

BROKEN = {
    "crashing": "import os, signal\ndef _fail(): os.kill(os.getpid(), signal.SIGSEGV)",
    "killed": "import os, signal\ndef _fail(): os.kill(os.getpid(), signal.SIGKILL)",
    "hanging": "import time\ndef _fail(): time.sleep(600)",
    "hungry": "def _fail(): raise MemoryError",
    "raising": "def _fail(): raise ValueError('no such\\nmetric')",
    "leaving": "import os, sys\ndef _fail(): sys.stderr.write('licence expired\\n'); sys.stderr.flush(); os._exit(3)",
}
SOUND = """
import numpy as np
from pipeline.plugins import Card
CARD = Card(summary="breaks with its second setting")
def build(): return Index()
class Index:
    sweep, grows = [{"effort": 1}, {"effort": 2}], "linear"
    def add(self, embeddings): self.rows = embeddings.copy()
    def tune(self, *, effort): self.effort = effort
    def search(self, queries, *, k):
        if getattr(self, "effort", 1) == 2: _fail()
        order = np.argsort(-(queries @ self.rows.T), axis=1)[:, :k]
        return np.zeros(order.shape, np.float32), order
    def size_on_disk(self): return 1
    def close(self): pass
"""


def embeddings(n: int = 300, dim: int = 16, *, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(10, dim))[np.arange(n) % 10] + 0.5 * random.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def compared(rows: np.ndarray, *specs: str, **options: Any) -> dict[str, Any]:
    return indexes.compare(rows, specs=specs, **({"queries": 40, "seconds": 0.2} | options))


def test_exact_ones_find_all_and_the_figures_are_there() -> None:
    report = compared(embeddings(), "brute_force:engine=numpy", "kd_tree")
    assert [row["index"] for row in report["rows"]] == ["brute_force", "kd_tree"]
    for row in report["rows"]:
        assert (row["ann_recall"], row["error"], row["queries"]) == (1.0, "", 40)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["queries_per_second"] > 0
        assert row["single_per_second"] == pytest.approx(1000 / row["p50_ms"], rel=0.9)
        assert row["bytes_on_disk"] >= 300 * 16 * 4
        assert row["build_seconds"] >= 0
        assert row["megabytes"] is None or row["megabytes"] >= 0
    assert 0 < report["harness"]["p50_ms"] < 0.1
    assert (report["n"], report["dim"], report["k"], report["queries"], report["notes"]) == (300, 16, 10, 40, [])
    assert report["ranked_alike"] == {"queries": 40, "alike": 40}
    assert json.loads(json.dumps(report)) == report


def test_a_metric_is_given_to_the_indexes_that_have_a_choice_and_finds_the_same() -> None:
    rows = embeddings()
    for metric in indexes.METRICS:
        report = compared(rows, "brute_force:engine=numpy", "kd_tree", metric=metric)
        assert [row["ann_recall"] for row in report["rows"]] == [1.0, 1.0]
        assert indexes.said_of_metrics(report).endswith(
            f"alike for 40 of 40 queries; measured with {metric.replace('_', ' ')}."
        )
    with pytest.raises(UsageError, match="unknown metric 'hamming'; choose from cosine, euclidean, inner_product"):
        compared(rows, "kd_tree", metric="hamming")
    assert indexes.said_of_metrics({"k": 3}) == ""


def test_ann_recall_is_the_share_of_a_loop_over_queries(tmp_path: Path) -> None:
    """An index that leaves out every third row misses a third of the nearest."""
    rows = embeddings()
    command = broken_folder(tmp_path, "pass", "order = order[order % 3 > 0].reshape(len(queries), -1)[:, :k]")
    report = compared(rows, "novel", worker=command, k=5)
    own = np.sort(np.random.default_rng(0).choice(300, 40, replace=False))
    right = 0
    for query in own:
        others = [row for row in np.argsort(-(rows @ rows[query])) if row != query]
        right += sum(row % 3 > 0 for row in others[:5])
    assert report["rows"][0]["ann_recall"] == pytest.approx(right / (5 * 40), abs=0.01)


def broken_folder(folder: Path, failing: str, more: str = "pass") -> list[str]:
    """A worker's command that finds one more plugin, `novel`: with its second setting it does what `failing` says."""
    source = failing if "_fail" in failing else f"{failing}\ndef _fail(): pass"
    text = SOUND.replace("[:, :k]", "" if more != "pass" else "[:, :k]").replace(
        "        return np.zeros", f"        {more}\n        return np.zeros"
    )
    (folder / "novel.py").write_text(f"{source}\n{text}")
    code = (
        "import pipeline.indexes as room\nfrom pipeline.comparison import index_worker; from pipeline import plugins\n"
        f"room.__path__.append({str(folder)!r})\nreal = plugins.available\n"
        "plugins.available = lambda kind: [*real(kind), 'novel']\nindex_worker.main()"
    )
    return [sys.executable, "-c", code]


def test_of_an_index_in_another_process_neither_size_nor_memory_is_told(tmp_path: Path) -> None:
    command = broken_folder(tmp_path, "pass")
    plugin = tmp_path / "novel.py"
    text = plugin.read_text().replace("return 1", "return None").replace("def build()", "def build(*, uri='')")
    plugin.write_text(text)
    report = compared(embeddings(), "novel:uri=http://me:secret@host:19530", worker=command)
    assert {(row["bytes_on_disk"], row["megabytes"], row["error"]) for row in report["rows"]} == {(None, None, "")}
    assert report["rows"][0]["spec"] == "novel:uri=http://host:19530,effort=1"
    assert "secret" not in json.dumps(report)


@pytest.mark.parametrize("more", ["order = order[:, :k] + 300", "order = order[:, :2]", "order = order[:3, :k]"])
def test_answers_of_another_shape_or_with_rows_that_do_not_exist_are_an_error(tmp_path: Path, more: str) -> None:
    rows = compared(embeddings(), "novel", worker=broken_folder(tmp_path, "pass", more))["rows"]
    assert {row["error"] for row in rows} == {"it returned rows that do not exist, or not one for each place"}
    assert {row["ann_recall"] for row in rows} == {None}


@pytest.fixture(autouse=True)
def novel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`novel` is an index here too, beside the real ones."""
    import pipeline.indexes as room

    real = plugins.available
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    monkeypatch.setattr(plugins, "available", lambda kind: [*real(kind), *["novel"] * (kind == "indexes")])
    sys.modules.pop("pipeline.indexes.novel", None)


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        ("crashing", r"crashed \(SIGSEGV\); the others went on"),
        ("killed", r"crashed \(SIGKILL, as when memory runs out\)"),
        ("hanging", "took longer than 4 s and was stopped"),
        ("hungry", "out of memory"),
        ("raising", "ValueError: no such metric"),
        ("leaving", "exit code 3: licence expired"),
    ],
)
def test_an_index_that_breaks_is_a_row_that_says_so_and_the_others_go_on(
    failing: str, says: str, tmp_path: Path
) -> None:
    command = broken_folder(tmp_path, BROKEN[failing])
    report = compared(embeddings(), "novel", worker=command, timeout=4)
    first, second = report["rows"]
    assert (first["spec"], first["error"], first["ann_recall"]) == ("novel:effort=1", "", 1.0)
    assert re.search(says, second["error"])
    assert (second["ann_recall"], second["pareto"]) == (None, False)


def test_a_comparison_goes_on_past_one_that_crashed(tmp_path: Path) -> None:
    command = broken_folder(tmp_path, BROKEN["crashing"])
    report = compared(embeddings(), "kd_tree", "novel", "simhash:candidates=50", worker=command)
    assert [(row["index"], bool(row["error"])) for row in report["rows"]] == [
        ("kd_tree", False),
        ("novel", False),
        ("novel", True),
        ("simhash", False),
    ]


@pytest.mark.parametrize(("each", "together", "asked"), [(0.01, 0.0, 300), (0.01, 0.01, 10), (0.0, 0.0, 300)])
def test_a_slow_index_gets_fewer_queries_and_one_that_is_quick_in_a_batch_gets_all(
    monkeypatch: pytest.MonkeyPatch, each: float, together: float, asked: int
) -> None:
    """each: seconds of a query alone; together: of each query in a batch."""
    now = [0.0]  # seconds, of a clock that a busy machine cannot hurry
    monkeypatch.setattr(index_worker.time, "perf_counter", lambda: now[0])

    class Slow(index_worker.Noop):
        def search(self, queries: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
            now[0] += 1e-6 + (each if len(queries) == 1 else together * len(queries))
            return super().search(queries, k=k)

    figures, rows = index_worker.timed(Slow(), embeddings(), k=3, seconds=0.2)
    assert (figures["queries"], rows.shape) == (asked, (asked, 3))
    assert figures["single_queries"] == (10 if each else 300)


def test_a_library_that_is_not_installed_is_a_row_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "missing", lambda kind, name: "pip install it" if name == "annoy" else "")
    report = compared(embeddings(), "annoy", "brute_force:engine=numpy")
    assert (report["rows"][0]["error"], report["rows"][0]["install"]) == ("not installed", "pip install it")
    assert report["rows"][1]["ann_recall"] == 1


def test_more_hits_or_queries_than_pictures_are_lowered_and_said() -> None:
    report = compared(embeddings(8), "brute_force:engine=numpy", k=50, queries=1000)
    assert (report["k"], report["queries"]) == (7, 8)
    assert "k lowered from 50 to 7" in report["notes"][0]
    assert "queries lowered from 1,000 to 8" in report["notes"][1]
    assert report["rows"][0]["ann_recall"] == 1


def test_copies_of_one_picture_are_all_right() -> None:
    report = compared(np.repeat(embeddings(1), 60, axis=0), "brute_force:engine=numpy", "simhash:candidates=50", "lsh")
    assert {row["ann_recall"] for row in report["rows"]} == {1.0}


def test_embeddings_of_one_dimension_can_be_compared() -> None:
    rows = np.array([[1], [-1]] * 30, np.float32)
    report = compared(rows, "brute_force:engine=numpy", "ball_tree", "lsh:probes=1,candidates=100")
    assert {row["ann_recall"] for row in report["rows"]} == {1.0}


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (embeddings(1), {}, "1 embedding cannot be compared"),
        (embeddings(0), {}, "0 embeddings cannot be compared"),
        (2 * embeddings(5), {}, "unit length, these reach from 2 to 2"),
        (np.full((4, 3), np.nan, np.float32), {}, "not finite"),
        (embeddings(5), {"k": 0}, "1 or more"),
        (embeddings(5), {"specs": ["annoi"]}, "unknown index 'annoi'"),
        (embeddings(5), {"specs": ["kd_tree:leaf=3"]}, "kd_tree has no option 'leaf'"),
    ],
)
def test_what_cannot_be_compared_is_refused(rows: np.ndarray, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        indexes.compare(rows, **options)


def test_a_comma_goes_on_with_options_or_begins_another_index() -> None:
    split = plugins.split("indexes", ["annoy,faiss_hnsw:ef=64,m=8,lsh", "milvus:index=HNSW,uri=http://host:19530"])
    assert split == ["annoy", "faiss_hnsw:ef=64,m=8", "lsh", "milvus:index=HNSW,uri=http://host:19530"]
    with pytest.raises(UsageError, match="nothing between"):
        plugins.split("indexes", ["annoy,,lsh"])


def row(name: str, recall: float, rate: float, **more: Any) -> dict[str, Any]:
    made = {"index": name, "spec": name, "ann_recall": recall, "queries_per_second": rate, "error": "", "grows": "log"}
    return made | {"p50_ms": 1000 / rate, "build_seconds": 3.0, "megabytes": 10.0, "bytes_on_disk": None} | more


def test_the_front_holds_what_nothing_beats() -> None:
    rows = [row("a", 1, 10), row("b", 0.9, 100), row("c", 0.9, 50), row("d", 0.5, 90), row("e", 0, 0.1, error="x")]
    rows += [row("f", 1, 10)]
    assert index_advice.pareto(rows) == [True, True, False, False, False, True]


def test_times_grow_as_their_kind_does() -> None:
    measured = row("x", 1, 100)
    grown = {
        grows: index_advice.at_size(measured | {"grows": grows}, 1000, 100_000) for grows in ("linear", "root", "log")
    }
    assert grown["linear"]["p50_ms"] == pytest.approx(1000)
    assert grown["root"]["p50_ms"] == pytest.approx(100)
    assert grown["log"]["p50_ms"] == pytest.approx(10 * 5 / 3)
    assert grown["linear"]["bytes"] == pytest.approx(1e9)
    assert grown["log"]["build_seconds"] == pytest.approx(300 * 5 / 3)


def test_advice_is_exact_while_that_is_quick_and_a_graph_when_it_is_not() -> None:
    rows = [row("brute_force", 1, 1000, grows="linear", megabytes=40.0), row("graph", 0.995, 20_000)]
    rows.append(row("careless", 0.7, 90_000))
    report = {"n": 10_000, "rows": rows}
    small, large = (index_advice.advice(report, n) for n in (10_000, 1_000_000))
    assert "For 10,000 pictures: use brute_force, which is exact, takes 1 ms" in small
    assert "graph would answer in 0.05 ms" in small
    assert "For 1,000,000 pictures (extrapolated from 10,000): use graph" in large
    assert "0.995 as measured here" in large
    assert "comparing every row takes 100 ms" in large
    assert "none reaches" in index_advice.advice({"n": 10, "rows": rows[2:]}, 10)
    assert "nothing can be said" in index_advice.advice({"n": 10, "rows": [row("x", 0, 1, error="e")]}, 10)


def test_the_verbs(home: Path, tmp_path: Path) -> None:
    tiny_gallery.fill(tiny_gallery.photos(tmp_path / "photos", 24))
    listed = tiny_gallery.run("indexes")
    assert listed.returncode == 0, listed.stderr
    assert "faiss_hnsw: faiss HNSW" in listed.stdout
    assert {one["index"] for one in json.loads(tiny_gallery.run("indexes", "--json").stdout)} >= {"lsh", "annoy"}
    ran = tiny_gallery.run(
        *("compare-indexes", "small", "--indexes", "brute_force:engine=numpy,lsh", "--k", "5", "--queries", "10"),
        *("--seconds", "0.1"),
    )
    assert ran.returncode == 0, ran.stderr
    assert "brute_force:engine=numpy" in ran.stdout
    assert "For 24 pictures" in ran.stdout
    ran = tiny_gallery.run("compare-indexes", "small", "--indexes", "simhash", "--json", "--progress", "none")
    report = json.loads(ran.stdout)
    assert {"machine", "versions", "rows", "advice", "encoder", "fingerprint"} <= report.keys()
    assert report["rows"][0]["index"] == "simhash"
    assert report["report"].startswith("indexes-")
    ran = tiny_gallery.run("compare-indexes", "small", "--indexes", "fais")
    assert (ran.returncode, "choose from annoy" in ran.stderr) == (2, True)
