"""A saved view as one HTML page: whose pictures it holds, that it needs nothing else, and that no text becomes markup."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from static_page import HOSTILE, Page
from tiny_gallery import draw, encoder, fill, photos, run

from pipeline.errors import GalleryError
from pipeline.fingerprints import file_id
from pipeline.gallery import saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView
from pipeline.ingest import sync
from pipeline.search import search as searching
from pipeline.search import view_page
from pipeline.search.ask import Ask


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    made = fill(photos(tmp_path / "photos", 9))[0]
    with made.writing():
        ids = made.table()["id"].tolist()
        made.change_rows({picture: {"metadata": {"price": str(10 - i)}} for i, picture in enumerate(ids)})
        made.update()
    return made


def exported(gallery: Gallery, view: SavedView) -> Page:
    store = sync.exact_store(gallery)
    return Page(
        view_page.page(
            gallery,
            view,
            lambda ask, query: searching.search(gallery, store, encoder(), query, **ask.options(gallery, query, None)),
        )
    )


def test_a_filter_alone_shows_all_that_pass_in_their_order(gallery: Gallery) -> None:
    page = exported(gallery, SavedView("cups", params={"where": ["label=cup"], "sort": ["price"]}))
    table = gallery.table()
    cups = table[table["label"] == "cup"]
    by_price = sorted(cups["metadata"], key=lambda facts: int(facts["price"]))
    assert [text for text in page.said if text.startswith("cup · ")] == [
        f"cup · {facts['price']}" for facts in by_price
    ]
    assert len(page.pictures) == len(cups) == 3
    assert "label=cup" in page.said


def test_a_search_shows_its_hits_in_groups_and_what_was_asked(gallery: Gallery) -> None:
    first = gallery.table()["id"].iloc[0]
    page = exported(gallery, SavedView("like it", params={"ids": [first], "group": ["label"], "k": ["5"]}))
    assert len(page.pictures) == 1 + 5
    assert {"cup", "bowl", "shoe"} >= {text for text in page.said if text in ("cup", "bowl", "shoe")}
    assert "in groups by label" in page.said


def test_an_upload_and_a_part_of_a_picture_are_asked_with_again(gallery: Gallery, tmp_path: Path) -> None:
    data = draw(tmp_path / "mine.png", 3).read_bytes()  # the bytes of the fourth picture
    name = file_id(data)[:8]
    view = SavedView("mine", params={"upload": [name], "keep_query": ["1"], "k": ["1"]}, pictures={name: "mine.png"})
    saved = saved_views.save(gallery, view, {name: data})
    page = exported(gallery, saved)
    assert "1.000" in page.said
    saved_views.folder(gallery, saved).joinpath(name).unlink()
    with pytest.raises(GalleryError, match="is gone"):
        exported(gallery, saved)
    part = SavedView("part", params={"ids": [gallery.table()["id"].iloc[0]], "region": ["0,0,20,20"]})
    assert len(exported(gallery, part).pictures) == 1 + 9, "its own whole picture is not the part asked with"


def test_no_text_of_anybody_becomes_markup_and_nothing_is_loaded(gallery: Gallery) -> None:
    ids = gallery.table()["id"].tolist()
    gallery.relabel({ids[0]: HOSTILE})
    page = exported(gallery, SavedView(HOSTILE, params={"sort": ["label"], "group": ["label"]}))
    assert page.said.count(HOSTILE) >= 2
    assert page.faults() == []


def test_what_passes_nothing_says_so(gallery: Gallery) -> None:
    assert (
        "No picture of this gallery passes the filter."
        in exported(gallery, SavedView("none", params={"where": ["label=lamp"]})).said
    )


def test_an_address_is_read_as_it_is_written() -> None:
    ask = Ask(
        "small", ("a" * 32,), "1,2,3,4", ("b" * 32,), (), ("red shoes",), ("blue",), ("label=cup", "price<20"), 48, 0.9, "none",
        0.1, "colour=1", "order:none", "-price", "label", 3, by_label=True, keep_query=True,
    )  # fmt: skip
    params = {name: value if isinstance(value, list) else [value] for name, value in ask.address().items()}
    assert Ask.of(params) == ask
    assert (
        Ask.of({"k": ["9" * 5000], "page": ["-1"], "collapse": ["nan"], "where": ["no"], "aspects": ["?"]}).address()
        == {}
    )


def test_the_verb_saves_lists_exports_renames_and_removes(gallery: Gallery, tmp_path: Path) -> None:
    made = run(
        "views", gallery.name, "--save", "Cheap cups", "--link", "http://host/?gallery=x&where=label%3Dcup&sort=price"
    )
    assert made.returncode == 0, made.stderr
    [listed] = json.loads(run("views", gallery.name, "--json").stdout)
    assert listed["params"] == {"where": ["label=cup"], "sort": ["price"]}
    done = run("views", gallery.name, "Cheap cups", "--html", tmp_path / "cups.html")
    assert done.returncode == 0, done.stderr
    assert len(Page((tmp_path / "cups.html").read_text()).pictures) == 3
    assert "is 'Cups' now" in run("views", gallery.name, "Cheap cups", "--rename", "Cups").stdout
    assert re.search(r"Cups .* search .* label=cup, by price", run("views", gallery.name).stdout)
    assert run("views", gallery.name, "Cups", "--remove").returncode == 0
    assert run("views", gallery.name).stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--save", "x", "--link", "upload=0123abcd"], "in its browser alone"),
        (["--save", "x", "--link", "/indexes?section=a"], "among search, explore, evaluate"),
        (["--save", "x", "--link", "gallery=small"], "asks nothing"),
        (["--save", "x"], "--link ADDRESS"),
        (["nothing", "--remove"], "no saved view 'nothing'"),
        (["nothing"], "say a VIEW with"),
    ],
)
def test_the_verb_says_what_is_wrong(gallery: Gallery, words: list[str], said: str) -> None:
    done = run("views", gallery.name, *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
