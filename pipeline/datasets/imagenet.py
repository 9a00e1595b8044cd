"""ImageNet, ILSVRC 2012: 1.3 million pictures, 1,000 labels, as published or as Kaggle lays it out."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets import _imagenet_lists as lists
from pipeline.datasets._imagenet_lists import labels_of
from pipeline.errors import SemblanceError, UsageError
from pipeline.files.picture_files import existing_folder, is_picture_name, picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="1,281,167 + 50,000 + 100,000 pictures, 1,000 labels (ILSVRC 2012); what you have of it is read",
    licence="for research and education, not commercial (ImageNet's terms)",
    source="https://www.image-net.org/download.php",
)
SPLITS = {"train": "train", "val": "validation", "test": "test"}
KAGGLE = ("", "CLS-LOC", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")  # where its folders train, val and test lie
WNID = re.compile(r"n\d{8}")
UNLABELED = {"test": "ImageNet's test split has no public labels; measure on split=validation, which is labelled"}


def build(*, root: PathText) -> Imagenet:
    """root: the folder that holds train and val (either will do), or the one of Kaggle's download that holds ILSVRC.

    train has a folder for each wnid. val has them too, or it is flat, and LOC_val_solution.csv, or
    ILSVRC2012_validation_ground_truth.txt and meta.mat (the development kit), lie in root or in its folder data.
    """
    if not root:
        raise UsageError(f"imagenet is not downloaded here; register at {CARD.source} and give it as root=FOLDER")
    folder = existing_folder(root)
    for pictures in (folder / nested for nested in KAGGLE):
        if any(_holds_imagenet(pictures / folder) for folder in SPLITS):
            return Imagenet(pictures, folder)
    raise UsageError(
        f"root={root} is not ImageNet: neither it nor ILSVRC/Data/CLS-LOC in it holds train/nXXXXXXXX or "
        f"val/ILSVRC2012_val_*.JPEG. Unpack the archives into folders; they come from {CARD.source}"
    )


class Imagenet:
    """Records: train, validation and test, as far as they are there.

    label: first word of the wnid's line of words, such as goldfish, told apart where two share it; the wnid without
    LOC_synset_mapping.txt, synset_words.txt, words.txt or meta.mat; '' in the test split.
    metadata: wnid, and words, all that the line says. unlabeled: split to why nothing can be measured on it.
    """

    unlabeled = UNLABELED

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        # Kaggle's lists lie three levels above its pictures
        above = list(root.parents[:3]) if root.name == "CLS-LOC" else []
        self._places = list(dict.fromkeys([root, folder, *above]))

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises SemblanceError for a flat val without its labels, or with labels that do not fit."""
        flat = any(is_picture_name(name) for name in _names(self.root / "val"))
        truth = lists.validation(self._places) if flat else {}
        folders = {name for folder in SPLITS for name in _names(self.root / folder) if WNID.fullmatch(name)}
        wnids = sorted({*folders, *truth.values()})
        words = lists.words(self._places)
        labels = labels_of(wnids, {wnid: text.split(", ") for wnid, text in words.items()})
        for folder, split in SPLITS.items():
            for path in picture_files(self.root / folder) if (self.root / folder).is_dir() else ():
                first, nested, _ = path.partition("/")
                wnid = first if nested else truth.get(first.partition(".")[0], "")
                if split == "validation" and not wnid:
                    raise SemblanceError(f"val/{path} has no label in {lists.named(self._places)}; get the whole list")
                metadata = {"wnid": wnid, "words": words.get(wnid, "")}
                yield ImageRecord(f"{folder}/{path}", labels.get(wnid, wnid), split, metadata)


def _names(folder: Path) -> Iterator[str]:
    """What lies in a folder, in no order; nothing when it is not there or cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries)


def _holds_imagenet(folder: Path) -> bool:
    return any(WNID.fullmatch(name) or name.startswith("ILSVRC2012_") for name in _names(folder))
