"""Caltech-101 in the shapes people have it: the folder, the folder above, the archives."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.records import ImageRecord

NAMES = ["yin_yang/image_0001.jpg", "accordion/image_0002.jpg", "accordion/image_0001.jpg", "airplanes/image_0001.jpg"]
CLUTTER = ["BACKGROUND_Google/image_0001.jpg", "BACKGROUND_Google/tmp"]
EXPECTED = [
    ImageRecord("accordion/image_0001.jpg", "accordion"),
    ImageRecord("accordion/image_0002.jpg", "accordion"),
    ImageRecord("airplanes/image_0001.jpg", "airplanes"),
    ImageRecord("yin_yang/image_0001.jpg", "yin_yang"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "caltech-101" / "101_ObjectCategories"
    for name in NAMES + CLUTTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize("up", ["", "..", "../.."])
def test_the_folder_or_one_above_it_reads_without_the_clutter(folder: Path, up: str) -> None:
    assert list(plugins.build("datasets", f"caltech101:root={folder / up}").records()) == EXPECTED


def test_the_published_zip_with_a_tar_inside_reads_the_same(folder: Path, tmp_path: Path, home: Path) -> None:
    with tarfile.open(folder.parent / "101_ObjectCategories.tar.gz", "w:gz") as file:
        file.add(folder, "101_ObjectCategories")
    shutil.rmtree(folder)
    archive = shutil.make_archive(str(tmp_path / "published"), "zip", tmp_path, "caltech-101")
    dataset = plugins.build("datasets", f"caltech101:root={archive}")
    dataset.prepare()
    assert list(dataset.records()) == EXPECTED
    assert all((dataset.root / record.path).is_file() for record in EXPECTED)


def test_without_a_root_or_with_another_folder_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="caltech101 needs root"):
        plugins.build("datasets", "caltech101")
    with pytest.raises(UsageError, match=r"caltech101 .* https://data\.caltech\.edu/records/mzrjq-6wc02"):
        plugins.build("datasets", "caltech101:root=")
    with pytest.raises(UsageError, match="is not caltech101"):
        plugins.build("datasets", f"caltech101:root={tmp_path}")
