"""CIFAR-10: 60,000 colour pictures of 32 × 32 pixels, 10 labels, from the binary version or from folders of pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets._decoded import Rows, decode_once, records_of
from pipeline.datasets._folders import find_layout
from pipeline.datasets._lists import lines_of
from pipeline.errors import SemblanceError
from pipeline.files.archives import Origin, Source
from pipeline.files.atomic import name_for
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent
from pipeline.settings import Settings

CARD = Card(
    summary="50,000 + 10,000 pictures of 32 × 32 pixels, 10 labels (a download of 170 MB)",
    licence="none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
)
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"  # 170,052,171 bytes
BATCHES = {
    "train": ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    "test": ["test_batch.bin"],
}
META = "batches.meta.txt"  # the labels' names, in the order of their numbers
BINARY = [META, *BATCHES["train"], *BATCHES["test"]]
PICTURES = ["train/airplane", "train/truck", "test/airplane", "test/truck"]
SIDE = 32


def build(*, root: PathText = PathText("")) -> Cifar10:
    """root: a folder with the .bin files or with {train,test}/LABEL/PICTURE, or cifar-10-binary.tar.gz; empty: download.

    The Python version is not read: it is pickled, and opening a pickle runs what is in it.
    """
    cache = Settings().cache.absolute()
    source = Source("cifar-10-binary", BINARY, url=URL, sha256=SHA256)
    path = Path(root).expanduser().absolute()
    if not root or not path.is_dir():
        binary = source.at(root)
        return Cifar10(cache / binary.root.name.replace("binary", "pictures"), binary, keep=False)
    folder, layout = find_layout("cifar10", path, (BINARY, PICTURES))
    if layout is PICTURES:
        return Cifar10(folder, None)
    name = name_for("cifar-10-pictures", [folder / name for name in BINARY])
    return Cifar10(cache / name, Origin(source, folder, None))


class Cifar10:
    """Records: train, then test, each label by label. What is binary is decoded to PNG files in the cache."""

    def __init__(self, root: Path, binary: Origin | None, *, keep: bool = True) -> None:
        self.root = root
        self._binary = binary  # None: root holds pictures already
        self._keep = keep  # the .bin files are somebody's, not unpacked here

    def prepare(self, progress: Progress = silent) -> None:
        """Download, unpack and decode once. Raises SemblanceError when that fails."""
        binary = self._binary
        if binary is None:
            return

        def read() -> list[Rows]:
            binary.prepare(progress)
            return _read(binary.root)

        decode_once(self.root, read, progress)
        if not self._keep:
            shutil.rmtree(binary.root, ignore_errors=True)

    def records(self) -> Iterator[ImageRecord]:
        if not self.root.exists():
            raise SemblanceError(f"cifar10 is not decoded to {self.root} yet; call prepare() first")
        return records_of(self.root)


def _read(folder: Path) -> list[Rows]:
    """A record is the label's number in one byte, then 32 × 32 bytes of red, as many of green and of blue."""
    import numpy as np

    names, parts = lines_of(folder / META), []
    for split, batches in BATCHES.items():
        data = [np.fromfile(folder / name, np.uint8) for name in batches]
        for name, batch in zip(batches, data, strict=True):
            if not batch.size or batch.size % (1 + 3 * SIDE * SIDE):
                raise SemblanceError(f"{folder / name} is cut off: it has {batch.size:,} bytes; unpack the data again")
        rows = np.concatenate(data).reshape(-1, 1 + 3 * SIDE * SIDE)
        if rows[:, 0].max() >= len(names):
            raise SemblanceError(
                f"{folder} is damaged: a picture has the label {rows[:, 0].max()} and {META} names {len(names)}; "
                "unpack the data again"
            )
        pixels = rows[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)  # (n, 32, 32, 3)
        parts.append(Rows(split, [names[number] for number in rows[:, 0].tolist()], pixels))
    return parts
