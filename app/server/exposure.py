"""What strangers see when the app is exposed (SEMBLANCE_EXPOSED): no path of this machine, no stack trace."""

from __future__ import annotations

import functools
import logging
import os
import re
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.app_session import AppSession

from pipeline import ROOT, plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.settings import Settings, exposed

_GREETING = AppSession._create_new_session_message
_LOG = logging.getLogger("semblance")  # pipeline/logs.py writes it
_END = r"""\s'"()<>,;:|"""
# An absolute path of any system, ours or not: its last name stays. No address (http://…) and no relative path.
_PATH = re.compile(rf"(?<![\w:/\\.…~-])(?:[A-Za-z]:[\\/]|~/|/(?=[\w.-]+/))(?:[^{_END}]*[\\/])?([^{_END}]*)")


def apply() -> None:
    """Sentences of this process pass `shown` before a page has them; the log keeps them as they are."""
    SemblanceError.shown = staticmethod(shown)
    AppSession._create_new_session_message = _new_session  # type: ignore[method-assign]


def shown(text: str) -> str:
    """`text` for a visitor: when exposed, folders of this machine are `…`; else as it is."""
    if not exposed():
        return text
    for folder in _folders(str(Settings().home)):
        text = text.replace(folder, "…")
    return _PATH.sub(r"…/\1", text)


def failed(error: Exception) -> bool:
    """For `st.App(on_script_error=)`: a plain sentence with a number under which the log holds the stack trace."""
    number = secrets.token_hex(4)
    _LOG.error("failed", exc_info=error, extra={"facts": {"reference": number}})
    st.error(
        f"Something went wrong here, and it is our fault. Nothing of a gallery was lost. Reload the page; if it comes "
        f"again, tell whoever runs this app the reference {number}."
    )
    return True


def check_dataset(spec: str) -> None:
    """UsageError unless a visitor may ingest from the folder and file that `spec` names: when exposed, from SEMBLANCE_FOLDERS."""
    if not exposed():
        return
    # of the spec and not of what was typed: a comma may begin another option
    options = plugins.parse(spec)[1]
    named = [options[key] for key in ("root", "file") if key in options] or [""]
    reals = [os.path.realpath(Path(one).expanduser()) for one in named]
    allowed = [os.path.realpath(one) for one in Settings().folders.split(os.pathsep) if one]
    if not all(any(real == one or real.startswith(os.path.join(one, "")) for one in allowed) for real in reals):
        raise UsageError(
            "this folder is not open to visitors; upload the pictures, or ask whoever runs this app to add the folder "
            "to SEMBLANCE_FOLDERS"
        )


def _new_session(session: AppSession, *given: Any, **named: Any) -> Any:
    """Streamlit greets every browser with the absolute path of its script, which the browser has no use for."""
    message = _GREETING(session, *given, **named)
    if exposed():
        message.new_session.main_script_path = "main.py"
    return message


@functools.lru_cache(maxsize=4)
def _folders(home: str) -> list[str]:
    """Folders that tell of this machine, the longest first; they may have blanks, which `_PATH` ends at."""
    named = [home, str(ROOT), str(Path.home()), tempfile.gettempdir(), sys.prefix]
    both = {form for one in named for form in (os.path.abspath(one), os.path.realpath(one))}
    return sorted((one for one in both if one.count(os.sep) > 1 or len(one) > 3), key=len, reverse=True)
