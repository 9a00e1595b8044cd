"""A filter as a gallery understands it: tags are ids, and what a text contains is found on every store."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gallery import exact, fill, lite, photos

from pipeline.errors import UsageError
from pipeline.evaluation.evaluate import parse_queries
from pipeline.filters import mask, parse
from pipeline.gallery.asked import settled
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.tags import tag
from pipeline.ingest import sync
from pipeline.search.search import Query, search


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    made = fill(photos(tmp_path / "photos", 6))[0]
    ids = made.table()["id"].tolist()
    tag(made, ids[:2], "Best of May")
    tag(made, ids[1:3], "later")
    return made


@pytest.mark.parametrize(
    ("typed", "places"),
    [
        ("tag=later", [1, 2]),
        ("tag=later,Best of May", [0, 1, 2]),
        ("tag!=later", [0, 3, 4, 5]),
        ("tag~may", [0, 1]),
        ("tag=", [3, 4, 5]),
        ("tag!=", [0, 1, 2]),
        ("tag=nobody gave it", []),
        ("tag!~e", [3, 4, 5]),
        ("tag=later and not tag~may", [2]),
        ("tag=later or tag~may", [0, 1, 2]),
    ],
)
def test_a_tag_is_found_in_the_table_and_by_every_store(gallery: Gallery, typed: str, places: list[int]) -> None:
    table = gallery.table()
    wanted = {table["id"][place] for place in places}
    where = parse([typed])
    assert set(table["id"][mask(settled(where, gallery), table)]) == wanted
    with lite() as milvus:
        for store in (exact(), milvus):
            sync.sync(gallery, store)
            asked = Query(ids=(table["id"][5],))
            hits = search(gallery, store, None, asked, k=9, where=where, exclude_query=False, rerank="none").hits
            assert {hit.id for hit in hits} == wanted


def test_what_a_path_contains_is_found_in_capitals_or_not(gallery: Gallery) -> None:
    store = exact()
    sync.sync(gallery, store)
    table = gallery.table()
    part = table["path"][3].upper()
    asked = Query(ids=(table["id"][0],))
    hits = search(gallery, store, None, asked, k=9, where=parse([f"path~{part}"]), rerank="none").hits
    assert [hit.id for hit in hits] == [table["id"][3]]


def test_a_tag_has_no_order_and_an_unknown_field_is_named_with_tag_among_the_others(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match="a tag has no order"):
        settled(parse(["tag>5"]), gallery)
    with pytest.raises(UsageError, match=r"no field 'colour'.* width, height, orientation, id, tag"):
        settled(parse(["colour=red"]), gallery)


def test_a_gallery_to_ask_from_is_named_once_and_plainly() -> None:
    assert parse_queries(["split=test", "gallery=other"]) == (parse(["split=test"]), "other")
    for typed in (
        ["gallery!=other"],
        ["gallery=a,b"],
        ["gallery=a or split=b"],
        ["gallery~a"],
        ["gallery=a", "gallery=b"],
    ):
        with pytest.raises(UsageError, match="write gallery=NAME once"):
            parse_queries(typed)
