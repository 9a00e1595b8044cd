"""Pictures that are published as rows of pixels in one file, written as PNG files once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import atomic
from pipeline.files.picture_files import parent_name, picture_files
from pipeline.records import ImageRecord, Progress

if TYPE_CHECKING:
    import numpy as np

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Rows:
    """The pictures of one split. folders: the name of each one's label as a folder."""

    split: str
    folders: Sequence[str]
    pixels: np.ndarray  # (n, height, width) grey or (n, height, width, 3) RGB, uint8


def decode_once(root: Path, read: Callable[[], list[Rows]], progress: Progress) -> None:
    """Make `root` exist: SPLIT/FOLDER/NNNNN.png, numbered by the place in the split.

    Killed, it goes on with the pictures that are missing. `read` is called only when there is something to do.
    """
    from PIL import Image

    def fill(staging: Path) -> Path:
        done, parts = 0, read()
        total = sum(len(part.folders) for part in parts)
        for part in parts:
            for number, (folder, pixels) in enumerate(zip(part.folders, part.pixels, strict=True)):
                file = staging / part.split / folder / f"{number:05d}.png"
                if not file.exists():
                    with atomic.replacing(file, durable=False) as temporary:
                        Image.fromarray(pixels).save(temporary, "PNG")
                done += 1
                progress("decode", done, total)
        return staging

    atomic.make_once(root, fill)


def records_of(root: Path, labels: Mapping[str, str] | None = None) -> Iterator[ImageRecord]:
    """Layout: {train,test}/FOLDER/PICTURE. labels: of the folders whose name is not their label."""
    for split in SPLITS:
        for path in picture_files(root / split):
            folder = parent_name(path)
            yield ImageRecord(f"{split}/{path}", label=(labels or {}).get(folder, folder), split=split)
