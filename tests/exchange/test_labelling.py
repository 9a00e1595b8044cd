"""Pictures go to a tool that labels and their labels come back, by each format's own words; and what is doubtful is named."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tiny_gallery import fill, photos, run

from pipeline.errors import UsageError
from pipeline.exchange import labelling
from pipeline.gallery.gallery import Gallery


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    made = fill(photos(tmp_path / "photos", 6))[0]
    ids = made.table()["id"].tolist()
    made.relabel({ids[0]: "", ids[1]: 'hat & "cap"'})
    return made


def labels(gallery: Gallery) -> dict[str, str]:
    table = gallery.table()
    return dict(zip(table["id"], table["label"], strict=True))


def written(gallery: Gallery, form: str, folder: Path) -> Path:
    texts = labelling.tasks(gallery, list(labels(gallery)), form)
    file = folder / f"tasks.{labelling.FORMATS[form]}"
    file.write_text(texts[""], encoding="utf-8")
    return file


@pytest.mark.parametrize("form", labelling.FORMATS)
def test_labels_that_are_there_go_out_and_come_back_as_they_were(gallery: Gallery, form: str, tmp_path: Path) -> None:
    file = written(gallery, form, tmp_path)
    if form == "label_studio":  # a prediction is no answer: somebody submits it
        tasks = json.loads(file.read_text())
        for task in tasks:
            task["annotations"] = [{"result": one["result"]} for one in task.pop("predictions", [])]
        file.write_text(json.dumps(tasks))
    found = labelling.answers(gallery, file)
    assert found.labels == {picture: label for picture, label in labels(gallery).items() if label}
    assert labelling.changed(gallery, found) == {}
    assert found.unmatched == found.undecided == []


def answered(gallery: Gallery, form: str, file: Path, label: str) -> None:
    """As a tool writes it: the first picture gets a label, the second two, and one that is not here as well."""
    first, second = gallery.table()["path"][:2]
    if form == "label_studio":
        choice = {"type": "choices", "value": {"choices": [label]}}
        other = {"type": "choices", "value": {"choices": ["other"]}}
        tasks = [
            {"data": {"image": f"/data/local-files/?d=photos/{first}"}, "annotations": [{"result": [choice]}, {"was_cancelled": True, "result": [other]}]},
            {"data": {"image": f"http://host/x/{second}"}, "annotations": [{"result": [choice]}, {"result": [other]}]},
            {"data": {"path": "nowhere.png"}, "annotations": [{"result": [choice]}]},
        ]  # fmt: skip
        file.write_text(json.dumps(tasks))
    elif form == "cvat":
        page = ElementTree.Element("annotations")
        for name, said in ((first, [label]), (second, [label, "other"]), ("nowhere.png", [label])):
            image = ElementTree.SubElement(page, "image", id="0", name=name, width="1", height="1")
            for one in said:
                ElementTree.SubElement(image, "tag", label=one, source="manual")
        file.write_text('<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(page, encoding="unicode"))
    else:
        said = [(1, 1), (2, 1), (2, 2), (3, 1)]
        coco = {
            "images": [{"id": 1, "file_name": first}, {"id": 2, "file_name": second}, {"id": 3, "file_name": "nowhere.png"}],
            "categories": [{"id": 1, "name": label}, {"id": 2, "name": "other"}],
            "annotations": [{"id": i, "image_id": image, "category_id": number} for i, (image, number) in enumerate(said)],
        }  # fmt: skip
        file.write_text(json.dumps(coco))


@pytest.mark.parametrize("form", labelling.FORMATS)
def test_answers_become_labels_and_doubtful_ones_are_named(gallery: Gallery, form: str, tmp_path: Path) -> None:
    file, before = tmp_path / f"export.{labelling.FORMATS[form]}", labels(gallery)
    answered(gallery, form, file, "lamp")
    found = labelling.answers(gallery, file)
    first = next(iter(before))
    assert found.labels == {first: "lamp"}
    assert [one.rpartition("/")[2] for one in found.unmatched] == ["nowhere.png"]
    assert ["(lamp, other)" in one for one in found.undecided] == [True]
    labelling.bring(gallery, labelling.changed(gallery, found))
    assert labels(gallery) == before | {first: "lamp"}
    assert labelling.take_back(gallery) == [first]
    assert labels(gallery) == before, "an empty label that somebody had given, too"
    with pytest.raises(UsageError, match="no labels were brought back"):
        labelling.take_back(gallery)


def test_the_short_export_of_label_studio_is_read(gallery: Gallery, tmp_path: Path) -> None:
    [first, second, third, *_] = labels(gallery)
    rows = [
        {"picture": first, "label": "lamp"},
        {"picture": second, "choice": {"choices": ["hat"]}},
        {"picture": third},
    ]
    (tmp_path / "min.json").write_text(json.dumps(rows))
    assert labelling.answers(gallery, tmp_path / "min.json").labels == {first: "lamp", second: "hat"}


@pytest.mark.parametrize(
    "text", ["", "{", "5", "[1]", "{}", "<html></html>", "<!DOCTYPE a><annotations/>", "[" * 100_000]
)
def test_what_no_tool_writes_is_refused_in_a_sentence(gallery: Gallery, text: str, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises((UsageError, ValueError)) as error:
        labelling.answers(gallery, tmp_path / "export.json")
    assert isinstance(error.value, UsageError)


def test_the_verbs_write_tasks_and_bring_answers_back(gallery: Gallery, tmp_path: Path) -> None:
    before = labels(gallery)
    done = run(
        "to-label",
        gallery.name,
        "-n",
        "3",
        "--all",
        "--by",
        "diverse",
        "--tasks",
        tmp_path / "out.json",
        "--url",
        "http://pictures/",
    )
    assert done.returncode == 0, done.stderr
    tasks = json.loads((tmp_path / "out.json").read_text())
    assert len(tasks) == 3
    assert all(task["data"]["image"].startswith("http://pictures/") for task in tasks)
    config = ElementTree.fromstring((tmp_path / "out-config.xml").read_text())
    assert {one.get("value") for one in config.iter("Choice")} == set(before.values()) - {""}
    answered(gallery, "coco", tmp_path / "coco.json", "lamp")
    planned = run("relabel", gallery.name, "--from", tmp_path / "coco.json", "--plan")
    assert "1 labels in coco.json, 1 of them new" in planned.stdout
    assert labels(gallery) == before
    assert run("relabel", gallery.name, "--from", tmp_path / "coco.json").returncode == 0
    assert "lamp" in labels(gallery).values()
    assert run("relabel", gallery.name, "--undo").returncode == 0
    assert labels(gallery) == before
    for wrong in (["--from", "nowhere.json"], ["--undo", "--back"], ["--from", "x.json", "--label", "y"], []):
        refused = run("relabel", gallery.name, *map(str, wrong))
        assert (refused.returncode, "Traceback" in refused.stderr) == (2, False), wrong
