"""Options that were set before they were opened, and aspects from a first look to a link, as a person meets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
HITS = ".st-key-hits .tile"
expect.set_options(timeout=20_000)


def test_options_opened_after_an_upload_say_what_holds(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    page.wait_for_selector(".grid .tile img")
    page.set_input_files("input[type=file]", sorted((photos / "shoes").glob("*.jpg"))[0])
    page.wait_for_selector(HITS)
    page.get_by_role("button", name="Options").click()
    expect(page.get_by_role("slider", name="Hits")).to_have_attribute("aria-valuetext", "24")
    meaning, colour = page.get_by_role("slider", name="Meaning"), page.get_by_role("slider", name="Colour")
    expect(meaning).to_have_value("1")
    expect(colour).to_have_value("0")
    colour.press("End")
    page.wait_for_selector(f"{HITS} .alike, button:has-text('Look at them')")
    if page.get_by_role("button", name="Look at them").count():
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Look at them").click()
    expect(page.locator(f"{HITS} .alike").first).to_contain_text("colour", timeout=60_000)
    expect(page.locator(HITS)).to_have_count(24)
    page.wait_for_function("location.href.includes('aspects=colour%3D1%2Cmeaning%3D1')")
