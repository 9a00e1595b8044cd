"""Visitors in a real browser, for `benchmarks.sessions`: one chromium, a context each, all at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.visitors import NAME, Come, Leak, Ledger, Own
from pipeline.fingerprints import file_id

if TYPE_CHECKING:
    from playwright.async_api import Page

PAGES = ("Explore", "Galleries", "Evaluate")
ALL = ".st-key-hits .tile"
ARRIVAL = 4.0  # seconds between two visitors' coming
PATIENCE = 180_000  # milliseconds: a whole crowd loads its first page on the cores that also serve it
# The grid lives in a component's shadow root, where document.querySelectorAll does not look.
HITS_OF = """want => {
    const found = [];
    const walk = root => root.querySelectorAll('*').forEach(one => {
        if (one.matches('.tile') && one.querySelector('.score')) found.push(one);
        if (one.shadowRoot) walk(one.shadowRoot);
    });
    if (!location.search.includes(want)) return false;
    walk(document);
    return found.length > 0 && found.slice(0, 6).every(one => { const i = one.querySelector('img'); return i.complete && i.naturalWidth; });
}"""


def in_browsers(chromium: str) -> Come:
    def come(address: str, people: Sequence[Own], until: float, ledger: Ledger, think: tuple[float, float]) -> None:
        asyncio.run(_come(chromium, address, people, until, ledger, think))

    return come


async def _come(chromium: str, address: str, people: Sequence[Own], *rest: Any) -> None:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=quiet)
        await asyncio.gather(*(_stay(browser, address, own, *rest) for own in people))
        await browser.close()


async def _stay(browser: Any, address: str, own: Own, until: float, ledger: Ledger, think: tuple[float, float]) -> None:
    """One visitor; after a failure it comes again as a new one."""
    from playwright.async_api import Error

    chance, turn = random.Random(own.number), 0
    await asyncio.sleep(own.number * ARRIVAL)  # a first page takes seconds of the cores that serve it, too
    while time.monotonic() < until:
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        page.on("pageerror", lambda error: ledger.failed(f"browser {own.number}, its console", error))
        try:
            with ledger.timed("browser: first page"):
                await page.goto(f"{address}/?gallery={NAME}")
                await page.wait_for_selector(".grid .tile img")
            while time.monotonic() < until:
                turn += 1
                await _round(page, own, ledger, turn, lambda: asyncio.sleep(chance.uniform(*think)))
        except (Error, Leak) as error:
            ledger.failed(f"browser {own.number}", error)
        finally:
            await context.close()


async def _round(page: Page, own: Own, ledger: Ledger, turn: int, pause: Callable[[], Any]) -> None:
    """Upload, filter, take the filter away, another page and back."""
    name, data = own.upload(turn)
    await pause()
    with ledger.timed("browser: upload to hits"):
        picture: Any = {"name": name, "mimeType": "image/jpeg", "buffer": data}
        await page.locator("input[type=file]").first.set_input_files(picture)
        await page.wait_for_function(HITS_OF, arg=f"upload={file_id(data)[:8]}", polling=100)
    await _check(page, own, name)
    await pause()
    filters = page.get_by_role("combobox", name="Filter")
    with ledger.timed("browser: filter"):
        await filters.fill(f"label is {own.label}")
        await page.get_by_role("option", name=f"label is {own.label}").first.click()
        await page.wait_for_function(HITS_OF, arg="where=label", polling=100)
        await page.locator(f"{ALL} .label", has_not_text=own.label).first.wait_for(state="detached")
    await pause()
    with ledger.timed("browser: filter taken away"):
        await filters.focus()
        await page.keyboard.press("Backspace")
        await page.keyboard.press("Tab")  # closes the list of filters, which would cover the links
        await page.wait_for_function("() => !location.search.includes('where=')")
    await pause()
    title = PAGES[turn % len(PAGES)]
    with ledger.timed("browser: another page"):
        await page.get_by_role("link", name=title).first.click()
        await page.wait_for_selector(f"h1:has-text('{title}')")
        await page.wait_for_selector("[data-test-script-state='notRunning']", state="attached")
    await pause()
    with ledger.timed("browser: back to search"):
        await page.get_by_role("link", name="Search").first.click()
        await page.wait_for_function(HITS_OF, arg=f"upload={file_id(data)[:8]}", polling=100)
    await _check(page, own, name)


async def _check(page: Page, own: Own, name: str) -> None:
    await page.locator(f'.stage img[alt="{name}"]').wait_for(state="attached")
    shown = await page.locator(".stage img").evaluate_all("all => all.map(one => one.alt)")
    # its own last picture may stay beside it until the run has ended
    if foreign := [one for one in shown if not one.startswith(f"visitor-{own.number}-")]:
        raise Leak(f"visitor {own.number} uploaded {name} and sees {foreign}")
    own.check(await page.locator(ALL).evaluate_all("all => all.map(one => one.dataset.id)"), own.by_picture, name)
