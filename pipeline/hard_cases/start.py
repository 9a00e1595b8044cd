"""How a case begins: annotations are read and copied in, its pictures are split; and how its next round begins."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import PictureError, SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.hard_cases import case as hard_cases
from pipeline.hard_cases import choices
from pipeline.hard_cases.case import Case
from pipeline.images import opening

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations
    from pipeline.settings import Settings

LEAST_HAYSTACK = 10  # pictures
TOLD = 20  # missing pictures that are named


def start(
    name: str,
    settings: Settings,
    *,
    pictures: Path,
    truth: Path,
    predictions: Path,
    format: str = "auto",
    reference: float = 0.1,
    seed: int = 0,
    title: str = "",
) -> Case:
    """A new case. reference: the share of pictures set aside to look for failures in; the others are the haystack.

    Pictures that are not there are left out and named. Raises UsageError for what cannot be worked with.
    """
    folder = hard_cases.case_folder(settings) / hard_cases.check_case_name(name)
    if (folder / "case.json").is_file():
        raise UsageError(
            f"there is a case {name!r} already; go on with it (python -m pipeline hard-cases show {name}), choose another "
            f"name, or delete it: python -m pipeline hard-cases drop {name}"
        )
    if not 0 < reference < 1:
        raise UsageError(f"reference is {reference:g}; choose a share between 0 and 1, such as 0.1")
    root = Path(pictures).expanduser().absolute()
    known, told = read(root, truth, predictions, format)
    there, missing = present(root, known.pictures["path"].tolist())
    split = split_of(there, reference=reference, seed=seed, missing=len(missing))
    notes = annotation_files.check(known, told)
    for one, called in ((known, "ground truth"), (told, "predictions")):
        notes += [
            f"{called}: {count:,} × {text} (first: {place})"
            for text, count, place in annotation_files.fault_counts(one)
        ]
    about = {"format": hard_cases.FORMAT, "name": name, "title": title or name, "pictures": str(root)}
    about |= {"created": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds"), "seed": seed}
    about |= {"reference": reference, "notes": notes, "missing": len(missing), "first_missing": missing[:TOLD]}
    begun = folder.with_name(f".{name}.tmp")
    shutil.rmtree(begun, ignore_errors=True)
    try:
        begun.mkdir(parents=True)
        _write_round(begun / "round-01", known.only(there), told.only(there), split)
        if (given := Path(truth).expanduser()).suffix.lower() == ".json":
            shutil.copyfile(given, begun / hard_cases.GIVEN)
        atomic.write_json(begun / "case.json", about)
        shutil.rmtree(folder, ignore_errors=True)  # without case.json it is what a killed `drop` left
        os.replace(begun, folder)
    except OSError as error:
        raise atomic.disk_error(error, folder) from error
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    return Case(folder)


def read(root: Path, truth: Path, predictions: Path, format: str = "auto") -> tuple[Annotations, Annotations]:
    """Ground truth and predictions; UsageError when they are none or change places."""
    truth, predictions = Path(truth).expanduser(), Path(predictions).expanduser()
    known = annotation_files.read(truth, format, pictures=root)
    alike = predictions.is_dir() == truth.is_dir() and predictions.suffix == truth.suffix
    told = annotation_files.read(predictions, format if alike else "auto", pictures=root, truth=truth)
    if known.boxes.empty:
        raise UsageError(f"{truth.name} has no boxes; give the ground truth, with the objects that are there")
    if known.predicted:
        raise UsageError(f"the boxes of {truth.name} have scores: these are predictions; give the ground truth")
    if told.boxes.empty:
        raise UsageError(f"{predictions.name} has no predictions; run the detector on the pictures first")
    if not told.predicted:
        raise UsageError(
            f"the boxes of {predictions.name} have no scores: this is ground truth; give what the detector says"
        )
    if not set(told.boxes["path"]) & set(known.pictures["path"]):
        raise UsageError(
            f"no prediction is for a picture of the ground truth: {predictions.name} names "
            f"{told.boxes['path'].iat[0]}, {truth.name} {known.pictures['path'].iat[0]}; give paths from one folder"
        )
    return known, told


def present(root: Path, paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """(those that are files below the root, those that are not), each sorted."""
    there: list[str] = []
    missing: list[str] = []
    for path in sorted(paths):
        found = False
        with contextlib.suppress(PictureError, OSError):
            found = os.path.isfile(opening.inside(root, path))
        (there if found else missing).append(path)
    return there, missing


def split_of(paths: Sequence[str], *, reference: float, seed: int, missing: int = 0) -> dict[str, list[str]]:
    """haystack and reference, chosen by the seed alone; UsageError when too few are left to search."""
    import numpy as np

    n = max(1, round(reference * len(paths)))
    if len(paths) - n < LEAST_HAYSTACK:
        gone = f" ({missing:,} are not in the pictures' folder)" if missing else ""
        raise UsageError(
            f"{len(paths):,} pictures{gone} leave {max(len(paths) - n, 0):,} to search, {LEAST_HAYSTACK} are the least; "
            "check the folder, or give more pictures or a smaller reference"
        )
    order = np.random.default_rng(seed).permutation(len(paths))
    chosen = set(order[:n].tolist())
    return {
        "reference": [path for at, path in enumerate(paths) if at in chosen],
        "haystack": [path for at, path in enumerate(paths) if at not in chosen],
    }


def begin_next(case: Case) -> int:
    """The next round, on the corrected annotations and the retrained detector; what was shortlisted is no haystack any more.

    Returns its number. Raises SemblanceError before `import`.
    """
    last = case.round()
    last.needed("import")
    sent = set(choices.shortlisted(last)["path"])
    haystack = [path for path in last.split["haystack"] if path not in sent]
    if len(haystack) < LEAST_HAYSTACK:
        raise SemblanceError(
            f"only {len(haystack):,} pictures of the haystack were never on a shortlist, {LEAST_HAYSTACK} are the least; "
            f"start a new case with more pictures"
        )
    known = annotation_files.read(last.folder / "after" / "truth.json", "coco")
    told = annotation_files.read(last.folder / "after" / "predictions.json", "coco")
    split = {"reference": last.split["reference"], "haystack": haystack}
    number = last.number + 1
    begun = case.folder / f".round-{number:02d}.tmp"
    shutil.rmtree(begun, ignore_errors=True)
    try:
        _write_round(begun, known, told, split)
        os.replace(begun, case.folder / f"round-{number:02d}")
    except OSError as error:
        raise atomic.disk_error(error, begun) from error
    return number


def _write_round(folder: Path, known: Annotations, told: Annotations, split: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    annotation_files.write(known, folder / "truth.json")
    annotation_files.write(told, folder / "predictions.json")
    atomic.write_json(folder / "split.json", split)
