"""The app's entry: pages, the picture and /readyz routes, opening and closing the store; nothing else.

Start it with `python -m pipeline demo` or `streamlit run streamlit_app.py`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
from starlette.routing import Route

from app import blobs, index, routes


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Opens the store beside the start-up, so that the first search finds it open."""
    threading.Thread(target=index.warm_up, daemon=True).start()
    yield
    index.release()


app = st.App(
    Path(__file__).parent / "app" / "main.py",
    lifespan=lifespan,
    routes=[
        Route("/app/static/thumbnails/{gallery}/{picture_id}.jpg", routes.thumbnail),
        Route("/app/static/runs/{run}/{picture}.jpg", routes.run_picture),
        Route("/app/static/blobs/{name}.bin", blobs.blob),
        Route("/readyz", routes.ready),
    ],
)
