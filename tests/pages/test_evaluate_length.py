from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.server import jobs
from pipeline.comparison import embedding_length
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import reencode
from pipeline.records import Rows
from pipeline.schema import NAMES
from pipeline.settings import Settings

PAGE = """
import streamlit as st
from app.server import resources
from app.evaluate.length import length_section
st.title("Evaluate")
length_section(resources.gallery("made"))
"""


@pytest.fixture
def gallery(home: Path) -> Gallery:
    """Sixty embeddings in four labels, 16 dimensions; the clusters lie in four of them."""
    made = create_gallery("made", Settings(), title="Made")
    random = np.random.default_rng(0)
    rows = np.pad(np.eye(4)[np.arange(60) % 4] + 0.2 * random.standard_normal((60, 4)), ((0, 0), (0, 12)))
    add(made, rows + 0.02 * random.standard_normal((60, 16)), first=0)
    return made


def add(gallery: Gallery, rows: np.ndarray, *, first: int) -> None:
    ids = [f"{number:032x}" for number in range(first, first + len(rows))]
    table = pd.DataFrame(dict.fromkeys(NAMES, ""), index=range(len(rows)))
    labels = [f"label {number % 4}" for number in range(len(rows))]
    table = table.assign(id=ids, path=ids, label=labels, width=8, height=8, metadata=[{} for _ in ids])
    with gallery.writing():
        fingerprint8 = gallery.add_encoder("color_histogram", "ab" * 32, rows.shape[1])
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        gallery.commit(fingerprint8, Rows(table, unit.astype(np.float32)))


def measured(gallery: Gallery, **changes: object) -> dict:
    report = embedding_length.measure(gallery, dims="2,4,8") | changes
    reports.write(gallery, "length", report)
    return report


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str]]:
    """Commands of jobs instead of the jobs."""
    commands: list[tuple[list[str], str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, *, title, gallery: commands.append((command, gallery)))
    return commands


def shown() -> AppTest:
    page = AppTest.from_string(PAGE, default_timeout=120).run()
    assert not page.exception
    assert page.title[0].value == "Evaluate"
    assert page.subheader[0].value == "Embedding size"
    return page


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def specs(page: AppTest) -> dict[str, dict]:
    found = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return {spec["layout"]["title"]["text"]: spec for spec in found}


def test_before_the_first_measurement_a_button_starts_it(gallery: Gallery, started: list) -> None:
    page = shown()
    assert "Not measured yet" in page.markdown[0].value
    assert buttons(page) == ["Measure lengths"]
    page.button[0].click().run()
    assert started == [(["pipeline", "embedding-length", "made"], "made")]


def test_a_gallery_without_pictures_says_how_to_fill_it(home: Path) -> None:
    create_gallery("made", Settings())
    page = shown()
    assert "holds no pictures yet; run: python -m pipeline ingest made" in page.info[0].value
    assert buttons(page) == []


def test_the_report_is_a_sentence_four_charts_and_a_button_that_applies_it(gallery: Gallery, started: list) -> None:
    report = measured(gallery)
    best = report["recommended"]
    assert best in (4, 8)
    page = shown()
    assert page.markdown[0].value.startswith(
        f"**{best} of 16 dimensions are the fewest with 99 % of the best map_at_r**"
    )
    assert f"{64 - 4 * best} of 64 bytes a picture" in page.markdown[0].value
    charts = specs(page)
    assert list(charts) == ["Quality", "Explained variance", "Exact search", "Distance contrast"]
    for spec in charts.values():
        assert spec["layout"]["xaxis"]["type"] == "log"
        assert spec["layout"]["xaxis"]["ticktext"] == ["2", "4", "8", "16"]
        assert spec["layout"]["shapes"][0]["x0"] == best
        assert spec["layout"]["yaxis"]["title"]["text"]
    diamond = charts["Quality"]["data"][-1]
    assert (diamond["name"], diamond["x"]) == (f"recommended: {best}", [best])
    assert len(page.get("download_button")) == 4
    assert buttons(page) == [f"Apply {best} dimensions", "Measure again"]
    assert "reencode made --back" in page.caption[0].value
    assert not page.warning
    assert not page.info
    page.button[0].click().run()
    assert started == [(["pipeline", "reencode", "made", "--pca", str(best)], "made")]


def test_without_labels_only_the_neighbours_are_drawn(gallery: Gallery) -> None:
    report = embedding_length.measure(gallery, dims="4")
    lengths = [length | {"map_at_r": None, "recall_at_1": None} for length in report["lengths"]]
    changes = {"decided_by": "neighbours_kept", "recommended": 16, "apply": "", "labels": 0, "lengths": lengths}
    reports.write(gallery, "length", report | changes)
    page = shown()
    names = [line["name"] for line in specs(page)["Quality"]["data"]]
    assert names == ["10 nearest kept", "recommended: 16"]
    assert buttons(page) == ["Measure again"]
    assert page.markdown[0].value.startswith("**All 16 dimensions are needed; no shorter length")


def test_figures_of_another_encoder_are_shown_with_a_note_and_cannot_be_applied(gallery: Gallery) -> None:
    measured(gallery, fingerprint="cd" * 32, encoder="raw_pixels")
    page = shown()
    assert "These figures are of raw_pixels with 16 dimensions; the gallery now uses color_histogram" in (
        page.warning[0].value
    )
    assert buttons(page) == ["Measure again"]
    measured(gallery)
    measured(gallery, fingerprint="cd" * 32, encoder="raw_pixels")  # newer, but not of the present encoder
    page = shown()
    assert not page.warning
    assert len(page.button) == 2


def test_what_was_applied_is_said_with_the_way_back(gallery: Gallery) -> None:
    measured(gallery)
    reencode.shorten(gallery, 4, store=None)
    page = shown()
    assert "Applied: the gallery now has 4 dimensions" in page.success[0].value
    assert "reencode made --back" in page.success[0].value
    assert not page.warning
    assert buttons(page) == ["Measure again"]


def test_figures_of_fewer_pictures_say_so(gallery: Gallery) -> None:
    measured(gallery)
    add(gallery, np.random.default_rng(1).standard_normal((4, 16)), first=60)
    page = shown()
    assert "has changed since these figures were measured" in page.info[0].value
    assert len(page.button) == 2


@pytest.mark.parametrize("content", ["", '{"kind": "length"}', '{"kind": "length", "lengths": [1], "dim": 3}'])
def test_a_damaged_report_is_a_warning_and_measuring_again_is_offered(gallery: Gallery, content: str) -> None:
    name = reports.write(gallery, "length", {})
    (gallery.root / "reports" / f"{name}.json").write_text(content)
    page = shown()
    assert "damaged" in page.warning[0].value
    assert buttons(page)[-1] in ("Measure again", "Measure lengths")


def test_while_a_measurement_runs_its_button_waits(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[str, ...], str]] = []
    monkeypatch.setattr(jobs, "running", lambda *words, gallery="": asked.append((words, gallery)) or True)
    page = shown()
    assert (("pipeline", "embedding-length"), "made") in asked
    assert (page.button[0].label, page.button[0].disabled) == ("Measuring …", True)
