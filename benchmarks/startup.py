"""How long people wait: for the command line's help, for the app's first page, for hits after an upload.

    python -m benchmarks.startup [--data FOLDER] [--encoder SPEC] [--browser /usr/bin/chromium] [--uploads 10]

A fresh home is filled with all photos; then the app is started on a free port and used in a headless browser.
help      `python -m pipeline --help`, the median of five runs; at most 1 s
page      from starting the server until thumbnails are seen in the browser (no bar)
upload    from handing a file to the page until other hits are seen, thumbnails loaded; warm, the median; at most 1 s
memory    resident memory of the app's process after these searches; at most 1,500 MB
Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import measuring
from pipeline import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

TILES = ".grid .tile img"
# The grid lives in a component's shadow root, where document.querySelectorAll does not look.
HITS = """const found = [];
    const walk = root => root.querySelectorAll('*').forEach(one => {
        if (one.matches('.grid .tile img') && one.closest('.tile').querySelector('.score')) found.push(one);
        if (one.shadowRoot) walk(one.shadowRoot);
    });
    walk(document);"""
SHOWN = f"() => {{ {HITS} return found.map(image => image.src).join(); }}"
HITS_SHOWN = f"""before => {{ {HITS}
    const seen = found.filter(image => image.getBoundingClientRect().top < innerHeight);
    return seen.length && seen.every(image => image.complete && image.naturalWidth)
        && found.map(image => image.src).join() !== before;
}}"""


def exposed_app_at(port: int, home: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment of an app that visitors may reach, over a home with the embedded Milvus."""
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", f"--server.port={port}"]
    return command, os.environ | {
        "SEMBLANCE_HOME": str(home),
        "SEMBLANCE_MILVUS_URI": "",
        "SEMBLANCE_EXPOSED": "1",
    }


def help_seconds() -> float:
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pipeline", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def fill(data: Path, spec: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pipeline", "ingest", "clothing", "--dataset", f"clothing:root={data}"]
    command += ["--encoder", spec, "--progress", "none"]
    print(subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout.strip())


@contextlib.contextmanager
def app(port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    command += ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_server(port: int, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health"):
            return
        time.sleep(0.02)
    raise TimeoutError(f"the app did not answer within {seconds:g} s")


def upload_seconds(page: Page, photo: Path) -> float:
    before: Any = page.evaluate(SHOWN)
    started = time.perf_counter()
    page.locator("input[type=file]").first.set_input_files(photo)
    page.wait_for_function(HITS_SHOWN, arg=before, polling="raf", timeout=60_000)
    return time.perf_counter() - started


def megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING, help="the clothing dataset's folder")
    parser.add_argument("--encoder", default="torchvision:arch=mobilenet_v3_small,weights=none")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--uploads", type=int, default=10)
    parser.add_argument(
        "--quiet-wait", type=float, default=60, help="seconds to wait for idle cores, half as long before an upload"
    )
    asked = parser.parse_args()

    from playwright.sync_api import sync_playwright

    print(measuring.machine(), flush=True)
    photos = sorted(asked.data.glob("test/*/*.jpg"))[:: 372 // (asked.uploads + 2)]
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        environment = os.environ | {"SEMBLANCE_HOME": home}
        fill(asked.data, asked.encoder, environment)
        measuring.wait_for_quiet(asked.quiet_wait)
        helped = help_seconds()
        browser = playwright.chromium.launch(executable_path=asked.browser, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        port = free_port()
        started = time.perf_counter()
        with app(port, environment) as process:
            wait_for_server(port)
            answered = time.perf_counter() - started
            page.goto(f"http://127.0.0.1:{port}/")
            tile = page.locator(TILES).first
            tile.wait_for(timeout=60_000)
            while not tile.evaluate("image => image.naturalWidth"):
                time.sleep(0.01)
            usable = time.perf_counter() - started
            time.sleep(5)  # let the index and torch come up, as a person's first look at the page does
            before = megabytes(process.pid)
            first, *_ = [upload_seconds(page, photo) for photo in photos[:2]]
            warm = []
            for photo in photos[2 : 2 + asked.uploads]:
                measuring.wait_for_quiet(asked.quiet_wait / 2)  # a person looks at the hits meanwhile
                warm.append(upload_seconds(page, photo))
            after = megabytes(process.pid)
        browser.close()
    rows = [
        ("python -m pipeline --help", f"{helped:.2f} s"),
        ("server answers", f"{answered:.2f} s"),
        ("page with thumbnails", f"{usable:.2f} s"),
        ("first upload to hits (encoder loads)", f"{first:.2f} s"),
        (f"warm upload to hits, median of {len(warm)}", f"{statistics.median(warm):.2f} s"),
        ("warm upload to hits, each", " ".join(f"{one:.2f}" for one in sorted(warm))),
        ("memory before the first search", f"{before:.0f} MB"),
        ("memory after the searches", f"{after:.0f} MB"),
    ]
    print(measuring.table(("what", "measured"), rows))
    met = measuring.verdict("help", helped, 1.0, " s")
    met &= measuring.verdict("warm upload to hits", statistics.median(warm), 1.0, " s")
    met &= measuring.verdict("memory", after, 1500, " MB")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
