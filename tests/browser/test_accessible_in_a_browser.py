"""axe-core finds nothing serious on any page, in light and dark, with what is opened on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app import VIEWS

pytest_plugins = ("milvus_server",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=30_000)
AXE = (Path(__file__).parent / "axe_core" / "axe.min.js").read_text(encoding="utf-8")
RUN = """() => axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations
  .filter((one) => one.impact === "serious" || one.impact === "critical")
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 160)} (${node.any[0]?.message ?? ""})`)))"""
SECTIONS = {
    "explore": ("map", "clusters", "oddities", "duplicates"),
    "evaluate": ("quality", "encoders", "length"),
}


@pytest.fixture(scope="module")
def _looked_into(server: str, command: Callable[..., None]) -> None:
    """What the pages show once it was found: a map, clusters, label errors, duplicates, figures."""
    for words in (
        ["project", "photos", "--method", "pca"],
        ["cluster", "photos", "--method", "kmeans", "--clusters", "3"],
        ["oddities", "photos"],
        ["duplicates", "photos"],
        ["evaluate", "photos"],
    ):
        command(*words)


def addresses() -> list[str]:
    pages = ["/?gallery=photos"]
    for name in sorted(path.stem for path in VIEWS.glob("[!_]*.py") if path.stem != "search"):
        sections = SECTIONS.get(name, ("",))
        pages += [f"/{name}?gallery=photos" + (f"&section={section}" if section else "") for section in sections]
    return pages


def at_rest(page: Page) -> None:
    page.wait_for_selector("h1")
    page.wait_for_selector("[data-test-script-state='notRunning']")
    page.wait_for_timeout(700)  # what fades in has its colours


def faults(page: Page, place: str) -> list[str]:
    page.evaluate("source => { (0, eval)(source); }", AXE)
    return [f"{place}: {one}" for one in page.evaluate(RUN)]


@pytest.mark.usefixtures("_looked_into")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_has_a_serious_fault(open_page: Callable[..., Page], server: str, dark: bool) -> None:
    page = open_page(dark=dark)
    found = []
    for address in addresses():
        page.goto(server + address)
        at_rest(page)
        found += faults(page, address)
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("_looked_into")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_neither_has_the_viewer_the_tray_and_its_dialogs(open_page: Callable[..., Page], dark: bool) -> None:
    page = open_page(dark=dark)
    page.wait_for_selector(".grid .tile img")
    page.locator(".grid .frame").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".st-key-hits .tile img")
    page.locator(".st-key-hits .frame").first.focus()
    page.keyboard.press("x")
    at_rest(page)
    found = faults(page, "hits and tray")
    for name in ("Show", "Tag", "Relabel", "Export", "New gallery"):
        page.locator(".tray").get_by_role("button", name=name, exact=True).click()
        page.wait_for_selector("[role=dialog]")
        at_rest(page)
        found += faults(page, name)
        page.keyboard.press("Escape")
        expect(page.locator("[role=dialog]")).to_have_count(0)
    page.locator(".st-key-hits .frame").first.click()
    at_rest(page)
    found += faults(page, "viewer")
    assert not found, "\n".join(found)


def test_a_fault_would_be_noticed(open_page: Callable[..., Page]) -> None:
    page = open_page()
    at_rest(page)
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<button></button>')")
    assert any("button-name" in one for one in faults(page, "start"))
