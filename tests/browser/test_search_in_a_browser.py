from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)  # a loaded machine is slow, and that is no failure

HITS = ".st-key-hits .tile"


def upload(page: Page, file: Path) -> None:
    page.wait_for_selector(".grid .tile img")
    page.set_input_files("input[type=file]", file)
    page.wait_for_selector(HITS)


def photo(photos: Path, label: str, number: int = 0) -> Path:
    return sorted((photos / label).glob("*.jpg"))[number]


def labels(page: Page) -> list[str]:
    return page.locator(f"{HITS} .label").all_inner_texts()


def ids(page: Page) -> list[str]:
    return page.locator(HITS).evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")


def wait_for_other_hits(page: Page, before: list[str]) -> None:
    """The grid lives in a shadow root, which locators see and document.querySelector does not."""
    for _ in range(200):
        if (now := ids(page)) and now != before:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the hits did not change within 20 s")


def mark(page: Page, number: int, kind: str) -> None:
    tile = page.locator(HITS).nth(number)
    tile.hover()
    tile.locator(f".act.{kind}").click()


def test_a_dropped_photo_shows_its_nearest_photos(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    assert len(labels(page)) == 24
    scores = [float(text) for text in page.locator(f"{HITS} .score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    expect(page.locator(f"{HITS} img").first).to_have_js_property("complete", True)
    assert page.locator(f"{HITS} img").first.evaluate("picture => picture.naturalWidth") > 0
    assert "upload=" in page.evaluate("location.href")


def test_a_box_drawn_on_the_query_searches_only_that_part(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    before = ids(page)
    stage = page.locator(".stage").bounding_box()
    page.mouse.move(stage["x"] + 0.1 * stage["width"], stage["y"] + 0.1 * stage["height"])
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.5 * stage["width"], stage["y"] + 0.4 * stage["height"], steps=4)
    page.mouse.up()
    expect(page.locator(".note span")).to_contain_text("part:")
    wait_for_other_hits(page, before)
    part = ids(page)
    page.get_by_role("button", name="Whole picture").click()
    wait_for_other_hits(page, part)
    assert ids(page) == before


def test_a_filter_keeps_only_its_label_and_not_takes_it_away(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    search = page.get_by_role("combobox", name="Filter")
    search.fill("label is hat")
    page.keyboard.press("Enter")
    expect(page.locator(f"{HITS} .label").first).to_have_text("hat")
    assert set(labels(page)) == {"hat"}
    expect(page).to_have_url(re.compile("where=label%3Dhat"))


def test_marks_are_instant_and_refine_applies_them(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    before = ids(page)
    mark(page, 2, "like")
    mark(page, 4, "unlike")
    expect(page.locator(".st-key-hits .bar")).to_contain_text("1 more, 1 less")
    assert ids(page) == before, "marking alone must not search"
    page.get_by_role("button", name="Refine").click()
    expect(page.get_by_text("More like", exact=True)).to_be_visible()
    wait_for_other_hits(page, before)
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    refined = ids(page)
    assert f"like={before[2]}" in page.evaluate("location.href")
    page.get_by_role("button", name="Back").click()
    wait_for_other_hits(page, refined)
    assert ids(page) == before
    expect(page.get_by_text("More like", exact=True)).to_have_count(0)


def test_search_with_this_and_the_address_repeats_it(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "hat"))
    before = ids(page)
    chosen = before[1]
    mark(page, 1, "search")
    page.wait_for_function("id => location.search.includes('ids=' + id)", arg=chosen)
    wait_for_other_hits(page, before)
    found = ids(page)
    assert chosen not in found
    address = page.evaluate("location.pathname + location.search")
    other = open_page(address)
    other.wait_for_selector(HITS)
    assert ids(other) == found


def test_only_the_keyboard(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "hat"))
    page.locator(f"{HITS} .frame").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    expect(page.locator(HITS).nth(1)).to_have_class(re.compile("liked"))
    chosen = ids(page)[1]
    page.keyboard.press("Enter")
    page.wait_for_function("id => location.search.includes('ids=' + id)", arg=chosen)


def test_nothing_else_moves_when_hits_change(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "hat"))
    page.wait_for_selector("[data-test-script-state='notRunning']", state="attached")
    page.wait_for_timeout(500)  # the uploader that had the file goes when all is drawn
    expect(page.locator("[data-testid=stFileUploader]")).to_have_count(1)

    def places() -> list[list[int]]:
        names = ("h1", "[data-testid=stFileUploader]", ".st-key-combine", ".st-key-hits", ".stSelectbox")
        boxes = [page.locator(name).bounding_box() for name in names]
        return [[round(box[side]) for side in ("x", "y", "width")] for box in boxes]

    before = places()
    hits = ids(page)
    mark(page, 3, "like")
    page.get_by_role("button", name="Refine").click()
    wait_for_other_hits(page, hits)
    assert places() == before


def test_leaving_the_page_and_coming_back_keeps_query_and_feedback(
    open_page: Callable[..., Page], photos: Path
) -> None:
    page = open_page()
    upload(page, photo(photos, "pants"))
    mark(page, 1, "like")
    page.get_by_role("button", name="Refine").click()
    expect(page.get_by_text("More like", exact=True)).to_be_visible()
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    page.wait_for_timeout(1000)
    before = ids(page)
    page.get_by_role("link", name="Galleries").click()
    page.wait_for_selector("h1:has-text('Galleries')")
    page.get_by_role("link", name="Search").first.click()
    page.wait_for_selector(HITS)
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    assert ids(page) == before
    expect(page.locator(".stage")).to_be_visible()


def test_removing_a_hit_can_be_undone(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "dress"))
    first = ids(page)[0]
    page.locator(f"{HITS} .frame").first.click()
    page.get_by_role("button", name="Remove from gallery").click()
    expect(page.locator(HITS).first).not_to_have_attribute("data-id", first)
    assert first not in ids(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(HITS).first).to_have_attribute("data-id", first)


def test_a_phone_scrolls_only_down_and_finds_too(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page(width=390, height=844)
    upload(page, photo(photos, "shoes"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(HITS).first.bounding_box()["width"] > 100


def test_a_file_that_is_no_picture_says_so_and_keeps_the_hits(
    open_page: Callable[..., Page], photos: Path, tmp_path: Path
) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    before = ids(page)
    bad = tmp_path / "<b>notes<b>.jpg"
    bad.write_text("not a picture")
    page.set_input_files("input[type=file]", bad)
    expect(page.get_by_role("alert").first).to_contain_text("<b>notes<b>.jpg")
    assert ids(page) == before
    assert "Traceback" not in page.content()


def test_thumbnails_are_served_for_galleries_only(open_page: Callable[..., Page], server: str) -> None:
    page = open_page()
    known = page.request.get(f"{server}/app/static/thumbnails/photos/{'a' * 32}.jpg")
    assert known.status == 404
    for name in ("photos/..%2f..%2fgallery", "..%2f..%2f..%2fmilvus.db", "photos/" + "%2e%2e%2f" * 4 + "etc%2fpasswd"):
        answer = page.request.get(f"{server}/app/static/thumbnails/{name}.jpg")
        assert answer.headers.get("content-type", "").partition(";")[0] in ("text/html", "text/plain", ""), answer.url
        assert b"root:" not in answer.body()


def test_a_pasted_picture_is_searched(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    page.wait_for_selector(".grid .tile img")
    page.get_by_text("Paste", exact=True).click()
    page.locator("[data-testid=stChatInput] textarea, [data-testid=stChatInput] [contenteditable]").first.click()
    page.evaluate(
        """text => {
            const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
            const clipboard = new DataTransfer();
            clipboard.items.add(new File([bytes], 'pasted.jpg', { type: 'image/jpeg' }));
            document.activeElement.dispatchEvent(
                new ClipboardEvent('paste', { clipboardData: clipboard, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(photo(photos, "shoes").read_bytes()).decode(),
    )
    expect(page.get_by_text("pasted.jpg")).to_be_visible()
    page.wait_for_timeout(1000)  # the file is sent before Enter may submit it
    page.keyboard.press("Enter")
    page.wait_for_selector(HITS)
    assert len(ids(page)) == 24


def test_two_pictures_are_combined(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    alone = ids(page)
    page.get_by_text("Combine with the current query").click()
    page.wait_for_timeout(500)
    page.set_input_files("input[type=file]", photo(photos, "hat"))
    wait_for_other_hits(page, alone)
    expect(page.locator(".stage")).to_have_count(2)
    assert {"shoes", "hat"} <= set(labels(page))


def test_why_a_hit_is_similar_is_a_click_away(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    upload(page, photo(photos, "shoes"))
    hits = ids(page)
    mark(page, 2, "like")
    page.locator(f"{HITS} .frame").first.click()
    page.get_by_role("button", name="Why similar?").click()
    dialog = page.get_by_role("dialog", name="Why similar?")
    heat = dialog.locator(".why-pair .heat")
    expect(heat).to_have_count(2)
    expect(dialog.locator(".why-part")).to_have_count(3)
    expect(heat.first).to_be_visible()
    assert heat.first.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 100
    dialog.locator(".both").first.hover()
    expect(heat.first).to_have_css("opacity", "0")
    expect(heat.last).to_have_css("opacity", "1")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert ids(page) == hits
    expect(page.locator(HITS).nth(2)).to_have_class(re.compile("liked"))
    assert not said, said
