"""Stanford Online Products: its two lists decide."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import Dataset, ImageRecord

HEADER = "image_id class_id super_class_id path\n"
TRAIN = ["1 1 1 bicycle_final/111085122871_0.JPG", "2 1 1 bicycle_final/111085122871_1.JPG", "3 2 5 lamp_final/9_0.JPG"]
TEST = ["4 3 1 bicycle_final/7_0.JPG"]
EXPECTED = [
    ImageRecord("bicycle_final/111085122871_0.JPG", "1", "train", {"super_class": "bicycle"}),
    ImageRecord("bicycle_final/111085122871_1.JPG", "1", "train", {"super_class": "bicycle"}),
    ImageRecord("lamp_final/9_0.JPG", "2", "train", {"super_class": "lamp"}),
    ImageRecord("bicycle_final/7_0.JPG", "3", "test", {"super_class": "bicycle"}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "Stanford_Online_Products"
    for record in EXPECTED:
        (folder / record.path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (len(record.path), 90, 30)).save(folder / record.path, "JPEG")
    (folder / "Ebay_train.txt").write_text(HEADER + "\n".join(TRAIN) + "\n")
    (folder / "Ebay_test.txt").write_text(HEADER + "\n".join(TEST) + "\n")
    return folder


def prepared(root: Path | str) -> Dataset:
    dataset = plugins.build("datasets", f"stanford_products:root={root}")
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("up", ["", "..", "../.."])
def test_the_folder_or_one_above_it_reads(folder: Path, up: str) -> None:
    assert list(prepared(folder / up).records()) == EXPECTED


def test_the_zip_reads_the_same(folder: Path, tmp_path: Path, home: Path) -> None:
    dataset = prepared(shutil.make_archive(str(tmp_path / "Stanford_Online_Products"), "zip", tmp_path / "in"))
    assert list(dataset.records()) == EXPECTED
    assert all((dataset.root / record.path).is_file() for record in EXPECTED)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"line 1 should be 'image_id class_id super_class_id path'"),
        ("1 1 1 a.JPG\n", r"line 1 should be"),
        (HEADER + "1 1 1 bicycle_final/7_0.JPG\n2 1 1\n", r"line 3 has not 4 columns"),
        (HEADER + "1 1 1 sofa_final/7_0.JPG\n", r"lacks 1 of them, first sofa_final; unpack the whole dataset there"),
    ],
)
def test_a_list_that_is_damaged_or_of_more_than_is_there_is_named(folder: Path, text: str, fault: str) -> None:
    (folder / "Ebay_test.txt").write_text(text)
    with pytest.raises(SemblanceError, match=rf"Ebay_test\.txt.*{fault}"):
        list(prepared(folder).records())


def test_a_list_that_is_not_text_is_named(folder: Path) -> None:
    (folder / "Ebay_train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SemblanceError, match=r"Ebay_train\.txt is damaged: it is not text"):
        list(prepared(folder).records())


def test_without_a_root_or_with_half_the_lists_it_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"get it from https://cvgl\.stanford\.edu"):
        plugins.build("datasets", "stanford_products:root=")
    (folder / "Ebay_test.txt").unlink()
    with pytest.raises(UsageError, match=r"no folder there holds Ebay_train\.txt, Ebay_test\.txt"):
        plugins.build("datasets", f"stanford_products:root={folder}")
