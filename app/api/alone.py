"""The API without the pages: `python -m pipeline serve` starts it. The app's guards stand before it as before the app."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from streamlit import config

from app.api import routes
from app.server import exposure, hosts, jobs, readiness, store
from pipeline import __version__, logs
from pipeline.settings import Settings

# Set by the verbs that start it (pipeline/cli/servers.py): further names it answers to, the process that it ends with.
HOSTS, WITH_PARENT = "SEMBLANCE_SERVE_HOSTS", "SEMBLANCE_SERVE_PARENT"


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Opens the store and loads the encoder beside the start-up, and brings in what others commit."""
    config.set_option(hosts.OPTION, os.environ.get(HOSTS, "").split())
    hosts.apply()
    settings = Settings()
    logs.write_to(settings.log, settings.home / "logs")
    logs.event("start", version=__version__, api="alone")
    jobs.resume()
    ended = threading.Event()
    if parent := os.environ.get(WITH_PARENT):
        threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    for work, given in ((readiness.warm_up, ()), (store.keep_in_step, (ended,))):
        threading.Thread(target=work, args=given, daemon=True).start()
    yield
    ended.set()
    store.release()
    logs.event("stop")


def _end_with(parent: int) -> None:
    """Whoever started it may be killed, and then nobody else would end it."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


exposure.apply()
app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(hosts.Guard)],
    routes=[routes.mount(), routes.bare(), Route("/readyz", readiness.ready)],
)
