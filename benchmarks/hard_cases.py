"""Hard cases on the street: detectors that fail on stripes, or at night, and whether the shortlist holds what hurts them.

    python -m benchmarks.hard_cases [--scenes 1000] [--encoder deep_ranking color_histogram] [-k 20] [--most 0]
                                    [--reference 0.2] [--home FOLDER]

For objects and for whole pictures: mAP of the haystack without the shortlist, with it, and of it, with 95 % intervals, a
random shortlist of the same size, and how many times as many pictures that hurt, and that have a failure, S holds. Which
scenes have stripes or night is known from the renderer and is used for the figures alone. "clear": mAP(H − S) > mAP(H) >
mAP(S), and no two of the intervals overlap. Exit 1 unless stripes by objects and night by whole pictures are clear, with 5 ×
as many pictures that hurt: a cause in one object is looked for among objects, a cause in the scene among pictures.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import machine, say, table

RATIO = 5.0
CAUSES = {"stripes": "pattern=stripes", "night": "light=night"}


def one(turn: Any, settings: Any, spec: str, *, objects: bool, k: int, most: int, hurt: set[str]) -> list[object]:
    from pipeline import (
        hard_cases_choices,
        hard_cases_compare,
        hard_cases_encode,
        hard_cases_needles,
        hard_cases_shortlist,
        plugins,
    )

    encoder = plugins.build("encoders", spec, device=settings.device)
    encoded = hard_cases_encode.encode(turn, settings, encoder, spec=spec, objects=objects, score=0.5)
    hard_cases_needles.find(turn)
    hard_cases_shortlist.make(turn, settings, k=k, most=most)
    result = hard_cases_compare.compare(turn)
    chosen, haystack = set(hard_cases_choices.shortlisted(turn)["path"]), turn.split["haystack"]
    times = (len(chosen & hurt) / len(chosen)) / (sum(path in hurt for path in haystack) / len(haystack))
    intervals = [*result["map"].values(), result["control"]]
    say(f"{spec}, {encoded['encoded']:,} {'objects' if objects else 'pictures'}: {result['sentence']}")
    return [
        *(f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in intervals),
        len(chosen),
        f"{times:.1f}",
        f"{result['failing']['enrichment']:.1f}",
        "yes" if result["clear"] else "no",
        "yes" if times >= RATIO else "no",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--encoder", nargs="+", default=["deep_ranking", "color_histogram"])
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--reference", type=float, default=0.2)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()

    from pipeline import plugins
    from pipeline.settings import Settings

    rows = []
    with contextlib.ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(home=home)
        dataset = plugins.build("datasets", f"street:scenes={given.scenes},root={home / 'cache'}")
        dataset.prepare()
        records = list(dataset.records())
        hurting = {
            "stripes": {record.path for record in records if record.metadata["rare"] == "true"},
            "night": {record.path for record in records if record.label == "night"},
        }
        counts = ", ".join(f"{len(hurt):,} with {cause}" for cause, hurt in hurting.items())
        say(f"{machine()}; {given.scenes:,} scenes, {counts}; k {given.k}, at most {given.most or 'all'}")
        for cause, hurt in hurting.items():
            turn = _begun(settings, dataset, cause, given.reference)
            for spec in given.encoder:
                for objects in (True, False):
                    found = one(turn, settings, spec, objects=objects, k=given.k, most=given.most, hurt=hurt)
                    rows.append([cause, spec, "objects" if objects else "pictures", *found])
    names = [
        "hurts",
        "encoder",
        "compares",
        "mAP(H − S)",
        "mAP(H)",
        "mAP(S)",
        "random",
        "S",
        "× hurting",
        "× failing",
        "clear",
    ]
    print(table([*names, "5 ×"], rows))
    asked = [row for row in rows if (row[0], row[2]) in (("stripes", "objects"), ("night", "pictures"))]
    sys.exit(0 if all(row[-1] == row[-2] == "yes" for row in asked) else 1)


def _begun(settings: Any, dataset: Any, cause: str, reference: float) -> Any:
    """The first round of a new case; the one of an earlier run is deleted, its galleries are used again."""
    from pipeline import hard_cases, hard_cases_demo, hard_cases_start

    if cause in hard_cases.names(settings):
        hard_cases.drop(hard_cases.open_case(cause, settings))
    predictions = hard_cases_demo.predicted(dataset.truth, fails_on=CAUSES[cause])
    case = hard_cases_start.start(
        cause, settings, pictures=dataset.root, truth=dataset.truth, predictions=predictions, reference=reference
    )
    return case.round()


if __name__ == "__main__":
    main()
