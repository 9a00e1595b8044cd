"""Indexes in a real browser: the charts of a comparison, and another index for the gallery while it is in use."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def _compared(server: str, command: Callable[..., None]) -> None:
    words = "compare-indexes photos --indexes brute_force,lsh,milvus:index=HNSW -k 5 --seconds 0.2 --progress none"
    command(*words.split())


@pytest.mark.usefixtures("_compared")
def test_a_comparison_is_drawn_and_its_choice_becomes_the_gallerys_index(open_page: Callable[..., Page]) -> None:
    page = open_page("/indexes?gallery=photos", height=1600)
    expect(page.get_by_text("For 40 pictures:").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(4)
    expect(page.get_by_text(re.compile("over 40 rows"))).to_be_visible()
    chooser = page.get_by_role("combobox", name="Index", exact=True)
    chooser.click()
    chooser.fill("hnsw:ef=32")
    chooser.press("Enter")
    expect(page.get_by_role("button", name="Use it")).to_be_enabled()
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text(re.compile("hnsw:ef=32 over"))).to_be_visible()

    found = open_page("/?gallery=photos")
    found.locator(".st-key-examples-grid .tile .frame").first.click()
    found.wait_for_selector(".st-key-hits .tile")


@pytest.mark.usefixtures("_compared")
def test_a_phone_shows_the_charts_without_sideways_scroll(open_page: Callable[..., Page]) -> None:
    page = open_page("/indexes?gallery=photos", width=390, height=844, dark=True)
    page.wait_for_selector(".js-plotly-plot")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
