"""Pictures as tasks for tools that label, and the labels back: Label Studio, CVAT, COCO. A label is of the whole picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

from pipeline.errors import UsageError
from pipeline.files.texts import parsed_xml, root_name
from pipeline.gallery import judgments, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.naming import Names

FORMATS = {"label_studio": "json", "cvat": "xml", "coco": "json"}  # and the ending of their files
KIND = "labels-back"
LOCAL = "/data/local-files/?d="  # where Label Studio serves files of its own machine
_SAID = ("label", "choice", "choices", "class", "category")  # how exports call a label


@dataclass
class Answers:
    """labels: id to label. Pictures of which nothing is said are left out."""

    labels: dict[str, str] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)  # names of no picture here, or of several
    undecided: list[str] = field(default_factory=list)  # names of pictures with several labels


def tasks(gallery: Gallery, ids: Sequence[str], form: str, *, url: str = LOCAL) -> dict[str, str]:
    """Name ending to text of each file: that of the tasks, and one that tells the tool the gallery's labels.

    Labels that pictures have already are in it. url: what Label Studio finds a picture's path behind.
    """
    table = gallery.table().set_index("id", drop=False)
    rows = table.loc[[one for one in ids if one in table.index]].to_dict("records")
    known = sorted(set(table["label"]) - {""})
    if form == "label_studio":
        return {"": _json([_studio_task(row, url) for row in rows]), "-config.xml": _studio_config(known)}
    if form == "cvat":
        labels = [{"name": name, "type": "tag", "attributes": []} for name in known]
        return {"": _cvat(rows), "-labels.json": _json(labels)}
    if form == "coco":
        return {"": _json(_coco(rows, known))}
    raise UsageError(f"no format {form!r}; choose from {', '.join(FORMATS)}")


def answers(gallery: Gallery, file: Path) -> Answers:
    """What a tool's export says of the gallery's pictures. UsageError for a file of neither format."""
    names, found = Names(gallery), Answers()
    said: dict[str, dict[str, None]] = {}
    for named, labels in _said(file):
        picture = next((one for name in named if (one := names.find(name)[0])), "")
        if not picture:
            found.unmatched.append(named[0] if named else "a task without a name")
            continue
        said.setdefault(picture, {}).update(dict.fromkeys(labels))
    for picture, of_it in said.items():
        for label in of_it:
            judgments.check_label(label)
        if len(of_it) == 1:
            found.labels[picture] = next(iter(of_it))
        elif of_it:
            found.undecided.append(f"{names.path_of.get(picture, picture)} ({', '.join(of_it)})")
    return found


def changed(gallery: Gallery, found: Answers) -> dict[str, str]:
    """Of the labels those that a picture has not already."""
    table = gallery.table()
    now = dict(zip(table["id"], table["label"], strict=True))
    return {picture: label for picture, label in found.labels.items() if now.get(picture) != label}


def bring(gallery: Gallery, labels: Mapping[str, str]) -> str:
    """Relabel, as a report of what was before notes: `take_back` goes by it. Returns the report's name."""
    import pandas as pd

    before = gallery.relabel(labels)
    held = pd.DataFrame(
        {
            "id": list(before),
            "given": [label is not None for label in before.values()],
            "label": [label or "" for label in before.values()],
        }
    )
    return reports.write(gallery, KIND, {"pictures": len(before)}, held)


def take_back(gallery: Gallery) -> list[str]:
    """The labels that were there before the last `bring`; ids of the pictures. UsageError when there was none."""
    names = reports.names(gallery, KIND)
    if not names:
        raise UsageError(f"no labels were brought back to {gallery.name} that could be taken back")
    held = reports.table(gallery, names[0])
    there = gallery.ids()
    rows = [row for row in held.itertuples() if row.id in there]
    gallery.relabel({row.id: row.label if row.given else None for row in rows})
    reports.delete(gallery, names[0])
    return [row.id for row in rows]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _studio_task(row: dict[str, Any], url: str) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {"image": url + quote(row["path"]), "picture": row["id"], "path": row["path"]}}
    if row["label"]:
        choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [row["label"]]}}
        task["predictions"] = [{"model_version": "semblance", "result": [choice]}]
    return task


