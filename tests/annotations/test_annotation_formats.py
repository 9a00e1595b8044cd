"""Every format: what is written is read again, what a file gets wrong is counted and explained, nothing is lost silently."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations
from pipeline.errors import UsageError

FORMATS = annotations.formats()
FILE = {"coco": "truth.json", "voc": "voc", "yolo": "yolo", "via": "via.json", "csv": "boxes.csv", "cvat": "cvat.xml"}
SIDES = ["x", "y", "width", "height"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures, one in a folder with a name that is not plain."""
    root = tmp_path / "photos"
    for path, size in (("a.jpg", (100, 80)), ("deep/ü b.png", (64, 48)), ("empty.jpg", (50, 50))):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "teal").save(root / path)
    return root


def known(*, predicted: bool = False) -> Annotations:
    ring = [[10, 10, 40, 10, 40, 30]]
    boxes: list[dict[str, Any]] = [
        {"path": "a.jpg", "label": "cat", "x": 10, "y": 10, "width": 30, "height": 20, "mask": json.dumps(ring)},
        {"path": "a.jpg", "label": "big dog", "x": 0, "y": 0, "width": 100, "height": 80, "crowd": True},
        {"path": "deep/ü b.png", "label": '=ü, "x"', "x": 3, "y": 5, "width": 7, "height": 9},
    ]
    boxes[2]["attributes"] = json.dumps({"pattern": "dots"})
    boxes = [{"mask": "", "crowd": False, "attributes": "", "score": math.nan} | box for box in boxes]
    if predicted:
        boxes = [box | {"score": score, "crowd": False} for box, score in zip(boxes, (0.5, 0.25, 0.875), strict=True)]
    pictures = [("a.jpg", 100, 80), ("deep/ü b.png", 64, 48), ("empty.jpg", 50, 50)]
    return annotations.of([dict(zip(("path", "width", "height"), one, strict=True)) for one in pictures], boxes)


def plain(value: Any) -> Any:
    """What JSON says, however it is spaced."""
    return json.loads(value) if isinstance(value, str) and value else value


def again(one: Annotations, name: str, folder: Path, photos: Path | None) -> tuple[Annotations, list[str]]:
    target = folder / FILE[name]
    losses = annotations.write(one, target, name)
    return annotations.read(target, pictures=photos), losses


