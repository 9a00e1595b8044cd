"""Streamlit drops the last messages of a run when a fragment asks for a rerun just after it: the page then lacks what they
drew, for good. Here they are sent first (github.com/streamlit/streamlit/issues/9921 tells of the same gap).

A script's thread posts its messages to the event loop. When it has ended before they were handled, a fragment's request
makes a new runner, and AppSession ignores what came from another than the current one. On a busy machine that is often: a
job's list asks each second, also at the moment at which the page is drawn with what the job has made.
"""

from __future__ import annotations

from typing import Any

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

_as_it_is = AppSession.request_rerun


def _request_rerun(self: Any, client_state: Any) -> None:
    runner = self._scriptrunner
    if client_state and client_state.fragment_id and runner and runner._requests._state == ScriptRequestType.STOP:
        self._event_loop.call_soon(_as_it_is, self, client_state)  # behind what the runner has posted
    else:
        _as_it_is(self, client_state)


def sent_first() -> None:
    AppSession.request_rerun = _request_rerun  # type: ignore[method-assign]