def _studio_config(labels: Sequence[str]) -> str:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    choices = ElementTree.SubElement(view, "Choices", name="label", toName="image", choice="single")
    for label in labels:
        ElementTree.SubElement(choices, "Choice", value=label)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode")


def _cvat(rows: Sequence[dict[str, Any]]) -> str:
    page = ElementTree.Element("annotations")
    ElementTree.SubElement(page, "version").text = "1.1"
    for number, row in enumerate(rows):
        sizes = {"width": str(row["width"]), "height": str(row["height"])}
        image = ElementTree.SubElement(page, "image", {"id": str(number), "name": row["path"], **sizes})
        if row["label"]:
            ElementTree.SubElement(image, "tag", label=row["label"], source="manual")
    ElementTree.indent(page)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(page, encoding="unicode")


def _coco(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> dict[str, Any]:
    numbers = {label: number for number, label in enumerate(labels, 1)}
    sizes = [(int(row["width"]), int(row["height"])) for row in rows]
    return {
        "images": [
            {"id": number, "file_name": row["path"], "width": width, "height": height, "picture": row["id"]}
            for number, (row, (width, height)) in enumerate(zip(rows, sizes, strict=True), 1)
        ],
        "categories": [{"id": number, "name": label} for label, number in numbers.items()],
        "annotations": [
            {
                "id": number, "image_id": number, "category_id": numbers[row["label"]], "bbox": [0, 0, width, height],
                "area": width * height, "iscrowd": 0,
            }
            for number, (row, (width, height)) in enumerate(zip(rows, sizes, strict=True), 1)
            if row["label"]
        ],
    }  # fmt: skip


def _said(file: Path) -> Iterator[tuple[list[str], list[str]]]:
    """What a picture may be named by, the surest first, and its labels; a picture without a label has none."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        if root_name(text[:4_000]) == "annotations":
            yield from _of_cvat(file)
            return
        value = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{file.name} is no export of Label Studio (JSON), CVAT (for images 1.1) or COCO: {error}"
        ) from error
    if isinstance(value, dict) and isinstance(value.get("images"), list):
        yield from _of_coco(value)
    elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
        yield from map(_of_studio, value)
    else:
        raise UsageError(f"{file.name} is JSON, and neither a list of Label Studio's tasks nor COCO with images")


def _of_cvat(file: Path) -> Iterator[tuple[list[str], list[str]]]:
    for image in parsed_xml(file).iter("image"):
        yield [image.get("name", "")], [tag.get("label", "") for tag in image.iter("tag") if tag.get("label")]


def _of_coco(value: dict[str, Any]) -> Iterator[tuple[list[str], list[str]]]:
    names = {one.get("id"): str(one.get("name", "")) for one in _dicts(value.get("categories"))}
    labels: dict[Any, list[str]] = {}
    for one in _dicts(value.get("annotations")):
        labels.setdefault(one.get("image_id"), []).append(names.get(one.get("category_id"), ""))
    for image in _dicts(value["images"]):
        named = [str(image[key]) for key in ("picture", "file_name") if image.get(key)]
        yield named, [label for label in labels.get(image.get("id"), []) if label]


def _of_studio(task: dict[str, Any]) -> tuple[list[str], list[str]]:
    """A task of the full export, or of the short one."""
    data = task["data"] if isinstance(task.get("data"), dict) else task
    named = [str(data[key]) for key in ("picture", "path") if data.get(key)]
    if isinstance(image := data.get("image"), str):
        parts = urlsplit(image)
        named.append(parse_qs(parts.query).get("d", [unquote(parts.path)])[0])
    done = [one for one in _dicts(task.get("annotations")) if not one.get("was_cancelled")]
    results = [result for one in done for result in _dicts(one.get("result"))]
    labels = [
        label
        for one in results
        if isinstance(one.get("value"), dict)
        for label in _choices(one["value"].get("choices"))
    ]
    short = next((task[key] for key in _SAID if task.get(key)), None) if "annotations" not in task else None
    return named, labels or _choices(short)


def _choices(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = value.get("choices")
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str) and one]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
