"""The map on the Explore page beside Streamlit's own Plotly chart of the same points, in a headless browser.

    python -m benchmarks.map_page [--points 10000 50000 1000000] [--browser /usr/bin/chromium] [--visits 3]

First paint: from opening the address of a warm app until the points are drawn. Lasso: from letting the pointer go until
the number selected and the first pictures' places are there. Both use the same lasso. The gallery is drawn at random
around 40 centres, has no picture files, and asks no Milvus. Plotly is asked up to 50,000 points only.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from benchmarks import measuring
from benchmarks.startup import ROOT, app, free_port, megabytes, wait_for_server
from pipeline.analysis import map_files, projection
from pipeline.gallery import artifacts
from pipeline.gallery.opening import create_gallery
from pipeline.records import Rows
from pipeline.settings import Settings

CENTRES, PART = 40, 100_000
PLOTLY_UP_TO = 50_000
PEER = """
import numpy as np, plotly.graph_objects as go, streamlit as st
st.set_page_config(layout="wide")
@st.cache_data
def figure(file):
    held = np.load(file)
    made = go.Figure()
    for label in np.unique(held["label"]):
        here = held["label"] == label
        made.add_scattergl(x=held["xy"][here, 0], y=held["xy"][here, 1], customdata=np.flatnonzero(here), mode="markers",
                           marker={"size": 3}, name=f"label {label}", hoverinfo="none")
    return made.update_layout(dragmode="lasso", height=600, margin={"l": 0, "r": 0, "t": 0, "b": 0})
@st.fragment
def chart():
    found = st.plotly_chart(figure(st.query_params["file"]), on_select="rerun", selection_mode=("lasso",), key="chart")
    st.markdown(f"{len(found['selection']['points']):,} selected")
