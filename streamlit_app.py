"""The app's entry: pages, the picture, /readyz and API routes, opening and closing the store; nothing else.

Start it with `python -m pipeline demo` or `streamlit run streamlit_app.py`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route

from app.api import routes as api
from app.server import (
    exposure,
    hosts,
    intake,
    jobs,
    kept_uploads,
    readiness,
    routes,
    sign_in,
    store,
    streamlit_gaps,
    visits,
)
from app.widgets import faults
from pipeline import ROOT, __version__, logs
from pipeline.settings import Settings


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Opens the store and loads the encoder beside the start-up, so that the first search finds both."""
    hosts.apply()
    settings = Settings()
    logs.write_to(settings.log, settings.home / "logs")
    logs.event("start", version=__version__)
    jobs.resume()
    ended = threading.Event()
    for beside in (
        threading.Thread(target=readiness.warm_up),
        threading.Thread(target=store.keep_in_step, args=(ended,)),
        threading.Thread(target=kept_uploads.let_go_in_time, args=(ended,)),
    ):
        beside.daemon = True
        beside.start()
    yield
    ended.set()
    store.release()
    logs.event("stop")


exposure.apply()
streamlit_gaps.last_messages_first()
app = st.App(
    ROOT / "app" / "main.py",
    lifespan=lifespan,
    middleware=[
        Middleware(hosts.Guard),
        Middleware(visits.Visits),
        Middleware(streamlit_gaps.PageBase),
        Middleware(intake.Intake),
    ],
    on_script_error=faults.failed,
    routes=[
        Route("/app/static/thumbnails/{gallery}/{picture_id}.jpg", sign_in.guarded(routes.thumbnail)),
        Route("/app/static/wholes/{gallery}/{picture_id}.jpg", sign_in.guarded(routes.whole)),
        Route("/app/static/films/{gallery}/{picture_id}", sign_in.guarded(routes.film)),
        Route("/app/static/runs/{run}/{picture}.jpg", sign_in.guarded(routes.run_picture)),
        Route("/app/static/blobs/{name}.bin", sign_in.guarded(routes.blob)),
        Route("/readyz", readiness.ready),
        api.mount(),
        api.bare(),
    ],
)
