from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import tiny_kinds
from streamlit.testing.v1 import AppTest
from test_search_page import grid
from tiny_clip import tiny_clip
from tiny_gallery import draw, fill, photos

from app.widgets import downloads
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import sync
from pipeline.search.search import Query, QueryPicture, SearchResult, load_encoder, search
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def worded(app: AppTest, tmp_path: Path, clip: Path) -> AppTest:
    """The galleries `plain`, whose encoder takes pictures only, and `worded`, whose encoder takes words; it is shown."""
    folder = photos(tmp_path / "photos", 15)
    with contextlib.closing(sync.open_store(Settings())) as store:
        fill(folder, store, name="plain")
        fill(folder, store, name="worded", spec=f"open_clip:folder={clip}")
    app.query_params["gallery"] = "worded"
    return app


def hits(app: AppTest) -> list[dict]:
    assert not app.exception
    assert not app.error
    return [tile for tile in grid(app, "hits")["tiles"] if "id" in tile]


def truth(query: Query) -> list[str]:
    gallery = open_gallery("worded", Settings())
    store = sync.exact_store(gallery)
    return [hit.id for hit in search(gallery, store, load_encoder(gallery, device="cpu"), query, k=24).hits]


def say(app: AppTest, text: str, *, key: str = "words") -> AppTest:
    return app.text_input(key=key).set_value(text).run()


def test_typed_words_find_what_a_search_with_them_finds_and_the_address_holds_them(worded: AppTest) -> None:
    say(worded.run(), "a red shoe")
    assert [hit["id"] for hit in hits(worded)] == truth(Query(texts=("a red shoe",)))
    assert worded.query_params["texts"] == "a red shoe"
    say(worded, " striped ;; laces", key="not-words")
    query = Query(texts=("a red shoe",), not_texts=("striped", "laces"))
    assert [hit["id"] for hit in hits(worded)] == truth(query)
    assert worded.query_params["not_texts"] == ["striped", "laces"]
    assert worded.text_input(key="not-words").value == "striped; laces"


def test_an_address_with_words_repeats_the_search(worded: AppTest) -> None:
    worded.query_params["texts"] = ["a red shoe", " ", "leather"]
    worded.query_params["not_texts"] = ["laces"]
    worded.query_params["where"] = ["label=cup"]
    worded.run()
    assert worded.text_input(key="words").value == "a red shoe; leather"
    assert worded.text_input(key="not-words").value == "laces"
    assert {hit["label"] for hit in hits(worded)} == {"cup"}
    found = truth(Query(texts=("a red shoe", "leather"), not_texts=("laces",)))
    cups = [picture for picture in found if picture in {hit["id"] for hit in hits(worded)}]
    assert [hit["id"] for hit in hits(worded)] == cups


def test_words_are_added_to_a_picture_and_a_new_picture_begins_anew(worded: AppTest, tmp_path: Path) -> None:
    one, two = (draw(tmp_path / f"{n}.png", 700 + n).read_bytes() for n in range(2))
    worded.run().file_uploader[0].upload("one.png", one, "image/png").run()
    say(worded, "red")
    assert [hit["id"] for hit in hits(worded)] == truth(Query((QueryPicture(one),), texts=("red",)))
    worded.file_uploader[0].upload("two.png", two, "image/png").run()
    assert [hit["id"] for hit in hits(worded)] == truth(Query((QueryPicture(two),)))
    assert worded.text_input(key="words").value == ""
    assert "texts" not in worded.query_params


def test_a_new_picture_joins_the_words_when_they_are_to_be_combined(worded: AppTest, tmp_path: Path) -> None:
    say(worded.run(), "red")
    next(one for one in worded.toggle if one.label == "Add to the query").set_value(True).run()
    data = draw(tmp_path / "one.png", 700).read_bytes()
    worded.file_uploader[0].upload("one.png", data, "image/png").run()
    assert [hit["id"] for hit in hits(worded)] == truth(Query((QueryPicture(data),), texts=("red",)))


