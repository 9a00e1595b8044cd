"""The README's screenshots, from the real app over the demo gallery: `python -m benchmarks.screenshots`.

Needs chromium and a home whose demo gallery is filled (`python -m pipeline demo --no-app`); it is measured if it was not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request

from playwright.sync_api import Browser, Page, sync_playwright

from pipeline import ROOT
from pipeline.cli.commands.demo import NAME, free_port
from pipeline.evaluation import evaluate
from pipeline.gallery import reports
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

TARGET = ROOT / "docs" / "screenshots"
HITS = ".st-key-hits .tile img"


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    gallery = open_gallery(NAME, Settings())
    if not reports.names(gallery, evaluate.KIND):
        evaluate.evaluate(gallery)
    table = gallery.table()
    query = table["id"][table["label"] == "duck"].iloc[5]
    with app() as address, sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, dark, width in (("search", False, 1280), ("search_dark", True, 1280), ("phone", False, 390)):
            page = opened(browser, f"{address}/?gallery={NAME}&ids={query}", HITS, width=width, dark=dark)
            if width < 500:
                page.locator(".st-key-hits").scroll_into_view_if_needed()
                page.mouse.wheel(0, 500)
                page.wait_for_timeout(500)
            page.screenshot(path=TARGET / f"{name}.png")
        opened(browser, f"{address}/galleries", ".strip img").screenshot(path=TARGET / "galleries.png")
        opened(browser, f"{address}/evaluate?gallery={NAME}", ".strips .hits").screenshot(path=TARGET / "evaluate.png")
        map_ready = ".stage canvas.points"
        opened(browser, f"{address}/explore?gallery={NAME}", map_ready).screenshot(path=TARGET / "explore.png")
        browser.close()
    for file in sorted(TARGET.glob("*.png")):
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1024:.0f} KB")


def opened(browser: Browser, address: str, ready: str, *, width: int = 1280, dark: bool = False) -> Page:
    size = {"width": width, "height": 800 if width > 500 else 844}
    page = browser.new_context(
        viewport=size, color_scheme="dark" if dark else "light", has_touch=width < 500
    ).new_page()
    page.set_default_timeout(120_000)
    for _ in range(2):  # the second time everything is warm, as for every later visitor
        page.goto(address)
        page.wait_for_selector(ready)
        page.wait_for_timeout(1500)
    return page


class app:  # noqa: N801  used as a context manager, like contextlib.closing
    """The app on a free port; its address."""

    def __enter__(self) -> str:
        port = free_port(18_600)
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
        environment = os.environ | {"SEMBLANCE_HOME": str(Settings().home.absolute())}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                    return address
            except OSError:
                time.sleep(0.25)
        self.__exit__()
        raise SystemExit(
            "the app is not ready: end another one over this home; streamlit run streamlit_app.py says more"
        )

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)


if __name__ == "__main__":
    main()
