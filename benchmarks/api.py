"""What the HTTP API adds to a search: the time of a request less the time that search.search took in it.

    python -m benchmarks.api [--data FOLDER] [--pictures 2000] [--rate 50] [--seconds 300]

A gallery of photos is served by `python -m pipeline serve` on this machine. Eight clients with connections that stay open ask
`rate` times a second, by the ids of pictures in turn; each answer says how long its search took, so both are of the same
request. Then 100 uploads, one after the other. Bars: p50 at most 5 ms, p99 at most 10 ms, no error. Exit code 1 when one is
missed. `floor` is a request that asks nothing of a gallery: what HTTP itself takes here.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import measuring
from pipeline import ROOT
from pipeline.access.client import Semblance
from pipeline.cli.servers import free_port

CLIENTS, K = 8, 24
P50, P99 = 5.0, 10.0  # ms


@contextmanager
def served(home: Path) -> Iterator[str]:
    """The address of a server that is ready."""
    port = free_port(8700)
    environment = os.environ | {"SEMBLANCE_HOME": str(home), "SEMBLANCE_API_RATE": "0", "SEMBLANCE_EXPOSED": "0"}
    command = [sys.executable, "-m", "pipeline", "serve", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as one:
        try:
            for _ in range(300):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                try:
                    connection.request("GET", "/readyz")
                    if connection.getresponse().status == 200:
                        break
                except OSError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            one.terminate()


class Asking:
    """One question after the other over a connection that stays open."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=30)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[float, int, bytes]:
        """Milliseconds, status, answer."""
        begun = time.perf_counter()
        self._connection.request(method, path, body or None, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        data = answer.read()
        return (time.perf_counter() - begun) * 1000, answer.status, data


def at_a_rate(address: str, ids: list[str], rate: float, seconds: float) -> tuple[list[float], list[float], int]:
    """Of each search milliseconds of the request and of search.search in it; and how many were no answer."""
    requests: list[float] = []
    searches: list[float] = []
    errors = 0
    begun, lock, number = time.perf_counter(), threading.Lock(), iter(range(int(rate * seconds)))

    def client() -> None:
        nonlocal errors
        asking = Asking(address)
        while True:
            with lock:
                mine = next(number, None)
            if mine is None:
                return
            time.sleep(max(0.0, begun + mine / rate - time.perf_counter()))
            body = json.dumps({"ids": [ids[mine % len(ids)]], "k": K, "rerank": "none"}).encode()
            spent, status, data = asking.ask("POST", "/api/v1/galleries/photos/search", body)
            with lock:
                if status != 200:
                    errors += 1
                    continue
                requests.append(spent)
                searches.append(json.loads(data)["milliseconds"]["total"])

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests, searches, errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        command = [sys.executable, "-m", "pipeline", "ingest", "photos", "--dataset", f"folder:root={given.data}"]
        command += ["--encoder", "color_histogram", "--limit", str(given.pictures), "--progress", "none"]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"SEMBLANCE_HOME": str(home)})
        with served(home) as address:
            semblance = Semblance(address)
            ids = [one.id for one in semblance.pictures("photos")]
            at_a_rate(address, ids, given.rate, 3)  # warms up
            asking = Asking(address)
            floor = [asking.ask("GET", "/api/v1/")[0] for _ in range(200)]
            clock = measuring.Clock()
            requests, searches, errors = at_a_rate(address, ids, given.rate, given.seconds)
            pace = clock.pace(len(requests))
            uploads = []
            for file in sorted(given.data.rglob("*.jpg"))[-100:]:
                begun = time.perf_counter()
                answer = semblance.search("photos", pictures=[file], k=K)
                uploads.append((time.perf_counter() - begun) * 1000 - answer.milliseconds["total"])
    added = [request - search for request, search in zip(requests, searches, strict=True)]
    rows = [
        (name, f"{statistics.median(values):.2f}", f"{measuring.percentile(values, 99):.2f}")
        for name, values in (
            ("the request", requests),
            ("search.search in it", searches),
            ("added by the API", added),
            ("added to an upload", uploads),
            ("floor: a request that asks nothing", floor),
        )
    ]
    print(measuring.machine())
    print(
        f"{given.pictures:,} photos, {given.rate:g} requests/s for {given.seconds:g} s; {pace.rate:.1f}/s were answered, ",
        end="",
    )
    print(f"others took {pace.others:.0%} of the cores")
    print(measuring.table(("ms", "p50", "p99"), rows))
    print(f"request / search.search: {statistics.median(requests) / statistics.median(searches):.2f} (p50)")
    met = [
        measuring.verdict("added, p50", statistics.median(added), P50, " ms"),
        measuring.verdict("added, p99", measuring.percentile(added, 99), P99, " ms"),
        measuring.verdict("errors", errors, 0),
    ]
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
