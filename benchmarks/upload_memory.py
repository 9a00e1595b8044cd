"""What an upload costs the app: its memory after many large ones, and how often one is decoded and encoded.

    python -m benchmarks.upload_memory [--uploads 20] [--side 7000] [--encoder SPEC] [--browser /usr/bin/chromium]

A fresh home gets a small gallery of rendered pictures; the real app is started and used by one visitor in a headless
browser. After a small upload, which loads what a first one loads:
memory    different pictures of side × side pixels, flat shapes, so that a PNG is small and its pixels are not, are
          uploaded one after another; the app's resident memory, looked at seconds after every fifth, may be 250 MB above
          that before them. What it held at any moment, as while it decoded, is printed too (no bar)
counts    an upload, then a filter, a like, another page and back: how often the picture was decoded and encoded for each.
          The upload may do each once, what follows neither
Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import measuring
from benchmarks.browser_visitors import ALL, HITS_OF
from benchmarks.startup import ROOT, free_port, megabytes, wait_for_server
from pipeline import plugins
from pipeline.fingerprints import file_id

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAME = "small"
CATALOGUE = "catalogue:items=32,views=2,size=96"
MOST_MEMORY = 250.0  # MB
PATIENCE = 180_000  # milliseconds
CALM = 3.0  # seconds after an upload in which the app puts away what it used


def drawn(number: int, side: int) -> bytes:
    """A PNG of flat shapes; another number from 0 on, other bytes."""
    from PIL import Image, ImageDraw

    chance = random.Random(number)
    colours = [tuple(chance.choices(range(256), k=3)) for _ in range(3)]
    picture = Image.new("RGB", (side, side), colours[0])
    draw = ImageDraw.Draw(picture)
    left, top = (chance.randrange(side // 2) for _ in range(2))
    draw.rectangle((left, top, left + side // 3, top + side // 3), fill=colours[1])
    draw.rectangle((top, left, top + side // 4, left + side // 4), fill=colours[2])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@contextlib.contextmanager
def counted_app(port: int, counts: Path) -> Iterator[int]:
    """The process id of the app while it runs."""
    command = [sys.executable, "-m", "benchmarks.counted_app", str(port), str(counts)]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            wait_for_server(port)
            yield process.pid
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


class Peak(threading.Thread):
    """The most resident memory since it was started, looked at twenty times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.megabytes, self._pid, self._over = megabytes(pid), pid, threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.05):
            self.megabytes = max(self.megabytes, megabytes(self._pid))

    def stop(self) -> float:
        self._over.set()
        self.join()
        return self.megabytes


def upload(page: Page, data: bytes) -> None:
    picture: Any = {"name": f"{file_id(data)[:8]}.png", "mimeType": "image/png", "buffer": data}
    page.locator("input[type=file]").first.set_input_files(picture)
    page.wait_for_function(HITS_OF, arg=f"upload={file_id(data)[:8]}", polling=100)
    still(page)


def still(page: Page) -> None:
    page.wait_for_selector("[data-test-script-state='notRunning']", state="attached")


def filtered(page: Page) -> None:
    filters = page.get_by_role("combobox", name="Filter")
    filters.fill("split is train")
    page.get_by_role("option", name="split is train").first.click()
    page.wait_for_function(HITS_OF, arg="where=split", polling=100)
    page.keyboard.press("Tab")  # closes the list, which would cover what is clicked next
    still(page)


def liked(page: Page) -> None:
    tile = page.locator(ALL).nth(2)
    tile.hover()
    tile.locator(".act.like").click()
    page.get_by_role("button", name="Refine").click()
    page.wait_for_function(HITS_OF, arg="like=", polling=100)
    still(page)


def away(page: Page) -> None:
    page.get_by_role("link", name="Explore").first.click()
    page.wait_for_selector("h1:has-text('Explore')")
    still(page)


def back(page: Page) -> None:
    page.get_by_role("link", name="Search").first.click()
    page.wait_for_function(HITS_OF, arg="upload=", polling=100)
    still(page)


def count(page: Page, data: bytes, counts: Path) -> bool:
    """Print how often each action decoded and encoded; True when no more than was needed."""
    steps = [("upload", lambda _: upload(page, data)), ("filter", filtered), ("like", liked)]
    rows, fine = [], True
    for name, act in [*steps, ("another page", away), ("back to search", back)]:
        before = len(lines(counts))
        begun = time.perf_counter()
        act(page)
        taken = time.perf_counter() - begun
        time.sleep(CALM)
        done = lines(counts)[before:]
        often = Counter(kind for kind, _ in done)
        spent = sum(float(seconds) for _, seconds in done)
        rows.append((name, often["decode"], often["encode"], f"{spent:.2f} s", f"{taken:.2f} s"))
        allowed = 1 if name == "upload" else 0
        fine &= max(often["decode"], often["encode"]) <= allowed
    print(measuring.table(("action", "decoded", "encoded", "in these", "until it was seen"), rows), flush=True)
    print(f"{'met   ' if fine else 'MISSED'} an upload is decoded and encoded once, whatever follows", flush=True)
    return fine


def lines(counts: Path) -> list[list[str]]:
    return [line.split() for line in counts.read_text().splitlines()] if counts.exists() else []


def fill(page: Page, pid: int, *, uploads: int, side: int) -> bool:
    """Upload so many pictures, print the app's memory; True when the bar is met."""
    time.sleep(CALM)
    before, peak = megabytes(pid), Peak(pid)
    peak.start()
    calm, rows = [], [(0, f"{before:.0f} MB", "")]
    for number in range(1, uploads + 1):
        data = drawn(number, side)
        begun = time.perf_counter()
        upload(page, data)
        taken = time.perf_counter() - begun
        if number % 5 == 0 or number == uploads:
            time.sleep(CALM)
            calm.append(megabytes(pid))
            rows.append((number, f"{calm[-1]:.0f} MB", f"{taken:.1f} s, {len(data) / 1000:.0f} kB"))
    print(measuring.table(("uploads", "memory of the app", "the last one"), rows))
    print(f"at most {peak.stop():.0f} MB at any moment", flush=True)
    return measuring.verdict(f"{uploads} uploads raise the memory by", max(calm) - before, MOST_MEMORY, " MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=20)
    parser.add_argument("--side", type=int, default=7000)
    parser.add_argument("--encoder", default=plugins.DEFAULT_ENCODER)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    asked = parser.parse_args()

    from playwright.sync_api import sync_playwright

    print(measuring.machine(), flush=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        os.environ |= {"SEMBLANCE_HOME": home}
        words = ["ingest", NAME, "--dataset", CATALOGUE, "--encoder", asked.encoder, "--progress", "none"]
        subprocess.run([sys.executable, "-m", "pipeline", *words], cwd=ROOT, check=True)
        browser = playwright.chromium.launch(executable_path=asked.browser, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        counts, port = Path(home) / "counts.txt", free_port()
        with counted_app(port, counts) as pid:
            page.goto(f"http://127.0.0.1:{port}/?gallery={NAME}")
            page.wait_for_selector(".grid .tile img")
            upload(page, drawn(0, 200))
            met = fill(page, pid, uploads=asked.uploads, side=asked.side)
            met &= count(page, drawn(0, asked.side), counts)
        browser.close()
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
