"""Explore in a real browser: make a map, hover, pick, isolate, circle, tag, remove and undo; the link repeats it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
NO_WEBGL = """const real = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : real.call(this, kind, ...rest);
};"""


def ready(page: Page) -> None:
    page.wait_for_selector(".stage canvas.points")
    page.wait_for_selector(".root[data-ready]")


def centre(page: Page) -> tuple[float, float, float]:
    """Of the map's canvas, and half its shorter side."""
    canvas = page.locator("canvas.points")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, min(box["width"], box["height"]) / 2


def circle(page: Page, *, share: float) -> None:
    """Draw around the middle of the map. share: radius as a share of the canvas's half side."""
    page.get_by_role("button", name="Lasso", exact=True).click()
    x, y, half = centre(page)
    page.mouse.move(x + share * half, y)
    page.mouse.down()
    for step in range(1, 49):
        turn = 2 * math.pi * step / 49
        page.mouse.move(x + share * half * math.cos(turn), y + share * half * math.sin(turn))
    page.mouse.up()


def selected(page: Page) -> int:
    heading = page.locator(".st-key-map-selection").get_by_text(re.compile(r"[\d,]+ selected"))
    expect(heading).to_be_visible()
    return int(re.findall(r"([\d,]+) selected", heading.inner_text())[0].replace(",", ""))


def hover_over_a_point(page: Page) -> None:
    """Until a point is near: the map decides where they are."""
    x, y, half = centre(page)
    for step in range(400):
        far, turn = half * 0.9 * math.sqrt(step / 400), 2.4 * step
        page.mouse.move(x + far * math.cos(turn), y + far * math.sin(turn))
        if page.locator("canvas.points").evaluate("one => one.style.cursor") == "pointer":
            return
    raise AssertionError("no point under the pointer anywhere")


def test_a_map_is_made_looked_at_and_a_selection_taken_from_it(
    open_page: Callable[..., Page], tmp_path: Path, of_its_own: str
) -> None:
    page = open_page(f"/explore?gallery={of_its_own}")
    page.get_by_text("PCA: the two directions").click()
    page.get_by_role("button", name="Make the map").click()
    page.wait_for_selector(".stage canvas.points", timeout=90_000)
    ready(page)
    expect(page.get_by_text("Pick a point")).to_be_visible()
    expect(page.locator(".legend button")).to_have_count(4)

    hover_over_a_point(page)
    expect(page.locator(".tip.there img")).to_be_visible()
    page.locator(".tip img").evaluate("one => one.decode()")
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("Nearest by the encoder")).to_be_visible()
    expect(page.locator(".st-key-map-near .tile")).to_have_count(6)
    assert "picture=" in page.url

    circle(page, share=0.97)
    some = selected(page)
    assert 0 < some <= 40
    first = page.locator(".st-key-map-selection .tile").first.bounding_box()
    legend = page.locator(".legend").bounding_box()
    assert first is not None
    assert legend is not None
    assert page.evaluate("document.querySelector('.stMain').scrollTop") == 0
    assert max(legend["y"], first["y"]) < 800  # on the first screen, beside the map
    page.locator(".legend button", has_text="shoes").click()
    expect(page.locator(".st-key-map-selection").get_by_text(re.compile("^shoes [0-9]+$"))).to_be_visible()
    page.wait_for_selector("[data-test-script-state='notRunning']")  # the buttons below are of this selection now
    fewer = selected(page)
    assert fewer < some

    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV", exact=True).first.click()
    taken.value.save_as(tmp_path / "selection.csv")
    lines = (tmp_path / "selection.csv").read_text().splitlines()
    assert len(lines) == fewer + 1
    assert lines[0].endswith("x,y")

    again = open_page("/" + page.url.split("/", 3)[3])
    ready(again)
    assert selected(again) == fewer
    expect(again.locator(".legend button[aria-pressed=true]")).to_have_text(re.compile("shoes"))
    expect(again.locator(".st-key-map-near .tile")).to_have_count(6)

    tray = page.locator(".st-key-tray .tray")
    expect(tray).to_contain_text(f"{fewer} selected")
    tray.get_by_role("button", name="Tag").click()
    page.get_by_placeholder("to check").fill("worn")
    page.get_by_placeholder("to check").press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(re.compile("have the tag"))).to_be_visible()
    page.keyboard.press("Escape")

    tray.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text(f"{fewer} pictures removed")).to_be_visible()
    expect(tray).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(f"{fewer} pictures removed")).to_have_count(0)


