"""Many visitors at once: how long they wait, whether anyone sees another's picture, and whether memory grows.

    python -m benchmarks.sessions [--minutes 5] [--browsers 20] [--protocol 50] [--think 5,25] [--data FOLDER]

The app is started over real photos. Then come so many visitors in browsers (one chromium, a context each), and after
them so many that speak Streamlit's own protocol. Each has a picture of its own: a photo of the gallery with a mark
drawn in, and other bytes at every upload. What its page must show (hits, name, address) is computed before, exactly and
in this process; whatever else appears is a leak or a failure. Visitors think between two actions, and a page that is
open asks for its timed fragments meanwhile. At last all have gone, and the uploads that the app still holds are counted.
Browsers, visitors and app share the machine, so the times are those of this machine under all of it.
Exit code 1 when there was a failure or a leak, or uploads that are not freed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measuring
from benchmarks.browser_visitors import in_browsers
from benchmarks.startup import ROOT, app, free_port, megabytes, wait_for_server
from benchmarks.streamlit_client import Answer, VisitError, Visitor
from benchmarks.visitors import NAME, Come, Leak, Ledger, Own, owns
from pipeline import plugins
from pipeline.fingerprints import file_id
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

EACH = 5.0  # seconds between two looks at the app's memory
FREED_WITHIN = 240.0  # seconds: a session that ended is kept 120 s for its return, then its uploads must go
PAGES = ("explore", "galleries", "evaluate")


class Watch(threading.Thread):
    """The app's resident memory every few seconds."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, float]] = []  # minutes since the start, MB
        self._pid, self._over = pid, threading.Event()

    def run(self) -> None:
        begun = time.monotonic()
        while not self._over.wait(EACH):
            self.seen.append(((time.monotonic() - begun) / 60, megabytes(self._pid)))

    def said(self) -> str:
        import numpy as np

        self._over.set()
        minutes, memory = np.array([one for one in self.seen if one[0] >= 1] or self.seen).T
        slope = float(np.polyfit(minutes, memory, 1)[0]) if len(minutes) > 2 else float("nan")
        return (
            f"{self.seen[0][1]:.0f} MB at first, {memory.max():.0f} at most, {slope:+.1f} MB a minute after the first"
        )


def visit(address: str, own: Own, until: float, ledger: Ledger, think: tuple[float, float]) -> None:
    """Sessions of some ten actions, one after the other, by protocol."""
    chance, turn = random.Random(own.number), 0
    time.sleep(chance.uniform(0, 2 * think[1]))  # nobody comes at the same moment
    while time.monotonic() < until:
        try:
            with ledger.timed("protocol: first page"):
                visitor = Visitor(address)
                opened = visitor.open(f"gallery={NAME}")
            with visitor:
                if opened.hits() or opened.components("region"):
                    raise Leak(f"visitor {own.number} has just come and sees a query")
                for action in chance.choices((_upload, _by_id, _filter, _away_and_back), k=chance.randint(6, 14)):
                    turn += 1
                    visitor.think(chance.uniform(*think))
                    if time.monotonic() >= until:
                        return
                    action(visitor, own, ledger, turn)
        except (VisitError, Leak, OSError) as error:
            ledger.failed(f"protocol visitor {own.number}", error)
            time.sleep(think[0])


def _upload(visitor: Visitor, own: Own, ledger: Ledger, turn: int) -> None:
    name, data = own.upload(turn)
    with ledger.timed("protocol: upload to hits"):
        answer = visitor.upload(name, data)
    _check_upload(visitor, own, answer, name, data)


def _check_upload(visitor: Visitor, own: Own, answer: Answer, name: str, data: bytes) -> None:
    shown = [one["alt"] for one in answer.components("region")]
    if visitor.asked("upload") != [file_id(data)[:8]] or shown != [name]:
        raise Leak(f"visitor {own.number} uploaded {name} and sees {shown}, address {visitor.query}")
    own.check(answer.hits(), own.by_picture, "upload")


def _by_id(visitor: Visitor, own: Own, ledger: Ledger, turn: int) -> None:
    with ledger.timed("protocol: search by id"):
        answer = visitor.open(f"gallery={NAME}&ids={own.id}")
    own.check(answer.hits(), own.by_id, "search by id")


def _filter(visitor: Visitor, own: Own, ledger: Ledger, turn: int) -> None:
    with ledger.timed("protocol: filter"):
        answer = visitor.open(f"gallery={NAME}&ids={own.id}&where=label={own.label}&k=12")
    grids = answer.components("results_grid")
    if {tile["label"] for grid in grids for tile in grid["tiles"] if "score" in tile} != {own.label}:
        raise Leak(f"visitor {own.number} filters by {own.label} and sees other labels")
    visitor.open(f"gallery={NAME}")  # an upload keeps the filter


