"""The step `needles`: a detector's failures on the reference, the surest first. A needle is a failure that is searched with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.hard_cases.case import Round

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.metrics.detection import Matches

KINDS = {
    "fp": "false positives: boxes that are on nothing, on a part, on another label's object, or one too many",
    "fn": "objects that no box found",
    "iou": "boxes on a part of their object, or far too large: IoU from 0.1 up to --iou",
    "label=NAME": "false positives that are called NAME, or lie on a NAME, and missed ones",
}
LOWER_SCORE = 0.05  # tried where there is no failure, to say whether a lower score would find one
COLUMNS = ["needle",
 "source", "number", "path", "label", "kind", "score", "iou", "truth_label", "x", "y", "width", "height"]  # fmt: skip


def find_failures(round: Round, *, kind: str = "fp", score: float = 0.5, iou: float = 0.5) -> dict[str, Any]:
    """Keep the failures on the reference: `p17` is prediction 17, `t5` the missed object 5.

    score: the least of a prediction that counts. Raises SemblanceError when there is no such failure, and says what there
    is; UsageError for a kind or number that makes no sense.
    """
    from pipeline.metrics.detection import match

    check_options(kind, score, iou)
    truth, predictions = round.truth.only(round.reference), round.predictions.only(round.reference)
    label = kind.partition("=")[2]
    if label and label not in {*truth.labels, *predictions.labels}:
        raise UsageError(f"no box of the reference is called {label!r}; choose from {', '.join(truth.labels)}")
    matches = match(truth, predictions, iou=iou, score=score)
    failures = failures_of(matches, kind)
    if failures.empty:
        lower = match(truth, predictions, iou=iou, score=LOWER_SCORE)
        raise SemblanceError(_none_found(round, kind, score, matches, lower))
    result = {"kind": kind, "score": score, "iou": iou, "needles": len(failures)}
    result |= {"pictures": int(failures["path"].nunique()), "reference": len(round.reference)}
    result |= {"kinds": failures["kind"].value_counts().to_dict(), "counts": matches.counts}
    return round.keep("needles", result, failures)


def check_options(kind: str, score: float, iou: float) -> None:
    if kind not in ("fp", "fn", "iou") and not (kind.startswith("label=") and kind != "label="):
        choices = "; ".join(f"{name} ({meaning})" for name, meaning in KINDS.items())
        raise UsageError(f"unknown kind of needles {kind!r}; choose from {choices}")
    if not 0 <= score <= 1:
        raise UsageError(f"score is {score:g}; choose 0 to 1, such as 0.5")
    if not 0.1 < iou <= 1:
        raise UsageError(f"iou is {iou:g}; choose above 0.1 and up to 1, such as 0.5")


def failures_of(matches: Matches, kind: str) -> pd.DataFrame:
    """Rows of COLUMNS; missed objects after the predictions, which are sorted by score."""
    import pandas as pd

    label = kind.partition("=")[2]
    label_of = dict(zip(matches.truth["number"], matches.truth["label"], strict=True))
    rows = []
    false_positives = matches.predictions[matches.predictions["outcome"] == "FP"]
    for row in false_positives.sort_values("score", ascending=False, kind="stable").itertuples():
        true = label_of.get(row.truth, "")
        if kind == "fp" or (kind == "iou" and row.kind == "poor box") or (label and label in (row.label, true)):
            sides = (row.x, row.y, row.width, row.height)
            rows.append((f"p{row.number}", "prediction", row.number, row.path, row.label, row.kind, row.score, row.iou, true, *sides))  # fmt: skip
    if kind == "fn" or label:
        for row in matches.truth[matches.truth["outcome"] == "FN"].itertuples():
            if kind == "fn" or row.label == label:
                sides = (row.x, row.y, row.width, row.height)
                rows.append((f"t{row.number}", "object", row.number, row.path, row.label, "missed", math.nan, 0.0, row.label, *sides))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def failing_pictures(round: Round, paths: list[str]) -> set[str]:
    """Those of the pictures that have a failure as the round's step looked for it."""
    matches = matched(round, paths)
    return set(failures_of(matches, round.needed("needles")["kind"])["path"])


def matched(round: Round, paths: list[str]) -> Matches:
    """Boxes of these pictures, matched at the IoU and score that the round's step used."""
    from pipeline.metrics.detection import match

    used = round.needed("needles")
    return match(round.truth.only(paths), round.predictions.only(paths), iou=used["iou"], score=used["score"])


def _none_found(round: Round, kind: str, score: float, matches: Matches, lower: Matches) -> str:
    """lower: the same boxes matched at LOWER_SCORE."""
    counts, advice = matches.counts, []
    if kind != "fn" and score > LOWER_SCORE and (n := len(failures_of(lower, kind))):
        advice.append(f"a lower score, --score {LOWER_SCORE}, gives {n:,}")
    if kind != "fn" and counts["FN"]:
        advice.append(f"{counts['FN']:,} objects are missed: --kind fn")
    if kind != "fp" and counts["FP"]:
        advice.append(f"{counts['FP']:,} are false positives: --kind fp")
    advice.append("a larger reference may hold some: start another case with --reference 0.3")
    noun = {"fp": "false positive", "fn": "missed object", "iou": "poor box"}.get(kind, f"failure of {kind}")
    return (
        f"no {noun} among {counts['TP'] + counts['FP']:,} predictions of at least {score:g} on the "
        f"{len(round.reference):,} pictures of the reference. {'; '.join(advice)}"
    )
