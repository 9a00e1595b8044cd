"""Fashion-MNIST: 70,000 grey pictures of clothing, 28 × 28 pixels, as torchvision downloads and reads it."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets._decoded import Rows, decode_once, records_of
from pipeline.datasets._folders import find_layout
from pipeline.errors import SemblanceError, UsageError
from pipeline.files.atomic import name_for
from pipeline.files.downloads import download
from pipeline.files.picture_files import existing_folder
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent
from pipeline.settings import Settings

if TYPE_CHECKING:
    import numpy as np

CARD = Card(
    summary="60,000 + 10,000 grey pictures of clothing, 28 × 28 pixels, 10 labels (a download of 31 MB)",
    licence="MIT",
    source="https://github.com/zalandoresearch/fashion-mnist",
    requires=("torchvision",),
)
# In the order of the files' numbers, which is torchvision's too
LABELS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
FOLDERS = {label.replace("/", "_"): label for label in LABELS}
FILES = {  # split to pictures, labels
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
NAMES = [name for names in FILES.values() for name in names]
LAYOUTS = (NAMES, [f"{name}.gz" for name in NAMES])
EXPECTED = f"{', '.join(NAMES)}, all plain or all .gz"


def build(*, root: PathText = PathText("")) -> FashionMnist:
    """root: the four idx files, plain or .gz, or a folder above them such as torchvision's; empty: download them."""
    cache = Settings().cache.absolute()
    if not root:
        return FashionMnist(cache / "fashion-mnist", {})
    folder, names = find_layout("fashion_mnist", existing_folder(root), LAYOUTS, expected=EXPECTED)
    if folder.parent.name in ("MNIST", "KMNIST", "QMNIST"):  # torchvision's folders of files that are named the same
        raise UsageError(f"root={root}: these are the files of {folder.parent.name}; give the folder FashionMNIST")
    files = {plain: folder / name for plain, name in zip(NAMES, names, strict=True)}
    return FashionMnist(cache / name_for("fashion-mnist", files.values()), files)


class FashionMnist:
    """Records: train, then test, each label by label. The pictures are PNG files in the cache."""

    def __init__(self, root: Path, files: dict[str, Path]) -> None:
        self.root = root
        self._files = files  # empty: to be downloaded

    def prepare(self, progress: Progress = silent) -> None:
        """Download and decode once. Raises SemblanceError when that fails."""
        fetched = self.root.with_name(f".{self.root.name}.download")

        def read() -> list[Rows]:
            files = self._files or _download(fetched, progress)
            return [_rows(split, files[pictures], files[labels]) for split, (pictures, labels) in FILES.items()]

        decode_once(self.root, read, progress)
        shutil.rmtree(fetched, ignore_errors=True)

    def records(self) -> Iterator[ImageRecord]:
        if not self.root.exists():
            raise SemblanceError(f"fashion_mnist is not decoded to {self.root} yet; call prepare() first")
        return records_of(self.root, FOLDERS)


def _download(folder: Path, progress: Progress) -> dict[str, Path]:
    """From torchvision's mirrors, checked by its MD5 sums."""
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import check_integrity

    files = {}
    for name, md5 in FashionMNIST.resources:
        for mirror in FashionMNIST.mirrors:
            try:
                file = download(f"{mirror}{name}", folder / name, progress=progress)
                break
            except SemblanceError:
                if mirror == FashionMNIST.mirrors[-1]:
                    raise
        if not check_integrity(file, md5):
            file.unlink()
            raise SemblanceError(
                f"{mirror}{name} sent another file than expected, which was deleted; try again later, or get the files "
                f"from {CARD.source} and give their folder as root=FOLDER"
            )
        files[name.removesuffix(".gz")] = file
    return files


def _rows(split: str, pictures: Path, labels: Path) -> Rows:
    from torchvision.datasets import mnist

    pixels, numbers = _idx(pictures, mnist.read_image_file), _idx(labels, mnist.read_label_file)
    if len(pixels) != len(numbers):
        raise SemblanceError(f"{labels} has {len(numbers):,} labels for {len(pixels):,} pictures; fetch both again")
    if len(numbers) and not numbers.max() < len(LABELS):
        raise SemblanceError(f"{labels} names a label {numbers.max()}, and Fashion-MNIST has 0 to 9; fetch it again")
    folders = list(FOLDERS)
    return Rows(split, [folders[number] for number in numbers.tolist()], pixels)


def _idx(file: Path, read: Callable[[str], Any]) -> np.ndarray:
    """The file by torchvision's reader, as an array. It opens plain files only, and what it finds wrong has many names."""
    try:
        if file.suffix != ".gz":
            return read(str(file)).numpy()
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "idx"
            with gzip.open(file) as packed, plain.open("wb") as out:
                shutil.copyfileobj(packed, out)
            return read(str(plain)).numpy()
    except (AssertionError, ValueError, TypeError, KeyError, RuntimeError, EOFError, zlib.error, OSError) as error:
        reason = str(error) or "its header does not fit"
        raise SemblanceError(f"{file} cannot be read as an idx file ({reason}); fetch it again") from error