def _away_and_back(visitor: Visitor, own: Own, ledger: Ledger, turn: int) -> None:
    name, data = own.upload(turn)
    _upload(visitor, own, ledger, turn)
    with ledger.timed("protocol: another page"):
        visitor.open(page=PAGES[turn % len(PAGES)])
    with ledger.timed("protocol: back to search"):
        answer = visitor.open()
    _check_upload(visitor, own, answer, name, data)


def by_protocol(address: str, people: Sequence[Own], until: float, ledger: Ledger, think: tuple[float, float]) -> None:
    threads = [threading.Thread(target=visit, args=(address, own, until, ledger, think)) for own in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def counted(address: str) -> tuple[int, int]:
    """Sessions that are open, and bytes of uploads that the app holds, as its metrics say."""
    with urllib.request.urlopen(f"{address}/_stcore/metrics", timeout=60) as answer:
        said = answer.read().decode()
    sessions = re.search(r"^active_sessions (\d+)", said, re.MULTILINE)
    held = re.findall(r'^cache_memory_bytes\{cache_type="UploadedFileManager".*\} (\d+)', said, re.MULTILINE)
    return int(sessions.group(1)) if sessions else -1, sum(map(int, held))


def until_ready(address: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/readyz", timeout=10):
            return
        time.sleep(0.2)
    raise TimeoutError("the app was not ready within 2 minutes")


def freed(address: str) -> tuple[float, int]:
    """Seconds from the last visitor's leaving until the app holds no upload, and the bytes it held at last."""
    begun = time.monotonic()
    while (held := counted(address)[1]) and time.monotonic() - begun < FREED_WITHIN:
        time.sleep(10)
        Visitor(address).close()  # ended sessions are cleared away when another one ends
    return time.monotonic() - begun, held


def phase(
    title: str,
    app_pid: int,
    address: str,
    people: Sequence[Own],
    minutes: float,
    think: tuple[float, float],
    come: Come,
) -> bool:
    """Let them come, print what they met; True when all was well."""
    ledger, watch, clock = Ledger(), Watch(app_pid), measuring.Clock()
    watch.start()
    come(address, people, time.monotonic() + 60 * minutes, ledger, think)
    memory, busy, (sessions, held) = watch.said(), clock.pace(1).others, counted(address)
    seconds, left = freed(address)
    print(f"\n{title}: {len(people)} visitors, {minutes:g} minutes, {think[0]:g} to {think[1]:g} s of thought\n")
    print(measuring.table(("action", "count", "p50", "p95", "p99"), ledger.rows()))
    print(f"\nfailures {len(ledger.failures)}, leaks {len(ledger.leaks)}")
    print(*ledger.failures[:10], *ledger.leaks[:10], sep="\n")
    print(f"memory of the app: {memory}; {megabytes(app_pid):.0f} MB after all had gone")
    print(
        f"uploads held at the end: {held / 1e6:.2f} MB; {sessions} sessions open; {seconds:.0f} s later {left / 1e6:.2f} MB"
    )
    print(f"busy cores but for this script: {busy:.0%}", flush=True)
    return not (ledger.failures or ledger.leaks or left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING / "test")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--protocol", type=int, default=50)
    parser.add_argument("--think", default="5,25", help="seconds between two actions, from and to")
    parser.add_argument("--encoder", default=plugins.DEFAULT_ENCODER)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    asked = parser.parse_args()
    low, high = map(float, asked.think.split(","))
    print(measuring.machine(), flush=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"SEMBLANCE_HOME": home}
        words = ["ingest", NAME, "--dataset", f"folder:root={asked.data}", "--encoder", asked.encoder]
        subprocess.run([sys.executable, "-m", "pipeline", *words, "--progress", "none"], cwd=ROOT, check=True)
        people = owns(open_gallery(NAME, Settings()), asked.data, max(asked.browsers, asked.protocol))
        port = free_port()
        with app(port, dict(os.environ)) as process:
            address = f"http://127.0.0.1:{port}"
            wait_for_server(port)
            until_ready(address)
            ways = (in_browsers(asked.chromium), by_protocol)
            fine = [
                phase(title, process.pid, address, people[:count], asked.minutes, (low, high), come)
                for title, count, come in zip(
                    ("browsers", "protocol"), (asked.browsers, asked.protocol), ways, strict=True
                )
                if count
            ]
    return int(not all(fine))


if __name__ == "__main__":
    sys.exit(main())
