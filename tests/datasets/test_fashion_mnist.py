"""Fashion-MNIST from tiny idx files: decoded once, gone on with after a break, fetched from torchvision's mirror."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from file_server import Site, serving
from PIL import Image
from torchvision.datasets import FashionMNIST

from pipeline import plugins
from pipeline.datasets import fashion_mnist as plugin
from pipeline.errors import SemblanceError, UsageError
from pipeline.images import opening
from pipeline.records import Dataset

NUMBERS = {"train": [3, 0, 3, 9], "test": [0, 7]}


def drawn(split: str) -> np.ndarray:
    """(n, 28, 28) uint8, no two alike."""
    return np.random.default_rng(len(split)).integers(0, 256, (len(NUMBERS[split]), 28, 28), dtype=np.uint8)


def idx(pixels: np.ndarray) -> bytes:
    """A magic number that says bytes and how many sides, the sides, big-endian, and the bytes."""
    return struct.pack(f">{1 + pixels.ndim}I", 0x800 + pixels.ndim, *pixels.shape) + pixels.tobytes()


def files() -> dict[str, bytes]:
    found = {}
    for split, (pictures, labels) in plugin.FILES.items():
        found[pictures] = idx(drawn(split))
        found[labels] = idx(np.array(NUMBERS[split], np.uint8))
    return found


def put(folder: Path, *, packed: bool = False) -> Path:
    folder.mkdir(parents=True)
    for name, data in files().items():
        (folder / f"{name}.gz" if packed else folder / name).write_bytes(
            gzip.compress(data, mtime=0) if packed else data
        )
    return folder


def prepared(root: Path) -> Dataset:
    dataset = plugins.build("datasets", f"fashion_mnist:root={root}")
    dataset.prepare()
    return dataset


EXPECTED = [
    ("train/Ankle boot/00003.png", "Ankle boot", "train"),
    ("train/Dress/00000.png", "Dress", "train"),
    ("train/Dress/00002.png", "Dress", "train"),
    ("train/T-shirt_top/00001.png", "T-shirt/top", "train"),
    ("test/Sneaker/00001.png", "Sneaker", "test"),
    ("test/T-shirt_top/00000.png", "T-shirt/top", "test"),
]


def seen(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [(record.path, record.label, record.split) for record in dataset.records()]


def test_the_labels_are_torchvisions() -> None:
    assert list(plugin.LABELS) == FashionMNIST.classes
    assert [name for name, _ in FashionMNIST.resources] == [f"{name}.gz" for name in plugin.NAMES]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("up", ["", "..", "../.."])
def test_torchvisions_folder_or_one_above_it_reads_plain_or_packed(
    tmp_path: Path, home: Path, packed: bool, up: str
) -> None:
    folder = put(tmp_path / "data" / "FashionMNIST" / "raw", packed=packed)
    dataset = prepared(folder / up)
    assert seen(dataset) == EXPECTED
    for record in dataset.records():
        picture = opening.open_image((dataset.root / record.path).read_bytes()).image
        grey = drawn(record.split)[int(Path(record.path).stem)]
        assert (np.asarray(picture) == grey[:, :, None]).all()


def test_a_decoding_that_was_cut_short_goes_on_where_it_stopped(tmp_path: Path, home: Path) -> None:
    root = put(tmp_path / "raw")

    def stop(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("decode", 6)
        if done == 4:
            raise KeyboardInterrupt

    dataset = plugins.build("datasets", f"fashion_mnist:root={root}")
    with pytest.raises(KeyboardInterrupt):
        dataset.prepare(stop)
    assert not dataset.root.exists()
    written = {path: path.stat().st_mtime_ns for path in home.rglob("*.png")}
    assert len(written) == 4
    dataset.prepare()
    assert seen(dataset) == EXPECTED
    times = {path.name + path.parent.name: path.stat().st_mtime_ns for path in dataset.root.rglob("train/*/*.png")}
    assert times == {path.name + path.parent.name: time for path, time in written.items()}
    assert not list(home.rglob("*.part"))


def test_changed_files_are_decoded_anew(tmp_path: Path, home: Path) -> None:
    root = put(tmp_path / "raw")
    before = prepared(root).root
    (root / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([1, 1, 1], np.uint8))[:-1])
    assert plugins.build("datasets", f"fashion_mnist:root={root}").root != before


def test_the_published_files_are_fetched_from_torchvisions_mirror(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files().items()}
    sums = [(name, hashlib.md5(data, usedforsecurity=False).hexdigest()) for name, data in published.items()]
    with serving(Site(files={f"/{name}": data for name, data in published.items()}, cuts=[20, -1])) as site:
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"{site.address}/gone/", f"{site.address}/"])
        monkeypatch.setattr(FashionMNIST, "resources", sums)
        dataset = plugins.build("datasets", "fashion_mnist")
        with pytest.raises(SemblanceError, match="call prepare"):
            dataset.records()
        stages: set[str] = set()
        dataset.prepare(lambda stage, done, total: stages.add(stage))
        first = plugin.NAMES[0] + ".gz"
        assert [asked for asked in site.asked if asked[0] == f"/{first}"] == [
            (f"/{first}", ""),
            (f"/{first}", "bytes=20-"),
        ]
    assert seen(dataset) == EXPECTED
    assert stages == {"decode", *(f"download {name}" for name in published)}
    assert not list(home.rglob("*.gz")), "what was downloaded is not kept beside the pictures"


def test_a_file_that_is_not_the_published_one_is_refused_and_deleted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _ = FashionMNIST.resources[0]
    with serving(Site(files={f"/{name}": b"a page"})) as site:
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"{site.address}/"])
        with pytest.raises(SemblanceError, match="sent another file than expected"):
            plugins.build("datasets", "fashion_mnist").prepare()
    assert not list(home.rglob(name))


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("train-images-idx3-ubyte", files()["train-images-idx3-ubyte"][:-5], "cannot be read as an idx file"),
        ("train-images-idx3-ubyte", b"", "cannot be read as an idx file"),
        ("train-images-idx3-ubyte", files()["train-labels-idx1-ubyte"], "cannot be read as an idx file"),
        ("test-labels", idx(np.array([1], np.uint8)), "has 1 labels for 2 pictures"),
        ("test-labels", idx(np.array([1, 10], np.uint8)), "names a label 10"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, home: Path, name: str, data: bytes, fault: str) -> None:
    name = "t10k-labels-idx1-ubyte" if name == "test-labels" else name
    root = put(tmp_path / "raw")
    (root / name).write_bytes(data)
    with pytest.raises(SemblanceError, match=fault) as refused:
        prepared(root)
    assert name in str(refused.value)


@pytest.mark.parametrize("damaged", [b"not packed", gzip.compress(bytes(1_000))[:-9]], ids=["not packed", "cut short"])
def test_a_damaged_gz_is_named(tmp_path: Path, home: Path, damaged: bytes) -> None:
    root = put(tmp_path / "raw", packed=True)
    (root / "train-images-idx3-ubyte.gz").write_bytes(damaged)
    with pytest.raises(SemblanceError, match=r"train-images-idx3-ubyte\.gz cannot be read as an idx file"):
        prepared(root)


def test_a_folder_that_lacks_a_file_says_which(tmp_path: Path, home: Path) -> None:
    root = put(tmp_path / "raw")
    (root / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(UsageError, match=r"is not fashion_mnist: .* nearest, .*raw, has no train-labels-idx1-ubyte$"):
        prepared(root)


def test_the_digits_that_are_named_the_same_are_refused(tmp_path: Path, home: Path) -> None:
    put(tmp_path / "MNIST" / "raw")
    with pytest.raises(UsageError, match="these are the files of MNIST; give the folder FashionMNIST"):
        prepared(tmp_path)


def test_pictures_of_one_label_alone_are_no_reason_to_fail(tmp_path: Path, home: Path) -> None:
    root = put(tmp_path / "raw")
    (root / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((1, 28, 28), np.uint8)))
    (root / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([9], np.uint8)))
    dataset = prepared(root)
    assert [label for _, label, split in seen(dataset) if split == "test"] == ["Ankle boot"]
    with Image.open(dataset.root / "test/Ankle boot/00000.png") as picture:
        assert (picture.mode, picture.size) == ("L", (28, 28))
