"""A folder of pictures: what its names mean."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.records import ImageRecord


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened here")


def read(root: Path, options: str = "") -> dict[str, tuple[str, str]]:
    """Path to (label, split)."""
    records = list(plugins.build("datasets", f"folder:root={root}{options}").records())
    assert len({record.path for record in records}) == len(records)
    return {record.path: (record.label, record.split) for record in records}


def test_the_folder_a_picture_lies_in_is_its_label(tmp_path: Path) -> None:
    put(tmp_path, "loose.jpg", "shoes/1.jpg", "shoes/red/2.png", "notes.txt", "empty/readme.md")
    assert read(tmp_path) == {"loose.jpg": ("", ""), "shoes/1.jpg": ("shoes", ""), "shoes/red/2.png": ("red", "")}


def test_labels_can_be_left_out(tmp_path: Path) -> None:
    put(tmp_path, "DCIM100/1.jpg", "DCIM101/2.jpg")
    assert read(tmp_path, ",labels=false") == {"DCIM100/1.jpg": ("", ""), "DCIM101/2.jpg": ("", "")}


def test_first_level_folders_that_are_all_called_like_splits_are_splits(tmp_path: Path) -> None:
    put(
        tmp_path, "train/a/1.jpg", "val/a/2.jpg", "test/b/3.jpg", "Validation/c/d/4.jpg", "docs/readme.txt", "loose.png"
    )
    assert read(tmp_path) == {
        "loose.png": ("", ""),
        "Validation/c/d/4.jpg": ("d", "validation"),
        "test/b/3.jpg": ("b", "test"),
        "train/a/1.jpg": ("a", "train"),
        "val/a/2.jpg": ("a", "validation"),
    }


def test_a_split_is_not_the_label_of_what_lies_directly_in_it(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "test/2.jpg")
    assert read(tmp_path) == {"test/2.jpg": ("", "test"), "train/1.jpg": ("", "train")}


def test_one_other_folder_with_pictures_makes_all_of_them_labels(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "bus/deep/2.jpg")
    assert read(tmp_path) == {"bus/deep/2.jpg": ("deep", ""), "train/1.jpg": ("train", "")}


def test_split_names_further_down_are_labels(tmp_path: Path) -> None:
    put(tmp_path, "2024/train/1.jpg", "2025/test/2.jpg")
    assert read(tmp_path) == {"2024/train/1.jpg": ("train", ""), "2025/test/2.jpg": ("test", "")}


def test_hidden_folders_do_not_decide_about_splits(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", ".thumbnails/2.jpg")
    assert read(tmp_path) == {"train/a/1.jpg": ("a", "train")}


def test_what_will_be_rejected_is_handed_on_so_that_the_reason_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a/text.jpg", "a/phone.heic", "a/logo.svg", "a/paper.pdf", "a/list.csv")
    assert sorted(read(tmp_path)) == ["a/logo.svg", "a/paper.pdf", "a/phone.heic", "a/text.jpg"]


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put(tmp_path, "photos/a/1.jpg")
    dataset = plugins.build("datasets", "folder:root=~/photos")
    assert list(dataset.records()) == [ImageRecord("a/1.jpg", label="a")]
    assert dataset.root == tmp_path / "photos"


def test_a_comma_in_the_name_of_the_root_is_no_obstacle(tmp_path: Path) -> None:
    put(tmp_path / "cats, dogs", "a/1.jpg")
    assert read(tmp_path / "cats, dogs") == {"a/1.jpg": ("a", "")}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps any bytes as a name")
def test_a_label_that_is_not_utf8_survives(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xe9t\xe9")
    with open(os.fsencode(tmp_path) + b"/\xe9t\xe9/1.jpg", "wb"):
        pass
    ((path, (label, _)),) = read(tmp_path).items()
    assert os.fsencode(path) == b"\xe9t\xe9/1.jpg"
    assert os.fsencode(label) == b"\xe9t\xe9"


def test_a_folder_without_pictures_says_what_was_looked_for(tmp_path: Path) -> None:
    put(tmp_path, "a/readme.txt", ".hidden.jpg")
    dataset = plugins.build("datasets", f"folder:root={tmp_path}")
    with pytest.raises(UsageError, match=r"no pictures found in .* files ending in jpg jpeg .* avif are looked for"):
        list(dataset.records())


def test_a_root_that_is_missing_or_a_file_is_refused_when_built(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    with pytest.raises(UsageError, match="there is no such folder; check the spelling"):
        plugins.build("datasets", f"folder:root={tmp_path / 'nothing'}")
    with pytest.raises(UsageError, match="is a file; give the folder"):
        plugins.build("datasets", f"folder:root={tmp_path / '1.jpg'}")
    with pytest.raises(UsageError, match="root is empty; write root=FOLDER"):
        plugins.build("datasets", "folder:root=")
    with pytest.raises(UsageError, match="folder needs root"):
        plugins.build("datasets", "folder")


def test_the_real_photos_read_as_ten_labels_in_three_splits(clothing: Path) -> None:
    found = read(clothing)
    expected = {
        f"{split.name}/{label.name}/{file.name}": (label.name, split.name)
        for split in clothing.iterdir()
        for label in split.iterdir()
        for file in label.iterdir()
    }
    assert found == expected
    assert len(found) == 3781
