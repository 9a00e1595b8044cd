"""A page that is loaded anew has the upload that was asked with, its link says nothing to others, and no load logs a 404."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app import VIEWS

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
HITS = ".st-key-hits .tile"


def asked_with_an_upload(page: Page, photos: Path) -> list[str]:
    page.wait_for_selector(".grid .tile img")
    page.set_input_files("input[type=file]", next((photos / "hat").glob("*.jpg")))
    page.wait_for_selector(HITS)
    page.wait_for_url("**upload=**")
    return ids(page)


def ids(page: Page) -> list[str]:
    return page.locator(HITS).evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")


def test_an_upload_is_there_after_a_reload_and_after_going_back(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    before = asked_with_an_upload(page, photos)
    page.reload()
    page.wait_for_selector(HITS)
    assert ids(page) == before
    page.goto(page.url.partition("?")[0] + "galleries")
    page.wait_for_selector("h1")
    page.go_back()
    page.wait_for_selector(HITS)
    assert ids(page) == before


def test_another_browser_with_the_link_finds_no_upload(
    open_page: Callable[..., Page], photos: Path, browser: Browser
) -> None:
    page = open_page()
    asked_with_an_upload(page, photos)
    stranger = browser.new_context().new_page()
    stranger.goto(page.url)
    expect(stranger.get_by_text("stays with the browser that brought it")).to_be_visible()
    expect(stranger.locator(HITS)).to_have_count(0)
    stranger.context.close()


def test_a_direct_load_of_any_page_logs_nothing(browser: Browser, server: str) -> None:
    page = browser.new_context().new_page()
    wrong: list[str] = []
    page.on("response", lambda answer: answer.status >= 400 and wrong.append(f"{answer.status} {answer.url}"))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    for name in ("", *sorted(path.stem for path in VIEWS.glob("[!_]*.py"))):
        if name == "search":
            continue
        page.goto(f"{server}/{name}?gallery=photos")
        page.wait_for_selector("h1")
        page.wait_for_selector("[data-test-script-state='notRunning']")
    page.context.close()
    assert not wrong
