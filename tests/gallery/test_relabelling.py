"""A label that somebody gives is seen by every reader, outlasts an ingest and another encoder, and can be taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_gallery import draw, encoder, exact, fill, photos, run

from pipeline.errors import GalleryError, UsageError
from pipeline.filters import parse
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import reencode, sync
from pipeline.search.search import Query, search

OTHER = "color_histogram:grid=4,bins=2"


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 6))[0]


def labels(gallery: Gallery) -> dict[str, str]:
    """Of the table and of the rows, which must agree."""
    table = gallery.table()
    read = dict(zip(table["id"], table["label"], strict=True))
    rows = gallery.rows().table
    assert dict(zip(rows["id"], rows["label"], strict=True)) == read
    return read


def test_a_label_is_given_and_taken_back_to_what_it_was_before(gallery: Gallery) -> None:
    before = labels(gallery)
    first, second, *_ = sorted(before)
    undo = gallery.relabel({first: "vase", second: "vase"})
    assert labels(gallery) == before | {first: "vase", second: "vase"}
    undo_of_second = gallery.relabel({second: ""})
    assert labels(gallery) == before | {first: "vase", second: ""}
    gallery.relabel(undo_of_second)
    assert labels(gallery) == before | {first: "vase", second: "vase"}
    gallery.relabel(undo)
    assert labels(gallery) == before
    assert gallery.rows(as_ingested=True).table["label"].tolist() == gallery.rows().table["label"].tolist()


def test_the_index_has_it_after_one_call_and_sync_finds_nothing_to_do(gallery: Gallery) -> None:
    store = exact()
    sync.sync(gallery, store)
    first = sorted(gallery.ids())[0]
    gallery.relabel({first: "vase"})
    assert sync.compare(gallery, store).stale == [first]
    sync.apply_judged(gallery, store, [first])
    assert not sync.compare(gallery, store)
    asked = Query(ids=(sorted(gallery.ids())[1],))
    hits = search(gallery, store, None, asked, k=5, where=parse(["label=vase"]), rerank="none").hits
    assert [hit.id for hit in hits] == [first]


def test_an_ingest_leaves_it_and_what_the_folder_says_comes_back_with_the_undo(
    gallery: Gallery, tmp_path: Path
) -> None:
    store = exact()
    table = gallery.table()
    moved = table[table["label"] == "cup"].iloc[0]
    undo = gallery.relabel({moved["id"]: "vase"})
    draw(tmp_path / "photos" / "cup" / "more.png", 99)
    shutil.move(tmp_path / "photos" / moved["path"], tmp_path / "photos" / "bowl" / "moved.png")
    fill(tmp_path / "photos", store)
    assert labels(gallery)[moved["id"]] == "vase"
    assert not sync.compare(gallery, store)
    gallery.relabel(undo)
    assert labels(gallery)[moved["id"]] == "bowl"  # its folder of today


def test_another_encoder_has_it_and_the_label_of_the_dataset_below_it(gallery: Gallery) -> None:
    first, before = sorted(gallery.ids())[0], labels(gallery)
    undo = gallery.relabel({first: "vase"})
    reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=None)
    assert labels(gallery) == before | {first: "vase"}
    gallery.relabel(undo)
    assert labels(gallery) == before


@pytest.mark.parametrize("label", ["two\nlines", "a\x00b", "x" * 2000])
def test_what_no_row_can_hold_is_refused_and_nothing_is_changed(gallery: Gallery, label: str) -> None:
    before = labels(gallery)
    with pytest.raises(UsageError):
        gallery.relabel(dict.fromkeys(before, label))
    with pytest.raises(GalleryError, match="nothing was changed"):
        gallery.relabel(dict.fromkeys([*before, "0" * 32], "vase"))
    assert labels(gallery) == before


def test_the_command_line_gives_a_label_and_prints_what_takes_it_back(gallery: Gallery) -> None:
    first, before = sorted(gallery.ids())[0], labels(gallery)
    done = run("relabel", "small", "--label", "vase", "--ids", first)
    assert done.returncode == 0, done.stderr
    assert labels(gallery)[first] == "vase"
    again = run(*done.stdout.strip().partition("python -m pipeline ")[2].split())
    assert again.returncode == 0, again.stderr
    assert labels(gallery) == before
    unclear = run("relabel", "small", "--ids", first)
    assert (unclear.returncode, unclear.stdout) == (2, "")
    assert unclear.stderr.startswith("error: say which label")
