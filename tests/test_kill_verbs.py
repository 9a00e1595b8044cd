"""A few of the kill rounds and pairs of `benchmarks.kill_verbs`, which runs all of them."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from benchmarks import kill_verbs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kill_verbs.small_home(tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize("verb", ["compact", "import"])
def test_a_verb_that_is_killed_loses_nothing_and_goes_on(original: Path, verb: str) -> None:
    row = kill_verbs.kills(original, verb, rounds=1, chance=random.Random(1))
    assert row.faults == []
    assert row.kills + row.ended == 1


def test_two_verbs_at_once_lose_nothing(original: Path) -> None:
    row = kill_verbs.pairs(
        original, seconds=200, chance=random.Random(1), most=1, verbs=["compact", "remove", "restore"]
    )
    assert row.faults == []
    assert row.ended == 2
