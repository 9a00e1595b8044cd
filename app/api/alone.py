"""The API without the pages: `python -m pipeline serve` starts it. The app's guards stand before it as before the app."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from streamlit import config

from app.api import routes
from app.server import exposure, hosts, jobs, readiness, store
from pipeline import __version__, logs
from pipeline.settings import Settings

HOSTS = "SEMBLANCE_SERVE_HOSTS"  # further names it answers to, set by the verb for this process alone


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
    for work, given in ((readiness.warm_up, ()), (store.keep_in_step, (ended,))):
        threading.Thread(target=work, args=given, daemon=True).start()
    yield
    ended.set()
    store.release()
    logs.event("stop")


exposure.apply()
app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(hosts.Guard)],
    routes=[routes.mount(), Route("/readyz", readiness.ready)],
)