@pytest.fixture(scope="module")
def _maps(server: str, command: Callable[..., None]) -> None:
    """A flat and a deep map."""
    for dimensions in ("3", "2"):
        command("project", "photos", "--method", "pca", "--dimensions", dimensions)


@pytest.mark.usefixtures("_maps")
def test_without_webgl_the_points_are_drawn_all_the_same(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos", before=NO_WEBGL)
    ready(page)
    assert page.locator(".stage").get_attribute("data-painter") == "2d"
    page.wait_for_timeout(500)  # the next frame
    drawn = "one => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(value => value)"
    assert page.locator("canvas.points").evaluate(drawn)
    circle(page, share=0.97)
    assert selected(page) > 0


@pytest.mark.usefixtures("_maps")
def test_a_deep_map_turns_and_its_lasso_takes_what_is_seen(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos")
    ready(page)
    page.get_by_role("combobox", name="Map").click()
    page.get_by_role("option", name=re.compile("3-D")).click()
    page.wait_for_selector(".stage.deep")
    ready(page)
    x, y, half = centre(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + half / 2, y + half / 4, steps=4)
    page.mouse.up()
    circle(page, share=0.9)
    assert selected(page) > 0
    assert "%40" in page.url or "@" in page.url  # the turn


@pytest.mark.usefixtures("_maps")
def test_an_uploaded_picture_is_placed_and_every_picture_scored_against_it(
    open_page: Callable[..., Page], photos: Path
) -> None:
    page = open_page("/explore?gallery=photos")
    ready(page)
    page.get_by_role("button", name="Show a picture").click()
    page.locator("input[type=file]").first.set_input_files(next((photos / "hat").glob("*.jpg")))
    expect(page.get_by_role("button", name="Take the query off the map")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Colour by").click()
    page.get_by_role("option", name="Score to the query").click()
    expect(page.locator(".legend .ramp")).to_be_visible()
    assert "colour=score" in page.url


@pytest.mark.usefixtures("_maps")
def test_the_grid_gives_every_picture_a_cell_and_each_view_is_saved(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page("/explore?gallery=photos")
    ready(page)
    page.get_by_role("button", name="Grid", exact=True).click()
    page.wait_for_url(re.compile("look=grid"))
    expect(page.get_by_role("button", name="Lasso")).to_be_disabled()
    page.wait_for_selector("[data-test-script-state='notRunning']")
    hover_over_a_point(page)
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("Nearest by the encoder")).to_be_visible()
    sizes = []
    for look in ("Grid", "Pictures", "Points"):
        page.get_by_role("button", name=look, exact=True).click()
        page.wait_for_timeout(1000)
        with page.expect_download() as taken:
            page.get_by_role("button", name="Save what is shown as a PNG").click()
        taken.value.save_as(tmp_path / "map.png")
        with Image.open(tmp_path / "map.png") as saved:
            sizes.append(saved.size)
            assert len(saved.convert("RGB").resize((64, 64)).getcolors(4096) or []) > 20
    assert len(set(sizes)) == 1
    expect(page.get_by_role("button", name="Lasso")).to_be_enabled()


@pytest.mark.usefixtures("_maps")
def test_a_phone_shows_the_map_without_sideways_scroll_and_keys_move_it(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos", width=390, height=844, dark=True)
    ready(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("canvas.points").focus()
    for key in ("+", "ArrowLeft", "0", "p"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Pictures")).to_have_attribute("aria-pressed", "true")
