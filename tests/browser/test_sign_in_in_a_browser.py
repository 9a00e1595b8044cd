"""Signing in at a real OpenID Connect provider, in a real browser: who sees pages and pictures, and who does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import oidc_provider
import pytest
from exposed_app import Exposed, exposed
from joserfc import jwk
from oidc_provider import CLIENT, SECRET, Provider
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
ANN = {"email": "ann@example.org", "email_verified": True, "name": "Ann"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider.running() as one:
        yield one


@pytest.fixture(scope="module")
def guarded(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    secrets = f"""
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{"s" * 40}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{provider.address}/.well-known/openid-configuration"

[semblance]
allow = ["ann@example.org", "@friends.example"]
"""
    with exposed(tmp_path_factory.mktemp("signed"), secrets=secrets) as app:
        yield app


@pytest.fixture
def visitor(browser: Browser, guarded: Exposed) -> Iterator[Callable[[], tuple[BrowserContext, Page]]]:
    contexts = []

    def come() -> tuple[BrowserContext, Page]:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(guarded.address)
        return context, page

    yield come
    for context in contexts:
        context.close()


@pytest.fixture
def pictures(guarded: Exposed) -> str:
    """The address of a thumbnail."""
    file = next((guarded.home / "galleries" / "small" / "thumbnails").rglob("*.jpg"))
    return f"{guarded.address}/app/static/thumbnails/small/{file.stem}.jpg"


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in").click()


def test_nobody_sees_a_page_or_a_picture_before_signing_in(visitor, guarded: Exposed, pictures: str) -> None:
    context, page = visitor()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    for path in ("galleries", "explore", "training", "?gallery=small"):
        page.goto(f"{guarded.address}/{path}")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert page.locator("img, [data-testid=stFileUploader], [data-testid=stTopNavLink]").count() == 0
    assert context.request.get(pictures).status == 403
    assert context.request.get(f"{guarded.address}/app/static/runs/one/a.jpg").status == 403
    assert context.request.get(f"{guarded.address}/app/static/blobs/{'0' * 32}.bin").status == 403
    assert context.request.get(f"{guarded.address}/readyz").status == 200


def test_who_is_on_the_list_sees_them_until_signing_out(visitor, provider: Provider, pictures: str) -> None:
    provider.person = ANN
    context, page = visitor()
    stranger, _ = visitor()
    sign_in(page)
    expect(page.get_by_text("ann@example.org")).to_be_visible()
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    assert context.request.get(pictures).status == 200
    assert stranger.request.get(pictures).status == 403
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert context.request.get(pictures).status == 403


@pytest.mark.parametrize(
    "person",
    [
        {"email": "mallory@example.org", "email_verified": True},
        {"email": "ann@example.org", "email_verified": False},
        {"email": "ann@example.org"},
        {"email": "mallory@evil.example@friends.example", "email_verified": True},
        {"email": "mallory@friends.example.evil.example", "email_verified": True},
        {"name": "ann@example.org", "email_verified": True},
    ],
    ids=str,
)
def test_who_is_not_on_the_list_sees_one_sentence(visitor, provider: Provider, pictures: str, person: dict) -> None:
    provider.person = person
    context, page = visitor()
    sign_in(page)
    expect(page.get_by_text("This account may not use this app")).to_be_visible()
    assert page.locator("[data-testid=stFileUploader]").count() == 0
    assert context.request.get(pictures).status == 403


def test_a_domain_of_the_list_is_enough(visitor, provider: Provider, pictures: str) -> None:
    provider.person = {"email": "Bob@Friends.Example", "email_verified": True}
    context, page = visitor()
    sign_in(page)
    expect(page.get_by_text("Bob@Friends.Example")).to_be_visible()
    assert context.request.get(pictures).status == 200


def test_a_token_that_another_key_signed_signs_nobody_in(visitor, provider: Provider, pictures: str) -> None:
    provider.person = ANN
    real, provider.key = provider.key, jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    try:
        context, page = visitor()
        with page.expect_response(re.compile("oauth2callback")) as answered:
            sign_in(page)
        assert "_streamlit_user" not in answered.value.all_headers().get("set-cookie", "")
        assert context.request.get(pictures).status == 403
    finally:
        provider.key = real


def test_a_cookie_of_ones_own_making_opens_nothing(visitor, guarded: Exposed, pictures: str) -> None:
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

    context, page = visitor()
    claims = '{"is_logged_in": true, "origin": "%s", "email": "ann@example.org", "email_verified": true}'
    for secret in ("t" * 40, "", "s" * 39):
        forged = create_signed_value(secret, "_streamlit_user", claims % guarded.address).decode()
        context.add_cookies([{"name": "_streamlit_user", "value": forged, "url": guarded.address}])
        assert context.request.get(pictures).status == 403
        page.reload()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    right = create_signed_value("s" * 40, "_streamlit_user", claims % guarded.address).decode()
    context.add_cookies([{"name": "_streamlit_user", "value": right, "url": guarded.address}])
    assert context.request.get(pictures).status == 200, "the same with the secret: so it was the secret that held"


@pytest.mark.parametrize(
    ("secrets", "sentence"),
    [
        ("[auth\ncookie_secret = ", "secrets.toml is not valid TOML"),
        (
            "[auth]\n" + "".join(f'{key} = "x"\n' for key in ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")),
            "shorter than 32 characters",
        ),
    ],
    ids=["damaged", "short secret"],
)  # fmt: skip
def test_sign_in_that_is_set_up_wrongly_lets_nobody_in(
    browser: Browser, tmp_path: Path, secrets: str, sentence: str
) -> None:
    with exposed(tmp_path, secrets=secrets) as app:
        context = browser.new_context()
        page = context.new_page()
        page.goto(app.address)
        expect(page.get_by_text(sentence)).to_be_visible()
        assert page.locator("[data-testid=stFileUploader]").count() == 0
        file = next((app.home / "galleries" / "small" / "thumbnails").rglob("*.jpg"))
        assert context.request.get(f"{app.address}/app/static/thumbnails/small/{file.stem}.jpg").status == 403
        context.close()
