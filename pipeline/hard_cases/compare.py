"""The step `compare`: does the shortlist hold the pictures that hurt? mAP of the haystack with it, without it, and of it.

A random shortlist of the same size is the control. The labels of the haystack took no part in choosing the shortlist, so
the figures are not drawn to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.hard_cases import choices, needles
from pipeline.hard_cases.case import Round
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations
    from pipeline.metrics.detection import Interval

ROUNDS, CONTROLS = 1000, 200
PARTS = {"rest": "H − S", "haystack": "H", "shortlist": "S"}
LEAST_REST = 5  # pictures


def compare(turn: Round, *, rounds: int = ROUNDS, progress: Progress = silent) -> dict[str, Any]:
    """Keep figures of the haystack's parts. SemblanceError when the shortlist is empty or leaves nothing to compare with."""
    import numpy as np

    from pipeline.metrics import detection

    if rounds < 100:
        raise UsageError(f"rounds is {rounds}; an interval needs at least 100")
    parts = parts_of(turn)
    truth, predictions = turn.truth.only(parts["haystack"]), turn.predictions.only(parts["haystack"])
    score = turn.needed("needles")["score"]
    progress("bootstrap", 0, 3)
    intervals = detection.bootstrap(truth, predictions, parts, rounds=rounds, seed=turn.case.seed)
    progress("bootstrap", 1, 3)
    random = np.random.default_rng([turn.case.seed, turn.number])
    drawn = [random.choice(parts["haystack"], len(parts["shortlist"]), replace=False).tolist() for _ in range(CONTROLS)]
    subsets = {str(number): paths for number, paths in enumerate(drawn)}
    controls = detection.bootstrap(truth, predictions, subsets, rounds=0)
    progress("bootstrap", 2, 3)
    hurt = needles.failing(turn, parts["haystack"])
    detections = {
        name: detection.evaluate(truth, predictions, paths=paths, score=score) for name, paths in parts.items()
    }
    progress("bootstrap", 3, 3)
    result = {
        "seed": turn.case.seed, "rounds": rounds, "controls": CONTROLS, "score": score, "of": sorted(parts["shortlist"]),
        "pictures": {name: len(paths) for name, paths in parts.items()},
        "map": {name: figure(one) for name, one in intervals.items()},
        "control": spread([one.value for one in controls.values()]),
        "differences": {
            f"{one} − {other}": paired(intervals[one], intervals[other])
            for one, other in (("rest", "haystack"), ("haystack", "shortlist"))
        },
        "failing": failing_shares(parts, drawn, hurt),
        "detections": {name: told(one) for name, one in detections.items()},
    }  # fmt: skip
    return turn.keep("compare", plain(result | verdict(result)))


def parts_of(turn: Round) -> dict[str, list[str]]:
    """Paths of rest, haystack and shortlist as it is now."""
    chosen = set(choices.shortlisted(turn)["path"])
    if not chosen:
        raise SemblanceError(
            "the shortlist is empty: every needle was dropped or every picture removed. Take some back, or: "
            f"python -m pipeline hard-cases shortlist {turn.case.name} --min-score 0"
        )
    haystack = turn.split["haystack"]
    rest = [path for path in haystack if path not in chosen]
    if len(rest) < LEAST_REST:
        raise SemblanceError(
            f"the shortlist takes {len(chosen):,} of the {len(haystack):,} pictures of the haystack, so nothing is left to "
            f"compare with; take fewer: python -m pipeline hard-cases shortlist {turn.case.name} -k 5"
        )
    return {"rest": rest, "haystack": haystack, "shortlist": [path for path in haystack if path in chosen]}


def is_stale(turn: Round, result: Mapping[str, Any]) -> bool:
    """Whether the shortlist has changed since."""
    return result["of"] != sorted(set(choices.shortlisted(turn)["path"]))


def verdict(result: Mapping[str, Any]) -> dict[str, Any]:
    """holds: the order of the values. clear: and no two intervals overlap. sentence: in words."""
    rest, whole, short = (result["map"][name] for name in PARTS)
    holds = rest["value"] > whole["value"] > short["value"]
    apart = {"H − S and H": rest["low"] > whole["high"], "H and S": whole["low"] > short["high"]}
    clear = holds and all(apart.values())
    named = [f"mAP(H − S) {rest['value']:.3f}", f"mAP(H) {whole['value']:.3f}", f"mAP(S) {short['value']:.3f}"]
    if clear:
        said = f"{' > '.join(named)}, and no two 95 % intervals overlap: the shortlist holds the pictures that hurt."
    elif holds:
        close = ", ".join(pair for pair, yes in apart.items() if not yes)
        said = f"{' > '.join(named)}, but the 95 % intervals of {close} overlap. "
        sure = all(one["low"] > 0 for one in result["differences"].values())
        said += (
            "Drawn together, picture by picture, both differences are above 0 in 95 % of the draws."
            if sure
            else "More pictures are needed to be sure."
        )
    else:
        said = f"{', '.join(named)}: not H − S > H > S, so this shortlist does not hold the pictures that hurt."
    return {"holds": holds, "clear": clear, "sentence": said}


def failing_shares(
    parts: Mapping[str, Sequence[str]], drawn: Sequence[Sequence[str]], hurt: set[str]
) -> dict[str, Any]:
    """Share of pictures with a failure in each part, in the controls, and how many times more S has than the controls."""
    share = {name: sum(path in hurt for path in paths) / len(paths) for name, paths in parts.items()}
    control = spread([sum(path in hurt for path in paths) / len(paths) for paths in drawn])
    times = share["shortlist"] / control["value"] if control["value"] else math.nan
    return {"shares": share, "control": control, "enrichment": times, "pictures": len(hurt)}


def figure(one: Interval) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, and where 95 % of the values lie."""
    import numpy as np

    real = [value for value in values if value == value]
    low, high = np.quantile(real, [0.025, 0.975]).tolist() if real else (math.nan, math.nan)
    return {"value": float(np.mean(real)) if real else math.nan, "low": low, "high": high}


def paired(one: Interval, other: Interval) -> dict[str, float]:
    """The difference of two parts whose draws belong together."""
    return spread((one.draws - other.draws).tolist()) | {"value": one.value - other.value}


def told(one: Any) -> dict[str, Any]:
    """A Detection as JSON."""
    names = ("map", "ap50", "ap75", "precision", "recall", "f1", "score", "miss_rate", "pictures", "counts")
    curves = {label: [round(float(value), 4) for value in curve] for label, curve in one.curves.items()}
    return {name: getattr(one, name) for name in names} | {
        "per_label": one.per_label.to_dict("records"),
        "curves": curves,
    }


def measured(truth: Annotations, predictions: Annotations, parts: Mapping[str, Sequence[str]], *, seed: int) -> Any:
    """Intervals of parts for which draws may be compared between two detectors: same pictures, same seed, same draws."""
    from pipeline.metrics import detection

    return {
        name: detection.bootstrap(truth, predictions, {name: paths}, seed=seed)[name] for name, paths in parts.items()
    }


def plain(value: Any) -> Any:
    """Ready for JSON: nan is None, numpy's numbers are Python's."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
