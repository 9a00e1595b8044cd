"""The Evaluate page: empty states, one measurement in full, two side by side, what it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.evaluate import charts, quality
from app.evaluate import reports as evaluate_reports
from app.server import jobs
from app.widgets import strips
from pipeline import filters, plugins
from pipeline.evaluation import evaluate
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import reencode
from pipeline.settings import Settings

PAGE = "views/evaluate.py"
OTHER = "color_histogram:grid=2,bins=2"


def opened(app: AppTest, **params: str) -> AppTest:
    app.run()
    app.switch_page(PAGE)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert [title.value for title in app.title] == ["Evaluate"]
    assert not app.exception
    return app


def markup(app: AppTest) -> str:
    return " ".join(str(one.proto.body) for one in app.get("html"))


@pytest.fixture
def two(filled: AppTest) -> list[str]:
    """Reports of `shades`: its own encoder, and another one."""
    gallery = open_gallery("shades", Settings())
    other = reencode.encode_beside(gallery, plugins.build("encoders", OTHER), spec=OTHER)
    return [evaluate.evaluate(gallery), evaluate.evaluate(gallery, fingerprint8=other)]


def test_without_a_gallery_it_says_how_to_make_one(app: AppTest) -> None:
    assert any("no gallery yet" in one.value for one in opened(app).markdown)


def test_without_labels_it_says_what_is_missing(app: AppTest, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for shade in range(3):
        Image.new("RGB", (20, 20), (shade * 40, 0, 0)).save(tmp_path / "flat" / f"{shade}.png")
    from tests.tiny_gallery import fill

    fill(tmp_path / "flat", name="flat")
    assert any("have no labels" in info.value for info in opened(app).info)


def test_many_labels_are_labels_too(app: AppTest, tmp_path: Path) -> None:
    from tests.tiny_gallery import fill, photos

    fill(photos(tmp_path / "many", 70, labels=tuple(f"label {n:02d}" for n in range(70))), name="many")
    assert any(one.label == "New measurement" for one in opened(app).expander)


def test_before_the_first_measurement_the_form_is_open(filled: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple] = []
    monkeypatch.setattr(jobs, "start", lambda command, **facts: started.append((command, facts)))
    app = opened(filled, gallery="shades")
    [form] = [one for one in app.expander if one.label == "New measurement"]
    assert form.proto.expanded
    [asks] = [box for box in app.selectbox if box.label == "Queries"]
    assert "gallery more against this one" in asks.options
    asks.set_value("gallery more against this one").run()
    [button] = [one for one in app.button if one.label == "Measure"]
    button.click().run()
    assert not app.exception
    command = ["pipeline", "evaluate", "shades", "--encoder", "color_histogram", "--queries", "gallery=more"]
    assert started == [(command, {"title": "Measure color_histogram", "gallery": "shades"})]


def test_a_measurement_is_shown_with_figures_intervals_and_strips(filled: AppTest, two: list[str]) -> None:
    app = opened(filled, gallery="shades", reports=two[0])
    report = reports.read(open_gallery("shades", Settings()), two[0])
    text = markup(app)
    for metric, figure in report["metrics"].items():
        assert (
            f'<div class="name">{metric}</div><b>{figure["value"]:.3f}</b> <small>{figure["low"]:.3f} to {figure["high"]:.3f}'
            in text
        )
    assert text.count('role="listitem"') == 6
    assert 'href="/?gallery=shades&amp;ids=' in text
    assert app.query_params["reports"] in (two[0], [two[0]])
    [table] = [one for one in app.dataframe if "label" in one.value]
    assert table.value["map_at_r"].is_monotonic_increasing


def test_without_pairs_the_page_says_so(filled: AppTest, tmp_path: Path) -> None:
    from tests.tiny_gallery import fill, photos

    gallery, _ = fill(photos(tmp_path / "few", 6), name="few")
    name = evaluate.evaluate(gallery)
    file = gallery.root / "reports" / f"{name}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"scores": None}))  # every pair drawn was one of itself
    app = opened(filled, gallery="few", reports=name)
    assert any("no pairs to tell apart" in one.value for one in app.caption)


def test_two_measurements_stand_side_by_side(filled: AppTest, two: list[str]) -> None:
    app = opened(filled, gallery="shades", reports=",".join(two))
    [table] = [one.value for one in app.dataframe if "difference" in one.value]
    assert list(table.columns) == ["metric", "color_histogram", OTHER, "difference", "95 % interval", f"{OTHER} is"]
    assert set(table[f"{OTHER} is"]) <= {"better", "worse", "no difference to be seen"}


def test_measurements_that_asked_other_questions_are_not_compared(filled: AppTest, two: list[str]) -> None:
    gallery = open_gallery("shades", Settings())
    third = evaluate.evaluate(
        gallery, queries=filters.parse(["label=red,green,blue"]), against=filters.parse(["split="])
    )
    app = opened(filled, gallery="shades", reports=f"{two[0]},{third}")
    assert any("were asked different questions" in info.value for info in app.info)


def test_a_gallery_that_has_changed_between_is_no_fair_comparison(filled: AppTest, two: list[str]) -> None:
    gallery = open_gallery("shades", Settings())
    gallery.remove([gallery.rows().table["id"][0]])
    third = evaluate.evaluate(gallery)
    app = opened(filled, gallery="shades", reports=f"{two[0]},{third}")
    assert any("because the gallery has changed between" in info.value for info in app.info)
    assert not [one for one in app.dataframe if "difference" in one.value]


def test_a_report_whose_table_is_gone_is_told_and_the_other_is_shown(filled: AppTest, two: list[str]) -> None:
    (open_gallery("shades", Settings()).root / "reports" / f"{two[0]}.parquet").unlink()
    app = opened(filled, gallery="shades", reports=",".join(two))
    assert any("cannot be read" in warning.value for warning in app.warning)
    assert "map_at_r" in markup(app)


def test_a_table_to_take_away_says_where_a_label_ends() -> None:
    table = pd.DataFrame(
        {"id": ["a"], "hits": [["b", "c"]], "hit_labels": [["light blue", "red"]], "hit_scores": [[0.5, 0.25]]}
    )
    flat = quality._flat(table)
    assert json.loads(flat["hit_labels"][0]) == ["light blue", "red"]
    assert json.loads(flat["hit_scores"][0]) == [0.5, 0.25]


def test_a_damaged_report_is_told_and_the_others_are_shown(filled: AppTest, two: list[str]) -> None:
    gallery = open_gallery("shades", Settings())
    (gallery.root / "reports" / f"{two[1]}.json").write_text("{")
    app = opened(filled, gallery="shades")
    assert any("is damaged" in warning.value for warning in app.warning)
    assert "map_at_r" in markup(app)


def test_confusion_counts_first_hits_and_keeps_the_labels_that_go_astray(home: Path) -> None:
    table = pd.DataFrame(
        {
            "id": list("abcd"),
            "label": ["cup", "cup", "bowl", "shoe"],
            "relevant": [1, 1, 1, 0],
            "map_at_r": [0.1, 0.2, 0.3, None],
        }
        | {"hit_labels": [["cup"], ["bowl"], ["bowl"], ["cup"]]}
    )
    asked = table[table["relevant"] > 0]
    shares, cut = evaluate_reports.confusion(asked)
    assert shares.loc["cup"].to_dict() == {"bowl": 0.5, "cup": 0.5}
    assert shares.loc["bowl"].to_dict() == {"bowl": 1.0, "cup": 0.0}
    assert not cut
    shares, cut = evaluate_reports.confusion(asked, max_labels=1)
    assert (list(shares.index), cut) == (["cup"], True)
    assert charts.confusion_figure(shares, dark=True).data[0].z.tolist() == [[0.5]]


def test_names_in_strips_are_text() -> None:
    strip = strips.Strip(("0" * 32, "<b>cup", "a/<i>.png"), (("1" * 32, '"><script>', 0.5),))
    drawn = strips._drawn("small", strip)
    assert "<script" not in drawn
    assert "<b>cup" not in drawn
    assert "&lt;b&gt;cup" in drawn


def test_of_a_long_path_only_the_end_is_shown() -> None:
    about = {"encoder": "checkpoint:run=/somewhere/far/away/kept-1", "metrics": {}}
    assert evaluate_reports.Evaluation("x", about, Gallery(Path("x"))).encoder == "checkpoint:run=…/kept-1"


def test_an_encoder_that_no_visitor_may_choose_is_refused_in_a_sentence(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
    opened(filled)
    [chosen] = [one for one in filled.multiselect if one.label == "Encoders"]
    chosen.set_value(["color_histogram", "checkpoint:run=/etc"]).run()  # as a browser may, whatever the page offers
    [button] = [one for one in filled.button if one.label == "Measure"]
    button.click().run()
    assert not filled.exception
    assert [one.value for one in filled.error if one.value.startswith("visitors may choose")]
    assert jobs.recent() == []
    assert [title.value for title in filled.title] == ["Evaluate"], "the page is drawn as before"
