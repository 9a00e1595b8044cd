"""Milvus killed, frozen and cut off: what an ingest keeps, and what a visitor sees and after how long.

    python -m benchmarks.server_faults [PHOTOS] --rounds 10

An ingest writes to the real server, which is killed by SIGKILL at a random moment, started again and synced. Then the
app runs in a browser over the same server, which is killed, frozen (SIGSTOP) and cut off (a proxy that stops passing
bytes on); each time a search is asked until the page says what is wrong, and again until Milvus answers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.cut_line import CutLine
from benchmarks.milvus_process import MilvusProcess
from pipeline import ROOT
from pipeline.cli.commands.demo import free_port

ENCODER = "color_histogram"
SAYS = re.compile("Answered exactly from the gallery's files")


def environment(home: Path, uri: str) -> dict[str, str]:
    return os.environ | {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": uri, "OMP_NUM_THREADS": "1"}


def run(home: Path, uri: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *words]
    return subprocess.run(command, cwd=ROOT, env=environment(home, uri), capture_output=True, text=True)


def killed_during_ingest(server: MilvusProcess, photos: Path, home: Path, name: str, *, wait: float) -> list[object]:
    """One round, into a gallery of its own."""
    timer = threading.Timer(wait, server.kill)
    timer.start()
    ingest = run(home, server.uri, "ingest", name, "--dataset", f"folder:root={photos}", "--encoder", ENCODER)
    timer.join()
    clean = "Traceback" not in ingest.stderr
    begun = time.perf_counter()
    server.start()
    started = time.perf_counter() - begun
    begun = time.perf_counter()
    mended = run(home, server.uri, "sync", name)
    seconds = time.perf_counter() - begun
    verified = run(home, server.uri, "verify", name)
    rows = re.search(r"([\d,]+) rows", verified.stdout + verified.stderr)
    return [
        f"{wait:.1f} s",
        ingest.returncode,
        "yes" if clean else "NO",
        rows.group(1) if rows else "?",
        f"{started:.1f} s",
        f"{seconds:.1f} s",
        "agrees" if mended.returncode == verified.returncode == 0 else f"DIFFERS: {verified.stderr[-200:]}",
    ]


@contextlib.contextmanager
def app(home: Path, uri: str) -> Iterator[tuple[str, Path]]:
    port = free_port(18_900)
    log = home / "app.log"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    with log.open("wb") as out:
        child = subprocess.Popen(command, cwd=ROOT, env=environment(home, uri), stdout=out, stderr=out)
        try:
            yield f"http://127.0.0.1:{port}", log
        finally:
            child.terminate()
            child.wait(30)


def search(page: Page, number: int) -> None:
    """Another search without a reload: with the hit of that number."""
    tile = page.locator(".st-key-hits .tile").nth(number)
    tile.hover()
    tile.locator(".act.search").click()


def until(page: Page, there: bool, *, at_most: float, again: Callable[[int], None] | None = None) -> float:
    """Seconds until the warning is (not) there and hits are; `again` asks once more every 3 s."""
    begun = time.perf_counter()
    asked = begun
    number = 1
    while time.perf_counter() - begun < at_most:
        warned = page.get_by_text(SAYS).count() > 0
        idle = page.locator("[data-test-script-state='notRunning']").count() > 0
        if warned is there and idle and page.locator(".st-key-hits .tile").count():
            return time.perf_counter() - begun
        if again and time.perf_counter() - asked > 3 and idle:
            asked = time.perf_counter()
            again(number)
            number += 1
        page.wait_for_timeout(50)
    page.screenshot(path=Path(tempfile.gettempdir()) / "server_faults.png")
    raise SystemExit(f"the page did not {'say it' if there else 'recover'} within {at_most:g} s")


def away_during_search(
    page: Page, what: str, begin: Callable[[], None], end: Callable[[], None], *, number: int
) -> list[object]:
    """Seconds to the message and seconds from Milvus' return until the page no longer needs it."""
    begin()
    search(page, number)
    said = until(page, there=True, at_most=60)
    hits = page.locator(".st-key-hits .tile").count()
    stacks = page.get_by_text(re.compile("Traceback")).count()
    search(page, number + 1)
    begun = time.perf_counter()
    page.wait_for_timeout(300)
    until(page, there=True, at_most=60)
    second = time.perf_counter() - begun
    end()
    back = until(page, there=False, at_most=120, again=lambda k: search(page, number + 1 + k % 5))
    return [what, f"{said:.1f} s", f"{second:.1f} s", hits, stacks, f"{back:.1f} s"]


def visitor(server: MilvusProcess, home: Path, chromium: str) -> list[list[object]]:
    rows = []
    with CutLine(server.uri) as line, app(home, line.uri) as (address, log), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/?gallery=seen")
        page.wait_for_selector(".grid .tile img", timeout=60_000)
        page.locator(".grid .tile").first.click()
        page.wait_for_selector(".st-key-hits .tile", timeout=60_000)
        until(page, there=False, at_most=120, again=lambda k: search(page, k % 6))
        rows.append(away_during_search(page, "killed (SIGKILL)", server.kill, server.start, number=2))
        rows.append(away_during_search(page, "frozen (SIGSTOP)", server.freeze, server.thaw, number=3))
        rows.append(away_during_search(page, "cut off (no byte passes)", line.cut, line.mend, number=4))
        browser.close()
        log_text = log.read_text()
    print(f"lines with Traceback in the app's log: {log_text.count('Traceback')}")
    return rows


def table(head: str, rows: list[list[object]]) -> None:
    print(f"\n| {head} |")
    print("|" + " --- |" * len(head.split(" | ")))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("SEMBLANCE_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("photos", type=Path, nargs="?", default=data / "clothing")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=9.0, help="seconds until the kill, at most")
    parser.add_argument("--parts", default="ingest,visitor", help="ingest, visitor or both")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "milvus").mkdir()
        server = MilvusProcess(folder / "milvus")
        try:
            server.start()
            photos = given.photos.absolute()
            rounds = (
                []
                if "ingest" not in given.parts
                else [
                    killed_during_ingest(
                        server, photos, folder / "home", f"photos{number}", wait=chance.uniform(1.5, given.longest)
                    )
                    for number in range(given.rounds)
                ]
            )
            if rounds:
                table("killed after | exit code | no stack trace | rows | server up in | sync | row by row", rounds)
            if "visitor" in given.parts:
                words = ("ingest", "seen", "--dataset", f"folder:root={photos}", "--encoder", ENCODER)
                run(folder / "home", server.uri, *words, "--limit", "500")
                seen = visitor(server, folder / "home", given.chromium)
                table("Milvus | message after | next answer | hits | stack traces | again by Milvus", seen)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
