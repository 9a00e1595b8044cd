"""A saved view as one HTML page to keep or send: its pictures in it, no script, no other file, every text escaped."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import records
from pipeline.errors import UsageError, display_name
from pipeline.files import html_page
from pipeline.gallery import asked, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.gallery.saved_views import SavedView
from pipeline.images import decoding
from pipeline.images.regions import parse_box
from pipeline.records import SearchHit
from pipeline.schema import whole_of
from pipeline.search import sorting
from pipeline.search.ask import UPLOAD, Ask, upload_named
from pipeline.search.query import Query, QueryPicture, open_query
from pipeline.search.result import SearchResult

TEMPLATE = Path(__file__).with_name("view_page.html")
MAX_PICTURES = 1_000  # that pass a filter; of a search it is MAX_K
Answer = Callable[[Ask, Query], SearchResult]


def drawn(picture: QueryPicture) -> bytes:
    """A JPEG of what is asked with, from pixels alone."""
    return decoding.thumbnail(open_query(picture))


def page(gallery: Gallery, view: SavedView, answer: Answer, *, draw: Callable[[QueryPicture], bytes] = drawn) -> str:
    """A view of Search as it is now. answer: searches for the ask. draw: as `drawn`.

    UsageError for what the gallery cannot be asked any more, GalleryError where a picture that it asks with is gone;
    raises as a search does.
    """
    params = {name: list(values) for name, values in view.params.items()}
    ask, uploads = Ask.of(params), _uploads(gallery, view, params.get(UPLOAD, []))
    pictures = [*([_part(gallery, ask)] if ask.part else []), *uploads]
    query, note = ask.query(pictures), ""
    if query.empty:
        hits, total = _passing(gallery, ask)
        scores = [""] * len(hits)
        note = f"{total:,} pictures" if total <= len(hits) else f"the first {len(hits):,} of {total:,} pictures"
    else:
        result = sorting.in_order(answer(ask, query), ask.sort)
        hits, scores = result.hits, [f"{hit.score:.3f}" for hit in result.hits]
        note = f"{len(hits):,} most similar" + ("" if result.close else "; no strong match, these are the nearest")
    return html_page.rendered(
        TEMPLATE,
        title=view.name,
        gallery=gallery.manifest()["title"],
        note=note,
        said=ask.said(uploads=len(uploads)),
        made=datetime.date.today().isoformat(),
        query=[html_page.data_address(draw(one)) for one in pictures]
        + [html_page.data_address(gallery.thumbnail_data(one)) for one in (*query.ids, *query.like)],
        groups=_groups(gallery, ask, hits, scores),
    )


def _uploads(gallery: Gallery, view: SavedView, named: Sequence[str]) -> list[QueryPicture]:
    return [QueryPicture(saved_views.picture(gallery, view, name), box) for name, box in map(upload_named, named)]


def _part(gallery: Gallery, ask: Ask) -> QueryPicture:
    """The one picture of the gallery of which only a part is asked with."""
    table = gallery.table().set_index("id", drop=False)
    if (picture := ask.ids[0]) not in table.index:
        raise UsageError(f"gallery {gallery.name} has no picture {picture} any more, which this view asks with")
    row = table.loc[picture]
    data = read_original(row["path"], picture, roots(gallery), gallery.name, parent=whole_of(row))
    return QueryPicture(data, parse_box(ask.part))


def _passing(gallery: Gallery, ask: Ask) -> tuple[list[SearchHit], int]:
    """The first that pass the filter, in their order, and how many do."""
    table = gallery.table()
    where, keys = asked.settled(ask.filter(), gallery, lambda: table), gallery.manifest()["metadata_keys"]
    rows = sorting.passing(table, where, ask.sort or ask.group, keys=keys)
    return [records.hit_of(row) for row in table.iloc[rows[:MAX_PICTURES]].itertuples()], len(rows)


def _groups(gallery: Gallery, ask: Ask, hits: Sequence[SearchHit], scores: Sequence[str]) -> list[dict[str, Any]]:
    """One without a name where nothing is grouped."""
    by, shown = ask.group or "label" * ask.by_label, ask.sort.removeprefix("-")
    groups: dict[str, list[dict[str, str]]] = {}
    for hit, score in zip(hits, scores, strict=True):
        said = [hit.label or display_name(hit.path).rpartition("/")[2]]
        said += [value] if shown not in ("", "label") and (value := sorting.value_of(hit, shown)) else []
        name = (sorting.group_of(hit, by) or f"no {by}") if by else ""
        place = records.place(hit.path, hit.box)
        figure = html_page.figure(gallery.thumbnail_data(hit.id), place=place, said=" · ".join(said), score=score)
        groups.setdefault(name, []).append(figure)
    return [{"name": display_name(name), "pictures": pictures} for name, pictures in groups.items()]
