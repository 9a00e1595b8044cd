"""Who may use the app, without a browser; with one: tests/browser/test_sign_in_in_a_browser.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from streamlit.testing.v1 import AppTest

from app.server import sign_in
from pipeline import ROOT

MAIN = str(ROOT / "app" / "main.py")


def request(cookie: str = "") -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", cookie.encode("latin-1"))]})


def test_without_auth_in_secrets_everybody_is_let_in(home: Path) -> None:
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    assert app.title[0].value == "Search by picture"
    assert sign_in.guarded(lambda _: Response("picture"))(request()).status_code == 200


def test_where_sign_in_is_demanded_and_not_set_up_nobody_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_SIGN_IN", "1")
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    assert [one.value for one in app.title] == ["Semblance"]
    assert "lacks redirect_uri, cookie_secret" in app.error[0].value
    assert not app.get("file_uploader")
    assert sign_in.guarded(lambda _: Response("picture"))(request()).status_code == 403


def test_a_missing_library_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = dict.fromkeys(sign_in.KEYS, "x" * 40)
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: secret)
    assert sign_in.misconfigured() == ""
    monkeypatch.setitem(sys.modules, "authlib", None)
    app = AppTest.from_file(MAIN, default_timeout=120).run()
    assert "pip install 'Authlib" in app.error[0].value


@pytest.mark.parametrize(
    "cookie", ["_streamlit_user=x", "_streamlit_user=\xff\xfe", '_streamlit_user="chunks-9"', "=", ";"]
)
def test_no_made_up_cookie_is_let_in(monkeypatch: pytest.MonkeyPatch, cookie: str) -> None:
    secret = dict.fromkeys(sign_in.KEYS, "x" * 40)
    monkeypatch.setattr(sign_in, "get_secrets_auth_section", lambda: secret)
    monkeypatch.setattr(sign_in, "get_cookie_secret", lambda: "x" * 40)
    assert sign_in.guarded(lambda _: Response("picture"))(request(cookie)).status_code == 403