def test_back_and_clear_bring_words_back_and_take_them_away(worded: AppTest) -> None:
    say(worded.run(), "red")
    say(worded, "blue")
    next(one for one in worded.button if one.label == "Back").click().run()
    assert worded.text_input(key="words").value == "red"
    assert [hit["id"] for hit in hits(worded)] == truth(Query(texts=("red",)))
    say(worded, "laces", key="not-words")
    next(one for one in worded.button if one.label == "Clear").click().run()
    assert [worded.text_input(key=key).value for key in ("words", "not-words")] == ["", ""]
    assert worded.text_input(key="not-words").disabled
    assert len(grid(worded, "examples-grid")["tiles"]) == 15


def test_scores_of_words_have_no_meter_no_share_and_no_weak_match(worded: AppTest) -> None:
    say(worded.run(), "red")
    for hit in hits(worded):
        assert "meter" not in hit
        assert not hit["weak"]
        assert hit["meaning"] == "only the order counts"
    assert not [tile for tile in grid(worded, "hits")["tiles"] if "divider" in tile]
    line = next(caption for caption in worded.caption if "most similar" in caption.value)
    assert "only the order counts." in line.help
    worded.query_params["ids"] = [hits(worded)[0]["id"]]
    del worded.query_params["texts"]
    assert "meter" in hits(worded.run())[0]


def test_the_csv_leaves_an_unknown_percentile_empty() -> None:
    from pipeline.records import SearchHit

    result = SearchResult([SearchHit(id="x", score=0.2, path="x.png")], [float("nan")], weak_below=-1)
    assert downloads.as_csv(result).splitlines()[1].endswith(",0.200000,")


def test_why_is_asked_of_pictures_only(worded: AppTest) -> None:
    say(worded.run(), "red")
    assert "why" not in grid(worded, "hits")["actions"]
    worded.session_state["why"] = hits(worded)[0]["id"]  # an old click
    worded.run()
    assert not worded.exception
    worded.query_params["ids"] = [hits(worded)[0]["id"]]
    worded.run()
    assert "why" in grid(worded, "hits")["actions"]


def test_too_many_words_are_a_sentence_that_names_what_would_be_lost(worded: AppTest) -> None:
    say(worded.run(), "shoe " * 80 + "laces")
    assert not worded.exception
    assert "laces" in worded.error[0].value
    assert "reads 77 tokens" in worded.error[0].value


def test_a_gallery_whose_encoder_takes_no_words_has_no_field_for_them(worded: AppTest) -> None:
    worded.query_params["gallery"] = "plain"
    worded.run()
    assert not [field for field in worded.text_input if field.key == "words"]
    worded.query_params["texts"] = ["red"]
    worded.run()
    assert not worded.exception
    assert "which takes pictures only" in worded.error[0].value
    next(one for one in worded.button if one.label == "Clear").click().run()
    assert not worded.error


def test_words_do_not_follow_to_a_gallery_that_takes_none(worded: AppTest) -> None:
    say(worded.run(), "red")
    worded.selectbox[0].set_value("plain").run()
    assert not worded.exception
    assert not worded.error
    assert "texts" not in worded.query_params


def test_where_only_kinds_are_known_the_page_says_what_was_understood_and_how_likely_a_hit_is(
    worded: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_kinds.use(tmp_path, monkeypatch)
    worded.query_params["gallery"] = "plain"
    say(worded.run(), "red pianos")
    assert "1,000 kinds" in worded.text_input(key="words").help
    [line] = [caption.value for caption in worded.caption if caption.value.startswith("Understood: ")]
    assert "red is left out; piano: " in line
    found = hits(worded)
    assert len(found) == 15
    assert all(" match, " in tile["meaning"] and "random pairs" not in tile["meaning"] for tile in found)
    assert any("No strong match. These are the nearest." in line.value for line in worded.caption)
    worded.select_slider(key="option-max_wrong").set_value(0.1).run()
    assert [note.value for note in worded.info] == [
        "None of the 15 nearest is sure enough. Options › *Wrong hits, at most* allows more."
    ]
    say(worded, "Hund")
    assert not worded.exception
    assert "did you mean hound?" in worded.error[0].value
    assert worded.text_input(key="words").value == "Hund"  # to be written again
