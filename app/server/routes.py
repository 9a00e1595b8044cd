"""What the app answers outside its pages: thumbnails, a run's pictures, and bytes that a page made for its browser."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from app.server import pictures
from app.server.caches import Cache
from pipeline.errors import SemblanceError
from pipeline.gallery import films, large_picture
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings, exposed
from training.runs import Run

_ID = re.compile(r"[0-9a-f]{32}")
_RUN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PICTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_JPEG = b"\xff\xd8\xff"  # of a preview; what else is published begins otherwise
_blobs: Cache[bytes] = Cache(256 << 20)
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
    return f"/app/static/thumbnails/{gallery}/{quote(picture_id, safe='')}.jpg"


def whole(request: Request) -> Response:
    """A picture as large as a screen shows it, of a part its whole with the part's box; 404 for what is not there."""
    picture_id = request.path_params["picture_id"]
    try:
        if not _ID.fullmatch(picture_id):
            return Response(status_code=404)
        gallery = open_gallery(request.path_params["gallery"], Settings())
        data = pictures.in_turn(lambda: large_picture.draw(gallery, picture_id))
    except SemblanceError:
        return Response(status_code=404)
    return Response(data, media_type="image/jpeg", headers=_HEADERS)


def whole_url(gallery: str, picture_id: str) -> str:
    """The address that `whole` answers."""
    return f"/app/static/wholes/{gallery}/{quote(picture_id, safe='')}.jpg"


def film(request: Request) -> Response:
    """The film of a frame, in the pieces that a browser asks for; 404 for what is not there.

    When exposed there is none: it is the file as it is, which may say where and with what it was taken.
    """
    picture_id = request.path_params["picture_id"]
    try:
        if exposed() or not _ID.fullmatch(picture_id):
            return Response(status_code=404)
        file = films.file_of(open_gallery(request.path_params["gallery"], Settings()), picture_id)
    except SemblanceError:
        return Response(status_code=404)
    kind = films.MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream")
    return FileResponse(file, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})


def film_url(gallery: str, picture_id: str, seconds: float) -> str:
    """The address that `film` answers, opened at a time; '' when exposed."""
    return "" if exposed() else f"/app/static/films/{gallery}/{quote(picture_id, safe='')}#t={seconds:g}"


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


def publish(data: bytes) -> str:
    """The address that `blob` answers with these bytes. It names their content, so nobody can guess it who lacks them."""
    name = hashlib.sha256(data).hexdigest()[:32]
    _blobs.put(name, data)
    return f"/app/static/blobs/{name}.bin"


def blob(request: Request) -> Response:
    """What was published under this name; 404 for anything else, and for what made room for newer bytes."""
    data = _blobs.get(request.path_params["name"])
    if data is None:
        return Response(status_code=404)
    kind = "image/jpeg" if data.startswith(_JPEG) else "application/octet-stream"
    return Response(data, media_type=kind, headers=_HEADERS)
