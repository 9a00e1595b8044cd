"""ImageNet's lists: what a wnid means, a label that people read for each, and which one each validation picture has."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.datasets._lists import lines_of
from pipeline.errors import SemblanceError

WORDS = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")
SOLUTION = "LOC_val_solution.csv"  # Kaggle's
TRUTH, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"  # the development kit's
BELOW = ("", "data", "ILSVRC2012_devkit_t12/data")
LINE = re.compile(r"(?P<wnid>n\d{8})[\s:]+(?P<words>.*)")


def words(places: Sequence[Path]) -> dict[str, str]:
    """wnid to its synonyms, "tench, Tinca tinca"; empty without any of the lists."""
    if file := _find(places, *WORDS):
        return {match["wnid"]: match["words"] for line in lines_of(file) if (match := LINE.fullmatch(line))}
    file = _find(places, META)
    return dict(_synsets(file).values()) if file else {}


def labels_of(wnids: list[str], words: dict[str, list[str]]) -> dict[str, str]:
    """wnid to a label of its own: the first word, with the second where that is shared, else with the wnid."""
    labels = {wnid: words.get(wnid, [wnid])[0] for wnid in wnids}
    for longer in (lambda wnid: words.get(wnid, [wnid])[1:2], lambda wnid: [wnid]):
        uses = Counter(labels.values())
        shared = [wnid for wnid in wnids if uses[labels[wnid]] > 1]
        labels |= {wnid: f"{labels[wnid]} ({longer(wnid)[0]})" for wnid in shared if longer(wnid)}
    return labels


def validation(places: Sequence[Path]) -> dict[str, str]:
    """Picture without suffix, ILSVRC2012_val_00000001, to wnid. Raises SemblanceError when no list says so."""
    if file := _find(places, SOLUTION):
        rows = csv.DictReader(lines_of(file))  # PredictionString: wnid and box of each object, of one wnid
        if not {"ImageId", "PredictionString"} <= set(rows.fieldnames or ()):
            raise SemblanceError(f"{file} is damaged: its columns are not ImageId,PredictionString; get it again")
        return {row["ImageId"]: wnid for row in rows for wnid in (row["PredictionString"] or "").split()[:1]}
    truth, meta = _find(places, TRUTH), _find(places, META)
    if truth and meta:
        synsets = _synsets(meta)
        try:
            wnids = [synsets[int(number)][0] for number in lines_of(truth)]
        except (ValueError, KeyError) as error:
            raise SemblanceError(f"{truth} is damaged: it names a label {error} that {meta} lacks") from error
        return {f"ILSVRC2012_val_{number:08d}": wnid for number, wnid in enumerate(wnids, start=1)}
    raise SemblanceError(
        f"the pictures in val have no folders, so their labels are needed: put {SOLUTION}, or {TRUTH} and {META}, into "
        f"{places[0]}, or move each picture into a folder of its wnid"
    )


def named(places: Sequence[Path]) -> str:
    """The list that `validation` reads, for a message."""
    return str(_find(places, SOLUTION, TRUTH) or SOLUTION)


def _find(places: Sequence[Path], *names: str) -> Path | None:
    files = (place / below / name for name in names for place in places for below in BELOW)
    return next((file for file in files if file.is_file()), None)


def _synsets(file: Path) -> dict[int, tuple[str, str]]:
    """Number to (wnid, words), from MATLAB's table of synsets."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        table: Any = loadmat(file, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): (str(row["WNID"]), str(row["words"])) for row in table}
    except (MatReadError, ValueError, KeyError, IndexError, TypeError, NotImplementedError, OSError) as error:
        raise SemblanceError(f"{file} is not the development kit's {META} ({error}); unpack it again") from error
