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


def test_a_line_joins_each_picture_that_two_answers_share(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    page.wait_for_selector(".grid .tile img")
    page.set_input_files("input[type=file]", sorted((photos / "shoes").glob("*.jpg"))[0])
    page.wait_for_selector(HITS)
    page.get_by_role("button", name="Options").click()
    page.get_by_role("combobox", name="Beside it").click()
    page.get_by_role("option", name="Order: Diverse").click()
    page.keyboard.press("Escape")
    rungs = page.locator(".st-key-both .rung")
    expect(rungs).to_have_count(48)
    ids = rungs.evaluate_all("rungs => rungs.map(rung => rung.dataset.id)")
    shared = set(ids[:24]) & set(ids[24:])
    lines = page.locator(".st-key-both path")
    assert set(lines.evaluate_all("lines => lines.map(line => line.dataset.id)")) == shared
    at = ids[:24].index(next(iter(shared)))
    line, picture = (
        page.locator(f".st-key-both path[data-id='{ids[at]}']").bounding_box(),
        rungs.nth(at).locator(".frame").bounding_box(),
    )
    middle = picture["y"] + picture["height"] / 2
    assert line["y"] - 6 <= middle <= line["y"] + line["height"] + 6, "a line ends at its picture"
    before = rungs.first.bounding_box()
    page.get_by_role("button", name="Right", exact=True).click()
    expect(page.get_by_text("So far: left 0, alike 0, right 1")).to_be_visible()
    assert rungs.first.bounding_box() == before, "nothing moves"
