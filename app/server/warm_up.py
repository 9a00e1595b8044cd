"""What is made ready beside the app's start, so that the first visitor need not wait for it."""

from __future__ import annotations

import gc
import threading

from app.server import encoders, store


def warm_up() -> None:
    """Open the store and load the encoder, one beside the other; returns when both have ended."""
    threads = [threading.Thread(target=prepare, daemon=True) for prepare in (store.warm_up, encoders.warm_up)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Streamlit looks through all objects after every run of a script, holding up every visitor: 170 ms for those that
    # torch and Milvus' client make when they are loaded (measured), which stay until the end anyway.
    gc.collect()
    gc.freeze()
