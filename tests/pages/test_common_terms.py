"""The line of what pictures have in common, and the line of what an upload looks like."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from app.search import common_terms
from pipeline import ROOT
from pipeline.analysis import clustering, terms
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery
from tests.analysis.test_terms import ids_of, shades
from tests.tiny_gallery import fill, photos

PAGE = """
import json, os
import streamlit as st
from app.server import resources
from app.search.query_state import SearchState
from app.server.pictures import Upload
from app.search.common_terms import annotation_line, common_terms
from pipeline.records import SearchHit
st.title("Words")
gallery = resources.gallery("small")
ids = json.loads(os.environ["TEST_IDS"])
asked = {"none": None, "upload": SearchState(gallery="small", uploads=(Upload(b"x", name="a.png"),)),
         "ids": SearchState(gallery="small", ids=("a", "b"), where=("split=train",), k=48),
         "filtered": SearchState(gallery="small", ids=("a",), where=("label=red",))}[os.environ.get("TEST_ASKED", "none")]
if os.environ.get("TEST_LINE") == "annotation":
    annotation_line(gallery, [SearchHit(id=id, score=0.9) for id in ids])
else:
    common_terms(gallery, ids, state=asked)
"""


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(shades(tmp_path / "photos"))[0]


def drawn(monkeypatch: pytest.MonkeyPatch, ids: list[str], *, asked: str = "none", line: str = "common") -> str:
    import json

    for key, value in (("TEST_IDS", json.dumps(ids)), ("TEST_ASKED", asked), ("TEST_LINE", line)):
        monkeypatch.setenv(key, value)
    page = AppTest.from_string(PAGE, default_timeout=120).run()
    assert not page.exception
    assert page.title[0].value == "Words"
    return "".join(body for one in page.get("html") if "<style>" not in (body := one.proto.body))


def texts(markup: str) -> list[str]:
    """The chips as people read them."""
    found = re.findall(r'class="chip".*?>(<b>.*?</small>)', markup)
    return [
        html.unescape(re.sub(r"<.*?>", " ", text)).split() and re.sub(r"<.*?>", " ", text).strip() for text in found
    ]


def links(markup: str) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(html.unescape(address)).query) for address in re.findall(r'href="([^"]*)"', markup)]


def test_chips_say_what_pictures_have_in_common_and_lead_to_a_filter(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = ids_of(gallery, "red")
    markup = drawn(monkeypatch, red)
    assert [" ".join(text.split()) for text in texts(markup)] == [
        "red 8 of 8 (3.0 × the usual share)",
        "warmth: warm 8 of 8 (3.0 × the usual share)",
    ]
    assert links(markup) == [
        {"gallery": ["small"], "ids": red, "where": ["label=red"]},
        {"gallery": ["small"], "ids": red, "where": ["warmth=warm"]},
    ]
    assert "red: 8 of 8, 3.0 × as often as in the gallery. Show only these" in markup


def test_a_chip_adds_its_filter_to_the_search_that_is_asked(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    red = ids_of(gallery, "red")
    assert links(drawn(monkeypatch, red, asked="ids"))[0] == {
        "gallery": ["small"], "ids": ["a", "b"], "k": ["48"], "where": ["split=train", "label=red"],
    }  # fmt: skip
    assert links(drawn(monkeypatch, red, asked="upload")) == []  # its picture is in no address
    filtered = drawn(monkeypatch, red, asked="filtered")
    assert [one["where"] for one in links(filtered)] == [["label=red", "warmth=warm"]]
    assert len(texts(filtered)) == 1, "that all are red is what the filter asked for"


def test_the_address_of_a_chip_is_a_search(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.server import store

    red = ids_of(gallery, "red")
    [first, *_] = links(drawn(monkeypatch, red[:5]))
    page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120)
    for name, values in first.items():
        page.query_params[name] = values
    page.run()
    store.release()
    assert not page.exception
    assert page.title[0].value == "Search by picture"
    assert page.multiselect[0].value == ["label=red"]
    assert any("3 most similar" in caption.value for caption in page.caption)


def test_pictures_like_the_others_have_no_line(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, gallery.table()["id"].tolist()) == ""
    assert drawn(monkeypatch, []) == ""
    assert drawn(monkeypatch, ["0" * 32]) == ""


def test_a_picture_that_was_removed_is_passed_over(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    red = ids_of(gallery, "red")
    gallery.remove(red[:1])
    assert "7 of 7" in drawn(monkeypatch, red)


def test_a_gallery_of_one_picture_and_one_without_labels_have_no_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 1))
    assert drawn(monkeypatch, list(gallery.ids())) == ""
    assert drawn(monkeypatch, list(gallery.ids()), line="annotation") == ""


def test_texts_are_never_markup_and_long_ones_are_cut(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = shades(tmp_path / "photos")
    table = tmp_path / "photos" / "table.csv"
    evil = "<img src=x onerror=alert(1)>'&amp;"
    table.write_text(table.read_text().replace(",red,", f",{evil},").replace("warm,", "w" * 300 + ","))
    gallery, _ = fill(spec)
    red = ids_of(gallery, "red")
    tags.tag(gallery, red, '"><i>tag')
    for line in ("common", "annotation"):
        markup = drawn(monkeypatch, red, line=line)
        assert "<img" not in markup
        assert "<i>tag" not in markup
        assert html.escape(evil) in markup
    chips = drawn(monkeypatch, red)
    assert f"<b>warmth: {'w' * 31}…</b>" in chips
    assert links(chips)[0]["where"] in ([f"label={evil}"], [f"warmth={'w' * 300}"])


def test_a_value_that_repeats_the_label_is_said_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = shades(tmp_path / "photos")
    table = tmp_path / "photos" / "table.csv"
    table.write_text(table.read_text().replace("warm,", "red,"))
    gallery, _ = fill(spec)
    assert len(texts(drawn(monkeypatch, ids_of(gallery, "red")))) == 1
    assert "warmth: red" not in drawn(monkeypatch, ids_of(gallery, "red"), line="annotation")


def test_clusters_and_words_named_after_a_label_are_not_said_again(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustering.cluster(gallery, method="kmeans", clusters=3)
    terms.build(gallery, words=3)
    assert len(texts(drawn(monkeypatch, ids_of(gallery, "red")))) == 2


def test_a_new_tag_shows_at_once(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    red = ids_of(gallery, "red")
    drawn(monkeypatch, red)
    tags.tag(gallery, red, "spring")
    markup = drawn(monkeypatch, red)
    assert "tag: spring" in markup
    assert len(links(markup)) == 2  # no filter can name a tag


def test_an_upload_looks_like_its_hits(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [*ids_of(gallery, "red")[:3], ids_of(gallery, "blue")[0]]
    markup = drawn(monkeypatch, ids, line="annotation")
    assert "Looks like:" in markup
    assert "<b>red</b> (0.75), <b>warmth: warm</b> (0.75)" in markup
    assert "shop: corner" not in markup


def test_a_gallery_too_large_for_a_page_has_no_lines(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    red = ids_of(gallery, "red")
    assert drawn(monkeypatch, red)
    monkeypatch.setattr(common_terms, "MAX_PICTURES", gallery.count() - 1)
    assert drawn(monkeypatch, red) == ""
    assert drawn(monkeypatch, red, line="annotation") == ""
