"""The table of metrics: names, words, depths, and a metric of a file of its own seen wherever metrics are shown."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import fill, photos
from typer.testing import CliRunner

from app.evaluate.quality import figures
from app.evaluate.reports import read
from pipeline import ROOT, metrics
from pipeline.__main__ import app
from pipeline.errors import UsageError
from pipeline.evaluation import gates
from pipeline.gallery import reports
from pipeline.metrics import registry

EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
[FILE] = re.findall(r"^```python\n(# pipeline/metrics/wrong_first\.py\n.*?)^```$", EXTENDING, re.MULTILINE | re.DOTALL)


@pytest.fixture
def one_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example of docs/extending.md, as if it lay in pipeline/metrics/."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "wrong_first.py").write_text(FILE, encoding="utf-8")
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path / "metrics")])
    monkeypatch.delitem(sys.modules, "pipeline.metrics.wrong_first", raising=False)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("pipeline.metrics.wrong_first", None)


@pytest.mark.parametrize(
    "name", ["accuracy", "recall_at_0", "recall_at_", "recall_at_1001", "recall_at_K", "map", "knn"]
)
def test_a_metric_that_there_is_not_is_told_with_those_that_there_are(name: str) -> None:
    with pytest.raises(
        UsageError, match=rf"no metric '{name}'; choose from recall_at_K, .*mrr, .*with K from 1 to 1,000"
    ):
        registry.find(name)
    assert registry.meaning(name) == "", "an old report may have a metric that there is no more"


def test_a_name_is_read_with_its_k_and_told_in_words() -> None:
    metric, k = registry.find("ndcg_at_10")
    assert (metric.name, k) == ("ndcg_at_K", 10)
    assert registry.find("map_at_r")[1] == 0
    assert registry.meaning("precision_at_7") == "share of the first 7 that have the query's label"
    assert registry.meaning("recall_at_1") == "share of queries whose first hit has their label"


def test_every_row_is_whole_and_no_name_is_there_twice() -> None:
    rows = registry.available()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.meaning, row.name
        assert not row.meaning.endswith("."), row.name
        assert row.name.endswith("_K") == (row.depth == "K"), row.name
        assert all((k > 0) == (row.depth == "K") for k in row.usual), row.name
        assert registry.find(row.written(3))[0] is row


def test_a_metric_sees_no_more_hits_than_its_depth() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    answers = registry.Answers(
        np.array([[1, 3, 2, 4]]), np.zeros((1, 4), np.float32), labels[:1], labels, np.array([2])
    )
    seen = {
        depth: registry.Metric("a_K", lambda answers: np.array([answers.k]), "", depth=depth).values(answers, 3)[0]
        for depth in ("K", "R", 1, 1000)
    }
    assert seen == {"K": 3, "R": 2, 1: 1, 1000: 4}


def test_the_table_in_the_documents_is_the_registrys() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert registry.table() in text, "paste what `python -m pipeline.metrics.registry` prints"


def test_a_metric_of_one_new_file_is_measured_told_and_shown(one_more: None, home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 24))
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["evaluate", "small", "--json", "--progress", "none", "--html", str(page)])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    figure = report["metrics"]["wrong_first_5"]
    table = reports.table(gallery, report["report"])
    waits = [
        next((place for place, label in enumerate(hits[:5]) if label == own), 5) / 5
        for own, hits in zip(table["label"], table["hit_labels"], strict=True)
    ]
    assert figure["value"] == pytest.approx(sum(waits) / len(waits), abs=1e-6)
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert all("wrong_first_5" in row for row in report["per_label"])
    words = "share of the first 5 that comes before a right one"
    assert words in page.read_text(encoding="utf-8")
    assert words in figures(read(gallery, report["report"]), list(report["metrics"]))
    assert "| `wrong_first_K` |" in registry.table()


def test_a_gate_on_a_metric_where_lower_is_better_fails_above(one_more: None) -> None:
    report = {"metrics": {"wrong_first_2": {"value": 0.4}}}
    for required, passed in ((0.5, True), (0.4, True), (0.3, False)):
        [verdict] = gates.judge(gates.parse([f"wrong_first_2={required}"]), report)
        assert verdict["passed"] is passed
