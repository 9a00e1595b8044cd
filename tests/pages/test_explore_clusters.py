from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.explore import clusters as explore_clusters
from app.server import jobs
from pipeline.analysis import clustering
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings
from tests.tiny_gallery import fill, photos

PAGE = """
import streamlit as st
from app.server import resources
from app.explore.clusters import clusters_section
st.title("Explore")
clusters_section(resources.gallery("small"))
"""


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """Twelve pictures of three labels."""
    return fill(photos(tmp_path / "photos", 12))[0]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of jobs instead of the jobs."""
    commands: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, *, title, gallery: commands.append(command))
    return commands


def found(gallery: Gallery, clusters: int = 3) -> dict[str, Any]:
    return reports.read(gallery, clustering.cluster(gallery, method="kmeans", clusters=clusters))


def shown() -> AppTest:
    page = AppTest.from_string(PAGE, default_timeout=120).run()
    assert not page.exception
    assert page.title[0].value == "Explore"
    assert page.subheader[0].value == "Clusters"
    return page


def drawn(page: AppTest) -> str:
    return "".join(one.proto.body for one in page.get("html"))


def button(page: AppTest, label: str) -> Any:
    return next(one for one in page.button if one.label == label)


def test_before_the_first_search_a_button_starts_it(gallery: Gallery, started: list) -> None:
    page = shown()
    assert "Not looked for yet" in page.markdown[0].value
    button(page, "Find clusters").click().run()
    assert started == [["pipeline", "cluster", "small", "--method", "hdbscan"]]


def test_k_means_can_be_asked_for_a_number(gallery: Gallery, started: list) -> None:
    page = shown()
    page.selectbox[0].set_value("kmeans").run()
    assert page.number_input[0].max == 12
    page.number_input[0].set_value(4).run()
    button(page, "Find clusters").click().run()
    assert started == [["pipeline", "cluster", "small", "--method", "kmeans", "--clusters", "4"]]


def test_a_gallery_without_pictures_says_how_to_fill_it(home: Path) -> None:
    create_gallery("small", Settings())
    page = shown()
    assert "holds no pictures yet; run: python -m pipeline ingest small" in page.info[0].value
    assert not page.button


def test_each_cluster_is_a_row_of_its_pictures_with_its_figures(gallery: Gallery) -> None:
    report = found(gallery)
    page = shown()
    assert page.markdown[0].value.startswith("**3 clusters** of 12 pictures · purity ")
    for one in report["clusters"]:
        assert explore_clusters.caption_of(one) in drawn(page)
        for picture in one["typical"]:
            assert f"/app/static/thumbnails/small/{picture}.jpg" in drawn(page)
    assert drawn(page).count('class="query"') == 3
    assert "kmeans, seed 0" in page.caption[0].value
    assert len(page.get("download_button")) == 2
    assert page.dataframe[0].value["size"].tolist() == [one["size"] for one in report["clusters"]]


def test_the_least_pure_cluster_comes_first_when_that_is_asked_for(gallery: Gallery) -> None:
    report = found(gallery, 5)
    page = shown()
    page.get("button_group")[0].set_value("purity")
    page.run()
    purest_last = sorted(report["clusters"], key=lambda one: one["purity"])
    places = [drawn(page).index(explore_clusters.caption_of(one)) for one in purest_last]
    assert places == sorted(places)


def test_more_clusters_than_fit_are_on_further_pages(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_clusters, "AT_ONCE", 2)
    found(gallery, 5)
    page = shown()
    assert drawn(page).count('role="list"') == 2
    assert len(page.get("pagination")) == 1


def test_pictures_removed_since_are_not_shown_and_the_change_is_said(gallery: Gallery) -> None:
    gone = found(gallery)["clusters"][0]["medoid"]
    gallery.remove([gone])
    page = shown()
    assert gone not in drawn(page)
    assert "The gallery has changed since." in page.caption[0].value


def test_without_groups_the_note_says_what_to_do(gallery: Gallery) -> None:
    clustering.cluster(gallery, smallest=12)
    page = shown()
    assert "take the method kmeans" in page.info[0].value
    assert page.markdown[0].value == "**0 clusters** of 12 pictures · 12 in none"
    assert button(page, "Find again")


@pytest.mark.parametrize("content", ["", '{"kind": "clusters"}', '{"kind": "clusters", "clusters": [1], "notes": []}'])
def test_a_damaged_report_is_a_warning_and_finding_again_is_offered(gallery: Gallery, content: str) -> None:
    name = clustering.cluster(gallery)
    (gallery.root / "reports" / f"{name}.json").write_text(content)
    page = shown()
    assert "damaged" in page.warning[0].value
    assert page.button[-1].label in ("Find again", "Find clusters")


def test_names_are_text_and_never_markup(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 12, labels=("<b>x", "cup")))
    found(gallery)
    assert "<b>x" not in drawn(shown())
    assert "&lt;b&gt;x" in drawn(shown())
