from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lost_clicks import press
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
BOTH_STORES = {
    "test_a_dropped_photo_shows_its_nearest_photos",
    "test_a_filter_keeps_only_its_label_and_not_takes_it_away",
    "test_ticked_hits_are_asked_with_tagged_and_removed_together",
}
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
    for _ in range(600):
        if (now := ids(page)) and now != before:
            return
        page.wait_for_timeout(100)
    raise AssertionError("the hits did not change within a minute")


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
    page.wait_for_function("location.search.includes('upload=')")


def test_a_box_drawn_on_the_query_searches_only_that_part(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    before = ids(page)
    page.get_by_role("button", name="Only a part").click()
    page.wait_for_selector(".stage")
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
    expect(page.locator(".st-key-hits .bar")).to_contain_text("1 liked, 1 disliked")
    assert ids(page) == before, "marking alone must not search"
    page.get_by_role("button", name="Refine").click()
    expect(page.locator(".st-key-query .item.like")).to_have_count(1)
    wait_for_other_hits(page, before)
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    refined = ids(page)
    page.wait_for_function("id => location.search.includes('like=' + id)", arg=before[2])  # it follows the hits
    page.get_by_role("button", name="Back").click()
    wait_for_other_hits(page, refined)
    assert ids(page) == before
    expect(page.locator(".st-key-query .item.like")).to_have_count(0)


def test_marks_that_are_not_sent_yet_stay_while_the_question_is_the_same(
    open_page: Callable[..., Page], photos: Path
) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    mark(page, 2, "like")
    mark(page, 4, "unlike")
    press(page.get_by_role("button", name="Options"), page.get_by_role("slider", name="Hits"))
    page.get_by_role("slider", name="Hits").press("ArrowLeft")
    expect(page.locator(HITS)).to_have_count(12)
    expect(page.locator(".st-key-hits .bar")).to_contain_text("1 liked, 1 disliked")
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    page.keyboard.press("Escape")
    page.set_input_files("input[type=file]", photo(photos, "hat"))
    expect(page.locator(f"{HITS}.liked")).to_have_count(0)


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
        names = ("h1", "[data-testid=stFileUploader]", ".st-key-option-row", ".st-key-hits", ".stSelectbox")
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
    expect(page.locator(".st-key-query .item.like")).to_have_count(1)
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    page.wait_for_timeout(1000)
    before = ids(page)
    page.get_by_role("link", name="Galleries").click()
    page.wait_for_selector("h1:has-text('Galleries')")
    page.get_by_role("link", name="Search").first.click()
    page.wait_for_selector(HITS)
    expect(page.locator(f"{HITS}.liked")).to_have_count(1)
    assert ids(page) == before
    expect(page.locator(".st-key-query .item.uploads img")).to_be_visible()


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
    assert page.locator(HITS).first.bounding_box()["y"] < 500, "a hit is on the first screen"
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


def test_a_picture_pasted_anywhere_is_searched_at_once(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    page.wait_for_selector(".grid .tile img")
    for number, event in enumerate(("paste", "drop")):
        before = ids(page) if number else []
        page.evaluate(
            """([text, kind]) => {
                const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
                const held = new DataTransfer();
                held.items.add(new File([bytes], 'brought.jpg', { type: 'image/jpeg' }));
                const about = { bubbles: true, cancelable: true };
                document.querySelector('h1').dispatchEvent(kind === 'paste'
                    ? new ClipboardEvent('paste', { clipboardData: held, ...about })
                    : new DragEvent('drop', { dataTransfer: held, ...about }));
            }""",
            [base64.b64encode(photo(photos, "shoes", number).read_bytes()).decode(), event],
        )
        wait_for_other_hits(page, before)
        assert len(ids(page)) == 24


def test_the_viewer_goes_on_by_keys_zooms_and_lays_the_query_over(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    place = page.locator(HITS).nth(1).bounding_box()
    page.locator(f"{HITS} .frame").first.click()
    viewer = page.get_by_role("dialog", name="Picture")
    expect(viewer.locator(".count")).to_have_text("1 of 24")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".count")).to_have_text("2 of 24")
    shown = viewer.locator(".view img").first
    expect(shown).to_have_attribute("src", re.compile("/wholes/"))
    shown.click()
    expect(shown).to_have_attribute("style", re.compile(r"scale\("))
    viewer.get_by_role("button", name="Lay the query over it").click()
    expect(viewer.locator(".over")).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    assert page.locator(HITS).nth(1).bounding_box() == place
    assert page.evaluate("document.activeElement.shadowRoot?.activeElement?.className ?? ''") in ("", "frame")


def test_ticked_hits_are_asked_with_tagged_and_removed_together(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "pants"))
    before = ids(page)
    page.locator(f"{HITS} .frame").first.focus()
    page.keyboard.press("x")
    page.locator(HITS).nth(2).hover()
    page.locator(f"{HITS} .tick").nth(2).click(modifiers=["Shift"])
    tray = page.locator(".st-key-tray .tray")
    expect(tray).to_contain_text("3 selected")
    tray.get_by_role("button", name="Tag").click()
    dialog = page.get_by_role("dialog", name="Tag the selection")
    expect(dialog).to_contain_text("3 pictures")
    page.keyboard.press("Escape")
    tray.get_by_role("button", name="Remove").click()
    wait_for_other_hits(page, before)
    assert not set(before[:3]) & set(ids(page))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(HITS).first).to_have_attribute("data-id", before[0])
    page.locator(f"{HITS} .frame").first.focus()
    page.keyboard.press("x")
    tray.get_by_role("button", name="Find more like these").click()
    wait_for_other_hits(page, before)
    page.wait_for_function("id => location.search.includes('ids=' + id)", arg=before[0])


def test_a_part_of_a_picture_of_the_gallery_has_a_link(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "hat"))
    chosen = ids(page)[0]
    page = open_page(f"/?gallery=photos&ids={chosen}")
    page.wait_for_selector(HITS)
    whole = ids(page)
    page = open_page(f"/?gallery=photos&ids={chosen}&region=20,20,60,60")
    page.wait_for_selector(HITS)
    part = ids(page)
    assert part != whole
    page.get_by_role("button", name="Only a part").click()
    page.get_by_role("button", name="Whole picture").click()
    wait_for_other_hits(page, part)
    assert ids(page) == whole
    assert page.evaluate("location.search") == f"?gallery=photos&ids={chosen}"


def test_two_pictures_are_combined(open_page: Callable[..., Page], photos: Path) -> None:
    page = open_page()
    upload(page, photo(photos, "shoes"))
    alone = ids(page)
    page.get_by_role("button", name="More ways").click()
    page.get_by_text("Add to the query").click()
    page.wait_for_timeout(500)
    page.set_input_files("input[type=file]", photo(photos, "hat"))
    wait_for_other_hits(page, alone)
    expect(page.locator(".st-key-query .item.uploads")).to_have_count(2)
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
