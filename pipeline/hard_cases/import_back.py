"""The step `import`: corrected annotations and the retrained detector come back, and what has changed is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import UsageError
from pipeline.hard_cases.case import GIVEN, Round
from pipeline.hard_cases.compare import json_ready, paired, part_intervals, parts_of
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations

NAMES = {"reference": "R, the reference", "shortlist": "S, the shortlist", "rest": "H − S, the rest"}


def import_annotations(
    round: Round,
    *,
    truth: Path | None = None,
    predictions: Path | None = None,
    format: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure the last and the retrained detector, both against the corrected annotations.

    truth: a file of annotations; it may hold the corrected pictures only, the others stay as they were. predictions: a file
    of the retrained detector's boxes in all pictures; a list of COCO results uses the numbers of the truth that the case
    began with. One of the two is enough. Raises UsageError for files that cannot be what they are given as.
    """
    truth, predictions = (file and file.expanduser() for file in (truth, predictions))
    if truth is None and predictions is None:
        raise UsageError("nothing to import; give --truth FILE (corrected annotations), --predictions FILE, or both")
    parts = {"reference": round.reference} | parts_of(round)
    del parts["haystack"]
    corrected, changed = _corrected(round, truth, format) if truth else (round.truth, 0)
    retrained = round.predictions
    if predictions:
        given = round.case.folder / GIVEN
        retrained = annotation_files.read(
            predictions,
            format if truth is None or predictions.suffix == truth.suffix else "auto",
            pictures=round.case.root,
            truth=given if given.is_file() else truth,
        )
        if retrained.boxes.empty or not retrained.predicted:
            raise UsageError(f"{predictions.name} has no boxes with scores; give what the retrained detector says")
        retrained = retrained.only(corrected.pictures["path"])
    notes = annotation_files.check(corrected, retrained)
    for source, one in (("corrected annotations", corrected), ("predictions", retrained)):
        notes += [f"{source}: {note}" for note in annotation_files.fault_notes(one)]
    seed = round.case.seed
    progress("measure", 0, 2)
    before = part_intervals(corrected, round.predictions, parts, seed=seed)
    progress("measure", 1, 2)
    after = part_intervals(corrected, retrained, parts, seed=seed)
    progress("measure", 2, 2)
    folder = round.folder / "after"
    folder.mkdir(exist_ok=True)
    annotation_files.write(corrected, folder / "truth.json")
    annotation_files.write(retrained, folder / "predictions.json")
    figures = {
        name: {
            "pictures": len(paths),
            "before": before[name].as_json(),
            "after": after[name].as_json(),
            "difference": paired(after[name], before[name]),
        }
        for name, paths in parts.items()
    }
    result = {"corrected": changed, "retrained": predictions is not None, "notes": notes, "map": figures, "seed": seed}
    return round.keep("import", json_ready(result | {"sentence": sentence(figures, retrained=bool(predictions))}))


def sentence(figures: dict[str, Any], *, retrained: bool) -> str:
    """What became of the reference, which nobody trained on."""
    if not retrained:
        return "Annotations were corrected; the detector's predictions are still those of this round."
    reference = figures["reference"]
    low, high = reference["difference"]["low"], reference["difference"]["high"]
    change = f"On the reference mAP goes from {reference['before']['value']:.3f} to {reference['after']['value']:.3f}"
    if low > 0:
        return f"{change}: better, by {low:.3f} to {high:.3f}."
    if high < 0:
        return f"{change}: worse, by {-high:.3f} to {-low:.3f}."
    return f"{change}: no difference that {reference['pictures']:,} pictures could show ({low:+.3f} to {high:+.3f})."


def _corrected(round: Round, truth: Path, format: str) -> tuple[Annotations, int]:
    """The round's truth with the pictures of a file in their place, and how many of them have other boxes than before."""
    import pandas as pd

    given = annotation_files.read(truth, format, pictures=round.case.root)
    if given.predicted:
        raise UsageError(f"the boxes of {truth.name} have scores: these are predictions; give the annotations")
    old = round.truth
    new = given.only(old.pictures["path"])
    covered = set(new.pictures["path"])
    if not covered:
        raise UsageError(f"{truth.name} has none of the case's pictures; keep their paths when you export them")
    before, now = _boxes_by_path(old.only(covered)), _boxes_by_path(new)
    changed = sum(before.get(path) != now.get(path) for path in covered)
    stay = old.only(set(old.pictures["path"]) - covered)
    boxes = pd.concat([stay.boxes, new.boxes], ignore_index=True).drop(columns="number")
    pictures = pd.concat([stay.pictures, new.pictures], ignore_index=True).sort_values("path", ignore_index=True)
    return annotation_files.of(pictures, boxes, given.faults), changed


def _boxes_by_path(annotations: Annotations) -> dict[str, list[tuple[Any, ...]]]:
    """Path to its boxes in whole pixels, sorted."""
    boxes: dict[str, list[tuple[Any, ...]]] = {}
    for row in annotations.boxes.itertuples():
        sides = (round(side) for side in (row.x, row.y, row.width, row.height))
        boxes.setdefault(row.path, []).append((row.label, *sides))
    return {path: sorted(rows) for path, rows in boxes.items()}
