"""A name in a file of annotations and the pictures of a folder: which one is meant, and what is said where it is not sure."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations
from pipeline.errors import UsageError


def photos(root: Path, *paths: str) -> Path:
    for at, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48 + at)).save(root / path, "PNG")
    return root


def coco(folder: Path, names: Iterable[str], name: str = "c.json", **more: Any) -> Path:
    images = [{"id": at, "file_name": one} for at, one in enumerate(names)]
    boxes = [{"image_id": at, "category_id": 1, "bbox": [1, 1, 10 + at, 9]} for at in range(len(images))]
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(json.dumps({"images": images, "annotations": boxes} | more))
    return folder / name


def paths_of(read: Annotations) -> list[str]:
    return read.boxes.sort_values("width")["path"].tolist()


def said(read: Annotations) -> str:
    return " | ".join(f"{place}: {fault}" for place, fault in read.faults)


@pytest.mark.parametrize(
    ("there", "name", "path"),
    [
        (["train/x.jpg"], "val/x.jpg", "val/x.jpg"),  # another folder's: missing
        (["train/x.jpg"], "x.jpg", "train/x.jpg"),
        (["images/val/x.jpg"], "val/x.jpg", "images/val/x.jpg"),
        (["images/train/x.jpg", "images/val/x.jpg"], "val/x.jpg", "images/val/x.jpg"),
        (["a/val/x.jpg"], "/mnt/disk/a/val/x.jpg", "a/val/x.jpg"),
        (["dogs/x.jpg"], "cats/x.jpg", "cats/x.jpg"),
        (["x.jpg"], "cats/x.jpg", "cats/x.jpg"),  # relative, so its folder must be there
        (["x.jpg"], "root/x.jpg", "x.jpg"),  # the pictures' folder is called so itself
        (["x.jpg"], "../images/x.jpg", "x.jpg"),
        (["X.JPG"], "x.jpg", "X.JPG"),
        (["Café/x.jpg"], unicodedata.normalize("NFD", "Café/x.jpg"), "Café/x.jpg"),
        ([unicodedata.normalize("NFD", "Café/x.jpg")], "Café/x.jpg", unicodedata.normalize("NFD", "Café/x.jpg")),
    ],
)
def test_a_name_means_the_picture_whose_folders_agree(there: list[str], name: str, path: str, tmp_path: Path) -> None:
    root = photos(tmp_path / "root", *there)
    read = annotations.read(coco(tmp_path, [name]), pictures=root)
    assert paths_of(read) == [path]
    unlike = [one for _, one in read.faults if "label" not in one]
    assert bool(unlike) == (not (root / path).is_file())


def test_a_split_beside_the_roots_own_is_another_one(tmp_path: Path) -> None:
    root = photos(tmp_path / "train", "x.jpg")
    read = annotations.read(coco(tmp_path, ["/elsewhere/val/x.jpg"]), pictures=root)
    assert read.boxes.empty
    assert "x.jpg" in said(read)


def test_two_candidates_are_both_named_and_none_is_taken(tmp_path: Path) -> None:
    root = photos(tmp_path / "root", "train/x.jpg", "val/x.jpg")
    read = annotations.read(coco(tmp_path, ["x.jpg"]), pictures=root)
    assert not (root / paths_of(read)[0]).exists()
    assert "x.jpg: train/x.jpg or val/x.jpg" in said(read)
    assert "several pictures could be meant" in said(read)


def test_two_names_never_share_a_picture(tmp_path: Path) -> None:
    root = photos(tmp_path / "root", "a/x.jpg")
    read = annotations.read(coco(tmp_path, ["a/x.jpg", "x.jpg"]), pictures=root)
    assert paths_of(read) == ["a/x.jpg", "x.jpg"]
    assert "x.jpg (as a/x.jpg: a/x.jpg): another name means that picture" in said(read)
    read = annotations.read(
        coco(tmp_path, ["/m/cats/x.jpg", "/m/dogs/x.jpg"]), pictures=photos(tmp_path / "flat", "x.jpg")
    )
    assert read.boxes.empty
    assert said(read).count("another name means that picture") == 2


def test_annotations_that_lie_beside_their_pictures_mean_those(tmp_path: Path) -> None:
    root = photos(tmp_path / "root", "train/x.jpg", "valid/x.jpg", "train/only.jpg")
    file = coco(root / "valid", ["x.jpg", "only.jpg"], "_annotations.coco.json")
    read = annotations.read(file, pictures=root)
    assert paths_of(read) == ["valid/x.jpg", "only.jpg"]  # train/only.jpg is another split's
    assert "only.jpg (another folder's: train/only.jpg)" in said(read)


def test_one_number_for_two_pictures_or_labels_is_refused_by_number(tmp_path: Path) -> None:
    twice = [{"id": 7, "file_name": "a.jpg"}, {"id": 7.0, "file_name": "b.jpg"}]
    with pytest.raises(UsageError, match=r"c\.json: the image id 7 is given to 'a\.jpg' and to 'b\.jpg'"):
        annotations.read(coco(tmp_path, ["a.jpg"], images=twice))
    labels = [{"id": 1, "name": "cat"}, {"id": "1", "name": "dog"}]
    with pytest.raises(UsageError, match="category id 1 is given to 'cat' and to 'dog'"):
        annotations.read(coco(tmp_path, ["a.jpg"], categories=labels))
    read = annotations.read(coco(tmp_path, ["a.jpg"], images=[twice[0], twice[0]], categories=[labels[0]] * 2))
    assert read.pictures["path"].tolist() == ["a.jpg"]


@pytest.mark.parametrize(
    ("image", "box", "same"),
    [
        (1, 1.0, True),
        (1.0, 1, True),
        ("1", 1, True),
        (1, "1.0", True),
        ("007", 7, False),
        (None, None, False),
        (True, 1, False),
        (2**53 + 2, float(2**53 + 2), False),  # a float that large may have been its neighbour
    ],
)
def test_a_number_is_the_same_however_it_is_written(image: Any, box: Any, same: bool, tmp_path: Path) -> None:
    boxes = [{"image_id": box, "category_id": 1, "bbox": [1, 1, 9, 9]}]
    file = coco(
        tmp_path, [], images=[{"id": image, "file_name": "a.jpg"}, {"id": 99, "file_name": "b.jpg"}], annotations=boxes
    )
    read = annotations.read(file)
    assert paths_of(read) == (["a.jpg"] if same else [])
    assert same or "picture is not among the file's images" in said(read)


def test_xml_of_two_pictures_that_name_one_is_told(tmp_path: Path) -> None:
    root = photos(tmp_path / "root", "a.jpg", "b.jpg")
    text = "<annotation><filename>b.jpg</filename><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
    for name in ("a.xml", "b.xml"):
        (root / name).write_text(text)
    read = annotations.read(root, "voc", pictures=root)
    assert paths_of(read) == ["b.jpg"]
    assert "a.xml: b.jpg or a.jpg" in said(read)
    (root / "b.jpg").unlink()
    (root / "b.xml").unlink()
    read = annotations.read(root, "voc", pictures=root)
    assert paths_of(read) == ["a.jpg"]  # picture and XML were renamed together
    assert "not there; taken for the one that has the XML file's own name" in said(read)


def test_a_folder_that_xml_names_is_kept_to(tmp_path: Path) -> None:
    root = photos(tmp_path / "root", "JPEGImages/dogs/1.jpg")
    (root / "Annotations").mkdir()
    text = "<annotation><folder>cats</folder><filename>1.jpg</filename><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
    (root / "Annotations" / "1.xml").write_text(text)
    read = annotations.read(root, pictures=root)
    assert not (root / paths_of(read)[0]).exists()
    assert "folder cats; another folder's: JPEGImages/dogs/1.jpg" in said(read)
    (root / "Annotations" / "1.xml").write_text(text.replace("cats", "root"))
    assert paths_of(annotations.read(root, pictures=root)) == ["JPEGImages/dogs/1.jpg"]


def test_vias_pictures_of_one_name_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    root = photos(tmp_path / "root", "a/x.jpg", "b/x.jpg")
    (root / "b" / "x.jpg").write_bytes((root / "b" / "x.jpg").read_bytes() + b"longer")
    sizes = [(root / path).stat().st_size for path in ("a/x.jpg", "b/x.jpg")]

    def entry(size: int, width: int) -> dict[str, Any]:
        shape = {"name": "rect", "x": 1, "y": 1, "width": width, "height": 9}
        return {"filename": "x.jpg", "size": size, "regions": [{"shape_attributes": shape, "region_attributes": {}}]}

    file = tmp_path / "via.json"
    file.write_text(json.dumps({"_via_img_metadata": {"1": entry(sizes[1], 10), "2": entry(sizes[0], 11)}}))
    assert paths_of(annotations.read(file, pictures=root)) == ["b/x.jpg", "a/x.jpg"]
    file.write_text(json.dumps({"_via_img_metadata": {"1": entry(5, 10), "2": entry(sizes[0], 11)}}))
    read = annotations.read(file, pictures=root)
    assert paths_of(read) == ["a/x.jpg"]
    assert "x.jpg (5 bytes)" in said(read)