@pytest.mark.parametrize("predicted", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read_again_and_what_a_format_cannot_hold_is_told(
    name: str, predicted: bool, tmp_path: Path, photos: Path
) -> None:
    before = known(predicted=predicted)
    after, losses = again(before, name, tmp_path, photos)
    assert after.faults == []
    assert sorted(after.pictures.itertuples(index=False)) == sorted(before.pictures.itertuples(index=False))
    told = {(row.path, row.label): row for row in after.boxes.itertuples()}
    assert len(told) == len(after.boxes) == 3
    lost = " ".join(losses)
    for row in before.boxes.itertuples():
        other = told[row.path, row.label]
        assert [getattr(other, side) for side in SIDES] == pytest.approx([getattr(row, side) for side in SIDES])
        assert other.score == row.score or (math.isnan(other.score) and math.isnan(row.score))
        for column, word in (("mask", "mask"), ("crowd", "groups"), ("attributes", "attributes")):
            if plain(getattr(row, column)) != plain(getattr(other, column)):
                assert word in lost, f"{name} lost {column} silently"
    assert after.predicted == predicted


def test_coco_holds_everything(tmp_path: Path) -> None:
    after, losses = again(known(), "coco", tmp_path, None)
    assert losses == []
    for column in ("mask", "crowd", "attributes", "area", "number"):
        assert after.boxes[column].map(plain).tolist() == known().boxes[column].map(plain).tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_annotations_without_a_box_keep_their_pictures(name: str, tmp_path: Path, photos: Path) -> None:
    after, losses = again(annotations.of(known().pictures, []), name, tmp_path, photos)
    assert (len(after.pictures), len(after.boxes), losses, after.faults) == (3, 0, [], [])


def coco(folder: Path, **more: Any) -> Path:
    told: dict[str, Any] = {
        "images": [{"id": 5, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [],
    }
    (folder / "coco.json").write_text(json.dumps(told | more))
    return folder / "coco.json"


def box(*sides: float, **more: Any) -> dict[str, Any]:
    return {"image_id": 5, "category_id": 3, "bbox": list(sides)} | more


@pytest.mark.parametrize(
    ("wrong", "left", "fault"),
    [
        (box(-5, 10, 20, 20), [0, 10, 15, 20], "reaches outside its picture; clipped"),
        (box(90, 70, 20, 20), [90, 70, 10, 10], "reaches outside its picture; clipped"),
        (box(30, 40, -20, -10), [10, 30, 20, 10], "corners are swapped; swapped back"),
        (box(120, 10, 20, 20), None, "lies outside its picture; left out"),
        (box(10, 10, 0, 20), None, "the box has no area; left out"),
        (box(10, math.nan, 5, 5), None, "missing or not finite; left out"),
        (box(10, math.inf, 5, 5), None, "missing or not finite; left out"),
        (box(10, 10, 5), None, "no bbox of four numbers; left out"),
        (box(10, 10, 5, "wide"), None, "missing or not finite; left out"),  # type: ignore[arg-type]
        (box(1, 1, 5, 5, category_id=9), [1, 1, 5, 5], "label's number is not among the categories"),
        (box(1, 1, 5, 5, image_id=9), None, "picture is not among the file's images; left out"),
        (["no", "object"], None, "picture is not among the file's images; left out"),
        (box(1, 1, 9, 9), None, "the same box comes twice; left out"),
    ],
)
def test_a_box_that_is_wrong_is_mended_or_left_out_and_told(
    wrong: Any, left: list[float] | None, fault: str, tmp_path: Path
) -> None:
    good = box(1, 1, 9, 9)
    found = annotations.read(coco(tmp_path, annotations=[good, wrong]))
    assert [told for _, told in found.faults if fault in told], found.faults
    assert len(found.faults) == 1
    assert found.boxes[SIDES].to_numpy().tolist()[1:] == ([left] if left else [])
    assert found.boxes["number"].tolist() == ([0, 1] if left else [0])  # the place in the file stays


@pytest.mark.parametrize(
    ("wrong", "kept", "fault"),
    [
        (box(1, 1, 5, 5, score=-0.5), True, "not between 0 and 1; kept"),
        (box(1, 1, 5, 5, score=7), True, "not between 0 and 1; kept"),
        (box(1, 1, 5, 5, score=math.nan), False, "prediction has no score; left out"),
        (box(1, 1, 5, 5), False, "prediction has no score; left out"),
        (box(1, 1, 9, 9, score=0.5), True, "the second counts as a false positive"),
    ],
)
def test_a_prediction_that_is_odd_is_told(wrong: dict[str, Any], kept: bool, fault: str, tmp_path: Path) -> None:
    found = annotations.read(coco(tmp_path, annotations=[box(1, 1, 9, 9, score=0.5), wrong]))
    assert len(found.boxes) == 1 + kept
    [(place, told)] = found.faults
    assert fault in told
    assert place == "a.jpg, box 1"


def test_faults_are_counted_by_what_was_wrong(tmp_path: Path) -> None:
    found = annotations.read(coco(tmp_path, annotations=[box(-1, 1, 9, 9), box(-2, 1, 9, 9), box(1, 1, 0, 9)]))
    assert annotations.fault_counts(found) == [
        ("the box reaches outside its picture; clipped", 2, "a.jpg, box 0"),
        ("the box has no area; left out", 1, "a.jpg, box 2"),
    ]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/x.jpg", "C:\\x.jpg", "a/../../x.jpg", ""])
def test_a_path_that_leads_outside_is_left_out_with_its_boxes(name: str, tmp_path: Path, photos: Path) -> None:
    images = [{"id": 5, "file_name": name, "width": 9, "height": 9}]
    for pictures in (None, photos):
        found = annotations.read(coco(tmp_path, images=images, annotations=[box(1, 1, 5, 5)]), pictures=pictures)
        assert (len(found.pictures), len(found.boxes)) == (0, 0)
        assert len(found.faults) == 2
        assert "outside the pictures' folder" in found.faults[0][1]


@pytest.mark.parametrize("name", ["/mnt/elsewhere/a.jpg", "D:\\photos\\a.jpg", "photos/a.jpg", "./a.jpg"])
def test_a_path_of_another_machine_is_found_by_its_file_name(name: str, tmp_path: Path, photos: Path) -> None:
    found = annotations.read(coco(tmp_path, images=[{"id": 5, "file_name": name}]), pictures=photos)
    assert found.pictures.to_numpy().tolist() == [["a.jpg", 100, 80]]


def test_sizes_and_files_are_compared_with_the_pictures(tmp_path: Path, photos: Path) -> None:
    images = [
        {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80},
        {"id": 2, "file_name": "deep/ü b.png", "width": 48, "height": 64},
        {"id": 3, "file_name": "empty.jpg", "width": 500, "height": 500},
        {"id": 4, "file_name": "gone.jpg", "width": 7, "height": 7},
    ]
    found = annotations.read(coco(tmp_path, images=images), pictures=photos)
    assert found.pictures[["width", "height"]].to_numpy().tolist() == [[100, 80], [64, 48], [50, 50], [7, 7]]
    assert [place for place, _ in found.faults] == ["deep/ü b.png", "empty.jpg", "gone.jpg"]
    for (_, told), word in zip(found.faults, ("swapped", "not the one in the file", "no picture"), strict=True):
        assert word in told


def test_a_picture_stored_lying_has_its_upright_size(tmp_path: Path, photos: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (90, 40)).save(photos / "turned.jpg", exif=exif)
    found = annotations.read(coco(tmp_path, images=[{"id": 5, "file_name": "turned.jpg"}]), pictures=photos)
    assert found.pictures[["width", "height"]].to_numpy().tolist() == [[40, 90]]


def test_a_list_of_coco_results_takes_its_names_from_the_truth(tmp_path: Path) -> None:
    truth = coco(tmp_path)
    results = tmp_path / "results.json"
    results.write_text(json.dumps([box(1, 2, 3, 4, score=0.5), box(1, 2, 3, 4, score=0.5, image_id=77)]))
    found = annotations.read(results, truth=truth)
    assert found.boxes[["path", "label", "score"]].to_numpy().tolist() == [["a.jpg", "cat", 0.5]]
    assert found.faults == [("box 1", "its picture is not among the file's images; left out")]
    with pytest.raises(UsageError, match="give the COCO ground truth"):
        annotations.read(results)
    results.write_text("[]")
    assert annotations.read(results, truth=truth).boxes.empty


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"images": [{"id": 1}, ', "is not whole JSON: line 1, column"),
        ('{"images": [{"id": 1},]}', "is not whole JSON"),
        ('{"images" 3}', "expecting ':'"),
        ('{"images": [1 2]}', "expecting ','"),
        ('{"images": []} []', "something follows"),
        ('{"images": ' + "[" * 100_000, "nested too deep"),
        ('{"images": ' + "9" * 5_000 + "}", "cannot be read as JSON"),
    ],
)
def test_json_that_is_not_whole_is_one_sentence(content: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=fault):
        annotations.read(file)


def test_a_large_file_needs_little_more_than_its_text(tmp_path: Path) -> None:
    ring = [[float(at) + 0.25 for at in range(60)]]
    many = [box(1 + at / 1000, 1, 9, 9, segmentation=ring) for at in range(20_000)]
    file = coco(tmp_path, annotations=many)
    size = file.stat().st_size
    del many
    tracemalloc.start()
    found = annotations.read(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.boxes) == 20_000
    assert peak < 4 * size, f"{peak / size:.1f} times the file's size"


def voc(folder: Path, name: str, *corners: int, filename: str = "a.jpg", before: str = "") -> Path:
    box = "".join(f"<{side}>{v}</{side}>" for side, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    text = f"{before}<annotation><filename>{filename}</filename><object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_voc_counts_from_one_and_includes_the_last_pixel(tmp_path: Path) -> None:
    found = annotations.read(voc(tmp_path / "voc", "a.xml", 1, 1, 10, 20))
    assert found.boxes[SIDES].to_numpy().tolist() == [[0, 0, 10, 20]]


def test_voc_with_a_corner_at_zero_was_counted_from_zero(tmp_path: Path) -> None:
    voc(tmp_path / "voc", "a.xml", 0, 1, 10, 20)
    found = annotations.read(voc(tmp_path / "voc", "b.xml", 5, 5, 10, 10, filename="b.jpg"))
    assert found.boxes[SIDES].to_numpy().tolist() == [[0, 1, 10, 19], [5, 5, 5, 5]]
    assert "counted from 0" in found.faults[0][1]


def test_swapped_corners_in_voc_are_swapped_back(tmp_path: Path) -> None:
    found = annotations.read(voc(tmp_path / "voc", "a.xml", 10, 20, 1, 1))
    assert found.boxes[SIDES].to_numpy().tolist() == [[0, 0, 10, 20]]
    assert "swapped back" in found.faults[0][1]


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
    ],
)
def test_xml_with_entities_is_not_expanded(before: str, tmp_path: Path) -> None:
    voc(tmp_path / "voc", "evil.xml", 1, 1, 5, 5, filename="&a;.jpg" if before else "", before=before)
    found = annotations.read(voc(tmp_path / "voc", "good.xml", 1, 1, 5, 5))
    assert found.pictures["path"].tolist() == ["a.jpg"]
    [(place, told)] = found.faults
    assert place == "evil.xml"
    assert "document type" in told


def test_xml_that_is_cut_short_is_told(tmp_path: Path) -> None:
    folder = voc(tmp_path / "voc", "a.xml", 1, 1, 5, 5)
    (folder / "cut.xml").write_text("<annotation><object>")
    (folder / "empty.xml").write_text("")
    found = annotations.read(folder)
    assert len(found.boxes) == 1
    assert [place for place, _ in found.faults] == ["cut.xml", "empty.xml"]


def test_yolo_finds_its_pictures_beside_the_labels(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    Image.new("RGB", (200, 100)).save(tmp_path / "images" / "train" / "1.jpg")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    lines = [
        "0 0.5 0.5 0.2 0.4",
        "1 0.25 0.5 0.1 0.2 0.75",
        "0 0.1 0.1 0.2 0.1 0.2 0.3",
        "x y",
        "7 0.5 0.5 0.1 0.1 0.5",
    ]
    (tmp_path / "labels" / "train" / "1.txt").write_text("\n".join(lines))
    (tmp_path / "labels" / "train" / "2.txt").write_text(lines[0])
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\n")
    for source in (tmp_path / "labels", tmp_path / "data.yaml"):
        found = annotations.read(source)
        assert found.pictures.to_numpy().tolist() == [["train/1.jpg", 200, 100]]
        assert found.boxes["label"].tolist() == [
            "dog",
            "7",
        ]  # with a score in the file, boxes without one are no predictions
        assert found.boxes[SIDES].to_numpy()[0] == pytest.approx([40, 40, 20, 20])
        told = " ".join(fault for _, fault in found.faults)
        for word in ("no line of class", "not in the list of names", "size is unknown", "prediction has no score"):
            assert word in told


def test_yolos_polygons_are_masks(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5")
    found = annotations.read(tmp_path / "yolo", pictures=photos)
    [row] = found.boxes.itertuples()
    assert (row.x, row.y, row.width, row.height) == pytest.approx((10, 8, 40, 32))
    assert json.loads(row.mask)[0] == pytest.approx([10, 8, 50, 8, 50, 40])


def test_via_reads_every_closed_shape_and_tells_of_the_others(tmp_path: Path) -> None:
    shapes = [
        {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4},
        {"name": "circle", "cx": 20, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 20, "cy": 20, "rx": 5, "ry": 2},
        {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 7]},
        {"name": "point", "cx": 1, "cy": 1},
    ]
    regions = [{"shape_attributes": one, "region_attributes": {"Class": "cat", "sure": "yes"}} for one in shapes]
    regions.append({"shape_attributes": shapes[0], "region_attributes": {"kind": {"dog": True, "cat": False}}})
    told = {"_via_settings": {}, "_via_img_metadata": {"k": {"filename": "a.jpg", "size": 9, "regions": regions}}}
    for content in (told, told["_via_img_metadata"]):
        (tmp_path / "via.json").write_text(json.dumps(content))
        found = annotations.read(tmp_path / "via.json")
        assert found.boxes[SIDES].to_numpy().tolist() == [
            [1, 2, 3, 4], [15, 15, 10, 10], [15, 18, 10, 4], [1, 1, 8, 6], [1, 2, 3, 4]
        ]  # fmt: skip
        assert found.boxes["label"].tolist() == ["cat"] * 4 + ["dog"]
        assert found.attribute("sure").tolist() == ["yes"] * 4 + [""]
        assert found.faults == [("a.jpg, region 4", "it is no rectangle, polygon, circle or ellipse; left out")]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("path,label,x,y,width,height", "a.jpg,cat,10,20,30,40"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,100,80,cat,10,20,40,60"),
        ("Image;Label;X1;Y1;X2;Y2", "a.jpg;cat;10;20;40;60"),
        ("image,label,x_min,y_min,x_max,y_max", "a.jpg,cat,40,60,10,20"),
    ],
)
def test_a_tables_columns_are_known_by_their_names(header: str, row: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(f"{header}\n{row}\nb.jpg\n")
    found = annotations.read(tmp_path / "boxes.csv")
    assert found.boxes[SIDES].to_numpy().tolist() == [[10, 20, 30, 40]]
    assert found.pictures["path"].tolist() == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "path,label,xmin,ymin\n", "path,x,y,width,height\n"])
def test_a_table_without_the_columns_says_which(content: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(content)
    with pytest.raises(UsageError, match=r"has no column .*name the columns path, label"):
        annotations.read(tmp_path / "boxes.csv")


def test_two_pictures_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    twins = annotations.of([{"path": "a.jpg"}, {"path": "a.png"}], [])
    for name in ("voc", "yolo"):
        with pytest.raises(UsageError, match=r"a\.png and a\.jpg would share a\."):
            annotations.write(twins, tmp_path / name, name)