chart()
"""


def fill(name: str, count: int, folder: Path) -> None:
    """A gallery of this many rows, a map of it, and the same points for Plotly."""
    random = np.random.default_rng(count)
    labels = random.integers(CENTRES, size=count)
    points = (random.normal(size=(CENTRES, 2))[labels] + 0.25 * random.normal(size=(count, 2))).astype(np.float32)
    ids = [f"{i:032x}" for i in range(count)]
    gallery = create_gallery(name, Settings(), title=f"{count:,} pictures")
    with gallery.writing():
        short = gallery.add_encoder("color_histogram", "0123456789abcdef" * 4, 8)
        for start in range(0, count, PART):
            some = slice(start, min(start + PART, count))
            table = pd.DataFrame({"id": ids[some], "path": [f"{one}.jpg" for one in ids[some]]})
            table["label"] = [f"label {n}" for n in labels[some]]
            table = table.assign(parent="", box="", split="", width=64, height=64, metadata=[{} for _ in table["id"]])
            gallery.commit(short, Rows(table, np.full((len(table), 8), 8**-0.5, np.float32)))
    about = {
        **{"name": "umap-2d-00000000-00000000", "method": "umap", "spec": "umap", "dimensions": 2, "seed": 0},
        **{"gallery": name, "encoder": "color_histogram", "fingerprint": "0123456789abcdef" * 4, "n": count},
        **{"made": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds"), "caption": "Drawn at random."},
        **artifacts.circumstances(),
    }
    map_files.write(gallery, about, ids, points)
    np.savez(folder / f"{name}.npz", xy=points, label=labels)
    assert projection.saved_maps(gallery)


@contextlib.contextmanager
def peer(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = folder / "peer.py"
    script.write_text(PEER)
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_server(port)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def lasso(page: Page, surface: str) -> None:
    """A circle over the middle of what `surface` names; the pointer is let go at the end."""
    box = page.locator(surface).first.bounding_box()
    assert box is not None
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, min(box["width"], box["height"]) / 4
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for step in range(1, 33):
        page.wait_for_timeout(30)  # as a hand does; Plotly takes no faster ones
        page.mouse.move(x + radius * math.cos(step * math.tau / 33), y + radius * math.sin(step * math.tau / 33))
    page.wait_for_timeout(200)
    page.mouse.up()


def ours(page: Page, address: str) -> Callable[[], float]:
    page.goto(address)
    page.wait_for_selector(".root[data-ready]", timeout=300_000)
    page.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )

    def selecting() -> float:
        page.get_by_role("button", name="Lasso", exact=True).click()
        lasso(page, "canvas.points")
        started = time.perf_counter()
        page.wait_for_selector(".st-key-map-selection .tile", timeout=300_000)
        return time.perf_counter() - started

    return selecting


def plotly(page: Page, address: str) -> Callable[[], float]:
    page.goto(address)
    page.wait_for_selector(".js-plotly-plot .gl-canvas-focus, .js-plotly-plot canvas", timeout=300_000)
    page.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )

    def selecting() -> float:
        for _ in range(3):  # Plotly often passes over the first drag on a new page
            lasso(page, ".js-plotly-plot .nsewdrag")
            started = time.perf_counter()
            with contextlib.suppress(TimeoutError):
                page.get_by_text(re.compile("^[1-9][0-9,]* selected")).wait_for(timeout=20_000)
                return time.perf_counter() - started
        raise SystemExit("Plotly took no lasso")

    return selecting


def measured(
    browser: Browser, show: Callable[[Page, str], Callable[[], float]], address: str, visits: int
) -> tuple[float, float, float, float]:
    """Seconds to a cold first paint, to a warm one, from the lasso to the pictures, and MB of the page's heap."""
    paints, selections, heap = [], [], 0.0
    for _ in range(visits + 1):
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        page = context.new_page()
        started = time.perf_counter()
        selecting = show(page, address)
        paints.append(time.perf_counter() - started)
        page.wait_for_timeout(1_000)
        selections.append(selecting())
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        figures = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        heap = figures["JSHeapUsedSize"] / 2**20
        context.close()
    return paints[0], statistics.median(paints[1:]), statistics.median(selections[1:]), heap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 50_000, 1_000_000])
    parser.add_argument("--browser", type=Path, default=Path("/usr/bin/chromium"))
    parser.add_argument("--visits", type=int, default=3)
    asked = parser.parse_args()

    print(measuring.machine(), flush=True)
    print("points     page      cold, s   warm, s   lasso, s   tab heap, MB   server, MB")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ |= {"SEMBLANCE_HOME": folder, "SEMBLANCE_MILVUS_URI": "http://127.0.0.1:1"}
        for count in asked.points:
            fill(f"of_{count}", count, home)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=asked.browser, args=["--no-sandbox"])
            for count in asked.points:
                warm = {}
                port, other = free_port(), free_port()
                with app(port, dict(os.environ)) as server:
                    wait_for_server(port)
                    at = f"http://127.0.0.1:{port}/explore?gallery=of_{count}"
                    cold, *warm["ours"], heap = measured(browser, ours, at, asked.visits)
                    _say(count, "ours", cold, warm["ours"], heap, megabytes(server.pid))
                if count > PLOTLY_UP_TO:
                    continue
                with peer(other, home) as server:
                    at = f"http://127.0.0.1:{other}/?file={home / f'of_{count}.npz'}"
                    cold, *warm["plotly"], heap = measured(browser, plotly, at, asked.visits)
                    _say(count, "Plotly", cold, warm["plotly"], heap, megabytes(server.pid))
                ratios = [theirs / mine for mine, theirs in zip(warm["ours"], warm["plotly"], strict=True)]
                print(f"{count:<10,} ours is  {ratios[0]:17.1f} × {ratios[1]:8.1f} × as fast", flush=True)
            browser.close()


def _say(count: int, page: str, cold: float, warm: list[float], heap: float, server: float) -> None:
    print(f"{count:<10,} {page:8} {cold:8.2f} {warm[0]:9.2f} {warm[1]:10.2f} {heap:14.0f} {server:12.0f}", flush=True)


if __name__ == "__main__":
    main()
