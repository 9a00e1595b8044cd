"""What the app answers outside its pages: thumbnails and a run's pictures by URL."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.server import pictures
from pipeline.errors import SemblanceError
from pipeline.gallery import whole_of_part
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings
from training.runs import Run

_ID = re.compile(r"[0-9a-f]{32}")
_RUN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PICTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_HEADERS = {"Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}


def thumbnail(request: Request) -> Response:
    """A gallery's thumbnail; 404 for anything else, a damaged one too. A picture's id is its content, so it never goes stale."""
    picture_id = request.path_params["picture_id"]
    try:
        gallery = open_gallery(request.path_params["gallery"], Settings())
    except SemblanceError:
        return Response(status_code=404)
    if not _ID.fullmatch(picture_id) or not (data := gallery.thumbnail_data(picture_id)):
        return Response(status_code=404)
    return Response(data, media_type="image/jpeg", headers=_HEADERS)


def thumbnail_url(gallery: str, picture_id: str) -> str:
    """The address that `thumbnail` answers; st.image passes addresses below /app/static/ through untouched."""
    return f"/app/static/thumbnails/{gallery}/{picture_id}.jpg"


def whole(request: Request) -> Response:
    """The whole picture of a part, the part's box drawn on it; 404 for anything else, or when the file is gone."""
    picture_id = request.path_params["picture_id"]
    try:
        if not _ID.fullmatch(picture_id):
            return Response(status_code=404)
        gallery = open_gallery(request.path_params["gallery"], Settings())
        data = pictures.in_turn(lambda: whole_of_part.draw(gallery, picture_id))
    except SemblanceError:
        return Response(status_code=404)
    return Response(data, media_type="image/jpeg", headers=_HEADERS)


def whole_url(gallery: str, picture_id: str) -> str:
    """The address that `whole` answers."""
    return f"/app/static/wholes/{gallery}/{picture_id}.jpg"


def run_picture(request: Request) -> Response:
    """A picture of a run's triplets; 404 for anything else."""
    run, picture = request.path_params["run"], request.path_params["picture"]
    if not _RUN.fullmatch(run) or not _PICTURE.fullmatch(picture):
        return Response(status_code=404)
    file = Run(Settings().runs / run).pictures / f"{picture}.jpg"
    return (
        FileResponse(file, media_type="image/jpeg", headers=_HEADERS) if file.is_file() else Response(status_code=404)
    )


def run_picture_url(run: str, picture: str, version: int) -> str:
    """The address that `run_picture` answers. version: another one after the run has written its pictures anew."""
    return f"/app/static/runs/{quote(run)}/{quote(picture, safe='')}.jpg?v={version}"
