"""What twenty answers bring a search: asked where it is in doubt, against twenty random pictures. Users are simulated by labels.

    python -m benchmarks.refining NAME=DATASET-SPEC … [--encoder SPEC] [--each 0] [--keep FOLDER]

Ten users (--users) look for a label each and ask with one picture of it. As on the page, three times five pictures are asked
about, then five that compare, and the label says yes or no. Printed per dataset: map_at_r of the search over the pictures that nobody was asked about in either way,
by the picture alone, by means of twenty random answers (Rocchio) and learned from them, and learned from the twenty asked; how
many users gain against random, the relative gain, how often the search was
taken where it had become better and left where it had become worse, and seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.trust import embedded, map_at_r
from pipeline.search import asking, refining
from pipeline.search.query import moved


def asked_about(rows: np.ndarray, mean: np.ndarray, truth: np.ndarray, query: int) -> tuple[list[int], list[int], bool]:
    """Rows that the user said yes and no to, as the page asks, and whether the page takes what was learned."""
    yes, no = list[int](), list[int]()
    only: dict[str, str] = {}
    for asked in range(0, asking.ANSWERS, asking.EACH):
        sought = refining.learn(rows[[query, *yes]], rows[no], mean) if no else None
        orders = [
            np.argsort(-(rows @ along), kind="stable") for along in ([sought.along] if sought else []) + [rows[query]]
        ]
        learned, before = orders[0], orders[-1]
        learned, before = (order[~np.isin(order, [query, *yes, *no])] for order in (learned, before))
        if asked < asking.ANSWERS - asking.EACH:
            nearest = learned[: refining.DEPTH]
            picked = nearest[refining.next_to_ask(rows[nearest], sought, asking.EACH, liked=len(yes))]
        else:
            drawn = refining.to_compare(learned, before, asking.EACH)
            only = {
                str(i): which for which, some in zip((asking.LEARNED, asking.BEFORE), drawn, strict=True) for i in some
            }
            picked = np.concatenate(drawn)
        for i in picked:
            (yes if truth[i] else no).append(int(i))
    answers = dict.fromkeys(map(str, yes), True) | dict.fromkeys(map(str, no), False)
    return yes, no, asking.verdict(answers, only).better


def measured(name: str, rows: np.ndarray, labels: np.ndarray, users: int) -> tuple[str, ...]:
    random = np.random.default_rng(0)
    mean = rows.mean(axis=0)
    figures: dict[str, list[float]] = {way: [] for way in ("picture", "means", "random", "asked")}
    told, seconds = [], []
    for label in random.permutation(np.unique(labels))[:users]:
        truth = labels == label
        query = int(random.choice(np.flatnonzero(truth)))
        begun = time.perf_counter()
        *asked, taken = asked_about(rows, mean, truth, query)
        seconds.append(time.perf_counter() - begun)
        drawn = random.choice(np.setdiff1d(np.arange(len(rows)), [query]), asking.ANSWERS, replace=False)
        chance = [int(i) for i in drawn if truth[i]], [int(i) for i in drawn if not truth[i]]
        free = np.setdiff1d(np.arange(len(rows)), [query, *asked[0], *asked[1], *drawn])

        def value(direction: np.ndarray, free: np.ndarray = free, label: str = label) -> float:
            return map_at_r(np.argsort(-(rows[free] @ direction), kind="stable"), labels[free], label)

        def learned(marked: Sequence[list[int]], query: int = query) -> np.ndarray:
            yes, no = marked
            return refining.learn(rows[[query, *yes]], rows[no], mean).along if no else rows[[query, *yes]].mean(axis=0)

        figures["picture"].append(value(rows[query]))
        figures["means"].append(value(moved(rows[[query]], rows[chance[0]], rows[chance[1]])))
        figures["random"].append(value(learned(chance)))
        figures["asked"].append(value(learned(asked)))
        gained = figures["asked"][-1] - figures["picture"][-1]
        told.append(gained == 0 or taken == (gained > 0))
    means = {way: float(np.mean(values)) for way, values in figures.items()}
    wins = sum(one > other for one, other in zip(figures["asked"], figures["random"], strict=True))
    gain = means["asked"] / means["random"] - 1
    return (
        name, f"{len(rows):,}", *(f"{means[way]:.3f}" for way in figures), f"{wins} of {len(figures['asked'])}", f"{gain:+.0%}",
        f"{sum(told)} of {len(told)}", f"{max(seconds):.2f}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", metavar="NAME=SPEC")
    parser.add_argument("--encoder", default="deep_ranking")
    parser.add_argument("--each", type=int, default=0)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--keep", type=Path, default=Path("data/refining"))
    given = parser.parse_args()
    made = [
        measured(name, *embedded(given.encoder, spec, given.each, given.keep), given.users)
        for name, _, spec in (one.partition("=") for one in given.datasets)
    ]
    head = (
        "dataset",
        "rows",
        "picture",
        "random, means",
        "random",
        "asked",
        "users that gain",
        "gain",
        "told right",
        "longest s",
    )
    print(measuring.machine())
    print(measuring.table(head, made))


if __name__ == "__main__":
    main()
