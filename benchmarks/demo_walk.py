"""The walk of docs/demo.md, filmed: a picture of each step at 1280 and 390 px, light and dark.

    python -m benchmarks.demo_walk FOLDER [--photo FILE]

Needs chromium and a home whose demo gallery is filled (`python -m pipeline demo --no-app`). FOLDER gets
STEP-WIDTH-THEME.png, and for each width and theme one sheet of all steps. A step that cannot be done is said and the walk goes
on; exit code 1 then, and for anything that the browser's console or a page calls an error.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as Late

from benchmarks import measuring
from benchmarks.screenshots import app
from pipeline.cli.commands.demo import NAME
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

TILE = ".st-key-hits .tile"
SIZES = {1280: 800, 390: 844}
Step = Callable[[Page, str, Path], None]


def _ask(page: Page, address: str, photo: Path) -> None:
    ids = open_gallery(NAME, Settings()).table()
    page.goto(f"{address}/?gallery={NAME}&ids={ids['id'][ids['label'] == 'duck'].iloc[5]}")
    page.wait_for_selector(f"{TILE} .score")


def _compare(page: Page, address: str, photo: Path) -> None:
    page.locator(f"{TILE} .frame").nth(1).click()
    page.get_by_role("button", name="Lay the query over it").click()


def _why(page: Page, address: str, photo: Path) -> None:
    page.keyboard.press("Escape")
    page.locator(f"{TILE} .frame").nth(1).click()
    page.get_by_role("button", name="Why similar?").click()
    page.wait_for_selector(".why-pair .heat")


def _refine(page: Page, address: str, photo: Path) -> None:
    _ask(page, address, photo)
    for number, key in ((1, "l"), (2, "l"), (5, "u")):
        page.locator(f"{TILE} .frame").nth(number).focus()
        page.keyboard.press(key)
    page.get_by_role("button", name="Refine").click()
    page.wait_for_selector(".st-key-query .item.like")


def _filter(page: Page, address: str, photo: Path) -> None:
    page.goto(page.url + "&where=label%3Dduck")
    page.wait_for_selector(f"{TILE} .score")


def _upload(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/?gallery={NAME}")
    page.locator("input[type=file]").first.set_input_files(photo)
    page.wait_for_selector(f"{TILE} .score")


def _drag(page: Page, where: str, start: float, end: float) -> None:
    """From one point of the diagonal of an element to another, as shares of its sides."""
    one = page.locator(where)
    one.scroll_into_view_if_needed()
    box = one.bounding_box() or {"x": 0, "y": 0, "width": 1, "height": 1}
    page.mouse.move(box["x"] + start * box["width"], box["y"] + start * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + end * box["height"], steps=8)
    page.mouse.up()


def _part(page: Page, address: str, photo: Path) -> None:
    page.get_by_role("button", name="Only a part").click()
    _drag(page, ".stage", 0.4, 0.6)
    page.wait_for_timeout(1500)


def _select(page: Page, address: str, photo: Path) -> None:
    _ask(page, address, photo)
    for number in (0, 1, 2):
        page.locator(f"{TILE} .frame").nth(number).focus()
        page.keyboard.press("x")
    page.wait_for_selector(".st-key-tray .tray")


def _new(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/galleries")
    page.get_by_role("button", name="New gallery").first.click()
    page.wait_for_timeout(1500)


def _map(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/explore?gallery={NAME}")
    page.wait_for_selector(".root[data-ready]")


def _lasso(page: Page, address: str, photo: Path) -> None:
    page.get_by_role("button", name="Box", exact=True).click()
    _drag(page, "canvas.points", 0.3, 0.6)
    page.wait_for_selector(".st-key-map-selection .tile")


def _grid(page: Page, address: str, photo: Path) -> None:
    page.get_by_role("button", name="Grid", exact=True).click()
    page.wait_for_timeout(4000)


def _oddities(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/explore?gallery={NAME}&section=oddities")
    page.wait_for_timeout(3000)


def _measure(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/evaluate?gallery={NAME}")
    measure = page.get_by_role("button", name="Measure", exact=True)
    page.locator(".strips .hits").or_(measure).first.wait_for()
    if measure.is_visible():  # not measured yet
        measure.click()
    page.wait_for_selector(".strips .hits", timeout=120_000)


def _manage(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/galleries")
    page.get_by_role("button", name="Manage").first.click()
    page.wait_for_timeout(2500)


def _hard_cases(page: Page, address: str, photo: Path) -> None:
    page.goto(f"{address}/hard_cases")
    page.wait_for_timeout(3000)


STEPS: dict[str, Step] = {
    "01-ask": _ask,
    "02-compare": _compare,
    "03-why": _why,
    "04-refine": _refine,
    "05-filter": _filter,
    "06-upload": _upload,
    "07-part": _part,
    "08-select": _select,
    "09-new-gallery": _new,
    "10-map": _map,
    "11-lasso": _lasso,
    "12-grid": _grid,
    "13-oddities": _oddities,
    "14-evaluate": _measure,
    "15-manage": _manage,
    "16-hard-cases": _hard_cases,
}


def walk(page: Page, address: str, photo: Path, folder: Path, ending: str) -> list[str]:
    """What could not be done, or was called an error."""
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(f"page: {error}"))
    for name, step in STEPS.items():
        try:
            step(page, address, photo)
        except Late as late:
            faults.append(f"{name}: {str(late).splitlines()[0]}")
        with contextlib.suppress(Late):
            page.wait_for_selector("[data-test-script-state='notRunning']", timeout=20_000)
        page.wait_for_timeout(700)
        page.screenshot(path=folder / f"{name}-{ending}.png")
    return faults


def sheet(folder: Path, ending: str) -> None:
    files = sorted(folder.glob(f"[0-9]*-{ending}.png"))
    pictures = [Image.open(file).convert("RGB").reduce(2) for file in files]
    width, height, columns = pictures[0].width, pictures[0].height, 4
    whole = Image.new("RGB", (columns * (width + 8), -(-len(pictures) // columns) * (height + 8)), "grey")
    for number, picture in enumerate(pictures):
        whole.paste(picture, (number % columns * (width + 8), number // columns * (height + 8)))
    whole.save(folder / f"sheet-{ending}.png")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photo", type=Path, help="of one's own; by default a photo of clothing")
    asked = parser.parse_args()
    photo = asked.photo or next((measuring.CLOTHING / "test" / "hat").glob("*.jpg"))
    asked.folder.mkdir(parents=True, exist_ok=True)
    faults = []
    with app() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        for width, height in SIZES.items():
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, has_touch=width < 500
                )
                page = context.new_page()
                page.set_default_timeout(40_000)
                ending = f"{width}-{theme}"
                found = walk(page, address, photo, asked.folder, ending)
                faults += [f"{ending}, {fault}" for fault in found]
                sheet(asked.folder, ending)
                context.close()
        browser.close()
    for fault in faults:
        print(fault)
    print(f"{len(STEPS)} steps, {len(SIZES) * 2} ways, {len(faults)} faults; pictures in {asked.folder}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
