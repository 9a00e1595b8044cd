"""Evaluate in a real browser: measure, see the figures, take the report away, search with a failed query."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline import plugins
from pipeline.evaluation import evaluate
from pipeline.gallery import reports
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import reencode
from pipeline.settings import Settings

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_a_measurement_leads_from_the_button_to_the_pictures_behind_it(
    open_page: Callable[..., Page], tmp_path: Path, of_its_own: str
) -> None:
    page = open_page(f"/evaluate?gallery={of_its_own}")
    page.get_by_role("button", name="Measure").click()
    page.wait_for_selector(".figures .figure", timeout=90_000)
    expect(page.locator(".figures").first).to_contain_text("map_at_r")
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
    report.set_viewport_size({"width": 390, "height": 844})
    assert report.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert report.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")

    printed = report.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1

    worst = page.locator(".strips .note").first.inner_text()
    page.get_by_text("Best", exact=True).click()
    expect(page.locator(".strips .note").first).not_to_have_text(worst)

    page.get_by_test_id("stDataFrame").first.click(position={"x": 18, "y": 52})
    expect(page.get_by_text("its worst queries, and what was found instead")).to_be_visible()
    expect(page.locator(".strips .wrong").first).to_be_visible()

    page.locator(".strips a.query").first.click()
    page.wait_for_selector(".st-key-hits .tile")
    assert "ids=" in page.url


def test_a_phone_shows_the_figures_without_sideways_scroll_and_a_measurement_can_be_deleted(
    open_page: Callable[..., Page], home_of_server: Path, of_its_own: str
) -> None:
    gallery = open_gallery(of_its_own, Settings(home=home_of_server))
    one = evaluate.evaluate(gallery)
    page = open_page(f"/evaluate?gallery={of_its_own}&reports={one}", width=390, height=844)
    expect(page.locator(".figures .figure")).to_have_count(9)
    expect(page.locator(".strips .hits")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page = open_page(f"/evaluate?gallery={of_its_own}&section=length", width=390, height=844)
    expect(page.get_by_role("button", name="Measure")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page = open_page(f"/evaluate?gallery={of_its_own}&reports={one}")
    page.get_by_role("button", name="Delete").click()
    until = time.monotonic() + 30
    while one in reports.names(gallery, evaluate.KIND):
        assert time.monotonic() < until
        page.wait_for_timeout(100)
    expect(page).not_to_have_url(re.compile(one))


def test_two_encoders_side_by_side_show_the_pictures_on_which_they_disagree(
    open_page: Callable[..., Page], home_of_server: Path, of_its_own: str
) -> None:
    gallery = open_gallery(of_its_own, Settings(home=home_of_server))
    other = "color_histogram:grid=2,bins=2"
    short = reencode.encode_beside(gallery, plugins.build("encoders", other), spec=other)
    names = [evaluate.evaluate(gallery), evaluate.evaluate(gallery, fingerprint8=short)]
    page = open_page(f"/evaluate?gallery={of_its_own}&reports={','.join(names)}")
    expect(page.get_by_text("Side by side", exact=True)).to_be_visible()
    page.get_by_text(re.compile("^Where .* does better than")).first.click()
    expect(page.locator("[data-testid=stExpanderDetails] .strips .hits").first).to_be_visible()
    assert page.locator("[data-testid=stExpanderDetails]:visible .strips .hits").count() % 2 == 0
