"""Made-up datasets in every format and layout: a box is on its own picture, or left out and told; never on another one."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from pipeline.annotations import annotations
from pipeline.errors import UsageError

FOLDERS = ("train", "val", "cats", "é")  # the last: an accent that disks and files may spell in two ways
STEMS = ("1", "2", "ü b", "3")
WAYS = ("plain", "dotted", "windows", "elsewhere", "decomposed", "number", "text")
SIZE = (96, 64)


@st.composite
def datasets(draw: st.DrawFn) -> dict[str, Any]:
    """Pictures that are named, those of them that are there, and boxes; a box is known by its width, whatever its format."""
    named = draw(
        st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(STEMS)), min_size=1, max_size=6, unique=True)
    )
    there = [one for one in named if draw(st.booleans())]
    strangers = draw(st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(STEMS)), max_size=3, unique=True))
    owners = draw(st.lists(st.sampled_from(named), min_size=1, max_size=8))
    return {
        "named": named,
        "there": sorted({*there, *strangers}),
        "owners": owners,  # box i is of owners[i], 10 + i pixels wide
        "way": draw(st.sampled_from(WAYS)),
        "layout": draw(st.sampled_from(["ultralytics", "roboflow", "beside"])),
        "bare": draw(st.booleans()),
        "number": draw(st.integers(1, 2**60)),
    }


def drawn(folder: Path, made: dict[str, Any], layout: str = "beside") -> Path:
    """The pictures that are there."""
    root = folder / "photos"
    shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True)
    for group, stem in made["there"]:
        file = root / placed(group, stem, layout)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE).save(file)
    return root


def placed(group: str, stem: str, layout: str) -> str:
    where = {"ultralytics": f"images/{group}", "roboflow": f"{group}/images", "beside": group}[layout]
    return f"{where}/{stem}.png"


def name_of(group: str, stem: str, made: dict[str, Any]) -> str:
    """As the file writes a picture's name."""
    plain = f"{group}/{stem}.png"
    alone = Counter(one for _, one in [*made["named"], *made["there"]])[stem] == 1 or (
        {one for one in {*made["named"], *made["there"]} if one[1] == stem} == {(group, stem)}
    )
    if made["bare"] and alone:
        return f"{stem}.png"
    return {
        "dotted": f"./{plain}",
        "windows": plain.replace("/", "\\"),
        "elsewhere": f"/mnt/photos/{plain}",
        "decomposed": unicodedata.normalize("NFD", plain),
    }.get(made["way"], plain)


def sides(at: int) -> tuple[int, int, int, int]:
    return 2, 3, 10 + at, 20


def as_coco(made: dict[str, Any], file: Path) -> Path:
    first = made["number"]
    ids = {one: first + at for at, one in enumerate(made["named"])}
    kind: Any = {"number": float, "text": str}.get(made["way"], int)
    images = [{"id": ids[one], "file_name": name_of(*one, made)} for one in made["named"]]
    boxes = [
        {"id": at + 1, "image_id": kind(ids[one]), "category_id": 1.0, "bbox": list(sides(at)), "area": 1, "iscrowd": 0}
        for at, one in enumerate(made["owners"])
    ]
    file.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": boxes}))
    return file


def as_csv(made: dict[str, Any], file: Path) -> Path:
    sign = {"windows": ";", "elsewhere": "\t"}.get(made["way"], ",")
    rows = [[name_of(*one, made), "cat", *map(str, sides(at))] for at, one in enumerate(made["owners"])]
    lines = [sign.join(row) for row in [[" Path", "LABEL ", "x", "y", "width", "height"], *rows]]
    file.write_text("\n".join([*lines, sign * 5, ""]), encoding="utf-16" if made["way"] == "dotted" else "utf-8")
    return file


def as_via(made: dict[str, Any], file: Path) -> Path:
    entries: dict[str, Any] = {}
    for one in made["named"]:
        shapes = [
            dict(zip(("x", "y", "width", "height"), sides(at), strict=True))
            for at, o in enumerate(made["owners"])
            if o == one
        ]
        regions = [
            {"shape_attributes": {"name": "rect"} | shape, "region_attributes": {"label": "cat"}} for shape in shapes
        ]
        entries[str(len(entries))] = {"filename": name_of(*one, made), "size": -1, "regions": regions}
    file.write_text(json.dumps({"_via_img_metadata": entries}))
    return file


