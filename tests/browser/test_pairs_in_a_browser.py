"""Same or different? in a real browser: an upload against a photo, one-shot from an upload, undo, on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lost_clicks import press
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def _wardrobe(server: str, photos: Path, command: Callable[..., None]) -> None:
    """The same photos as a gallery of its own, so that what is taken in here is in no other test's."""
    command("ingest", "wardrobe", "--dataset", f"folder:root={photos}", "--progress", "none")


def drop(page: Page, file: Path, *, at: int = 0) -> None:
    page.locator("input[type=file]").nth(at).set_input_files(file)


def test_two_uploads_are_compared_and_a_link_to_gallery_pictures_repeats(
    open_page: Callable[..., Page], photos: Path
) -> None:
    page = open_page("/pairs?gallery=photos")
    expect(page.get_by_role("heading", name="Same or different?")).to_be_visible()
    hat = sorted((photos / "hat").iterdir())[0]
    drop(page, hat)
    expect(page.locator(".pair-picture")).to_have_count(1)
    expect(page.locator("input[type=file]")).to_have_count(
        1
    )  # the first one's is gone a moment after its picture is there
    drop(page, hat)
    expect(page.locator(".pair-verdict")).to_contain_text("score 1.000")
    expect(page).to_have_url(re.compile(r"upload(:|%3A)[0-9a-f]{8}"))

    page = open_page("/pairs?gallery=photos")
    page.get_by_role("button", name="Different pair with high score").click()
    expect(page.locator(".pair-verdict")).to_contain_text("threshold")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    told = page.locator(".pair-verdict").inner_text()
    expect(page).to_have_url(re.compile("first=.*second="))
    again = open_page(page.url[page.url.index("/pairs") :])
    expect(again.locator(".pair-verdict")).to_have_text(re.compile(r"score .* threshold"))
    assert again.locator(".pair-verdict").inner_text() == told
    broken = "[...document.images].filter(one => one.complete && !one.naturalWidth).length"
    assert again.evaluate(broken) == 0


@pytest.mark.usefixtures("_wardrobe")
def test_an_upload_becomes_an_identity_and_is_forgotten(open_page: Callable[..., Page], clothing: Path) -> None:
    new = sorted((clothing / "test" / "shoes").glob("*.jpg"))[0]
    page = open_page("/pairs?gallery=wardrobe&mode=identity")
    drop(page, new)
    expect(page.locator(".pair-verdict")).to_be_visible()
    expect(page.locator(".picture-row a")).to_have_count(4)
    page.get_by_label("Name this picture").fill("My shoes")
    page.get_by_role("button", name="Add identity").click()
    expect(page.get_by_text("This picture belongs to 'My shoes'.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Another picture").click()
    drop(page, sorted((clothing / "test" / "shoes").glob("*.jpg"))[1])
    expect(page.locator(".picture-row a").filter(has_text=re.compile("^My shoes"))).to_have_count(1)
    expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")  # nothing moves any more
    page.get_by_text("Identities (1)").click()
    press(page.get_by_role("button", name="Forget"), page.get_by_text("'My shoes' is forgotten."))
    press(page.get_by_role("button", name="Undo"), page.get_by_text("Identities (1)"))


@pytest.mark.parametrize("mode", ["two", "identity"])
def test_a_phone_compares_without_sideways_scroll(open_page: Callable[..., Page], mode: str) -> None:
    page = open_page(f"/pairs?gallery=photos&mode={mode}", width=390, height=844, dark=True)
    if mode == "two":
        page.get_by_role("button", name="Matching pair", exact=True).click()
    else:
        page.locator(".tile").first.click()
    expect(page.locator(".pair-verdict")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [one.bounding_box() for one in page.locator(".pair-picture").all()]
    assert len({round(box["y"]) for box in boxes if box}) == 1, "pictures stand side by side"
