"""Chunks in threads, in order; a Ctrl-C between two of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from pipeline import ROOT
from pipeline.parallel import in_order


def test_results_come_in_order_and_a_bounded_number_ahead() -> None:
    begun: list[int] = []

    def work(some: range) -> int:
        begun.append(some[0])
        return sum(some)

    results = in_order(range(1000), work, chunk=7, workers=2)
    assert next(results) == sum(range(7))
    assert len(begun) <= 1 + 2 * 8 + 2
    assert list(results) == [sum(range(1000)[start : start + 7]) for start in range(7, 1000, 7)]


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_ctrl_c_waits_for_the_reader_and_ends_the_threads() -> None:
    before = signal.getsignal(signal.SIGINT)
    read: list[list[int]] = []

    def all_of_it() -> None:
        for result in in_order(range(100), list, chunk=1, workers=2):
            os.kill(os.getpid(), signal.SIGINT)
            read.append(result)

    with pytest.raises(KeyboardInterrupt):
        all_of_it()
    assert read == [[0]]
    assert signal.getsignal(signal.SIGINT) is before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("work")]


def test_another_thread_than_the_main_one_may_read() -> None:
    read: list[list[int]] = []
    reader = threading.Thread(target=lambda: read.extend(in_order(range(3), list, chunk=1)))
    reader.start()
    reader.join()
    assert read == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"),
    ],
)
def test_threads_that_wait_give_their_core_away_unless_somebody_chose_otherwise(given, expected: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    code = "import os, pipeline; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | given, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
