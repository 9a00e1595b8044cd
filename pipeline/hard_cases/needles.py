"""The step `needles`: a detector's failures on the reference, the surest first."""

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
COLUMNS = ["needle", "source", "number", "path", "label", "kind", "score", "iou", "truth_label", "x", "y", "width", "height"]  # fmt: skip


def find(turn: Round, *, kind: str = "fp", score: float = 0.5, iou: float = 0.5) -> dict[str, Any]:
    """Keep the needles of the reference: `p17` is prediction 17, `t5` the missed object 5.

    score: the least of a prediction that counts. Raises SemblanceError when there is no such failure, and says what there
    is; UsageError for a kind or number that makes no sense.
    """
    from pipeline.metrics.detection import match

    check(kind, score, iou)
    reference = turn.split["reference"]
    known, told = turn.truth.only(reference), turn.predictions.only(reference)
    label = kind.partition("=")[2]
    if label and label not in {*known.labels, *told.labels}:
        raise UsageError(f"no box of the reference is called {label!r}; choose from {', '.join(known.labels)}")
    matched = match(known, told, iou=iou, score=score)
    table = failures(matched, kind)
    if table.empty:
        raise SemblanceError(_nothing(turn, kind, score, iou, matched))
    result = {"kind": kind, "score": score, "iou": iou, "needles": len(table), "pictures": int(table["path"].nunique())}
    result |= {"reference": len(reference), "kinds": table["kind"].value_counts().to_dict(), "counts": matched.counts}
    return turn.keep("needles", result, table)


def check(kind: str, score: float, iou: float) -> None:
    if kind not in ("fp", "fn", "iou") and not (kind.startswith("label=") and kind != "label="):
        said = "; ".join(f"{name} ({meaning})" for name, meaning in KINDS.items())
        raise UsageError(f"unknown kind of needles {kind!r}; choose from {said}")
    if not 0 <= score <= 1:
        raise UsageError(f"score is {score:g}; choose 0 to 1, such as 0.5")
    if not 0.1 < iou <= 1:
        raise UsageError(f"iou is {iou:g}; choose above 0.1 and up to 1, such as 0.5")


def failures(matched: Matches, kind: str) -> pd.DataFrame:
    """Rows of COLUMNS; missed objects after the predictions, which are sorted by score."""
    import pandas as pd

    label = kind.partition("=")[2]
    label_of = dict(zip(matched.truth["number"], matched.truth["label"], strict=True))
    rows = []
    wrong = matched.predictions[matched.predictions["outcome"] == "FP"]
    for row in wrong.sort_values("score", ascending=False, kind="stable").itertuples():
        true = label_of.get(row.truth, "")
        if kind == "fp" or (kind == "iou" and row.kind == "poor box") or (label and label in (row.label, true)):
            sides = (row.x, row.y, row.width, row.height)
            rows.append((f"p{row.number}", "prediction", row.number, row.path, row.label, row.kind, row.score, row.iou, true, *sides))  # fmt: skip
    if kind == "fn" or label:
        for row in matched.truth[matched.truth["outcome"] == "FN"].itertuples():
            if kind == "fn" or row.label == label:
                sides = (row.x, row.y, row.width, row.height)
                rows.append((f"t{row.number}", "object", row.number, row.path, row.label, "missed", math.nan, 0.0, row.label, *sides))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def failing(turn: Round, paths: list[str]) -> set[str]:
    """Those of the pictures that have a failure as the needles' step looked for it."""
    from pipeline.metrics.detection import match

    asked = turn.needed("needles")
    known, told = turn.truth.only(paths), turn.predictions.only(paths)
    return set(failures(match(known, told, iou=asked["iou"], score=asked["score"]), asked["kind"])["path"])


def _nothing(turn: Round, kind: str, score: float, iou: float, matched: Matches) -> str:
    from pipeline.metrics.detection import match

    reference, counts = turn.split["reference"], matched.counts
    known, told = turn.truth.only(reference), turn.predictions.only(reference)
    more = []
    if kind != "fn" and score > 0.05:
        found = len(failures(match(known, told, iou=iou, score=0.05), kind))
        more += [f"a lower score, --score 0.05, gives {found:,}"] if found else []
    if kind != "fn" and counts["FN"]:
        more.append(f"{counts['FN']:,} objects are missed: --kind fn")
    if kind != "fp" and counts["FP"]:
        more.append(f"{counts['FP']:,} are false positives: --kind fp")
    more.append("a larger reference may hold some: start another case with --reference 0.3")
    called = {"fp": "false positive", "fn": "missed object", "iou": "poor box"}.get(kind, f"failure of {kind}")
    return (
        f"no {called} among {counts['TP'] + counts['FP']:,} predictions of at least {score:g} on the {len(reference):,} "
        f"pictures of the reference. {'; '.join(more)}"
    )
