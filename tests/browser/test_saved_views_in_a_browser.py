"""A view saved by one visitor is what another sees who follows its link, the uploaded picture asked with included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)

HITS = ".st-key-hits .tile"


def ids(page: Page) -> list[str]:
    return page.locator(HITS).evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")


def test_a_view_with_an_upload_is_shared_by_its_link_and_as_a_page(
    open_page: Callable[..., Page], photos: Path, tmp_path: Path
) -> None:
    page = open_page("/?gallery=photos&where=label%21%3Dhat")
    page.wait_for_selector(".st-key-passing .tile img")
    page.set_input_files("input[type=file]", sorted((photos / "shoes").glob("*.jpg"))[0])
    page.wait_for_selector(HITS)
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Save this view as").fill("Shoes like mine")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved as Shoes like mine.")).to_be_visible()
    page.locator("[data-testid=stDialog] [data-testid=stPopoverButton] >> visible=true").click()
    link = page.locator("[data-testid=stCode] >> visible=true").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="One HTML page").click()
    download.value.save_as(tmp_path / "view.html")
    other = open_page(link[link.index("/?") :])
    other.wait_for_selector(HITS)
    assert ids(other) == ids(page)
    assert "upload=" in other.url
    other.goto((tmp_path / "view.html").as_uri())
    expect(other.locator("h1")).to_have_text("Shoes like mine")
    assert other.locator("figure img").count() == len(ids(page))
    assert other.locator("figure img").first.evaluate("picture => picture.naturalWidth") > 0
