"""The verb that says why: explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import AsJson, Device, Name

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.gallery.gallery import Gallery


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    name: Name,
    pictures: Annotated[list[Path] | None, typer.Argument(help="Picture files; they come before the ids")] = None,
    id: Annotated[list[str] | None, typer.Option(help="A picture of the gallery")] = None,
    grid: Annotated[int, typer.Option(help="Places a side, 1 to 16")] = 7,
    device: Device = "",
    out: Annotated[Path | None, typer.Option(help="Write both pictures with their heat maps as one PNG")] = None,
    places: Annotated[
        str, typer.Option(help="Also the places that match, by a re-ranker that compares pictures: patches, geometric")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Why two pictures score as they do: the places that carry the score, and colour, texture and meaning apart."""
    from pipeline.errors import UsageError, display_name
    from pipeline.explain import explain as explaining
    from pipeline.explain import heat_maps, matched
    from pipeline.gallery.opening import open_gallery
    from pipeline.images.opening import open_file
    from pipeline.search.search import load_encoder
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    if len(pictures or []) + len(id or []) != 2:
        raise UsageError("explain takes two pictures; give two files, a file and an --id, or --id twice")
    if out and not out.parent.is_dir():
        raise UsageError(f"no folder {out.parent}; make it first")
    files = [(display_name(path), open_file(path)[1].image) for path in pictures or []]
    [(first, query), (second, hit)] = [*files, *_pictures_of(gallery, id or [])]
    encoder = load_encoder(gallery, device=device or settings.device)
    match = matched.compared(places, encoder, query, hit) if places else None
    explanation = explaining.explain(encoder, query, hit, grid=grid, calibrations=explaining.calibrations_of(gallery))
    if out:
        from pipeline.files import atomic

        with atomic.replacing(out) as temporary:
            made = heat_maps.sheet(query, hit, explanation, titles=(first, second))
            (matched.below(made, query, hit, match) if match else made).save(temporary, "PNG")
    if as_json:
        about = {"gallery": gallery.name, "encoder": gallery.encoder()["spec"], "query": first, "hit": second}
        found = {"places": matched.as_json(match)} if match else {}
        print(json.dumps(about | explaining.as_json(explanation) | found, ensure_ascii=False))
        return
    print(f"score    {explanation.score:.4f}  by {gallery.encoder()['spec']}")
    for part in explaining.PARTS:
        print(f"{part:8s} {heat_maps.meaning(explanation, part)}")
    for shown, heat in ((first, explanation.heat_query), (second, explanation.heat_hit)):
        row, column = divmod(int(heat.argmax()), grid)
        print(f"most is lost ({heat.max():.4f}) when row {row + 1}, column {column + 1} of {grid} is hidden in {shown}")
    if match:
        print(f"{matched.said(match)} Their score is {match.score:.4f}, by {places}")


def _pictures_of(gallery: Gallery, ids: list[str]) -> list[tuple[str, Image]]:
    """Path and picture of each id. GalleryError when the gallery does not know it, or its file is gone."""
    from pipeline.errors import GalleryError, display_name
    from pipeline.gallery.originals import read_shown, roots
    from pipeline.images.opening import open_image

    table = gallery.table()
    rows = {row["id"]: row for row in table[table["id"].isin(ids)].to_dict("records")}
    if unknown := [one for one in ids if one not in rows]:
        raise GalleryError(f"gallery {gallery.name} has no picture {unknown[0]}; `search --json` prints ids")
    folders = roots(gallery) if ids else []
    files = {one: read_shown(rows[one], folders, gallery.name) for one in ids}
    return [(display_name(rows[one]["path"]), open_image(files[one]).image) for one in ids]
