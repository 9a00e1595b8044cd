"""What a run has drawn reaches the page, also when a fragment asks for the next run before it was sent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import own_loop
import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests

from app.server import streamlit_gaps


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AppSession, "request_rerun", streamlit_gaps._as_it_is)


async def order_of(happened: list[str], fragment: str, *, ended: bool) -> list[str]:
    """A run's message is posted, then a rerun is asked for."""
    requests = ScriptRequests()
    if ended:
        requests.request_stop()
    loop = asyncio.get_running_loop()
    session: Any = SimpleNamespace(_scriptrunner=SimpleNamespace(_requests=requests), _event_loop=loop)
    loop.call_soon_threadsafe(happened.append, "message")
    AppSession.request_rerun(session, ClientState(fragment_id=fragment))
    await asyncio.sleep(0.01)
    return happened


@pytest.mark.parametrize(
    ("fragment", "ended", "wanted"),
    [
        ("list", True, ["message", "rerun"]),
        ("list", False, ["rerun", "message"]),
        ("", True, ["rerun", "message"]),
    ],
)
def test_a_fragment_waits_for_what_an_ended_run_has_posted_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, fragment: str, ended: bool, wanted: list[str]
) -> None:
    happened: list[str] = []
    monkeypatch.setattr(streamlit_gaps, "_as_it_is", lambda *_: happened.append("rerun"))
    streamlit_gaps.last_messages_first()
    assert own_loop.run(order_of(happened, fragment, ended=ended)) == wanted


def test_streamlit_still_ignores_an_ended_runner_so_the_wait_is_needed() -> None:
    """When this fails, look whether the gap is closed and the file can go."""
    import inspect

    assert "sender is not self._scriptrunner" in inspect.getsource(AppSession._handle_scriptrunner_event_on_event_loop)
