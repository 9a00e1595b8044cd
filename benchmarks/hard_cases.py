"""Hard cases on the street: detectors that fail on stripes, or at night, and whether the shortlist holds what hurts them.

    python -m benchmarks.hard_cases [--scenes 1000] [--encoder deep_ranking color_histogram] [-k 10] [--most 0]
                                    [--reference 0.2] [--home FOLDER]

For objects and for whole pictures: mAP of the haystack without the shortlist, with it, and of it, with 95 % intervals, a
random shortlist of the same size, and how many times as many pictures that hurt, and that have a failure, S holds. "reviewed":
the needles on bare ground are left out first, as `review --drop background` does. Which scenes have stripes or night is known
from the renderer and is used for the figures alone. "clear": mAP(H − S) > mAP(H) > mAP(S), and no two of the intervals
overlap. Exit 1 unless stripes by reviewed objects and night by whole pictures are clear, with 5 × as many pictures that hurt
and as many that fail: a cause in one object is looked for among objects, a cause in the scene among pictures.
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


def encode(round: Any, settings: Any, spec: str, *, objects: bool) -> list[str]:
    """Ready to shortlist; the kinds of needles that there are."""
    from pipeline import plugins
    from pipeline.hard_cases.encode import encode_round
    from pipeline.hard_cases.needles import find_failures

    encoder = plugins.build("encoders", spec, device=settings.device)
    encoded = encode_round(round, settings, encoder, spec=spec, objects=objects, score=0.5)
    found = find_failures(round)
    say(f"{spec}, {encoded['encoded']:,} {'objects' if objects else 'pictures'}, needles: {found['kinds']}")
    return list(found["kinds"])


def judged(round: Any, settings: Any, *, k: int, most: int, hurt: set[str]) -> list[object]:
    from pipeline.hard_cases import review
    from pipeline.hard_cases.compare import compare_parts
    from pipeline.hard_cases.shortlist import make_shortlist

    make_shortlist(round, settings, k=k, most=most)
    result = compare_parts(round)
    chosen, haystack = set(review.shortlisted(round)["path"]), round.pool
    times = (len(chosen & hurt) / len(chosen)) / (sum(path in hurt for path in haystack) / len(haystack))
    intervals = [*result["map"].values(), result["control"]]
    say(result["sentence"])
    return [
        *(f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})" for one in intervals),
        len(chosen),
        f"{times:.1f}",
        f"{result['failing']['enrichment']:.1f}",
        "yes" if result["clear"] else "no",
        "yes" if min(times, result["failing"]["enrichment"]) >= RATIO else "no",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--encoder", nargs="+", default=["deep_ranking", "color_histogram"])
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--reference", type=float, default=0.2)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()

    from pipeline import plugins
    from pipeline.hard_cases import review
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
            round = _begun(settings, dataset, cause, given.reference)
            for spec in given.encoder:
                for objects in (True, False):
                    kinds = encode(round, settings, spec, objects=objects)
                    for reviewed in (False, True) if objects and "background" in kinds else (False,):
                        if reviewed:
                            review.record(round, "drop", ["background"])
                        found = judged(round, settings, k=given.k, most=given.most, hurt=hurt)
                        compares = "objects, reviewed" if reviewed else "objects" if objects else "pictures"
                        rows.append([cause, spec, compares, *found])
                        if reviewed:
                            review.undo(round)
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
    asked = [row for row in rows if (row[0], row[2]) in (("stripes", "objects, reviewed"), ("night", "pictures"))]
    sys.exit(0 if all(row[-1] == row[-2] == "yes" for row in asked) else 1)


def _begun(settings: Any, dataset: Any, cause: str, reference: float) -> Any:
    """The first round of a new case; the one of an earlier run is deleted, its galleries are used again."""
    from pipeline.hard_cases.case import case_names, drop_case, open_case
    from pipeline.hard_cases.demo import simulate_predictions
    from pipeline.hard_cases.start import start_case

    if cause in case_names(settings):
        drop_case(open_case(cause, settings))
    predictions = simulate_predictions(dataset.truth, fails_on=CAUSES[cause])
    case = start_case(
        cause, settings, pictures=dataset.root, truth=dataset.truth, predictions=predictions, reference=reference
    )
    return case.round()


if __name__ == "__main__":
    main()
