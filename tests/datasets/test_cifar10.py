"""CIFAR-10 from the binary version and from folders of pictures."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from file_server import Site, serving
from PIL import Image

from pipeline import plugins
from pipeline.datasets import cifar10 as plugin
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import Dataset, ImageRecord

LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
NUMBERS = {name: [(3 * i) % 10, (i + 9) % 10] for i, name in enumerate(plugin.BINARY[1:])}  # file to labels


def drawn(name: str, place: int) -> np.ndarray:
    """(32, 32, 3) uint8, no two alike."""
    return np.random.default_rng([place, *name.encode()]).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("\n".join(LABELS) + "\n\n")
    for name, numbers in NUMBERS.items():
        data = bytearray()
        for place, number in enumerate(numbers):
            data.append(number)
            for channel in range(3):
                data += drawn(name, place)[:, :, channel].tobytes()
        (folder / name).write_bytes(data)
    return folder


def prepared(spec: str) -> Dataset:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    return dataset


def check(dataset: Dataset) -> None:
    """Every picture of every batch, by its place among those of its split."""
    found = {record.path: record for record in dataset.records()}
    seen = 0
    for split, names in plugin.BATCHES.items():
        pictures = [(number, name, place) for name in names for place, number in enumerate(NUMBERS[name])]
        for i, (number, name, place) in enumerate(pictures):
            path = f"{split}/{LABELS[number]}/{i:05d}.png"
            assert found[path] == ImageRecord(path, LABELS[number], split)
            with Image.open(dataset.root / path) as picture:
                assert (np.asarray(picture) == drawn(name, place)).all()
            seen += 1
    assert len(found) == seen == 12


@pytest.mark.parametrize("up", ["", ".."])
def test_the_binary_version_is_decoded_and_left_as_it_was(tmp_path: Path, home: Path, up: str) -> None:
    folder = put(tmp_path / "cifar-10-batches-bin")
    before = sorted(folder.rglob("*"))
    check(prepared(f"cifar10:root={folder / up}"))
    assert sorted(folder.rglob("*")) == before


def test_binary_files_that_lie_in_the_cache_are_left_there(home: Path) -> None:
    folder = put(home / "cache" / "mine")
    check(prepared(f"cifar10:root={folder}"))
    assert len(list(folder.iterdir())) == 7


@pytest.mark.parametrize("given", [True, False])
def test_the_archive_reads_the_same_given_or_fetched(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    put(tmp_path / "in" / "cifar-10-batches-bin")
    archive = Path(shutil.make_archive(str(tmp_path / "cifar-10-binary"), "gztar", tmp_path / "in"))
    data = archive.read_bytes()
    with serving(Site(files={"/cifar.tar.gz": data})) as site:
        monkeypatch.setattr(plugin, "URL", f"{site.address}/cifar.tar.gz")
        monkeypatch.setattr(plugin, "SHA256", hashlib.sha256(data).hexdigest())
        dataset = plugins.build("datasets", f"cifar10:root={archive}" if given else "cifar10")
        stages: set[str] = set()
        dataset.prepare(lambda stage, done, total: stages.add(stage.partition(" ")[0]))
    check(dataset)
    assert stages == {"unpack", "decode"} | (set() if given else {"download"})
    assert not list(home.rglob("*.bin")), "what was unpacked is not kept beside the pictures"


def test_folders_of_pictures_are_read_where_they_are(tmp_path: Path, home: Path) -> None:
    names = [f"{split}/{label}/0000.jpg" for split in ("train", "test") for label in ("airplane", "truck")]
    for name in names:
        (tmp_path / "CIFAR-10-images" / name).parent.mkdir(parents=True)
        Image.new("RGB", (32, 32), (len(name), 9, 9)).save(tmp_path / "CIFAR-10-images" / name)
    dataset = prepared(f"cifar10:root={tmp_path}")
    assert dataset.root == tmp_path / "CIFAR-10-images"
    assert list(dataset.records()) == [ImageRecord(n, n.split("/")[1], n.split("/")[0]) for n in names]
    assert not home.exists()


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("data_batch_3.bin", bytes(3_072), r"data_batch_3\.bin is cut off: it has 3,072 bytes"),
        ("test_batch.bin", b"", r"test_batch\.bin is cut off: it has 0 bytes"),
        ("data_batch_1.bin", bytes([10]) + bytes(3_072), r"a picture has the label 10 and batches\.meta\.txt names 10"),
    ],
)
def test_a_damaged_batch_is_named(tmp_path: Path, home: Path, name: str, data: bytes, fault: str) -> None:
    put(tmp_path / "in")
    (tmp_path / "in" / name).write_bytes(data)
    with pytest.raises(SemblanceError, match=fault):
        prepared(f"cifar10:root={tmp_path}")


def test_a_folder_that_lacks_a_batch_says_which(tmp_path: Path, home: Path) -> None:
    (put(tmp_path / "in") / "data_batch_5.bin").unlink()
    with pytest.raises(UsageError, match=r"train/airplane, .* The nearest, .*in, has no data_batch_5\.bin$"):
        prepared(f"cifar10:root={tmp_path}")


def test_the_pickled_version_is_refused_unopened(tmp_path: Path, home: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Path("x")))
    with pytest.raises(UsageError, match="is not cifar10"):
        prepared(f"cifar10:root={tmp_path}")


def test_records_before_prepare_are_refused(tmp_path: Path, home: Path) -> None:
    with pytest.raises(SemblanceError, match=r"call prepare\(\) first"):
        plugins.build("datasets", f"cifar10:root={put(tmp_path / 'in')}").records()
