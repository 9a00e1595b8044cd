"""Objects of an annotation file as records: boxes, margins, numbers; then as a gallery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_gallery import SPEC, draw, encoder

from pipeline import plugins
from pipeline.annotations import annotations
from pipeline.errors import UsageError
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import ingest as ingestion
from pipeline.settings import Settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        draw(tmp_path / "photos" / f"{name}.png", ord(name), size=(120, 90))
    return tmp_path / "photos"


def written(root: Path, boxes: list[dict], name: str = "boxes.json") -> Path:
    pictures = [{"path": f"{name}.png", "width": 120, "height": 90} for name in ("a", "b", "c")]
    file = root.parent / name
    annotations.write(annotations.of(pictures, boxes), file)
    return file


def box(path: str, x: float, y: float, width: float, height: float, **more) -> dict:
    return {"path": path, "label": "cup", "x": x, "y": y, "width": width, "height": height} | more


BOXES = [box("b.png", 10, 10, 40, 30), box("a.png", 0, 0, 50, 50), box("b.png", 60.4, 40, 59.6, 50, label="bowl")]


def records(file: Path, root: Path, **options) -> list:
    return list(plugins.build("datasets", f"objects:annotations={file},root={root}", **options).records())


def test_each_box_is_a_record_and_those_of_a_picture_stand_together(root: Path) -> None:
    found = records(written(root, BOXES), root, margin=0.0)
    assert [(one.path, one.box, one.label, one.metadata["number"]) for one in found] == [
        ("a.png", "0,0,50,50", "cup", "1"),
        ("b.png", "10,10,40,30", "cup", "0"),
        ("b.png", "60,40,60,50", "bowl", "2"),
    ]


def test_the_margin_is_added_on_each_side_and_stays_in_the_picture(root: Path) -> None:
    found = {one.metadata["number"]: one.box for one in records(written(root, BOXES), root, margin=0.1)}
    assert found == {"0": "6,7,48,36", "1": "0,0,55,55", "2": "54,35,66,55"}


def test_the_size_that_a_file_does_not_tell_is_read_from_the_picture(root: Path) -> None:
    table = root.parent / "boxes.csv"
    table.write_text("path,label,x,y,width,height\na.png,cup,100,70,20,20\n")
    [record] = records(table, root, margin=0.5)
    assert record.box == "90,60,30,30"


def test_predictions_carry_their_score_and_truth_does_not(root: Path) -> None:
    predicted = [one | {"score": 0.25 + i / 8} for i, one in enumerate(BOXES)]
    assert [one.metadata["score"] for one in records(written(root, predicted), root)] == ["0.3750", "0.2500", "0.5000"]
    assert all("score" not in one.metadata for one in records(written(root, BOXES), root))


def test_labels_can_be_left_out_and_attributes_come_as_metadata(root: Path) -> None:
    boxes = [BOXES[0] | {"attributes": json.dumps({"pattern": "stripes", "seen": 0.5})}, BOXES[1]]
    found = records(written(root, boxes), root, label=False)
    assert {one.label for one in found} == {""}
    assert [one.metadata for one in found] == [
        {"number": "1", "pattern": "", "seen": ""},
        {"number": "0", "pattern": "stripes", "seen": "0.5"},
    ]


def test_a_group_is_no_object(root: Path) -> None:
    assert len(records(written(root, [*BOXES, box("c.png", 0, 0, 90, 90, crowd=True)]), root)) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [("format=cocoa", "choose from auto, coco"), ("margin=-0.1", "from 0 to 2"), ("margin=3", "from 0 to 2")],
)
def test_an_option_that_makes_no_sense_is_refused(root: Path, options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plugins.build("datasets", f"objects:annotations={written(root, BOXES)},root={root},{options}")


def test_a_file_without_boxes_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="has no boxes"):
        records(written(root, []), root)


def test_objects_become_a_gallery_of_parts(root: Path, home: Path) -> None:
    spec = f"objects:annotations={written(root, BOXES)},root={root}"
    gallery = create_gallery("objects", Settings())
    dataset = plugins.build("datasets", spec)
    report = ingestion.ingest(gallery, dataset, encoder(), spec=SPEC, store=None, dataset_spec=spec)
    assert (report.added, report.rejected) == (3, [])
    table = gallery.table()
    assert table["box"].tolist() == ["0,0,55,55", "6,7,48,36", "54,35,66,55"]
    assert table["parent"].nunique() == 2
    again = ingestion.ingest(gallery, plugins.build("datasets", spec), encoder(), spec=SPEC, store=None)
    assert (again.added, again.known) == (0, 3)


def test_what_was_wrong_in_the_file_is_noted_by_an_ingest(root: Path, home: Path) -> None:
    file = written(root, [*BOXES, box("c.png", 100, 10, 90, 20)])
    dataset = plugins.build("datasets", f"objects:annotations={file},root={root},margin=0")
    report = ingestion.ingest(create_gallery("objects", Settings()), dataset, encoder(), spec=SPEC, store=None)
    assert report.notes == ["1 × the box reaches outside its picture; clipped (first: c.png, box 3)"]
    with pytest.raises(UsageError, match="has no boxes; 1 × the box has no area; left out"):
        records(written(root, [box("c.png", 1, 1, 0, 20)]), root)


def test_a_box_whose_picture_is_missing_is_rejected_by_name(root: Path, home: Path) -> None:
    file = written(root, BOXES)
    (root / "a.png").unlink()
    dataset = plugins.build("datasets", f"objects:annotations={file},root={root},margin=0")
    report = ingestion.ingest(create_gallery("objects", Settings()), dataset, encoder(), spec=SPEC, store=None)
    assert report.added == 2
    assert [place for place, _ in report.rejected] == ["a.png#0,0,50,50"]
