from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.explore import duplicate_list
from app.explore.duplicates import members_table
from app.server import jobs, store
from pipeline.duplicates.find import KIND, find_duplicates
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings
from tests.duplicates.test_duplicates import save, scene
from tests.tiny_gallery import fill

PAGE = """
import streamlit as st
from app.server import resources
from app.explore.duplicates import duplicates_section
st.title("Explore")
duplicates_section(resources.gallery("small"))
"""


@pytest.fixture
def gallery(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """Two pictures in three copies, one of these twice byte for byte in another split, among five others."""
    root = tmp_path / "photos"
    lines = ["path,label,split"]
    for seed in range(7):
        save(scene(seed), root / f"{seed}.png")
        lines.append(f"{seed}.png,cup,train")
    for seed in range(2):
        save(scene(seed), root / f"{seed}-saved.jpg", quality=50)
        save(scene(seed).resize((80, 60)), root / f"{seed}-small.jpg")
        lines += [f"{seed}-saved.jpg,bowl,train", f"{seed}-small.jpg,cup,test"]
    (root / "again.png").write_bytes((root / "0.png").read_bytes())
    lines.append("again.png,cup,test")
    (root / "table.csv").write_text("\n".join(lines))
    monkeypatch.setattr(store, "judged", lambda gallery, ids: None)
    return fill(f"table:file={root / 'table.csv'}")[0]


def found(gallery: Gallery, **changes: Any) -> dict[str, Any]:
    report = find_duplicates(gallery) | changes
    reports.write(gallery, KIND, report)
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
    assert page.title[0].value == "Explore"
    assert page.subheader[0].value == "Duplicates"
    return page


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def click(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception
    return page


def drawn(page: AppTest) -> str:
    return "".join(one.proto.body for one in page.get("html"))


def test_before_the_first_search_a_button_starts_it(gallery: Gallery, started: list) -> None:
    page = shown()
    assert "Not looked for yet" in page.markdown[0].value
    click(page, "Find duplicates")
    assert started == [(["pipeline", "duplicates", "small"], "small")]


def test_a_gallery_without_pictures_says_how_to_fill_it(home: Path) -> None:
    create_gallery("small", Settings())
    page = shown()
    assert "holds no pictures yet; run: python -m pipeline ingest small" in page.info[0].value
    assert buttons(page) == []


def test_groups_are_rows_of_pictures_with_the_best_copy_marked(gallery: Gallery) -> None:
    report = found(gallery)
    page = shown()
    assert page.get("button_group")[0].value == "same"
    same = [group for group in report["groups"] if group["tier"] == "same"]
    assert [len(group["members"]) for group in same] == [3, 3]
    assert drawn(page).count('class="keep ') == 2
    for group in same:
        assert f"/app/static/thumbnails/small/{group['keep']}.jpg" in drawn(page)
        assert any(group["reason"] in text.value for text in page.markdown)
    assert buttons(page)[:2] == ["Remove the other 2", "Not duplicates"]


def test_the_others_are_removed_and_undo_brings_them_back_in_the_same_place(gallery: Gallery) -> None:
    report = found(gallery)
    first = next(group for group in report["groups"] if group["tier"] == "same")
    page = click(shown(), "Remove the other 2")
    others = {member["id"] for member in first["members"]} - {first["keep"]}
    assert gallery.removed() == others
    assert any(text.value.startswith("**2 removed**") for text in page.markdown)
    assert buttons(page)[0] == "Undo"
    click(page, "Undo")
    assert gallery.removed() == set()
    assert buttons(page)[0] == "Remove the other 2"


def test_not_duplicates_is_remembered_until_it_is_undone(gallery: Gallery) -> None:
    found(gallery)
    page = click(shown(), "Not duplicates")
    assert any(text.value.startswith("**Not duplicates.**") for text in page.markdown)
    assert len([group for group in find_duplicates(gallery)["groups"] if group["tier"] == "same"]) == 1
    click(page, "Undo")
    assert len([group for group in find_duplicates(gallery)["groups"] if group["tier"] == "same"]) == 2


def test_identical_files_are_listed_without_a_button(gallery: Gallery) -> None:
    found(gallery)
    page = shown()
    page.get("button_group")[0].set_value("identical")
    page.run()
    assert "<li>0.png" in drawn(page)
    assert "<li>again.png" in drawn(page)
    assert not any(label.startswith("Remove") for label in buttons(page))


def test_leaks_conflicts_and_histograms_are_told(gallery: Gallery) -> None:
    found(gallery)
    page = shown()
    titles = [expander.label for expander in page.expander]
    assert titles == [
        "Leakage between splits: 3 groups",
        "Label conflicts: 2 groups",
        "Hamming distances of the hashes",
    ]
    assert page.dataframe[0].value["splits"].tolist() == ["test, train"] * 3
    charts = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    assert [chart["layout"]["title"]["text"] for chart in charts] == ["Perceptual hash", "SimHash"]
    for chart in charts:
        assert chart["layout"]["yaxis"]["title"]["text"] == "share of pairs, %"
        assert chart["layout"]["xaxis"]["title"]["text"] == "bits that differ, of 64"
    assert len(page.get("download_button")) == 3


def test_the_table_has_a_row_for_each_member_and_one_kept_in_each_group(gallery: Gallery) -> None:
    table = members_table(found(gallery)["groups"])
    assert len(table) == 2 + 3 + 3
    assert table.groupby("group")["keep"].sum().tolist() == [1, 1, 1]


def test_more_groups_than_are_drawn_at_once_wait_for_a_click(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_list, "AT_ONCE", 1)
    found(gallery)
    page = shown()
    assert "More (1 groups)" in buttons(page)
    click(page, "More (1 groups)")
    assert buttons(page).count("Not duplicates") == 2


def test_without_duplicates_it_says_so(gallery: Gallery) -> None:
    found(gallery, groups=[], leakage=[], label_conflicts=[])
    page = shown()
    assert page.success[0].value == "No duplicates among 11 pictures (identical, same, variant, lookalike)."
    assert buttons(page) == ["Find again"]


@pytest.mark.parametrize(
    "content", ["", '{"kind": "duplicates"}', '{"kind": "duplicates", "groups": [1], "tiers": []}']
)
def test_a_damaged_report_is_a_warning_and_finding_again_is_offered(gallery: Gallery, content: str) -> None:
    name = reports.write(gallery, KIND, {})
    (gallery.root / "reports" / f"{name}.json").write_text(content)
    page = shown()
    assert "damaged" in page.warning[0].value
    assert buttons(page)[-1] in ("Find again", "Find duplicates")


def test_names_of_files_are_text_and_never_markup(gallery: Gallery) -> None:
    report = find_duplicates(gallery)
    for group in report["groups"]:
        group["members"][0]["path"] = "<b>x</b>.png"
    reports.write(gallery, KIND, report)
    assert "<b>x</b>" not in drawn(shown())
