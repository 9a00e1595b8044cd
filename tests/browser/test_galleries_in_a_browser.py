from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
BOTH_STORES = {"test_a_zip_becomes_a_gallery_that_can_be_searched_and_deleted"}
expect.set_options(timeout=20_000)


def test_a_zip_becomes_a_gallery_that_can_be_searched_and_deleted(
    open_page: Callable[..., Page], photos: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for label in ("hat", "shoes"):
            for file in sorted((photos / label).glob("*.jpg")):
                made.write(file, f"{label}/{file.name}")
        made.writestr("hat/broken.jpg", b"no picture")
    page = open_page("/galleries")
    page.get_by_role("button", name="New gallery").click()
    page.get_by_text("An upload").click()
    page.set_input_files("input[type=file]", archive)
    expect(page.get_by_text("mine.zip")).to_be_visible()
    page.get_by_label("Title").fill("From a zip")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Make gallery").click()
    expect(page.get_by_text("Ingest into From a zip: done").first).to_be_visible(timeout=120_000)
    card = page.locator(".st-key-card-from_a_zip")
    expect(card).to_contain_text("20 pictures")
    expect(card).to_contain_text("1 rejected")

    card.get_by_role("button", name="Manage").click()
    card.get_by_text("Rejected", exact=True).click()
    expect(card.locator("[data-testid=stDataFrame]")).to_be_visible()

    card.get_by_role("link", name="Search").click()
    page.wait_for_selector(".grid .tile img")
    page.set_input_files("input[type=file]", sorted((photos / "hat").glob("*.jpg"))[0])
    page.wait_for_selector(".st-key-hits .tile")
    assert page.locator(".st-key-hits .tile").count() == 19, "all but the asked picture itself"

    page.get_by_role("link", name="Galleries").click()
    card.get_by_text("Delete", exact=True).click()
    card.get_by_label("Write from_a_zip to confirm").fill("from_a_zip")
    page.keyboard.press("Enter")
    delete = card.get_by_role("button", name="Delete this gallery")
    expect(delete).to_be_enabled()
    delete.click()
    expect(card).to_have_count(0)


def test_a_phone_shows_the_galleries_without_sideways_scroll(open_page: Callable[..., Page]) -> None:
    page = open_page("/galleries", width=390, height=844)
    page.wait_for_selector(".strip img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
