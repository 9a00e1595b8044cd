"""What is made ready beside the app's start, and whether it can serve, as load balancers and containers ask."""

from __future__ import annotations

import gc
import shutil
import threading
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.server import encoders, store
from pipeline.errors import SemblanceError
from pipeline.settings import Settings

DISK_BYTES = 512 * 2**20  # less than this, and an ingest may soon have to stop


def warm_up() -> None:
    """Open the store and load the encoder, one beside the other, so that the first visitor need not wait for them."""
    threads = [threading.Thread(target=prepare, daemon=True) for prepare in (store.warm_up, encoders.warm_up)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Streamlit looks through all objects after every run of a script, holding up every visitor: 170 ms for those that
    # torch and Milvus' client make when they are loaded (measured), which stay until the end anyway.
    gc.collect()
    gc.freeze()


def ready(_: Request) -> Response:
    """200 when all of it is true, else 503: the store answers within its 5 s, the encoder is loaded, disk is left.

    Yes and no are all that is said: no path and no message leaves the machine.
    """
    checks = {"store": _store(), "encoder": encoders.warm(), "disk": _disk()}
    fine = all(checks.values())
    return JSONResponse({"ready": fine} | checks, status_code=200 if fine else 503)


def _store() -> bool:
    """The embedded one goes on answering from memory when its file was taken away, and loses what is written then."""
    uri = Settings().uri
    try:
        store.store().ping()
    except SemblanceError:
        return False
    return "://" in uri or Path(uri).expanduser().exists()


def _disk() -> bool:
    home = Settings().home.absolute()
    try:
        existing = next(path for path in (home, *home.parents) if path.exists())
        return shutil.disk_usage(existing).free >= DISK_BYTES
    except OSError:
        return False
