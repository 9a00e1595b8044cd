from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import make_gallery
from streamlit.testing.v1 import AppTest

from app.evaluate import encoders as section
from app.server import jobs
from app.widgets.charts import as_csv
from pipeline.gallery import opening as galleries
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings


def page() -> None:
    import streamlit as st

    from app.evaluate.encoders import encoders_section
    from app.server import resources

    st.title("Evaluate")
    encoders_section(resources.gallery("shades"))


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    make_gallery("shades", tmp_path / "shades", title="Shades")
    return galleries.open_gallery("shades", Settings())


def shown() -> AppTest:
    app = AppTest.from_function(page, default_timeout=120).run()
    assert not app.exception
    assert app.title[0].value == "Evaluate"
    return app


def row(encoder: str, *, score: float = 0.0, speed: float = 0.0, error: str = "", remedy: str = "") -> dict[str, Any]:
    metric = {"value": score, "low": score - 0.05, "high": score + 0.05}
    return {
        "encoder": encoder,
        "dim": 512,
        "parameters": 11_000_000,
        "bytes": 44_000_000,
        "bytes_of": "memory",
        "pictures_per_second": {} if error else {"1": speed / 2, "32": speed},
        "metrics": {} if error else dict.fromkeys(("recall_at_1", "map_at_r", "knn_20"), metric),
        "error": error,
        "remedy": remedy,
    }


def keep(gallery: Gallery, *rows: dict[str, Any]) -> None:
    about = {"source": "gallery shades", "queries": "", "labelled": 12, "pictures": 12, "labels": 3, "n_queries": 12}
    about |= {"n_skipped": 0, "batch_sizes": [1, 32], "device": "cpu", "seed": 5}
    reports.write(gallery, "encoders", about | {"rows": list(rows)})


BEST = row("deep_ranking", score=0.6, speed=300)
FAST = row("color_histogram", score=0.4, speed=1000)
FLOOR = row("torchvision:arch=resnet18,weights=none", score=0.2, speed=20)
GONE = row("torchvision:arch=vgg16", error="cannot download <it>", remedy="Check the connection")


def test_without_a_comparison_the_section_says_what_to_do(gallery: Gallery) -> None:
    app = shown()
    assert "No comparison yet" in app.info[0].value
    assert app.expander[0].label == "Compare encoders on this gallery"
    assert app.expander[0].proto.expanded
    assert app.multiselect[0].value[0] == "color_histogram"  # the gallery's own first
    assert not app.dataframe


def test_an_empty_gallery_is_told_to_be_filled(home: Path) -> None:
    galleries.create_gallery("shades", Settings())
    app = shown()
    assert "add pictures" in app.info[0].value
    assert not app.multiselect


def test_the_newest_comparison_is_a_table_and_a_chart(gallery: Gallery) -> None:
    keep(gallery, BEST, FAST, FLOOR, GONE)
    app = shown()
    table = app.dataframe[0].value
    assert table["encoder"].tolist() == ["deep_ranking", "color_histogram", "resnet18 untrained"]
    assert table["map_at_r"].tolist() == [0.6, 0.4, 0.2]
    assert table["map_at_r 95 %"].tolist()[0] == "0.550 to 0.650"
    assert table["pictures/s at 32"].tolist() == [300, 1000, 20]
    assert table["size of"].tolist() == ["memory"] * 3
    assert "12 of 12 labelled pictures" in app.caption[0].value
    assert "Seed 5" in app.caption[0].value
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert figure["layout"]["title"]["text"] == "Quality against speed"
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert [trace["name"] for trace in figure["data"]] == ["none is both faster and better", "another is"]
    assert [trace["text"] for trace in figure["data"]] == [["2", "1"], ["3"]]
    assert table["row"].tolist() == [1, 2, 3]


def test_an_encoder_without_figures_shows_its_reason_as_text(gallery: Gallery) -> None:
    keep(gallery, BEST, GONE)
    app = shown()
    assert "1 without figures, and why" in [expander.label for expander in app.expander]
    [markup] = [part.proto.body for part in app.get("html")]
    assert "cannot download &lt;it&gt;" in markup
    assert "Check the connection" in markup


def test_the_download_has_every_encoder_and_no_formulas(gallery: Gallery) -> None:
    table = section.as_table({"rows": [BEST, row("=cmd()", error="@sum"), GONE], "batch_sizes": [1, 32]})
    text = as_csv(table)
    assert "'=cmd()" in text
    assert "'@sum" in text
    assert text.count("\n") == 4
    assert table["why not"].tolist() == ["", "@sum", "cannot download <it>"]


def test_a_damaged_report_is_told_and_another_can_be_started(gallery: Gallery) -> None:
    reports.write(gallery, "encoders", {"rows": [{}]})
    app = shown()
    assert "cannot be shown" in app.warning[0].value
    assert app.multiselect


def test_encoders_with_the_same_short_name_keep_their_whole_spec() -> None:
    two = [row("timm:arch=resnet50", score=0.1, speed=1), row("torchvision:arch=resnet50", score=0.2, speed=1)]
    file = row("torchvision:arch=alexnet,weights=some/where/a.pth", score=0.1, speed=1)
    assert section._names({"rows": [*two, file]}) == [two[0]["encoder"], two[1]["encoder"], "alexnet a.pth"]


def test_the_chart_says_which_encoders_no_other_beats_in_both() -> None:
    slow = row("timm:arch=b", score=0.7, speed=5)
    worse = row("timm:arch=c", score=0.4, speed=900)
    points = section._points({"rows": [slow, BEST, FAST, worse, FLOOR, GONE]}, 32).set_index("number")
    assert points["ahead"].to_dict() == {3: True, 4: False, 2: True, 5: False, 1: True}
    assert points["name"][5] == "resnet18 untrained"


def test_the_form_starts_a_job_whose_result_is_shown(gallery: Gallery) -> None:
    app = shown()
    app.multiselect[0].set_value(["color_histogram:grid=2,bins=2", "raw_pixels"])
    app.button[0].click().run()
    assert not app.exception
    [job] = jobs.recent()
    assert job.gallery == "shades"
    assert job.command[:4] == ("pipeline", "compare-encoders", "--gallery", "shades")
    assert job.command.count("--encoders") == 2
    deadline = time.monotonic() + 60
    while jobs.state(job).running and time.monotonic() < deadline:
        time.sleep(0.2)
    assert jobs.state(job).exit_code == 0, jobs.state(job).errors
    app.run()
    assert set(app.dataframe[0].value["spec"]) == {"color_histogram:grid=2,bins=2", "raw_pixels"}


@pytest.mark.parametrize(
    ("encoders", "queries", "said"),
    [([], "", "Choose at least one encoder"), (["raw_pixels"], "colour=red", "no field 'colour' to filter by")],
)
def test_what_cannot_be_started_is_said(gallery: Gallery, encoders: list[str], queries: str, said: str) -> None:
    app = shown()
    app.multiselect[0].set_value(encoders)
    app.text_input[0].set_value(queries)
    app.button[0].click().run()
    assert said in app.error[0].value
    assert jobs.recent() == []
