"""The Indexes page: nothing yet, a real comparison drawn, an index chosen for the gallery."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.indexes import charts
from app.server import jobs, store
from app.widgets.literal import literal
from pipeline.comparison import filtered
from pipeline.comparison.indexes import KIND
from pipeline.gallery import opening as galleries
from pipeline.gallery import reports
from pipeline.settings import Settings
from tests.tiny_gallery import run


def opened(app: AppTest, name: str = "shades") -> AppTest:
    app.run()
    app.switch_page("views/indexes.py")
    app.query_params["gallery"] = name
    app.run()
    assert [title.value for title in app.title] == ["Indexes"]
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.text, *app.caption, *app.info, *app.error, *app.warning))


@pytest.fixture
def compared(filled: AppTest) -> AppTest:
    store.release()  # so that the child process may have the embedded file; it takes one of its own anyway
    done = run(
        "compare-indexes", "shades", "--indexes", "brute_force,lsh,kd_tree,milvus:index=HNSW,milvus:index=FLAT", "-k", "3",
        "--seconds", "0.2", "--progress", "none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return filled


def test_without_a_gallery_it_says_how_to_make_one(app: AppTest) -> None:
    assert "no gallery yet" in said(opened(app))


def test_before_a_comparison_it_says_what_one_tells_and_starts_it(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: started.append(list(command)))
    app = opened(filled)
    assert "Nothing compared yet" in said(app)
    next(box for box in app.multiselect if box.label == "Indexes").set_value(["brute_force", "lsh"]).run()
    next(button for button in app.button if button.label == "Compare indexes").click().run()
    words = "pipeline compare-indexes shades --k 10 --queries 1000 --threads 1 --indexes brute_force --indexes lsh"
    assert started == [words.split()]


def test_a_comparison_is_drawn_with_its_advice_and_every_row(compared: AppTest) -> None:
    app = opened(compared)
    gallery = galleries.open_gallery("shades", Settings())
    report = reports.read(gallery, reports.names(gallery, KIND)[0])
    assert not app.warning
    for sentence in report["advice"]:
        assert literal(sentence) in said(app)
    under, table = [frame.value for frame in app.dataframe]
    assert (
        under["ann_recall"].tolist() == [row["ann_recall"] for row in report["filtered"]["rows"]] == [1.0] * len(under)
    )
    assert literal(filtered.said(report["filtered"]["rows"])) in said(app)
    assert len(table) == len([row for row in report["rows"] if not row["error"]]) > 4
    assert "1,200 pictures (extrapolated from 12)" in said(app)


def test_the_gallery_gets_the_chosen_index_and_goes_back(compared: AppTest) -> None:
    app = opened(compared)
    gallery = galleries.open_gallery("shades", Settings())
    box = next(box for box in app.selectbox if box.label == "Index")
    wanted = next(option for option in box.options if option.startswith("hnsw:ef=32"))
    box.select(wanted).run()
    next(button for button in app.button if button.label == "Use it").click().run()
    assert not app.exception
    assert gallery.manifest()["index"] == "hnsw:ef=32"
    store.refresh(gallery).result(30)
    about = store.store().describe(gallery.collection())
    assert (about["settings"], about["rows"]) == ("hnsw:ef=32", 12)
    app.run()
    assert f"**{literal('hnsw:ef=32')}** over 12 rows" in said(app)
    next(box for box in app.selectbox if box.label == "Index").select_index(0).run()
    next(button for button in app.button if button.label == "Use it").click().run()
    assert gallery.manifest()["index"] == ""


def test_a_damaged_report_is_a_warning_and_another_comparison_can_be_made(compared: AppTest) -> None:
    gallery = galleries.open_gallery("shades", Settings())
    report = reports.read(gallery, reports.names(gallery, KIND)[0])
    reports.write(gallery, KIND, {key: value for key, value in report.items() if key != "rows"})
    app = opened(compared)
    assert any("cannot be drawn" in one.value for one in app.warning)
    assert [button.label for button in app.button if button.label.startswith("Compare ")]


def test_rows_of_one_building_share_a_base_and_each_base_looks_its_own_way() -> None:
    def row(spec: str, **options: int) -> dict:
        return {"spec": spec, "options": options, "error": ""}

    made = charts.table_of(
        {"rows": [row("faiss_hnsw:m=16,ef=32", ef=32), row("faiss_hnsw:m=16,ef=64", ef=64), row("brute_force")]}
    )
    assert made["base"].tolist() == ["faiss_hnsw:m=16", "faiss_hnsw:m=16", "brute_force"]
    many = charts.table_of({"rows": [row(f"index{i}") for i in range(60)]})
    assert len(set(charts.looks(many).values())) == 60
