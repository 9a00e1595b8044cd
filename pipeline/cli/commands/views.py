"""views: what people saved of a gallery under a name, listed, made, renamed, removed, and written as one HTML page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, urlsplit

import typer

from pipeline.cli.commands.search import store_of
from pipeline.cli.console import AsJson, Device, Name

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.gallery.saved_views import SavedView
    from pipeline.search.ask import Ask
    from pipeline.search.query import Query
    from pipeline.search.result import SearchResult


def register(app: typer.Typer) -> None:
    app.command()(views)


def views(
    name: Name,
    view: Annotated[str, typer.Argument(help="A view's name or id", metavar="[VIEW]")] = "",
    html: Annotated[Path | None, typer.Option(help="Write the view as one HTML page with its pictures")] = None,
    save: Annotated[str, typer.Option(help="Save a view under this name, of --link")] = "",
    link: Annotated[str, typer.Option(help="A page's address, or its part behind ?: where=label=hat&sort=taken")] = "",
    rename: Annotated[str, typer.Option(help="Give the view this name")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Remove the view; pictures stay")] = False,
    device: Device = "",
    as_json: AsJson = False,
) -> None:
    """Saved views of a gallery: query, filters, order and page under a name."""
    from pipeline.errors import UsageError, display_name
    from pipeline.gallery import saved_views
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    wanted = [bool(html), bool(save), bool(rename), remove]
    if sum(wanted) > 1 or bool(link) != bool(save) or bool(view) != bool(html or rename or remove):
        raise UsageError(
            "say a VIEW with --html FILE, --rename NAME or --remove; or --save NAME --link ADDRESS; or nothing: all are listed"
        )
    gallery = open_gallery(name, Settings())
    if save:
        made = saved_views.save(gallery, _of_link(save, link), {})
        print(f"{name}: saved {made.name!r} ({made.id})")
    elif rename:
        made = saved_views.rename(gallery, saved_views.find(gallery, view), rename)
        print(f"{name}: {display_name(view)!r} is {made.name!r} now")
    elif remove:
        found = saved_views.find(gallery, view)
        saved_views.remove(gallery, found)
        print(f"{name}: removed {found.name!r}")
    elif html:
        _export(gallery, saved_views.find(gallery, view), html, device or Settings().device)
        print(html)
    else:
        _list(gallery, as_json)


def _list(gallery: Gallery, as_json: bool) -> None:
    from pipeline.gallery import saved_views
    from pipeline.search.ask import Ask

    found = saved_views.views(gallery)
    if as_json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        ask = Ask.of(one.params).said(uploads=len(one.pictures)) if one.page == "search" else []
        print(f"{one.id}  {one.name:24s}  {one.page:8s}  {', '.join(ask)}")


def _of_link(name: str, link: str) -> SavedView:
    """UsageError for an address that asks with an upload, which only its browser has, or of a page without views."""
    from pipeline.errors import UsageError
    from pipeline.gallery.saved_views import SavedView
    from pipeline.search.ask import UPLOAD

    parts = urlsplit(link if "?" in link else f"?{link}")
    params = parse_qs(parts.query)
    if not params.keys() - {"gallery"}:
        raise UsageError(
            f"{link!r} asks nothing; copy the address of the page, such as /?gallery=my&where=label=hat&sort=taken"
        )
    if UPLOAD in params:
        raise UsageError("this address asks with an upload, which is in its browser alone; save the view there")
    page = parts.path.strip("/").rpartition("/")[2] or "search"
    return SavedView(name, page, {key: values for key, values in params.items() if key not in ("gallery", "view")})


def _export(gallery: Gallery, view: SavedView, file: Path, device: str) -> None:
    from pipeline.analysis import view_page as explored
    from pipeline.errors import UsageError
    from pipeline.evaluation import report_page
    from pipeline.files import atomic
    from pipeline.gallery.appearances import of_gallery
    from pipeline.search import by_aspect, view_page
    from pipeline.search import search as searching
    from pipeline.settings import Settings

    if not file.absolute().parent.is_dir():
        raise UsageError(f"no folder {file.parent}; make it first")

    def answer(ask: Ask, query: Query) -> SearchResult:
        looked = query.shows and by_aspect.looks_wanted(by_aspect.parse(ask.aspects))
        options = ask.options(gallery, query, of_gallery(gallery) if looked else None)
        needed = searching.needs_encoder(gallery, query, options["rerank"])
        encoding = searching.load_encoder(gallery, device=device) if needed else None
        with store_of(gallery, Settings()) as store:
            return searching.search(gallery, store, encoding, query, **options)

    if view.page == "explore":
        page = explored.page(gallery, view)
    elif view.page == "evaluate":
        page = report_page.of_view(gallery, view)
    else:
        page = view_page.page(gallery, view, answer)
    with atomic.replacing(file) as temporary:
        temporary.write_text(page, encoding="utf-8")
