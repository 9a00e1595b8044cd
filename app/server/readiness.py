"""Whether the app can serve: asked by load balancers, containers and whoever waits for its start."""

from __future__ import annotations

import shutil

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.server import encoders, store
from pipeline.errors import SemblanceError
from pipeline.settings import Settings

DISK_BYTES = 512 * 2**20  # less than this, and an ingest may soon have to stop


def ready(_: Request) -> Response:
    """200 when all of it is true, else 503: the store answers within its 5 s, the encoder is loaded, disk is left.

    Yes and no are all that is said: no path and no message leaves the machine.
    """
    said = {"store": _store(), "encoder": encoders.warm(), "disk": _disk()}
    fine = all(said.values())
    return JSONResponse({"ready": fine} | said, status_code=200 if fine else 503)


def _store() -> bool:
    try:
        store.store().ping()
    except SemblanceError:
        return False
    return True


def _disk() -> bool:
    home = Settings().home.absolute()
    try:
        existing = next(path for path in (home, *home.parents) if path.exists())
        return shutil.disk_usage(existing).free >= DISK_BYTES
    except OSError:
        return False
