"""What there is to search: galleries, and the pictures in them with their files."""

from __future__ import annotations

from typing import Any

import pandas as pd
from starlette.responses import Response

from app.api import reports, types
from app.api.operations import Call, operation
from app.api.problems import Refused
from app.api.searching import thumbnail
from app.server import exposure, resources
from pipeline import filters
from pipeline.gallery import tags as tagging
from pipeline.gallery.asked import settled
from pipeline.gallery.gallery import Gallery
from pipeline.search import text

_BEGINNINGS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}  # not opened to be named


@operation("GET", "/galleries", scope="read", tag="galleries", query=types.Paging, answer=types.Galleries)
def list_galleries(call: Call) -> types.Galleries:
    """Galleries that hold pictures, by name."""
    names = [name for name in resources.gallery_names() if name > call.query.after]
    shown = names[: call.query.limit]
    return types.Galleries(
        galleries=[described(resources.gallery(name)) for name in shown],
        next_after=shown[-1] if len(names) > len(shown) else None,
    )


@operation("GET", "/galleries/{gallery}", scope="read", tag="galleries", answer=types.Gallery)
def get_gallery(call: Call) -> types.Gallery:
    """One gallery: how large, by which encoder, and what it can be asked."""
    return described(call.gallery)


@operation(
    "GET",
    "/galleries/{gallery}/pictures",
    scope="read",
    tag="pictures",
    query=types.PicturesAsked,
    answer=types.Pictures,
)
def list_pictures(call: Call) -> types.Pictures:
    """The pictures that pass a filter, by id.

    Ids are digests, so this is a random order, and stays the same while pictures come and go.
    """
    asked, gallery = call.query, call.gallery
    table = whole = _rows(gallery)
    if where := filters.parse(asked.where):
        table = table[filters.mask(settled(where, gallery, lambda: whole), table)]
    tagged = tagging.tags(gallery)
    if asked.tag:
        table = table[table["id"].isin(tagged.get(asked.tag, set()))]
    if asked.cluster is not None:
        table = table[table["id"].isin(reports.members(gallery, asked.cluster))]
    start = int(table["id"].searchsorted(asked.after, side="right")) if asked.after else 0
    shown = table.iloc[start : start + asked.limit]
    return types.Pictures(
        pictures=[picture(gallery.name, row, tagged) for row in shown.to_dict("records")],
        next_after=shown["id"].iloc[-1] if start + len(shown) < len(table) else None,
    )


@operation("GET", "/galleries/{gallery}/pictures/{id}", scope="read", tag="pictures", answer=types.Picture)
def get_picture(call: Call) -> types.Picture:
    """One picture: what it is called, where it came from, what people said of it."""
    table = _rows(call.gallery)
    row = table.iloc[int(table["id"].searchsorted(call.path["id"]))]
    return picture(call.gallery.name, row.to_dict(), tagging.tags(call.gallery))


@operation("GET", "/galleries/{gallery}/pictures/{id}/thumbnail", scope="read", tag="pictures", answer="image/jpeg")
def get_thumbnail(call: Call) -> Response:
    """A JPEG of at most 256 px, made from pixels: nothing of EXIF is in it."""
    data = call.gallery.thumbnail_data(call.path["id"])
    if not data:
        raise Refused("not-found", "this picture has no thumbnail; ask for the original")
    return Response(data, media_type="image/jpeg")


@operation(
    "GET",
    "/galleries/{gallery}/pictures/{id}/original",
    scope="read",
    tag="pictures",
    answer="image/*, application/octet-stream",
)
def get_original(call: Call) -> Response:
    """The picture's own file, byte for byte, with its EXIF; of a part a PNG of it."""
    data = resources.shown(call.gallery, call.path["id"])
    if data is None:
        raise Refused("not-found", "the file of this picture is gone or was changed; its thumbnail may be there")
    kinds = (kind for begin, kind in _BEGINNINGS.items() if data.startswith(begin))
    kind = next(kinds, "application/octet-stream")
    return Response(data, media_type=kind, headers={"Content-Disposition": "attachment"})


def described(gallery: Gallery) -> types.Gallery:
    """What is the same while the generation is."""

    def made() -> types.Gallery:
        info, manifest = gallery.info(), gallery.manifest()
        facts: dict[str, Any] = {
            name: getattr(info, name) for name in types.Gallery.model_fields if hasattr(info, name)
        }
        return types.Gallery(
            **facts | {"encoder": exposure.without_paths(info.encoder)},
            generation=manifest["generation"],
            fields=[*filters.COLUMNS, *sorted(manifest["metadata_keys"])],
            words=text.understood(gallery) if gallery.current else False,
        )

    return resources.kept(gallery, "described", make=made)


def picture(gallery: str, row: dict[str, Any], tagged: dict[str, set[str]]) -> types.Picture:
    """row: a column for each field of schema.Row."""
    facts = {name: row[name] for name in types.Picture.model_fields if name in row}
    address = thumbnail(gallery, row["id"])
    return types.Picture(
        **facts,
        tags=[name for name, ids in tagged.items() if row["id"] in ids],
        thumbnail=address,
        original=address.removesuffix("thumbnail") + "original",
    )


def _rows(gallery: Gallery) -> pd.DataFrame:
    """By id."""
    return resources.kept(
        gallery, "rows by id", make=lambda: gallery.table().sort_values("id", ignore_index=True, kind="stable")
    )