def as_cvat(made: dict[str, Any], file: Path) -> Path:
    images = []
    for one in made["named"]:
        boxes = [
            f'<box label="cat" xtl="{x}" ytl="{y}" xbr="{x + width}" ybr="{y + height}"/>'
            for x, y, width, height in (sides(at) for at, owner in enumerate(made["owners"]) if owner == one)
        ]
        images.append(f'<image name="{name_of(*one, made)}" width="96" height="64">{"".join(boxes)}</image>')
    file.write_text(f"<annotations>{''.join(images)}</annotations>", encoding="utf-8")
    return file


def as_voc(made: dict[str, Any], folder: Path, layout: str) -> Path:
    for group, stem in made["named"]:
        objects = "".join(
            f"<object><name>cat</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + width}</xmax>"
            f"<ymax>{y + height}</ymax></bndbox></object>"
            for x, y, width, height in (sides(at) for at, owner in enumerate(made["owners"]) if owner == (group, stem))
        )
        named = "" if made["bare"] else f"<folder>{group}</folder><filename>{stem}.png</filename>"
        file = folder / placed(group, stem, layout).replace("images", "Annotations").replace(".png", ".xml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"<annotation>{named}{objects}</annotation>", encoding="utf-8")
    return folder


def as_yolo(made: dict[str, Any], folder: Path, layout: str) -> Path:
    for group, stem in made["named"]:
        lines = [
            " ".join(
                map(str, (0, (x + width / 2) / SIZE[0], (y + height / 2) / SIZE[1], width / SIZE[0], height / SIZE[1]))
            )
            for x, y, width, height in (sides(at) for at, owner in enumerate(made["owners"]) if owner == (group, stem))
        ]
        file = folder / placed(group, stem, layout).replace("images", "labels").replace(".png", ".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines))
    (folder / "data.yaml").write_text("names: [cat]\n")
    (folder / "README.txt").write_text("1 2 3 4 5")
    return folder / "data.yaml"


FLAT = {"coco": (as_coco, "t.json"), "csv": (as_csv, "t.csv"), "via": (as_via, "t.json"), "cvat": (as_cvat, "t.xml")}


@pytest.mark.parametrize("name", ["coco", "csv", "cvat", "via", "voc", "yolo"])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=datasets())
def test_a_box_is_on_its_own_picture_or_told(name: str, made: dict[str, Any], tmp_path: Path) -> None:
    layout = made["layout"] if name in ("voc", "yolo") else "beside"
    root = drawn(tmp_path, made, layout)
    if name in FLAT:
        write, file_name = FLAT[name]
        source = write(made, tmp_path / file_name)
    else:
        source = (as_voc if name == "voc" else as_yolo)(made, root, layout)
    try:
        read = annotations.read(source, name, pictures=root)
    except UsageError as error:
        pytest.fail(f"refused: {error}")
    placed_on = {round(row.width): row.path for row in read.boxes.itertuples()}
    for at, (group, stem) in enumerate(made["owners"]):
        path, own = placed_on.get(10 + at, ""), placed(group, stem, layout)
        is_there = (group, stem) in made["there"]
        assert path == own or not (root / path).is_file() or not path, f"box {at} of {own} is on {path}"
        if is_there and not (name == "coco" and made["way"] == "number" and made["number"] + 8 > 2**53):
            assert path == own, f"box {at} of {own}, which is there, is lost: {read.faults}"
        if not is_there:
            assert read.faults, f"box {at} of {own}, which is not there, is left out without a word"
    assert len(read.boxes) == len(made["owners"]) or read.faults


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=datasets())
def test_coco_puts_boxes_where_pycocotools_does(made: dict[str, Any], tmp_path: Path) -> None:
    made |= {"way": "plain", "bare": False}
    file = as_coco(made, tmp_path / "t.json")
    theirs = COCO(str(file))
    wanted = sorted(
        (theirs.imgs[box["image_id"]]["file_name"], *map(float, box["bbox"])) for box in theirs.anns.values()
    )
    ours = annotations.read(file)
    rows = ours.boxes[["path", "x", "y", "width", "height"]].itertuples(index=False, name=None)
    assert sorted(rows) == wanted
    assert ours.faults == []
