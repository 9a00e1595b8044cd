"""Uploads that are more than the app may hold arrive without their bytes, and the page says so."""

from __future__ import annotations

from typing import Any

import own_loop
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.server import intake

BOUNDARY = "----a boundary"
came: list[tuple[str, bytes]] = []


async def streamlits(scope: Any, receive: Any, send: Any) -> None:
    """As Streamlit's address: one file in a form."""
    async with Request(scope, receive).form() as form:
        [file] = form.values()
        came.append((file.filename, await file.read()))
    await Response(status_code=204)(scope, receive, send)


def put(
    app: Any,
    data: bytes,
    *,
    visit: str = "v",
    file: str = "f",
    length: bool = True,
    chunk: int = 10,
    name: str = "a ü.png",
) -> int:
    """The status of the answer to a browser that sends this file in small pieces."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
    body = head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = [(b"content-type", f'multipart/form-data; boundary="{BOUNDARY}"'.encode())]
    headers += [(b"content-length", str(len(body)).encode())] if length else []
    path = f"/_stcore/upload_file/{visit}/{file}"
    scope = {"type": "http", "method": "PUT", "path": path, "headers": headers, "query_string": b""}
    pieces = [body[i : i + chunk] for i in range(0, len(body), chunk)]
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    own_loop.run(app(scope, receive, send))
    return statuses[0]


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What Streamlit keeps by visit; 1,000 bytes a visit and 1,500 of all may be held."""
    came.clear()
    kept: dict[str, int] = {}
    monkeypatch.setattr(intake, "limits", lambda: (1_000, 1_500))
    monkeypatch.setattr(intake, "_held", lambda visit: (kept.get(visit, 0), sum(kept.values())))
    return kept


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_what_fits_arrives_as_it_is_and_what_does_not_arrives_by_name(held: dict[str, int], chunk: int) -> None:
    app = intake.Intake(streamlits)
    assert put(app, b"x" * 500, file="first", chunk=chunk) == 204
    held["v"] = 500
    assert put(app, b"y" * 500, file="second", chunk=chunk) == 204
    assert came == [("a ü.png", b"x" * 500), ("a ü.png", b"")]
    assert not intake.was_refused("first")
    assert intake.was_refused("second")
    assert put(app, b"z" * 500, visit="w", file="third", chunk=chunk) == 204, "another visit has room of its own"
    assert came[-1][1] == b"z" * 500


def test_all_visits_together_have_a_limit(held: dict[str, int]) -> None:
    held.update(one=900, two=500)
    assert put(intake.Intake(streamlits), b"x" * 200, visit="three", file="late") == 204
    assert came == [("a ü.png", b"")]
    assert intake.was_refused("late")


def test_what_is_still_coming_counts_and_is_forgotten_when_it_has_come() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        assert app._coming["v"] > 500
        await PlainTextResponse("", 204)(scope, receive, send)

    app = intake.Intake(waits)
    assert put(app, b"x" * 500) == 204
    assert not app._coming


def test_a_file_of_no_stated_length_is_not_taken() -> None:
    assert put(intake.Intake(streamlits), b"x", length=False) == 411
    assert came == []


def test_the_limits_follow_the_memory_and_are_tighter_for_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(intake.memory, "total", lambda: 16 << 30)
    assert intake.limits() == (2 << 30, 2 << 30)
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
    assert intake.limits() == (500_000_000, 2 << 30)
    assert "500 MB a visit" in intake.refusal()
