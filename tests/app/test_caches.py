"""A cache of bounded bytes: what it forgets, what it counts, and how often it makes a value that many ask for."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from app.server.caches import SAMPLE, Cache, size_of

OVERHEAD = size_of(b"")  # of any bytes object


def kilobyte(sign: str) -> bytes:
    return sign.encode() * (1000 - OVERHEAD)


def test_what_was_used_longest_ago_goes_first() -> None:
    cache: Cache[bytes] = Cache(3000)
    for name in "abc":
        cache.put(name, kilobyte(name))
    assert cache.get("a") == kilobyte("a")
    cache.put("d", kilobyte("d"))
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    assert cache.held == 3000


def test_a_value_put_again_is_counted_once() -> None:
    cache: Cache[bytes] = Cache(3000)
    for _ in range(10):
        cache.put("a", kilobyte("a"))
    assert cache.held == 1000


def test_one_value_larger_than_the_limit_is_kept_alone() -> None:
    cache: Cache[bytes] = Cache(1500)
    cache.put("small", kilobyte("s"))
    cache.put("large", bytes(5000))
    assert cache.get("small") is None
    assert cache.get("large") == bytes(5000)
    cache.put("small", kilobyte("s"))
    assert cache.get("large") is None
    assert cache.held == 1000


def test_a_value_that_many_ask_for_at_once_is_made_once() -> None:
    cache: Cache[bytes] = Cache(1000)
    made = []

    def make() -> bytes:
        time.sleep(0.05)
        made.append(1)
        return b"value"

    threads = [threading.Thread(target=cache.made, args=("key", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    cache: Cache[bytes] = Cache(1000)
    with pytest.raises(ZeroDivisionError):
        cache.made("key", lambda: bytes(1 // 0))
    assert cache.made("key", lambda: b"value") == b"value"


@dataclass
class Held:
    rows: np.ndarray
    names: dict[str, str]


def test_sizes_are_those_of_what_is_held_inside() -> None:
    rows = np.zeros((1000, 10), np.float32)
    texts = {f"{number:032x}": "x" * 100 for number in range(200)}
    assert size_of(rows) == 40_000
    assert 200 * 132 < size_of(texts) < 200 * 400
    assert size_of(Held(rows, texts)) > size_of(rows) + size_of(texts)
    table = pd.DataFrame({"n": np.arange(1000), "metadata": [{"note": str(n) * 50} for n in range(1000)]})
    assert size_of(table) > 8 * 1000 + sum(len(row["note"]) for row in table["metadata"])


def test_a_long_collection_is_weighed_by_a_sample() -> None:
    texts = [str(number).zfill(20) for number in range(50 * SAMPLE)]
    assert size_of(texts) == pytest.approx(sum(map(size_of, texts)), rel=0.2)


def test_a_value_that_holds_itself_has_a_size() -> None:
    circle: list[object] = [b"x" * 100]
    circle.append(circle)
    assert size_of(circle) > 100
