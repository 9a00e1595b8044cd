"""Saved views of Explore and Evaluate as HTML pages: what is drawn, which pictures they hold, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from static_page import HOSTILE, Page
from tiny_gallery import fill, photos, run

from pipeline.analysis import clustering, map_points, projection
from pipeline.analysis import view_page as explored
from pipeline.errors import UsageError
from pipeline.evaluation import evaluate, report_page
from pipeline.gallery import reports, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView

LEFT = "-2,-2;0,-2;0,2;-2,2"  # of a map


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """24 pictures of three labels, one of them called as nobody should be, on a map."""
    made = fill(photos(tmp_path / "photos", 24))[0]
    table = made.table()
    made.relabel(dict.fromkeys(table["id"][table["label"] == "shoe"], HOSTILE))
    projection.project(made, "pca")
    return made


def shown(page: Page) -> list[str]:
    """Paths of the pictures."""
    tags = [value for name, value in page.attributes if name == "alt"]
    return sorted(path for path in tags if path)


def test_a_map_is_drawn_and_each_label_named_with_pictures_that_stand_for_it(gallery: Gallery) -> None:
    text = explored.page(gallery, SavedView(HOSTILE, "explore", {"colour": ["label"]}))
    page = Page(text)
    assert page.faults() == []
    assert page.said.count(HOSTILE) >= 3, "the title, the legend and a heading"
    assert len(re.findall(r"M[\d.]+ [\d.]+h0", text)) == 24
    assert {"cup", "bowl"} <= set(page.said)
    table = gallery.table()
    for label in ("cup", "bowl", HOSTILE):
        own = set(table["path"][table["label"] == label])
        assert 4 <= len(own & set(shown(page))) <= 8, "from the most typical to half of the way"


def test_what_is_circled_is_what_the_page_shows(gallery: Gallery) -> None:
    text = explored.page(gallery, SavedView("left", "explore", {"select": [LEFT]}))
    data = map_points.of_gallery(gallery, projection.saved_maps(gallery)[0]["name"])
    inside = [path for path, (x, _) in zip(data.table["path"], data.points, strict=True) if x < 0]
    assert 0 < len(inside) < 24
    assert shown(Page(text)) == sorted(inside)
    pale = re.search(r'<path d="([^"]*)" stroke="#8a8f94"', text)
    assert pale
    assert pale[1].count("M") == 24 - len(inside)


def test_ticked_pictures_and_the_picked_one_are_shown(gallery: Gallery) -> None:
    ids, paths = gallery.table()["id"].tolist(), gallery.table()["path"].tolist()
    params = {saved_views.SELECTED: [saved_views.packed(ids[:2])], "picture": [ids[5]]}
    text = explored.page(gallery, SavedView("three", "explore", params))
    assert shown(Page(text)) == sorted([*paths[:2], paths[5]])
    assert text.count("<circle") == 1 + 3, "a ring, and a dot for each entry of the legend"


def test_clusters_come_with_their_figures_and_typical_pictures(gallery: Gallery) -> None:
    report = reports.read(gallery, clustering.cluster(gallery, method="kmeans", clusters=3))
    page = Page(explored.page(gallery, SavedView("all", "explore", {"section": ["clusters"]})))
    assert page.faults() == []
    assert len(page.pictures) == sum(len(one["typical"]) for one in report["clusters"])
    for one in report["clusters"]:
        assert (
            f"{one['size']:,} · {100 * one['purity']:.0f} % {one['label']} · silhouette {one['silhouette']:.2f}"
            in page.said
        )


def test_measurements_are_a_table_beside_each_other_with_the_worst_queries(gallery: Gallery) -> None:
    first, second = evaluate.evaluate(gallery), evaluate.evaluate(gallery, metrics=["recall_at_2"])
    page = Page(report_page.of_view(gallery, SavedView(HOSTILE, "evaluate", {"reports": [f"{first},gone,{second}"]})))
    assert page.faults() == []
    assert HOSTILE in page.said
    for name in (first, second):
        for figure in reports.read(gallery, name)["metrics"].values():
            assert f"{figure['value']:.3f}" in page.said
    worst = evaluate.answered(reports.table(gallery, first), "map_at_r")
    asked = [value for name, value in page.attributes if name == "alt" and value in set(worst["path"])]
    assert asked == worst["path"].tolist()[: report_page.MAX_QUERIES_OF_VIEW]
    newest = Page(report_page.of_view(gallery, SavedView("newest", "evaluate")))
    assert "recall_at_2" in newest.said


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (
            SavedView("a", "explore", {"section": ["duplicates"]}),
            "'duplicates' of Explore; of that page map and clusters",
        ),
        (SavedView("a", "explore", {"section": ["clusters"]}), "no clusters yet"),
        (SavedView("a", "evaluate", {"section": ["length"]}), "of that page quality"),
        (SavedView("a", "evaluate"), "no measurement yet"),
    ],
)
def test_what_has_no_page_is_a_sentence(gallery: Gallery, view: SavedView, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        (explored.page if view.page == "explore" else report_page.of_view)(gallery, view)


def test_the_verb_writes_them(gallery: Gallery, tmp_path: Path) -> None:
    saved_views.save(gallery, SavedView("left", "explore", {"select": [LEFT]}), {})
    saved_views.save(gallery, SavedView("figures", "evaluate"), {})
    done = run("views", gallery.name, "left", "--html", tmp_path / "left.html")
    assert done.returncode == 0, done.stderr
    assert "Circled" in Page((tmp_path / "left.html").read_text()).said
    refused = run("views", gallery.name, "figures", "--html", tmp_path / "no.html")
    assert refused.returncode != 0
    assert "no measurement yet" in refused.stderr
    assert not (tmp_path / "no.html").exists()
