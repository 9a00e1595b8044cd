"""Caltech-256 and MIT Indoor 67 in the shapes people have them: the folder, one above, the archive."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from PIL import Image

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.images import opening
from pipeline.records import Dataset, ImageRecord

CALTECH = ["256.toad/256_0001.jpg", "001.ak47/001_0002.jpg", "001.ak47/001_0001.jpg", "002.american-flag/002_0001.jpg"]
CLUTTER = ["257.clutter/257_0001.jpg", "056.dog/greg/vision309/a.jpg", "198.spider/RENAME2", "thumbs/a.jpg"]
SHOT = [
    ImageRecord("001.ak47/001_0001.jpg", "ak47"),
    ImageRecord("001.ak47/001_0002.jpg", "ak47"),
    ImageRecord("002.american-flag/002_0001.jpg", "american-flag"),
    ImageRecord("256.toad/256_0001.jpg", "toad"),
]
ROOMS = ["kitchen/int474.jpg", "kitchen/my kitchen.jpg", "airport_inside/a_gif.jpg", "winecellar/b.jpg"]
SEEN = [
    ImageRecord("airport_inside/a_gif.jpg", "airport_inside", "test"),
    ImageRecord("kitchen/int474.jpg", "kitchen", "train"),
    ImageRecord("kitchen/my kitchen.jpg", "kitchen", "train"),
    ImageRecord("winecellar/b.jpg", "winecellar", ""),
]


def put(folder: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (40 * i, 90, 30)).save(folder / name, "GIF" if "gif" in name else "JPEG")
    return folder


def put_lists(folder: Path) -> None:
    (folder / "TrainImages.txt").write_text("kitchen/my kitchen.jpg\r\nkitchen/int474.jpg\r\n")
    (folder / "TestImages.txt").write_text("airport_inside/a_gif.jpg\n\n")


def prepared(spec: str) -> Dataset:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    return dataset


def tarred(folder: Path, to: Path) -> Path:
    with tarfile.open(to, "w") as file:
        file.add(folder, folder.name)
    return to


@pytest.mark.parametrize("up", ["", "..", "../.."])
def test_caltechs_folder_or_one_above_it_reads_without_clutter_and_numbers(tmp_path: Path, up: str) -> None:
    folder = put(tmp_path / "caltech" / "256_ObjectCategories", CALTECH + CLUTTER)
    assert list(prepared(f"caltech256:root={folder / up}").records()) == SHOT


def test_caltechs_archive_reads_the_same(tmp_path: Path, home: Path) -> None:
    folder = put(tmp_path / "256_ObjectCategories", CALTECH + CLUTTER)
    dataset = prepared(f"caltech256:root={tarred(folder, tmp_path / '256_ObjectCategories.tar')}")
    assert list(dataset.records()) == SHOT
    assert all((dataset.root / record.path).is_file() for record in SHOT)


@pytest.mark.parametrize("up", ["", ".."])
@pytest.mark.parametrize("lists", ["Images", "."])
def test_a_rooms_split_is_what_the_lists_say(tmp_path: Path, up: str, lists: str) -> None:
    folder = put(tmp_path / "Images", ROOMS)
    put_lists(tmp_path / lists)
    assert list(prepared(f"indoor67:root={folder / up}").records()) == SEEN


def test_the_archive_of_rooms_reads_with_the_lists_beside_it(tmp_path: Path, home: Path) -> None:
    archive = tarred(put(tmp_path / "in" / "Images", ROOMS), tmp_path / "indoorCVPR_09.tar")
    put_lists(tmp_path)
    dataset = prepared(f"indoor67:root={archive}")
    assert list(dataset.records()) == SEEN
    gif = opening.open_image((dataset.root / "airport_inside/a_gif.jpg").read_bytes())
    assert gif.image.size == (20, 16), "content decides, not the suffix"


def test_rooms_without_lists_have_no_split(tmp_path: Path) -> None:
    assert {record.split for record in prepared(f"indoor67:root={put(tmp_path / 'Images', ROOMS)}").records()} == {""}


def test_one_list_without_the_other_is_a_fault(tmp_path: Path) -> None:
    put_lists(put(tmp_path, ROOMS))
    (tmp_path / "TestImages.txt").unlink()
    with pytest.raises(
        SemblanceError, match=r"TrainImages\.txt is there and TestImages\.txt is not; get both from http"
    ):
        list(prepared(f"indoor67:root={tmp_path}").records())


def test_rooms_that_are_half_unpacked_are_a_fault(tmp_path: Path) -> None:
    put_lists(put(tmp_path, ROOMS))
    with (tmp_path / "TrainImages.txt").open("a") as file:
        file.write("zoo/a.jpg\n")
    with pytest.raises(SemblanceError, match=r"in 2 folders and .* lacks 1 of them, first zoo; unpack the whole"):
        list(prepared(f"indoor67:root={tmp_path}").records())


@pytest.mark.parametrize(("name", "source"), [("caltech256", "data.caltech.edu"), ("indoor67", "web.mit.edu")])
def test_without_a_root_or_with_another_folder_it_is_refused(tmp_path: Path, name: str, source: str) -> None:
    with pytest.raises(UsageError, match=f"{name} needs root"):
        plugins.build("datasets", name)
    with pytest.raises(UsageError, match=f"{name} is not downloaded here; get it from https://{source}"):
        plugins.build("datasets", f"{name}:root=")
    with pytest.raises(UsageError, match=f"is not {name}"):
        plugins.build("datasets", f"{name}:root={tmp_path}")
