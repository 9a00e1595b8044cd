"""A case on disk: where a detector fails, looked for in rounds. Every step keeps its result in a file of its own.

`home/hard_cases/NAME/case.json` is written once; `round-01/` holds what is asked (truth, predictions, split) and what the
steps found. A step that is done again replaces its file and takes away the files that were made from it.
"""

from __future__ import annotations

import json
import re
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.gallery.artifacts import Artifacts
from pipeline.gallery.opening import check_name

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.annotations.annotations import Annotations
    from pipeline.settings import Settings

FORMAT = 1
GIVEN = "given.json"  # the ground truth as it came: lists of COCO results name pictures by its numbers
MAX_NAME = 48  # characters: its galleries are named NAME_pictures and NAME_objects
STEPS = ("encode", "needles", "shortlist", "compare", "export", "import")
MADE_FROM = {"encode": ("shortlist", "compare"), "needles": ("shortlist", "compare"), "shortlist": ("compare",)}
_ROUND = re.compile(r"round-(\d{2,4})")


class Case:
    """One case's folder. Holds no state but its round's annotations: every call reads what is on the disk now."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name

    @cached_property
    def about(self) -> dict[str, Any]:
        """case.json: title, created, pictures (their folder), seed, reference, notes, missing."""
        try:
            about: dict[str, Any] = json.loads((self.folder / "case.json").read_text(encoding="utf-8"))
            newer = about["format"] > FORMAT
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SemblanceError(
                f"cannot read {self.folder / 'case.json'} ({error}); start the case again after: "
                f"python -m pipeline hard-cases drop {self.name}"
            ) from error
        if newer:
            raise SemblanceError(f"the case {self.name} was made by a newer Semblance; update this one")
        return about

    @property
    def root(self) -> Path:
        """The pictures' folder; SemblanceError when it has gone."""
        root = Path(self.about["pictures"])
        if not root.is_dir():
            raise SemblanceError(f"the pictures' folder {root} of the case {self.name} is gone; put it back")
        return root

    @property
    def seed(self) -> int:
        return int(self.about["seed"])

    @property
    def numbers(self) -> list[int]:
        """Of its rounds, from 1."""
        matches = (_ROUND.fullmatch(path.name) for path in self.folder.glob("round-*"))
        return sorted(int(match[1]) for match in matches if match)

    def round(self, number: int = 0) -> Round:
        """The newest round, or that of a number."""
        numbers = self.numbers
        if not numbers or (number and number not in numbers):
            raise SemblanceError(f"the case {self.name} has no round {number or 1}; it has {len(numbers)}")
        return Round(self, number or numbers[-1])


class Round:
    """One round of a case: failures (needles), shortlist, figures, what was exported and what was imported."""

    def __init__(self, case: Case, number: int) -> None:
        self.case, self.number = case, number
        self.folder = case.folder / f"round-{number:02d}"

    @cached_property
    def truth(self) -> Annotations:
        return annotation_files.read(self.folder / "truth.json", "coco")

    @cached_property
    def predictions(self) -> Annotations:
        return annotation_files.read(self.folder / "predictions.json", "coco")

    @cached_property
    def split(self) -> dict[str, list[str]]:
        """reference and haystack: paths, sorted."""
        split: dict[str, list[str]] = json.loads((self.folder / "split.json").read_text(encoding="utf-8"))
        return split

    @property
    def reference(self) -> list[str]:
        """Pictures in which failures are looked for."""
        return self.split["reference"]

    @property
    def pool(self) -> list[str]:
        """The haystack: pictures that are searched as if they had no labels; theirs serve the comparison alone."""
        return self.split["haystack"]

    def result(self, step: str) -> dict[str, Any] | None:
        """What a step kept; None before it is done. SemblanceError for a damaged file."""
        return self._artifacts(step).read(step, lambda result: result["made"])

    def needed(self, step: str) -> dict[str, Any]:
        """The result of a step that has to be there; SemblanceError names the command that makes it."""
        result = self.result(step)
        if result is None:
            raise SemblanceError(
                f"the case {self.case.name} has no {NOUNS[step]} yet; first run: "
                f"python -m pipeline hard-cases {step} {self.case.name}"
            )
        return result

    def keep(self, step: str, result: dict[str, Any], table: pd.DataFrame | None = None) -> dict[str, Any]:
        """Keep a step's result, and take away what was made from its last one."""
        for later in MADE_FROM.get(step, ()):
            (self.folder / f"{later}.json").unlink(missing_ok=True)
        return self._artifacts(step).write(step, result, table)

    def table(self, step: str) -> pd.DataFrame:
        """The rows of a step that is done."""
        self.needed(step)
        return self._artifacts(step).table(step)

    def _artifacts(self, step: str) -> Artifacts:
        return Artifacts(self.folder, f"do the step {step} again", SemblanceError)


NOUNS = {
    "encode": "embeddings", "needles": "needles", "shortlist": "shortlist", "compare": "comparison",
    "export": "export", "import": "corrected annotations",
}  # fmt: skip


def case_folder(settings: Settings) -> Path:
    return settings.home / "hard_cases"


def check_case_name(name: str) -> str:
    """The name itself, or UsageError: galleries are named after it."""
    check_name(name)
    if len(name) > MAX_NAME or name.endswith("_"):
        raise UsageError(f"the case name {name!r} is too long or ends in _; write at most {MAX_NAME} of a-z, 0-9, _")
    return name


def case_names(settings: Settings) -> list[str]:
    """Cases on disk, sorted."""
    return sorted(file.parent.name for file in case_folder(settings).glob("[a-z]*/case.json"))


def open_case(name: str, settings: Settings) -> Case:
    """SemblanceError lists the cases that exist when this one does not."""
    folder = case_folder(settings) / check_case_name(name)
    if not (folder / "case.json").is_file():
        names = ", ".join(case_names(settings)) or "none yet"
        raise SemblanceError(
            f"no case {name!r} (there is: {names}); begin it with: python -m pipeline hard-cases start {name} …"
        )
    return Case(folder)


def drop_case(case: Case) -> None:
    """Delete the case's folder; its galleries are the caller's to drop."""
    try:
        (case.folder / "case.json").unlink()  # first: a half-deleted folder is no case
    except OSError as error:
        raise atomic.disk_error(error, case.folder) from error
    shutil.rmtree(case.folder, ignore_errors=True)


def galleries_of(case: Case) -> list[str]:
    """Names of the galleries that its rounds were encoded into, each once."""
    results = (case.round(number).result("encode") for number in case.numbers)
    return list(dict.fromkeys(result["gallery"] for result in results if result))
