"""The step `import`: corrected annotations and the retrained detector come back, and what has changed is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import UsageError
from pipeline.hard_cases import compare
from pipeline.hard_cases.case import GIVEN, Round
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations

NAMES = {"reference": "R, the reference", "shortlist": "S, the shortlist", "rest": "H − S, the rest"}


def take_back(
    turn: Round,
    *,
    truth: Path | None = None,
    predictions: Path | None = None,
    format: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure the last and the retrained detector, both against the corrected annotations.

    truth: may hold the corrected pictures only; the others stay as they were. predictions: of all pictures; a list of
    COCO results uses the numbers of the truth that the case began with. One of the two is enough. Raises UsageError for files that cannot be what they are given as.
    """
    truth, predictions = (one and Path(one).expanduser() for one in (truth, predictions))
    if truth is None and predictions is None:
        raise UsageError("nothing to import; give --truth FILE (corrected annotations), --predictions FILE, or both")
    parts = {"reference": turn.split["reference"]} | compare.parts_of(turn)
    del parts["haystack"]
    known, changed = _corrected(turn, truth, format) if truth else (turn.truth, 0)
    told = turn.predictions
    if predictions:
        given = turn.case.folder / GIVEN
        own = format if truth is None or predictions.suffix == truth.suffix else "auto"
        base = given if given.is_file() else truth
        told = annotation_files.read(predictions, own, pictures=turn.case.root, truth=base)
        if told.boxes.empty or not told.predicted:
            raise UsageError(f"{predictions.name} has no boxes with scores; give what the retrained detector says")
        told = told.only(known.pictures["path"])
    notes = annotation_files.check(known, told)
    seed = turn.case.seed
    progress("measure", 0, 2)
    before = compare.measured(known, turn.predictions, parts, seed=seed)
    progress("measure", 1, 2)
    after = compare.measured(known, told, parts, seed=seed)
    progress("measure", 2, 2)
    folder = turn.folder / "after"
    folder.mkdir(exist_ok=True)
    annotation_files.write(known, folder / "truth.json")
    annotation_files.write(told, folder / "predictions.json")
    figures = {
        name: {
            "pictures": len(paths),
            "before": compare.figure(before[name]),
            "after": compare.figure(after[name]),
            "difference": compare.paired(after[name], before[name]),
        }
        for name, paths in parts.items()
    }
    result = {"corrected": changed, "retrained": predictions is not None, "notes": notes, "map": figures, "seed": seed}
    return turn.keep("import", compare.plain(result | {"sentence": sentence(figures, retrained=bool(predictions))}))


def sentence(figures: dict[str, Any], *, retrained: bool) -> str:
    """What became of the reference, which nobody trained on."""
    if not retrained:
        return "Annotations were corrected; the detector's predictions are still those of this round."
    one = figures["reference"]
    gain = one["difference"]
    said = f"On the reference mAP goes from {one['before']['value']:.3f} to {one['after']['value']:.3f}"
    if gain["low"] > 0:
        return f"{said}: better, by {gain['low']:.3f} to {gain['high']:.3f}."
    if gain["high"] < 0:
        return f"{said}: worse, by {-gain['high']:.3f} to {-gain['low']:.3f}."
    return f"{said}: no difference that {one['pictures']:,} pictures could show ({gain['low']:+.3f} to {gain['high']:+.3f})."


def _corrected(turn: Round, truth: Path, format: str) -> tuple[Annotations, int]:
    """The round's truth with the pictures of a file in their place, and how many of them have other boxes than before."""
    import pandas as pd

    found = annotation_files.read(truth, format, pictures=turn.case.root)
    if found.predicted:
        raise UsageError(f"the boxes of {truth.name} have scores: these are predictions; give the annotations")
    old = turn.truth
    new = found.only(old.pictures["path"])
    covered = set(new.pictures["path"])
    if not covered:
        raise UsageError(f"{truth.name} has none of the case's pictures; keep their paths when you export them")
    before, now = _said(old.only(covered)), _said(new)
    changed = sum(before.get(path) != now.get(path) for path in covered)
    stay = old.only(set(old.pictures["path"]) - covered)
    boxes = pd.concat([stay.boxes, new.boxes], ignore_index=True).drop(columns="number")
    pictures = pd.concat([stay.pictures, new.pictures], ignore_index=True).sort_values("path", ignore_index=True)
    return annotation_files.of(pictures, boxes, found.faults), changed


def _said(of: Annotations) -> dict[str, list[tuple[Any, ...]]]:
    """Path to its boxes in whole pixels, sorted."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in of.boxes.itertuples():
        sides = (round(side) for side in (row.x, row.y, row.width, row.height))
        found.setdefault(row.path, []).append((row.label, *sides))
    return {path: sorted(boxes) for path, boxes in found.items()}
