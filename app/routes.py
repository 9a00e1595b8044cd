"""What the app answers outside its pages: thumbnails by URL, and whether it is ready."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from app import index
from pipeline.errors import SemblanceError
from pipeline.gallery import open_gallery
from pipeline.settings import Settings

_ID = re.compile(r"[0-9a-f]{32}")
_HEADERS = {"Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}


def thumbnail(request: Request) -> Response:
    """A gallery's thumbnail; 404 for anything else. A picture's id is its content, so it never goes stale."""
    picture_id = request.path_params["picture_id"]
    try:
        file = open_gallery(request.path_params["gallery"], Settings()).thumbnail(picture_id)
    except SemblanceError:
        return Response(status_code=404)
    if not _ID.fullmatch(picture_id) or not file.is_file():
        return Response(status_code=404)
    return FileResponse(file, media_type="image/jpeg", headers=_HEADERS)


def thumbnail_url(gallery: str, picture_id: str) -> str:
    """The address that `thumbnail` answers; st.image passes addresses below /app/static/ through untouched."""
    return f"/app/static/thumbnails/{gallery}/{picture_id}.jpg"


def ready(_: Request) -> Response:
    """200 when the store answers within its 5 s, else 503; no path and no message of ours leaves the machine."""
    try:
        index.store().ping()
    except SemblanceError:
        return JSONResponse({"ready": False, "store": False}, status_code=503)
    return JSONResponse({"ready": True, "store": True})
