"""Tiny ImageNet: labels, splits and boxes from its text files."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import Site, serving

from pipeline import plugins
from pipeline.datasets import tiny_imagenet as plugin
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import ImageRecord

FILES = {
    "wnids.txt": "n02\nn01\n",
    "words.txt": "n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tcrane\nn03\tcrane\n",
    "train/n01/images/n01_0.JPEG": "",
    "train/n01/images/n01_1.JPEG": "",
    "train/n01/n01_boxes.txt": "n01_0.JPEG\t0\t10\t63\t58\n",
    "train/n02/images/n02_0.JPEG": "",
    "train/n02/n02_boxes.txt": "n02_0.JPEG\t5\t6\t5\t6\n",
    "val/images/val_0.JPEG": "",
    "val/images/val_1.JPEG": "",
    "val/val_annotations.txt": "val_1.JPEG\tn01\t1\t2\t3\t4\nval_0.JPEG\tn02\t0\t0\t63\t63\n",
    "test/images/test_0.JPEG": "",
}


def put(root: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def records(root: Path) -> list[ImageRecord]:
    return list(plugins.build("datasets", f"tiny_imagenet:root={root}").records())


def test_each_split_reads_from_its_own_files(tmp_path: Path) -> None:
    # a box's last pixel belongs to it: from 10 to 58 are 49 rows
    assert records(put(tmp_path)) == [
        ImageRecord("train/n01/images/n01_0.JPEG", "goldfish", "train", {"wnid": "n01", "box": "0,10,64,49"}),
        ImageRecord("train/n01/images/n01_1.JPEG", "goldfish", "train", {"wnid": "n01", "box": ""}),
        ImageRecord("train/n02/images/n02_0.JPEG", "crane", "train", {"wnid": "n02", "box": "5,6,1,1"}),
        ImageRecord("val/images/val_0.JPEG", "crane", "validation", {"wnid": "n02", "box": "0,0,64,64"}),
        ImageRecord("val/images/val_1.JPEG", "goldfish", "validation", {"wnid": "n01", "box": "1,2,3,3"}),
        ImageRecord("test/images/test_0.JPEG", "", "test", {"wnid": "", "box": ""}),
    ]


def test_the_split_without_labels_says_why(tmp_path: Path) -> None:
    dataset = plugins.build("datasets", f"tiny_imagenet:root={put(tmp_path)}")
    without = {record.split for record in dataset.records() if not record.label}
    assert set(dataset.unlabeled) == without == {"test"}
    assert dataset.unlabeled["test"].startswith("Tiny ImageNet's test split has no public labels")


def test_labels_are_told_apart_by_the_second_word_or_else_by_the_wnid() -> None:
    words = {
        "n1": ["crane", "bird"],
        "n2": ["crane"],
        "n3": ["bat", "club"],
        "n4": ["bat", "club"],
        "n5": ["cup", "beaker"],
        "n7": ["mouse", "computer mouse"],
        "n8": ["mouse", "rodent"],
    }
    assert plugin.labels_of(["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"], words) == {
        "n1": "crane (bird)",
        "n2": "crane",
        "n3": "bat (club) (n3)",
        "n4": "bat (club) (n4)",
        "n5": "cup",
        "n6": "n6",
        "n7": "mouse (computer mouse)",
        "n8": "mouse (rodent)",
    }
    assert plugin.labels_of(["n1", "n2"], {"n1": ["crane"], "n2": ["crane"]}) == {
        "n1": "crane (n1)",
        "n2": "crane (n2)",
    }


def test_only_the_200_labels_in_use_are_told_apart(tmp_path: Path) -> None:
    # words.txt has a second crane, which wnids.txt does not name
    assert {record.label for record in records(put(tmp_path))} == {"goldfish", "crane", ""}


def test_the_folder_above_will_do_and_the_test_split_may_be_missing(tmp_path: Path) -> None:
    put(tmp_path / "data" / "tiny-imagenet-200")
    shutil.rmtree(tmp_path / "data" / "tiny-imagenet-200" / "test")
    assert [record.split for record in records(tmp_path / "data")] == ["train"] * 3 + ["validation"] * 2


@pytest.mark.parametrize(
    ("name", "text"),
    [("val/val_annotations.txt", "val_0.JPEG\tn01\t1\n"), ("train/n01/n01_boxes.txt", "n01_0.JPEG 1 2 x 4")],
)
def test_a_damaged_annotation_is_named(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, FILES | {name: text})
    with pytest.raises(SemblanceError, match=f"{Path(name).name} is damaged"):
        records(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"train/a/1.jpg": ""})
    with pytest.raises(UsageError, match=r"no folder there holds wnids\.txt, words\.txt"):
        records(tmp_path)


def test_a_zip_is_unpacked_once_and_reads_like_the_folder(tmp_path: Path, home: Path) -> None:
    folder = put(tmp_path / "in" / "tiny-imagenet-200")
    archive = shutil.make_archive(str(tmp_path / "tiny"), "zip", tmp_path / "in")
    dataset = plugins.build("datasets", f"tiny_imagenet:root={archive}")
    dataset.prepare()
    assert list(dataset.records()) == records(folder)
    assert all((dataset.root / record.path).exists() for record in dataset.records())


def test_the_published_zip_is_fetched_over_a_bad_line_when_no_root_is_given(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "in" / "tiny-imagenet-200")
    archive = Path(shutil.make_archive(str(tmp_path / "tiny"), "zip", tmp_path / "in")).read_bytes()
    with serving(Site(files={"/tiny.zip": archive}, cuts=[1_000, -1])) as site:
        monkeypatch.setattr(plugin, "CARD", replace(plugin.CARD, source=f"{site.address}/tiny.zip"))
        monkeypatch.setattr(plugin, "SHA256", hashlib.sha256(archive).hexdigest())
        dataset = plugins.build("datasets", "tiny_imagenet")
        steps: list[str] = []
        dataset.prepare(lambda stage, done, total: steps.append(stage))
        assert [wanted for _, wanted in site.asked] == ["", "bytes=1000-"]
    assert list(dataset.records()) == records(folder)
    assert set(steps) == {"download tiny-imagenet-200.zip", "unpack tiny-imagenet-200.zip"}
