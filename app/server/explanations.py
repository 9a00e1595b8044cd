"""Why two pictures score as they do, found once for all sessions."""

from __future__ import annotations

from PIL.Image import Image

from app.server import pictures, resources
from pipeline.errors import GalleryError, SemblanceError
from pipeline.explain import explain as explaining
from pipeline.explain import matched
from pipeline.explain.explain import Explanation
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder
from pipeline.rerank import Match
from pipeline.search.query import QueryPicture, open_query

GRID = 7  # places a side


def opened(gallery: Gallery, picture: QueryPicture | str) -> Image:
    """An upload, or a picture of the gallery by its id, as large as is looked at. GalleryError when its file is gone."""
    if isinstance(picture, str):
        data = resources.shown(gallery, picture)
        if data is None:
            raise GalleryError(
                "The file of one of these pictures is gone or was changed, so its places cannot be hidden. "
                "Put it back where it was, then ask again."
            )
        picture = QueryPicture(data)
    return pictures.in_turn(lambda: explaining.working_size(open_query(picture)))


def explained(
    gallery: Gallery,
    encoder: Encoder,
    asked: tuple[QueryPicture | str, str],
    both: tuple[Image, Image],
    *,
    grid: int = GRID,
) -> Explanation:
    """Kept by the pictures' bytes and the encoder, and by what the gallery holds, which its calibration depends on."""
    calibrations = resources.kept(
        gallery, "calibrations", encoder.fingerprint, make=lambda: explaining.calibrations_of(gallery)
    )
    return resources.kept(
        gallery,
        *("why", encoder.fingerprint, _names(asked), grid),
        make=lambda: explaining.explain(encoder, *both, grid=grid, calibrations=calibrations),
    )


def matched_places(
    gallery: Gallery, encoder: Encoder, asked: tuple[QueryPicture | str, str], both: tuple[Image, Image], order: str
) -> Match | None:
    """By the re-ranker that put the hits in order; None where the encoder keeps no places, which the page has said."""
    try:
        return resources.kept(
            gallery,
            *("matched", encoder.fingerprint, _names(asked), order),
            make=lambda: matched.compared(order, encoder, *both),
        )
    except SemblanceError:
        return None


def _names(asked: tuple[QueryPicture | str, str]) -> tuple[str, ...]:
    return tuple(one if isinstance(one, str) else f"{one.id}#{one.box or ''}" for one in asked)
