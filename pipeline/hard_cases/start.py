"""How a case begins: annotations are read and copied in, its pictures are split; and how its next round begins."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import PictureError, SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.hard_cases import review
from pipeline.hard_cases.case import FORMAT, GIVEN, Case, Round, case_folder, check_case_name
from pipeline.images import opening

if TYPE_CHECKING:
    from pipeline.annotations.annotations import Annotations
    from pipeline.settings import Settings

MIN_POOL = 10  # pictures
MAX_NAMED = 20  # missing pictures


def start_case(
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
    """A new case. reference: the share of pictures set aside to look for failures in; the others are the pool.

    Pictures that are not there are left out and named. Raises UsageError for what cannot be worked with.
    """
    folder = case_folder(settings) / check_case_name(name)
    if (folder / "case.json").is_file():
        raise UsageError(
            f"there is a case {name!r} already; go on with it (python -m pipeline hard-cases show {name}), choose another "
            f"name, or delete it: python -m pipeline hard-cases drop {name}"
        )
    if not 0 < reference < 1:
        raise UsageError(f"reference is {reference:g}; choose a share between 0 and 1, such as 0.1")
    root = pictures.expanduser().absolute()

    true, predicted = read_annotations(root, truth, predictions, format)
    there, missing = present(root, true.pictures["path"].tolist())
    split = split_of(there, reference=reference, seed=seed, missing=len(missing))
    notes = annotation_files.check(true, predicted)
    for source, given in (("ground truth", true), ("predictions", predicted)):
        notes += [f"{source}: {note}" for note in annotation_files.fault_notes(given)]
    about = {"format": FORMAT, "name": name, "title": title or name, "pictures": str(root)}
    about |= {"created": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds"), "seed": seed}
    about |= {"reference": reference, "notes": notes, "missing": len(missing), "first_missing": missing[:MAX_NAMED]}
    with _new_folder(folder) as temporary:
        _write_round(temporary / "round-01", true.only(there), predicted.only(there), split)
        if truth.suffix.lower() == ".json":
            shutil.copyfile(truth.expanduser(), temporary / GIVEN)
        atomic.write_json(temporary / "case.json", about)
        shutil.rmtree(folder, ignore_errors=True)  # without case.json it is what a killed `drop` left
    return Case(folder)


def read_annotations(
    root: Path, truth_file: Path, predictions_file: Path, format: str = "auto"
) -> tuple[Annotations, Annotations]:
    """Ground truth and predictions; UsageError when they are none or change places."""
    truth_file, predictions_file = truth_file.expanduser(), predictions_file.expanduser()
    truth = annotation_files.read(truth_file, format, pictures=root)
    alike = predictions_file.is_dir() == truth_file.is_dir() and predictions_file.suffix == truth_file.suffix
    predictions = annotation_files.read(predictions_file, format if alike else "auto", pictures=root, truth=truth_file)
    if truth.boxes.empty:
        why = "".join(f"; {note}" for note in annotation_files.fault_notes(truth)[:2])
        raise UsageError(f"{truth_file.name} has no boxes{why}; give the ground truth, with the objects that are there")
    if truth.predicted:
        raise UsageError(f"the boxes of {truth_file.name} have scores: these are predictions; give the ground truth")
    if predictions.boxes.empty:
        why = "".join(f"; {note}" for note in annotation_files.fault_notes(predictions)[:2])
        raise UsageError(f"{predictions_file.name} has no predictions{why}; run the detector on the pictures first")
    if not predictions.predicted:
        raise UsageError(
            f"the boxes of {predictions_file.name} have no scores: this is ground truth; give what the detector says"
        )
    if not set(predictions.boxes["path"]) & set(truth.pictures["path"]):
        raise UsageError(
            f"no prediction is for a picture of the ground truth: {predictions_file.name} names "
            f"{predictions.boxes['path'].iat[0]}, {truth_file.name} {truth.pictures['path'].iat[0]}; "
            "give paths from one folder"
        )
    return truth, predictions


def present(root: Path, paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """(those that are files below the root, those that are not), each sorted."""
    there: list[str] = []
    missing: list[str] = []
    for path in sorted(paths):
        is_there = False
        with contextlib.suppress(PictureError, OSError):
            is_there = os.path.isfile(opening.inside(root, path))
        (there if is_there else missing).append(path)
    return there, missing


def split_of(paths: Sequence[str], *, reference: float, seed: int, missing: int = 0) -> dict[str, list[str]]:
    """The pool (as haystack) and the reference, chosen by the seed alone; UsageError when too few are left to search."""
    import numpy as np

    n = max(1, round(reference * len(paths)))
    if len(paths) - n < MIN_POOL:
        gone = f" ({missing:,} are not in the pictures' folder)" if missing else ""
        raise UsageError(
            f"{len(paths):,} pictures{gone} leave {max(len(paths) - n, 0):,} to search, {MIN_POOL} are the least; "
            "check the folder, or give more pictures or a smaller reference"
        )
    order = np.random.default_rng(seed).permutation(len(paths))
    chosen = set(order[:n].tolist())
    return {
        "reference": [path for at, path in enumerate(paths) if at in chosen],
        "haystack": [path for at, path in enumerate(paths) if at not in chosen],
    }


def start_next_round(case: Case) -> Round:
    """On the corrected annotations and the retrained detector; what was shortlisted is in no pool any more.

    Raises SemblanceError before `import`.
    """
    last = case.round()
    last.needed("import")
    shortlist = set(review.shortlisted(last)["path"])
    pool = [path for path in last.pool if path not in shortlist]
    if len(pool) < MIN_POOL:
        raise SemblanceError(
            f"only {len(pool):,} pictures of the haystack were never on a shortlist, {MIN_POOL} are the least; "
            f"start a new case with more pictures"
        )
    truth, predictions = (
        annotation_files.read(last.folder / "after" / f"{name}.json", "coco") for name in ("truth", "predictions")
    )
    round = Round(case, last.number + 1)
    with _new_folder(round.folder) as temporary:
        _write_round(temporary, truth, predictions, {"reference": last.reference, "haystack": pool})
    return round


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside it to fill, which then takes its name: it is there whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, folder)
    except OSError as error:
        raise atomic.disk_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_round(folder: Path, truth: Annotations, predictions: Annotations, split: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    annotation_files.write(truth, folder / "truth.json")
    annotation_files.write(predictions, folder / "predictions.json")
    atomic.write_json(folder / "split.json", split)
