"""YOLO as its tools write it: layouts, polygons, keypoints, trackers, names of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations
from pipeline.errors import UsageError

SIDES = ["x", "y", "width", "height"]
BOX = "0 .5 .5 .2 .4"
WHOLE = [256.0, 144.0, 128.0, 192.0]  # of a picture of 640 × 480
POSE = f"{BOX} .5 .35 .45 .6 .55 .6"


def dataset(root: Path, *, names: str | None = "names: [cat, dog]", **texts: str) -> Path:
    """Pictures and texts by place: `images__train__1` is one of 640 × 480, `labels__train__1` a text."""
    for place, text in texts.items():
        path = root / place.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if text == "picture":
            Image.new("RGB", (640, 480)).save(path.with_suffix(".jpg"))
        else:
            path.with_suffix(".txt").write_text(text)
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


def sides(read: Annotations) -> list[list[float]]:
    return [[round(side, 6) for side in row] for row in read.boxes[SIDES].to_numpy().tolist()]


def said(read: Annotations) -> str:
    return " | ".join(f"{place}: {fault}" for place, fault in read.faults)


TWO_SPLITS = {
    "images__train__1": "picture",
    "images__val__1": "picture",
    "labels__train__1": BOX,
    "labels__val__1": f"1{BOX[1:]}",
}
ROBOFLOW = {
    "train__images__1": "picture",
    "valid__images__1": "picture",
    "train__labels__1": BOX,
    "valid__labels__1": f"1{BOX[1:]}",
}
FLAT = {"train__1": "picture", "valid__1": "picture", "train__1x": "picture", "valid__2": "picture"}


@pytest.mark.parametrize("texts", [TWO_SPLITS, ROBOFLOW])
@pytest.mark.parametrize("source", ["data.yaml", "."])
@pytest.mark.parametrize("yaml", ["names: [cat, dog]", "train: images/train\nval: images/val\nnames: [cat, dog]",
                                  "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: [cat, dog]"])  # fmt: skip
@pytest.mark.parametrize("given", [True, False])
def test_the_usual_layouts_give_each_picture_its_own_boxes(
    texts: dict[str, str], source: str, yaml: str, given: bool, tmp_path: Path
) -> None:
    root = dataset(tmp_path, names=yaml, README="This is a dataset\nof pictures", **texts)
    read = annotations.read(root / source, "yolo", pictures=root if given else None)
    assert read.boxes["label"].tolist() == ["cat", "dog"]
    assert ["train" in path for path in read.boxes["path"]] == [True, False]
    assert read.faults == []


@pytest.mark.parametrize("source", [".", "labels", "labels/val", "data.yaml"])
def test_a_text_whose_picture_is_missing_takes_no_other_one(source: str, tmp_path: Path) -> None:
    root = dataset(tmp_path, images__train__0002="picture", labels__val__0002=BOX)
    for pictures in (root, root / "images", root / "images" / "train"):
        read = annotations.read(root / source, "yolo", pictures=pictures)
        assert read.boxes.empty
        assert "no picture of this name was found" in said(read)


def test_texts_of_another_folder_find_their_pictures_by_folder_and_name(tmp_path: Path) -> None:
    root = dataset(
        tmp_path / "d", photos__a__1="picture", photos__b__1="picture", ann__a__1=BOX, ann__b__1=f"1{BOX[1:]}"
    )
    read = annotations.read(root / "ann", pictures=root / "photos")
    assert read.boxes[["path", "label"]].to_numpy().tolist() == [["a/1.jpg", "cat"], ["b/1.jpg", "dog"]]


def test_two_pictures_of_one_stem_are_both_named(tmp_path: Path) -> None:
    root = dataset(tmp_path, images__1="picture", labels__1=BOX)
    Image.new("RGB", (64, 48)).save(root / "images" / "1.png")
    read = annotations.read(root, pictures=root)
    assert read.boxes.empty
    assert "images/1.jpg or images/1.png" in said(read)


def test_a_data_yaml_leads_to_its_own_dataset_only(tmp_path: Path) -> None:
    dataset(tmp_path / "coco8", names=None, images__train__1="picture", labels__train__1=BOX)
    dataset(tmp_path / "other", names=None, images__train__2="picture", labels__train__2=BOX)
    (tmp_path / "coco8.yaml").write_text("path: coco8\ntrain: images/train\nnames:\n  0: person\n")
    read = annotations.read(tmp_path / "coco8.yaml", pictures=tmp_path)
    assert read.boxes[["path", "label"]].to_numpy().tolist() == [["coco8/images/train/1.jpg", "person"]]


def test_a_box_with_keypoints_is_that_box(tmp_path: Path) -> None:
    for shape, line in (("[3, 2]", POSE), ("[3, 3]", f"{BOX} .5 .35 2 .45 .6 1 0 0 0"), ("[3, 2]", f"{POSE} .75")):
        root = dataset(tmp_path, names=f"names: [cat]\nkpt_shape: {shape}", images__1="picture", labels__1=line)
        read = annotations.read(root / "data.yaml", pictures=root)
        assert sides(read) == [WHOLE]
        assert read.boxes["mask"].tolist() == [""]
        assert read.predicted == line.endswith(".75")


def test_keypoints_or_a_polygon_without_data_yaml_is_told(tmp_path: Path) -> None:
    root = dataset(tmp_path, names=None, images__1="picture", labels__1=f"{POSE}\n0 .2 .2 .1 .1 .2 .2 .21 .2 .2 .21")
    read = annotations.read(root, "yolo", pictures=root)
    assert read.boxes.empty
    assert "a polygon or a box with keypoints" in said(read)


def test_with_data_yaml_a_line_of_many_numbers_is_a_polygon(tmp_path: Path) -> None:
    root = dataset(tmp_path, images__1="picture", labels__1="0 .4 .4 .6 .4 .6 .6 .4 .6")
    read = annotations.read(root / "data.yaml", pictures=root)
    assert sides(read) == [[256, 192, 128, 96]]
    assert read.boxes["mask"].tolist() != [""]


def test_a_trackers_number_is_no_score_and_no_point(tmp_path: Path) -> None:
    for lines, score in ((f"{BOX} .9 7\n0 .2 .2 .1 .1 .8 8", [0.9, 0.8]), (f"{BOX} 7\n0 .2 .2 .1 .1 8", None)):
        root = dataset(tmp_path, images__1="picture", labels__1=lines)
        read = annotations.read(root / "data.yaml", pictures=root)
        assert sides(read)[0] == WHOLE
        assert read.attribute("track").tolist() == ["7", "8"]
        assert read.boxes["score"].tolist() == score if score else not read.predicted
    root = dataset(tmp_path, images__1="picture", labels__1=f"{BOX} .9 1")
    read = annotations.read(root / "data.yaml", pictures=root)
    assert read.boxes.empty
    assert "a polygon of three points or a tracker's box" in said(read)


def test_pixels_are_no_shares(tmp_path: Path) -> None:
    root = dataset(tmp_path, images__1="picture", labels__1="0 320 240 128 192")
    read = annotations.read(root / "data.yaml", pictures=root)
    assert read.boxes.empty
    assert "no shares of the picture" in said(read)


@pytest.mark.parametrize(
    ("yaml", "labels"),
    [
        ("names: [no, 1.10]", ["no", "1.10"]),
        ("names: [null, 0x1A]", ["null", "0x1A"]),
        ("names:\n  0: on\n  1: 2024-01-01", ["on", "2024-01-01"]),
        ("names: {'0': yes, '1': ~}", ["yes", "~"]),
    ],
)
def test_names_of_classes_are_as_written(yaml: str, labels: list[str], tmp_path: Path) -> None:
    root = dataset(tmp_path, names=yaml, images__1="picture", labels__1=f"{BOX}\n1 .2 .2 .1 .1")
    assert annotations.read(root / "data.yaml", pictures=root).boxes["label"].tolist() == labels


def test_two_lists_of_names_that_disagree_are_refused(tmp_path: Path) -> None:
    root = dataset(tmp_path, images__1="picture", labels__1=BOX, labels__classes="dog\ncat")
    with pytest.raises(UsageError, match=r"data\.yaml calls class 0 'cat' and classes\.txt calls it 'dog'"):
        annotations.read(root / "labels", pictures=root)
    assert annotations.read(root / "data.yaml", pictures=root).boxes["label"].tolist() == ["cat"]


@pytest.mark.parametrize("yaml", ["names: cat", "nc: 2", "names: []", "names: {a: cat}", "names: [[cat]]", "- 1", "{"])
def test_a_data_yaml_without_names_says_what_to_write(yaml: str, tmp_path: Path) -> None:
    root = dataset(tmp_path, names=yaml, images__1="picture", labels__1=BOX)
    with pytest.raises(UsageError, match=r"write names: \[first, second|cannot be read as YAML"):
        annotations.read(root / "data.yaml", pictures=root)


def test_what_is_no_label_file_is_said_once(tmp_path: Path) -> None:
    root = dataset(tmp_path, images__1="picture", labels__1=BOX, labels__credits="made by\nmany people\nof old")
    read = annotations.read(root / "data.yaml", pictures=root)
    assert sides(read) == [WHOLE]
    assert [place for place, _ in read.faults] == ["labels/credits.txt"]
