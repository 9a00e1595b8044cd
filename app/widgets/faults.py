"""What a page says when something fails: in a callback, or where its script ends in an error that it has not met itself."""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Callable

import streamlit as st

from app.widgets import states
from app.widgets.literal import literal
from pipeline.errors import SemblanceError

_LOG = logging.getLogger("semblance")  # pipeline/logs.py writes it
_READING = ("deserialize", "unpack_widget_state_value", "get_serialized")


def attempt(act: Callable[..., object], *args: object) -> bool:
    """For a callback, which has no place to draw: what a user can cause is said by `problem`. False when it failed."""
    try:
        act(*args)
    except SemblanceError as error:
        st.session_state["problem"] = str(error)
        return False
    return True


def problem() -> None:
    """Where an `attempt` of the last run that failed is said."""
    if said := st.session_state.pop("problem", ""):
        st.error(literal(said))


def failed(error: Exception) -> bool:
    """For `st.App(on_script_error=)`: what a user or a browser can cause is its own sentence, want of memory too.

    A fault of ours is a sentence with a number under which the log holds the stack trace.
    """
    if isinstance(error, SemblanceError):  # raised in a callback, which has no place of its own to say it
        st.error(literal(error))
        return True
    if isinstance(error, MemoryError):
        st.error(
            "The app has no memory left for this now, and nothing of a gallery was lost; try something smaller, or later."
        )
        return True
    if _of_the_browser(error):
        st.error(literal(states.MALFORMED))
        return True
    number = secrets.token_hex(4)
    _LOG.error("failed", exc_info=error, extra={"facts": {"reference": number}})
    st.error(
        f"Something went wrong here, and it is our fault. Nothing of a gallery was lost. Reload the page; if it comes "
        f"again, tell whoever runs this app the reference {number}."
    )
    return True


def _of_the_browser(error: Exception) -> bool:
    """Whether Streamlit met it while it read a widget's value, which a browser may send as anything."""
    frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(code.co_name in _READING and "streamlit" in code.co_filename for code in frames)
