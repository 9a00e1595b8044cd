"""The step `compare`: does the shortlist hold the pictures that hurt? mAP of the pool with it, without it, and of it.

A random shortlist of the same size is the control. The pool's labels took no part in choosing the shortlist, so the figures
are not drawn to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.hard_cases import review
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.needles import failing_pictures
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations
    from pipeline.metrics.detection import Detection, Interval

ROUNDS, CONTROLS = 1000, 200
PARTS = {"rest": "H − S", "haystack": "H", "shortlist": "S"}
MIN_REST = 5  # pictures


def compare_parts(round: Round, *, rounds: int = ROUNDS, progress: Progress = silent) -> dict[str, Any]:
    """Keep figures of the pool's parts. SemblanceError when the shortlist is empty or leaves nothing to compare with."""
    import numpy as np

    from pipeline.metrics import detection
    from pipeline.metrics.intervals import of_draws

    if rounds < 100:
        raise UsageError(f"rounds is {rounds}; an interval needs at least 100")
    parts = parts_of(round)
    truth, predictions = round.truth.only(round.pool), round.predictions.only(round.pool)
    score = round.needed("needles")["score"]
    progress("bootstrap", 0, 3)
    intervals = detection.bootstrap(truth, predictions, parts, rounds=rounds, seed=round.case.seed)
    progress("bootstrap", 1, 3)
    random = np.random.default_rng([round.case.seed, round.number])
    drawn = [random.choice(round.pool, len(parts["shortlist"]), replace=False).tolist() for _ in range(CONTROLS)]
    subsets = {str(number): paths for number, paths in enumerate(drawn)}
    controls = detection.bootstrap(truth, predictions, subsets, rounds=0)
    progress("bootstrap", 2, 3)
    failing = failing_pictures(round, round.pool)
    detections = {
        name: detection.evaluate(truth, predictions, paths=paths, score=score) for name, paths in parts.items()
    }
    progress("bootstrap", 3, 3)
    result = {
        "seed": round.case.seed, "rounds": rounds, "controls": CONTROLS, "score": score, "of": sorted(parts["shortlist"]),
        "pictures": {name: len(paths) for name, paths in parts.items()},
        "map": {name: interval.as_json() for name, interval in intervals.items()},
        "control": of_draws(np.array([interval.value for interval in controls.values()])).as_json(),
        "differences": {
            f"{more} − {less}": paired(intervals[more], intervals[less])
            for more, less in (("rest", "haystack"), ("haystack", "shortlist"))
        },
        "failing": failing_shares(parts, drawn, failing),
        "detections": {name: detection_as_json(measured) for name, measured in detections.items()},
    }  # fmt: skip
    return round.keep("compare", json_ready(result | verdict(result)))


def parts_of(round: Round) -> dict[str, list[str]]:
    """Paths of rest, haystack (the whole pool) and shortlist as it is now."""
    shortlist = set(review.shortlisted(round)["path"])
    if not shortlist:
        raise SemblanceError(
            "the shortlist is empty: every needle was dropped or every picture removed. Take some back, or: "
            f"python -m pipeline hard-cases shortlist {round.case.name} --min-score 0"
        )
    rest = [path for path in round.pool if path not in shortlist]
    if len(rest) < MIN_REST:
        raise SemblanceError(
            f"the shortlist takes {len(shortlist):,} of the {len(round.pool):,} pictures of the haystack, so nothing is left "
            f"to compare with; take fewer: python -m pipeline hard-cases shortlist {round.case.name} -k 5"
        )
    return {"rest": rest, "haystack": round.pool, "shortlist": [path for path in round.pool if path in shortlist]}


def is_stale(round: Round, result: Mapping[str, Any]) -> bool:
    """Whether the shortlist has changed since."""
    return result["of"] != sorted(set(review.shortlisted(round)["path"]))


def verdict(result: Mapping[str, Any]) -> dict[str, Any]:
    """holds: the order of the values. clear: and no two intervals overlap. sentence: in words."""
    rest, whole, short = (result["map"][name] for name in PARTS)
    holds = rest["value"] > whole["value"] > short["value"]
    apart = {"H − S and H": rest["low"] > whole["high"], "H and S": whole["low"] > short["high"]}
    clear = holds and all(apart.values())
    figures = [f"mAP(H − S) {rest['value']:.3f}", f"mAP(H) {whole['value']:.3f}", f"mAP(S) {short['value']:.3f}"]
    if clear:
        sentence = (
            f"{' > '.join(figures)}, and no two 95 % intervals overlap: the shortlist holds the pictures that hurt."
        )
    elif holds:
        close = ", ".join(pair for pair, yes in apart.items() if not yes)
        sentence = f"{' > '.join(figures)}, but the 95 % intervals of {close} overlap. "
        sure = all(difference["low"] > 0 for difference in result["differences"].values())
        sentence += (
            "Drawn together, picture by picture, both differences are above 0 in 95 % of the draws."
            if sure
            else "More pictures are needed to be sure."
        )
    else:
        sentence = f"{', '.join(figures)}: not H − S > H > S, so this shortlist does not hold the pictures that hurt."
    return {"holds": holds, "clear": clear, "sentence": sentence}


def failing_shares(
    parts: Mapping[str, Sequence[str]], drawn: Sequence[Sequence[str]], failing: set[str]
) -> dict[str, Any]:
    """Share of pictures with a failure in each part, in the controls, and how many times more S has than the controls."""
    import numpy as np

    from pipeline.metrics.intervals import of_draws

    shares = {name: sum(path in failing for path in paths) / len(paths) for name, paths in parts.items()}
    control = of_draws(np.array([sum(path in failing for path in paths) / len(paths) for paths in drawn])).as_json()
    enrichment = shares["shortlist"] / control["value"] if control["value"] else math.nan
    return {"shares": shares, "control": control, "enrichment": enrichment, "pictures": len(failing)}


def paired(more: Interval, less: Interval) -> dict[str, float]:
    """The difference of two parts whose draws belong together."""
    from pipeline.metrics.intervals import of_draws

    return of_draws(more.draws - less.draws, value=more.value - less.value).as_json()


def detection_as_json(measured: Detection) -> dict[str, Any]:
    names = ("map", "ap50", "ap75", "precision", "recall", "f1", "score", "miss_rate", "pictures", "counts")
    curves = {label: [round(float(value), 4) for value in curve] for label, curve in measured.curves.items()}
    return {name: getattr(measured, name) for name in names} | {
        "per_label": measured.per_label.to_dict("records"),
        "curves": curves,
    }


def part_intervals(
    truth: Annotations, predictions: Annotations, parts: Mapping[str, Sequence[str]], *, seed: int
) -> dict[str, Interval]:
    """Intervals of parts for which draws may be compared between two detectors: same pictures, same seed, same draws."""
    from pipeline.metrics import detection

    return {
        name: detection.bootstrap(truth, predictions, {name: paths}, seed=seed)[name] for name, paths in parts.items()
    }


def json_ready(value: Any) -> Any:
    """nan is None, numpy's numbers are Python's."""
    if isinstance(value, dict):
        return {str(key): json_ready(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
