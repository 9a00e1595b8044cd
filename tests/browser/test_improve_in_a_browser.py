"""Improve this search: twenty answers, what came of them, and the way back, as a person meets them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
HITS = ".st-key-hits .tile"
ROUND = ".round:not(.sent) .card"
expect.set_options(timeout=20_000)


def _asked(page: Page, photos: Path) -> None:
    page.wait_for_selector(".grid .tile img")
    page.set_input_files("input[type=file]", sorted((photos / "shoes").glob("*.jpg"))[0])
    page.wait_for_selector(HITS)
    page.get_by_role("button", name="Improve this search").click()


def test_answers_become_a_search_that_is_shown_linked_and_taken_back(
    open_page: Callable[..., Page], photos: Path
) -> None:
    page = open_page()
    _asked(page, photos)
    for asked in range(0, 20, 5):
        expect(page.get_by_text(f"{asked} of 20 answered")).to_be_visible()
        cards = page.locator(ROUND)
        expect(cards.first).to_be_visible()
        for i in range(cards.count()):
            shoe = "shoes" in (cards.nth(i).locator(".frame").get_attribute("aria-label") or "")
            cards.nth(i).locator(".frame").press("y" if shoe else "n")
        if asked == 10:  # 40 photos: no order has others among its first 24, so nothing is left to compare
            break
    expect(page.get_by_text(re.compile("Learned from [0-9]+ yes and [0-9]+ no"))).to_be_visible()
    page.get_by_role("button", name="Show the improved search").click()
    expect(page.get_by_role("button", name="Keep for fine-tuning")).to_be_visible()
    page.wait_for_function("new URL(location.href).searchParams.getAll('unlike').length > 4")
    firsts = page.locator(f"{HITS} .label").evaluate_all("labels => labels.slice(0, 6).map(one => one.textContent)")
    assert firsts.count("shoes") >= 5
    page.get_by_role("button", name=re.compile("Take away: .* disliked")).click()
    page.wait_for_function("!location.href.includes('unlike')")


def test_leaving_in_the_middle_leaves_the_search_as_it_was(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    _asked(page, photos)
    page.locator(ROUND).first.locator(".say.no").click()
    before = page.url
    page.keyboard.press("Escape")
    expect(page.locator(ROUND)).to_have_count(0)
    expect(page.locator(HITS).first).to_be_visible()
    assert "unlike" not in page.url
    assert page.url == before
