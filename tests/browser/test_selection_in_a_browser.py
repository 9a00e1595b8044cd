"""One selection on every page: ticked here, seen there, through reload and link, and acted on anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def _looked_into(server: str, command: Callable[..., None]) -> None:
    """Clusters, label errors, duplicates and figures of the gallery."""
    for words in (
        ["cluster", "photos", "--method", "kmeans", "--clusters", "3"],
        ["oddities", "photos"],
        ["evaluate", "photos"],
    ):
        command(*words)


def tray(page: Page) -> Locator:
    return page.locator(".st-key-tray .tray")


def tick(one: Locator) -> str:
    """Tick a picture of a row; its id."""
    one.scroll_into_view_if_needed()
    one.hover()
    one.click()
    expect(one).to_have_attribute("aria-checked", "true")
    return str(one.get_attribute("data-tick"))


@pytest.mark.usefixtures("_looked_into")
def test_what_is_ticked_on_one_page_is_selected_on_all_and_after_a_reload(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos&section=clusters")
    first = tick(page.locator("[data-tick]").first)
    expect(tray(page)).to_contain_text("1 selected")
    page.get_by_role("link", name="Evaluate").click()
    page.wait_for_selector(".strips [data-tick]")
    expect(tray(page)).to_contain_text("1 selected")
    tick(page.locator(f"[data-tick]:not([data-tick='{first}'])").first)
    expect(tray(page)).to_contain_text("2 selected")
    page.reload()
    expect(tray(page)).to_contain_text("2 selected")
    tray(page).get_by_role("button", name="Find more like these").click()
    page.wait_for_selector(".st-key-hits .tile")
    page.wait_for_url(lambda url: f"ids={first}" in url)
    tray(page).get_by_role("button", name="Clear").click()
    expect(tray(page)).to_be_hidden()


@pytest.mark.usefixtures("_looked_into")
def test_all_of_a_cluster_is_shown_and_relabelled_with_the_way_back(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos&section=clusters")
    everything = page.get_by_role("button", name=re.compile("^Select all")).first
    count = int(re.findall("[0-9]+", everything.inner_text())[-1])
    everything.click()
    expect(tray(page)).to_contain_text(f"{count} selected")
    tray(page).get_by_role("button", name="Show").click()
    expect(page.get_by_role("dialog").locator(".tile")).to_have_count(count)
    page.keyboard.press("Escape")
    tray(page).get_by_role("button", name="Relabel").click()
    page.get_by_role("combobox", name="New label").fill("looked at")
    page.get_by_role("combobox", name="New label").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Relabel").click()
    expect(page.get_by_text(f"{count} pictures labelled looked at")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(f"{count} pictures labelled")).to_have_count(0)


@pytest.mark.usefixtures("_looked_into")
def test_a_link_opens_with_the_same_selection_and_the_address_stays_short(
    open_page: Callable[..., Page], server: str
) -> None:
    page = open_page("/explore?gallery=photos&section=oddities")
    chosen = {tick(page.locator("[data-tick]").nth(number)) for number in (0, 1)}
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    tray(page).get_by_role("button", name="Copy link").click()
    expect(tray(page)).to_contain_text("Copied")
    link = page.evaluate("window.copied")
    assert link.startswith(f"{server}/?gallery=photos&selection=")
    other = open_page(link.removeprefix(server))
    expect(tray(other)).to_contain_text(f"{len(chosen)} selected")
    assert "selection=" not in other.url
    tray(other).get_by_role("button", name="Show").click()
    shown = other.get_by_role("dialog").locator(".tile")
    expect(shown).to_have_count(len(chosen))
    assert set(shown.evaluate_all("tiles => tiles.map((tile) => tile.dataset.id)")) == chosen


@pytest.mark.usefixtures("_looked_into")
def test_a_selection_becomes_a_gallery_that_is_opened_and_searched(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos&section=clusters")
    everything = page.get_by_role("button", name=re.compile("^Select all")).first
    count = int(re.findall("[0-9]+", everything.inner_text())[-1])
    everything.click()
    tray(page).get_by_role("button", name="New gallery").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("Some of them")
    dialog.get_by_label("Title").press("Enter")
    dialog.get_by_role("button", name="Make gallery").click()
    dialog.get_by_role("link", name="Open it").click()
    page.wait_for_url(re.compile("gallery=some_of_them"))
    page.wait_for_selector(".grid .tile img")
    page.locator(".grid .frame").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-hits .tile")).to_have_count(min(count - 1, 24))


@pytest.mark.usefixtures("_looked_into")
def test_a_phone_has_the_tray_in_one_row_and_unfolds_it(open_page: Callable[..., Page]) -> None:
    page = open_page("/explore?gallery=photos&section=clusters", width=390, height=844, dark=True)
    tick(page.locator("[data-tick]").nth(1))
    folded = tray(page).bounding_box()
    assert folded is not None
    assert folded["height"] < 60
    assert folded["x"] >= 0
    assert folded["x"] + folded["width"] <= 390
    tray(page).get_by_role("button", name="More", exact=True).click()
    expect(tray(page).get_by_role("button", name="Relabel")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
