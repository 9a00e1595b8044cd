"""Annotations as tables: recognised by look, checked against each other, cut down to some pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations, check
from pipeline.errors import UsageError


def some(*boxes: dict[str, Any], pictures: int = 2) -> Annotations:
    whole = [{"x": 1, "y": 1, "width": 5, "height": 5, "label": "cat", "path": "0.jpg"} | box for box in boxes]
    return annotations.of([{"path": f"{at}.jpg"} for at in range(pictures)], whole)


def test_columns_that_are_not_given_are_filled() -> None:
    [row] = some({}).boxes.itertuples()
    assert (row.area, row.crowd, row.mask, row.attributes, row.number) == (25, False, "", "", 0)
    assert list(some().boxes.columns) == list(annotations.BOX)
    assert some().boxes["x"].dtype == float


def test_only_some_pictures_keep_their_boxes_and_numbers() -> None:
    part = some({}, {"path": "1.jpg"}, {}).only(["1.jpg", "strange.jpg"])
    assert part.pictures["path"].tolist() == ["1.jpg"]
    assert part.boxes["number"].tolist() == [1]


def test_attributes_are_text_and_empty_where_there_is_none() -> None:
    told = some({"attributes": '{"pattern": "dots", "size": 3}'}, {"attributes": ""})
    assert told.attribute("pattern").tolist() == ["dots", ""]
    assert told.attribute("size").tolist() == ["3", ""]


TRUTH = some({}, {"path": "1.jpg"})
BOTH: list[dict[str, Any]] = [{"score": 0.5}, {"path": "1.jpg", "score": 0.5}]
FOUND = some(*BOTH)


@pytest.mark.parametrize(
    ("truth", "predictions", "said"),
    [
        (FOUND, FOUND, "are these predictions, given in the place of the truth"),
        (some(), FOUND, "the ground truth has no boxes"),
        (TRUTH, some(), "there are no predictions"),
        (TRUTH, TRUTH, "the predictions have no scores"),
        (
            TRUTH,
            some({"score": 1, "path": "9.jpg"}, *BOTH),
            r"1 predictions .* \(first: 9.jpg\)",
        ),
        (TRUTH, some({"score": 1}), r"1 of 2 pictures have no prediction \(first: 1.jpg\)"),
        (
            TRUTH,
            some({"score": 1, "label": "Cat"}, *BOTH),
            "labels Cat are not in the ground truth",
        ),
    ],
)
def test_what_does_not_fit_is_said(truth: Annotations, predictions: Annotations, said: str) -> None:
    [told] = check(truth, predictions)
    assert re.search(said, told)


def test_what_fits_is_not_talked_about() -> None:
    assert check(TRUTH, FOUND) == []


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("a.json", '{"info": {}, "images": []}', "coco"),
        ("a.json", '[{"image_id": 3, "category_id": 1}]', "coco"),
        ("a.json", ' {"_via_settings": {}}', "via"),
        ("a.json", '{"k": {"filename": "a.jpg", "size": 1, "regions": []}}', "via"),
        ("a.csv", "path,label,x,y,width,height\n", "csv"),
        ("folder/a.xml", "<annotation/>", "voc"),
        ("folder/a.txt", "0 0.5 0.5 1 1", "yolo"),
        ("data.yaml", "names: [cat]", "yolo"),
    ],
)
def test_a_format_is_known_by_its_look(name: str, content: str, format_name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    source = file.parent if "/" in name else file
    assert annotations._recognised(source) == format_name


def test_what_is_not_known_names_the_choices(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"strange": 1}')
    with pytest.raises(
        UsageError, match="no format known by its look; say which: --format coco or csv or cvat or via or voc or yolo"
    ):
        annotations.read(tmp_path / "a.json")
    with pytest.raises(
        UsageError, match="unknown annotation format 'kitti'; choose from coco, csv, cvat, via, voc, yolo"
    ):
        annotations.read(tmp_path / "a.json", "kitti")
    with pytest.raises(UsageError, match="there is no such file or folder"):
        annotations.read(tmp_path / "gone.json")
    with pytest.raises(UsageError, match="there is no such folder of pictures"):
        annotations.read(tmp_path / "a.json", pictures=tmp_path / "gone")


def test_a_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"path,label\n\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        annotations.read(tmp_path / "a.csv")
