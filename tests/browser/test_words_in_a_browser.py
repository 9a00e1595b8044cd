"""Words in a real browser, over a tiny CLIP whose ranking means nothing and is repeatable all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from test_search_in_a_browser import HITS, ids, photo, wait_for_other_hits
from tiny_clip import tiny_clip

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def _worded(server: str, photos: Path, command: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tiny_clip(tmp_path_factory.mktemp("clip"))
    words = ("ingest", "worded", "--dataset", f"folder:root={photos}", "--encoder", f"open_clip:folder={folder}")
    command(*words, "--title", "Words", "--progress", "none")


@pytest.mark.usefixtures("_worded")
def test_words_not_this_and_a_picture_ask_together_and_the_address_repeats_the_words(
    open_page: Callable[..., Page], photos: Path
) -> None:
    page = open_page("/?gallery=worded")
    page.wait_for_selector(".grid .tile img")
    page.get_by_role("textbox", name="Words", exact=True).fill("a red shoe")
    page.keyboard.press("Enter")
    page.wait_for_selector(HITS)
    alone = ids(page)
    expect(page.locator(f"{HITS} .meter")).to_have_count(0)
    page.locator(f"{HITS} .frame").first.click()
    expect(page.get_by_role("button", name="Search with this", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Why similar?")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Not", exact=True).fill("laces")
    page.keyboard.press("Enter")
    wait_for_other_hits(page, alone)
    without = ids(page)
    address = page.evaluate("location.pathname + location.search")
    assert "texts=a+red+shoe&not_texts=laces" in address
    again = open_page(address)
    again.wait_for_selector(HITS)
    assert ids(again) == without
    page.get_by_role("button", name="More ways").click()
    page.get_by_text("Add to the query").click()
    page.wait_for_timeout(500)
    page.set_input_files("input[type=file]", photo(photos, "shoes"))
    wait_for_other_hits(page, without)
    expect(page.locator(".st-key-query .item.uploads img")).to_be_visible()
    expect(page.get_by_role("textbox", name="Words", exact=True)).to_have_value("a red shoe")


@pytest.mark.usefixtures("_worded")
def test_a_phone_has_both_fields_and_says_what_names_of_kinds_were_taken_for(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/?gallery=worded&texts=red", width=390, height=844)
    page.wait_for_selector(HITS)
    words, without = (page.get_by_role("textbox", name=name, exact=True) for name in ("Words", "Not"))
    expect(words).to_have_value("red")
    expect(without).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    plain = open_page("/?gallery=photos&texts=red+shoes", width=390, height=844)
    plain.wait_for_selector(HITS)
    expect(plain.get_by_text("Understood: red is left out; shoe: ")).to_be_visible()
    assert plain.evaluate("document.documentElement.scrollWidth") <= 390
