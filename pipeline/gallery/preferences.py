"""Which of two answers to one query people found better, kept among the judgments: the later word on a query counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageError
from pipeline.gallery import judgments
from pipeline.gallery.gallery import Gallery

KIND = "better"
FIRST, SECOND, ALIKE = "first", "second", "alike"
TAKEN_BACK = ""


@dataclass(frozen=True)
class Tally:
    """Of all queries that both answered: how often each was the better one. Ways are in the order of the alphabet."""

    ways: tuple[str, str]
    first: int = 0
    second: int = 0
    alike: int = 0

    @property
    def share(self) -> tuple[float, float, float]:
        """Of the queries that decided, those for the first way, and the 95 % of Wilson around it; nan without any."""
        import numpy as np

        from pipeline.metrics.intervals import wilson

        if not (decided := self.first + self.second):
            return (float("nan"),) * 3
        low, high = wilson(np.array(self.first / decided), decided)
        return self.first / decided, float(low), float(high)


def keep(gallery: Gallery, *, asked: Sequence[str], ways: tuple[str, str], better: str) -> None:
    """asked: ids of the pictures, of this gallery or not, and words. ways: what gave the first and the second answer.

    better: FIRST, SECOND, ALIKE, or TAKEN_BACK for as if nothing had been said. UsageError where both ways are one.
    """
    assert better in (FIRST, SECOND, ALIKE, TAKEN_BACK), better
    if ways[0] == ways[1]:
        raise UsageError(f"both answers came by {ways[0]}; choose another order or gallery for one of them")
    gallery.judge(KIND, list(asked), [*ways, better])


def kept(gallery: Gallery, *, asked: Sequence[str], ways: tuple[str, str]) -> str:
    """What was said last: FIRST, SECOND, ALIKE or ''; as seen from these ways in this order."""
    said = _last(gallery).get((tuple(asked), tuple(sorted(ways))), "")
    return said if ways[0] <= ways[1] else _turned(said)


def tallies(gallery: Gallery) -> list[Tally]:
    """Of each pair of ways, those with most queries first."""
    counts: dict[tuple[str, ...], dict[str, int]] = {}
    for (_, ways), better in _last(gallery).items():
        if better:
            of = counts.setdefault(ways, {FIRST: 0, SECOND: 0, ALIKE: 0})
            of[better] += 1
    made = [Tally((ways[0], ways[1]), **of) for ways, of in counts.items()]
    return sorted(made, key=lambda one: (-(one.first + one.second + one.alike), one.ways))


def _last(gallery: Gallery) -> dict[tuple[tuple[str, ...], tuple[str, ...]], str]:
    """(asked, ways in order of the alphabet) to what was said last."""
    said: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
    for judgment in judgments.read(gallery.judgments_file):
        if judgment["kind"] == KIND and (ways_and_better := _read(judgment["value"])):
            *ways, better = ways_and_better
            said[tuple(judgment["ids"]), tuple(sorted(ways))] = better if ways[0] <= ways[1] else _turned(better)
    return said


def _read(value: Any) -> list[str]:
    """[first way, second way, better]; [] for what is not written so."""
    if not (isinstance(value, list) and len(value) == 3 and all(isinstance(one, str) for one in value)):
        return []
    return value if value[2] in (FIRST, SECOND, ALIKE, TAKEN_BACK) else []


def _turned(better: str) -> str:
    return {FIRST: SECOND, SECOND: FIRST}.get(better, better)
