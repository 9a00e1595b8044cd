"""Evaluate in a real browser: measure, see the figures, take the report away, search with a failed query."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_a_measurement_leads_from_the_button_to_the_pictures_behind_it(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page("/evaluate?gallery=photos")
    page.get_by_role("button", name="Measure").click()
    page.wait_for_selector(".figures .figure", timeout=90_000)
    expect(page.locator(".figures")).to_contain_text("map_at_r")
    expect(page.locator(".strips .hits")).to_have_count(6)
    broken = page.evaluate(
        "[...document.querySelectorAll('.strips img')].filter(one => one.complete && !one.naturalWidth).length"
    )
    assert broken == 0

    with page.expect_download() as taken:
        page.get_by_role("button", name="Report of one page").click()
    taken.value.save_as(tmp_path / "report.html")
    report = page.context.new_page()
    report.goto((tmp_path / "report.html").as_uri())
    expect(report.locator("h1")).to_have_text("Photos: how good is the search?")
    assert report.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert report.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")

    page.locator(".strips a.query").first.click()
    page.wait_for_selector(".st-key-hits .tile")
    assert "ids=" in page.url


def test_a_phone_shows_the_figures_without_sideways_scroll(open_page: Callable[..., Page]) -> None:
    page = open_page("/evaluate?gallery=photos&section=length", width=390, height=844)
    expect(page.get_by_role("button", name="Measure")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
