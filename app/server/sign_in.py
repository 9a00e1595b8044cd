"""Signing in with an OpenID Connect provider, when .streamlit/secrets.toml has a section [auth]: docs/security.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from streamlit.auth_util import get_cookie_with_chunks, get_secrets_auth_section, is_authlib_installed
from streamlit.runtime.secrets import secrets_singleton as secrets
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pipeline.settings import current

KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
MIN_SECRET = 32  # characters; who guesses the secret signs a cookie for anybody


def wanted() -> bool:
    """Whether nobody gets in unknown. A secrets.toml that cannot be read counts as yes: Streamlit passes over it."""
    return bool(get_secrets_auth_section()) or current().sign_in or _unreadable()


def required() -> None:
    """Before any page: when sign-in is wanted, end the script here unless an allowed person is signed in."""
    if not wanted():
        return
    if wrong := misconfigured():
        st.title("Semblance")
        st.error(wrong)
        st.stop()
    if not st.user.is_logged_in:
        st.title("Semblance")
        st.write("Sign in to see the galleries.")
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
        st.stop()
    person = st.user.to_dict()
    if not allowed(person):
        st.title("Semblance")
        st.error("This account may not use this app; sign in with another, or ask whoever runs it to allow yours.")
        _signed_in(person)
        st.stop()
    _signed_in(person)


def misconfigured() -> str:
    """Why nobody can sign in, in a sentence for whoever runs the app; empty when all is there."""
    if _unreadable():
        return "Nobody can sign in: secrets.toml is not valid TOML or may not be read; the app's log says where"
    if missing := [key for key in KEYS if not get_secrets_auth_section().get(key)]:
        return f"Nobody can sign in: [auth] of .streamlit/secrets.toml lacks {', '.join(missing)}; see docs/security.md"
    if not is_authlib_installed():
        return "Signing in needs Authlib, which is not installed: pip install 'Authlib>=1.3.2'"
    if len(get_cookie_secret()) < MIN_SECRET:
        return (
            f"cookie_secret in [auth] of secrets.toml is shorter than {MIN_SECRET} characters; make one: "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return ""


def allowed(person: Mapping[str, Any]) -> bool:
    """Whether the allow-list has the person's address, or its domain; without a list everybody signed in is allowed.

    An address counts only when the provider says that it was verified: anybody can write any address into a profile.
    """
    listed = allow_list()
    if not listed:
        return True
    address = str(person.get("email", "")).strip().lower()
    if person.get("email_verified") not in (True, "true") or address.count("@") != 1:
        return False
    return address in listed or f"@{address.partition('@')[2]}" in listed


def allow_list() -> set[str]:
    """`allow` in [semblance] of secrets.toml: addresses, and domains as @example.org."""
    section = st.secrets.get("semblance", {})
    listed = section.get("allow", [])
    return {str(one).strip().lower() for one in ([listed] if isinstance(listed, str) else listed)}


def guarded(route: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """`route`, answering 403 unless the request's cookie is that of somebody who may see the pages."""

    def answer(request: Request) -> Response:
        return route(request) if admits(request) else Response(status_code=403)

    return answer


def admits(request: Request) -> bool:
    """What `required` asks, of the signed cookie that Streamlit set when somebody signed in."""
    if not wanted():
        return True
    if misconfigured():
        return False
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        value = request.cookies.get(name)
        return None if value is None else decode_signed_value(secret, name, value.encode("latin-1", "replace"))

    try:
        person = json.loads(get_cookie_with_chunks(one, USER_COOKIE_NAME) or b"null")
    except ValueError:
        return False
    return isinstance(person, dict) and person.get("is_logged_in") is True and allowed(person)


def _unreadable() -> bool:
    return any(Path(file).exists() for file in st.get_option("secrets.files")) and not secrets.load_if_toml_exists()


def _signed_in(person: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.text(str(person.get("email") or person.get("name") or "signed in"))
        st.button("Sign out", icon=":material/logout:", type="tertiary", on_click=st.logout)
