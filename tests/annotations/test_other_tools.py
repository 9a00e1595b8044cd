"""CVAT's XML, VIA 3, tables and COCO results as their tools write them; and each format into each other one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.annotations import annotations, masks
from pipeline.annotations.annotations import Annotations
from pipeline.errors import UsageError

SIDES = ["x", "y", "width", "height"]
FILE = {"coco": "t.json", "voc": "voc", "yolo": "yolo", "via": "v.json", "csv": "b.csv", "cvat": "c.xml"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for path, size in (("a.jpg", (100, 80)), ("deep/ü b.png", (64, 48)), ("none.jpg", (50, 50))):
        (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "photos" / path)
    return tmp_path / "photos"


def said(read: Annotations) -> str:
    return " | ".join(f"{place}: {fault}" for place, fault in read.faults)


@pytest.mark.parametrize("second", annotations.formats())
@pytest.mark.parametrize("first", annotations.formats())
def test_each_format_goes_into_each_other_one_and_back(first: str, second: str, tmp_path: Path, photos: Path) -> None:
    boxes = [
        {"path": "a.jpg", "label": "cat", "x": 10, "y": 20, "width": 30, "height": 40, "score": 0.5},
        {"path": "deep/ü b.png", "label": "Café", "x": 0, "y": 0, "width": 64, "height": 48, "score": 0.25},
    ]
    now = annotations.of([{"path": path} for path in ("a.jpg", "deep/ü b.png", "none.jpg")], boxes)
    before = now.boxes[["path", "label", *SIDES, "score"]]
    for step, name in enumerate((first, second, first)):
        target = tmp_path / str(step) / FILE[name]
        target.parent.mkdir()
        if name == "yolo" and 0 in set(now.pictures["width"]):
            now = annotations.of([{"path": "a.jpg", "width": 100, "height": 80}, {"path": "deep/ü b.png", "width": 64, "height": 48},
                                  {"path": "none.jpg", "width": 50, "height": 50}], boxes)  # fmt: skip
        assert annotations.write(now, target, name) == []
        now = annotations.read(target, pictures=photos)
        assert now.faults == []
        assert sorted(now.pictures["path"]) == ["a.jpg", "deep/ü b.png", "none.jpg"]
    after = now.boxes.sort_values("path")[["path", "label", *SIDES, "score"]]
    for row, other in zip(before.itertuples(index=False), after.itertuples(index=False), strict=True):
        assert list(row)[:2] == list(other)[:2]
        assert list(row)[2:] == pytest.approx(list(other)[2:])


def cvat(folder: Path, shapes: str, *, name: str = "a.jpg", before: str = "") -> Path:
    (folder / "annotations.xml").write_text(
        f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{before}'
        f'<image id="0" name="{name}" width="100" height="80">{shapes}</image></annotations>'
    )
    return folder / "annotations.xml"


def test_cvats_shapes_are_boxes_and_masks(tmp_path: Path, photos: Path) -> None:
    shapes = (
        '<box label="cat" xtl="10" ytl="20" xbr="30.5" ybr="60"><attribute name="sure">yes</attribute></box>'
        '<polygon label="dog" points="1,1;9,1;9,7"/>'
        '<ellipse label="ring" cx="40" cy="40" rx="10" ry="5"/>'
        '<ellipse label="ring" cx="40" cy="40" rx="10" ry="5" rotation="90"/>'
        '<box label="turned" xtl="40" ytl="20" xbr="60" ybr="60" rotation="90"/>'
        '<mask label="blob" rle="1, 2, 3" left="10" top="20" width="3" height="2"/>'
        '<points label="eye" points="1,1;2,2"/><tag label="outdoors"/>'
    )
    read = annotations.read(cvat(tmp_path, shapes), pictures=photos)
    assert read.boxes[SIDES].to_numpy().round(6).tolist() == [
        [10, 20, 20.5, 40], [1, 1, 8, 6], [30, 35, 20, 10], [35, 30, 10, 20], [30, 30, 40, 20], [10, 20, 3, 2]
    ]  # fmt: skip
    assert read.boxes["label"].tolist() == ["cat", "dog", "ring", "ring", "turned", "blob"]
    assert read.attribute("sure").tolist() == ["yes", "", "", "", "", ""]
    blob = masks.decode(read.boxes["mask"].iloc[5], width=100, height=80)
    assert blob[20:22, 10:13].tolist() == [[False, True, True], [False, False, False]]
    assert blob.sum() == 2
    assert said(read) == "a.jpg, points 6: it is no box, polygon, mask or ellipse; left out"


def test_cvats_video_and_damaged_xml_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tracks of a video"):
        annotations.read(cvat(tmp_path, "", before='<track id="0" label="car"/>'))
    (tmp_path / "annotations.xml").write_text("<annotations><image>")
    with pytest.raises(UsageError, match="is not whole XML"):
        annotations.read(tmp_path / "annotations.xml")


def test_xml_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="GBK"?><annotation><filename>a.jpg</filename><object><name>猫</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>'
    (tmp_path / "a.xml").write_bytes(text.encode("gbk"))
    assert annotations.read(tmp_path / "a.xml").boxes["label"].tolist() == ["猫"]


def via(folder: Path, *shapes: list[float], kind: int = 2) -> Path:
    entries = {f"1_{at}": {"vid": "1", "z": [], "xy": xy, "av": {"1": "1", "2": "x"}} for at, xy in enumerate(shapes)}
    attributes = {
        "1": {"aname": "label", "type": 4, "options": {"0": "cat", "1": "dog"}},
        "2": {"aname": "note", "type": 1},
    }
    project: dict[str, Any] = {"project": {"pid": "__VIA_PROJECT_ID__"}, "config": {}, "attribute": attributes}
    project |= {"file": {"1": {"fid": "1", "fname": "a.jpg", "type": kind}}, "view": {"1": {"fid_list": ["1"]}}}
    (folder / "via3.json").write_text(json.dumps(project | {"metadata": entries}))
    return folder / "via3.json"


def test_via_3_is_read(tmp_path: Path, photos: Path) -> None:
    shapes: list[list[float]] = [
        [2, 10, 20, 30, 40],
        [3, 40, 40, 10],
        [4, 40, 40, 10, 5],
        [7, 1, 1, 9, 1, 9, 7],
        [1, 5, 5],
    ]
    read = annotations.read(via(tmp_path, *shapes), pictures=photos)
    assert read.boxes[SIDES].to_numpy().tolist() == [[10, 20, 30, 40], [30, 30, 20, 20], [30, 35, 20, 10], [1, 1, 8, 6]]
    assert set(read.boxes["label"]) == {"dog"}
    assert set(read.attribute("note")) == {"x"}
    assert said(read) == "a.jpg, 1_4: it is no rectangle, polygon, circle or ellipse; left out"
    read = annotations.read(via(tmp_path, [2, 1, 1, 9, 9], kind=4), pictures=photos)
    assert read.boxes.empty
    assert "video" in said(read)


def test_a_result_with_a_mask_alone_has_the_box_that_pycocotools_gives_it(tmp_path: Path) -> None:
    pixels = np.zeros((80, 100), np.uint8, order="F")
    pixels[20:60, 10:31] = 1
    packed = coco_mask.encode(pixels)
    plain = {"size": [80, 100], "counts": [10 * 80 + 20, *([40, 40] * 20), 40, 69 * 80 + 20]}
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [],
        "annotations": [],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    for mask in ({"size": packed["size"], "counts": packed["counts"].decode()}, plain):
        results = [{"segmentation": mask, "image_id": 1, "category_id": 1, "score": 0.5}]
        (tmp_path / "results.json").write_text(json.dumps(results))
        read = annotations.read(tmp_path / "results.json", truth=tmp_path / "truth.json")
        assert read.boxes[SIDES].to_numpy().tolist() == [coco_mask.toBbox(packed).tolist()]
    results[0]["segmentation"] = {"size": [8, 10], "counts": [80]}
    (tmp_path / "results.json").write_text(json.dumps(results))
    read = annotations.read(tmp_path / "results.json", truth=tmp_path / "truth.json")
    assert read.boxes.empty
    assert "no bbox of four numbers" in said(read)
    with pytest.raises(UsageError, match="only COCO's ground truth explains"):
        annotations.read(tmp_path / "results.json", truth=tmp_path)


@pytest.mark.parametrize("crowd", [1, 1.0, True, "1"])
def test_a_group_is_one_however_it_is_written(crowd: Any, tmp_path: Path) -> None:
    boxes = [
        {"image_id": 1, "category_id": 1, "bbox": [at, 1, 9, 9], "iscrowd": one}
        for at, one in enumerate((crowd, 0, "0", None))
    ]
    (tmp_path / "t.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": boxes}))
    assert annotations.read(tmp_path / "t.json").boxes["crowd"].tolist() == [True, False, False, False]


@pytest.mark.parametrize("content", ["path,label,xmin,ymin,xmax,ymax\na.jpg,cat,0.1,0.1,0.6,0.6\n",
                                     "path,label,x,y,width,height\na.jpg,cat,0.1,0.1,0.5,0.5\n"])  # fmt: skip
def test_shares_where_pixels_are_wanted_are_told(content: str, tmp_path: Path, photos: Path) -> None:
    (tmp_path / "b.csv").write_text(content)
    read = annotations.read(tmp_path / "b.csv", pictures=photos)
    assert read.boxes.empty
    assert "shares of the picture" in said(read)
    voc = "<annotation><filename>a.jpg</filename><object><name>cat</name><bndbox><xmin>0.1</xmin><ymin>0.1</ymin><xmax>0.6</xmax><ymax>0.6</ymax></bndbox></object></annotation>"
    (tmp_path / "a.xml").write_text(voc)
    assert "shares of the picture" in said(annotations.read(tmp_path / "a.xml", pictures=photos))


ROW = "a.jpg,cat,10,20,30,40"


@pytest.mark.parametrize(
    "data",
    [
        f"path,label,x,y,width,height\n{ROW}\n,,,,,\n".encode(),
        f"\ufeff Path ; Label;X ;Y;Width;Height\n{ROW.replace(',', ';')}\n".encode(),
        f"path\tlabel\tx\ty\twidth\theight\n{ROW.replace(',', chr(9))}\n".encode("utf-16"),
        f"path\tlabel\tx\ty\twidth\theight\n{ROW.replace(',', chr(9))}\n".encode("utf-16-le"),
        f"sep=;\npath;label;x;y;width;height\n{ROW.replace(',', ';')}\n".encode(),
        b"path;label;x;y;width;height\na.jpg;cat;10,0;20,0;30,0;40,0\n",
        b"Image Path,Class Name,Left,Top,Width,Height\n" + ROW.encode(),
    ],
)
def test_tables_of_boxes_as_programs_save_them(data: bytes, tmp_path: Path, photos: Path) -> None:
    (tmp_path / "b.csv").write_bytes(data)
    read = annotations.read(tmp_path / "b.csv", pictures=photos)
    assert read.boxes[["path", "label", *SIDES]].to_numpy().tolist() == [["a.jpg", "cat", 10, 20, 30, 40]]
    assert read.faults == []


def test_a_tables_letters_are_those_in_which_its_pictures_exist(tmp_path: Path, photos: Path) -> None:
    text = "path,label,x,y,width,height\ndeep/ü b.png,Büro,1,2,30,40\n"
    (tmp_path / "b.csv").write_bytes(text.encode("cp1252"))
    assert annotations.read(tmp_path / "b.csv", pictures=photos).boxes["label"].tolist() == ["Büro"]
    with pytest.raises(UsageError, match=r"could be several others: .*cp1252.* or .*save it as CSV UTF-8"):
        annotations.read(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("class,category,path,x,y,width,height\n", "both class and category could be the label"),
        ("label,image,picture,x,y,width,height\n", "both image and picture could be the path"),
        ("path,label,x,y,width,height\na.jpg,cat,1,2,3,4,5\n", "more cells than its first line names in line 2"),
        ('path,label,x,y,width,height\n"a.jpg,cat,1,2,3,4\n', "a quotation mark may be missing"),
        ("filename,region_shape_attributes\n", "VIA's own table"),
    ],
)
def test_a_table_that_could_mean_two_things_is_refused(content: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(content)
    with pytest.raises(UsageError, match=fault):
        annotations.read(tmp_path / "b.csv")


def test_an_archive_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "labels.zip").write_bytes(b"PK")
    with pytest.raises(UsageError, match="is an archive; unpack it"):
        annotations.read(tmp_path / "labels.zip")
