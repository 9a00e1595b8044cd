"""What every dataset promises. A new file in pipeline/datasets is tested here without an edit when its options have
defaults that need no download; otherwise it fails until TINY says how to make a tiny one."""

from __future__ import annotations

import inspect
import itertools
import os
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import fsspec
import pytest
from PIL import Image

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.files import remote
from pipeline.records import Dataset, ImageRecord
from tests.films_made import film

NAMES = plugins.available("datasets")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (len(path.name) * 20 % 256, 90, 30)).save(path, "JPEG")


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def catalogue(root: Path) -> str:
    return "catalogue:items=6,views=2,size=16"


def street(root: Path) -> str:
    return "street:scenes=2,size=32"


def table(root: Path) -> str:
    picture(root / "photos/1.jpg")
    picture(root / "photos/2.jpg")
    text(root / "list.csv", "path,label,split,price\nphotos/2.jpg,hat,train,3\nphotos/1.jpg,,,\n")
    return f"table:file={root / 'list.csv'}"


def tiny_imagenet(root: Path) -> str:
    for name in ("train/n01/images/n01_0.JPEG", "val/images/val_0.JPEG", "test/images/test_0.JPEG"):
        picture(root / name)
    text(root / "wnids.txt", "n01\n")
    text(root / "words.txt", "n01\tgoldfish, Carassius auratus\n")
    text(root / "train/n01/n01_boxes.txt", "n01_0.JPEG\t0\t1\t2\t3\n")
    text(root / "val/val_annotations.txt", "val_0.JPEG\tn01\t0\t1\t2\t3\n")
    return f"tiny_imagenet:root={root}"


def tiles(root: Path) -> str:
    for name in ("shoes/a.jpg", "b.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (9, 90, 30)).save(root / name)
    return f"tiles:root={root},grid=2"


def objects(root: Path) -> str:
    picture(root / "photos/a.jpg")
    picture(root / "photos/b.jpg")
    text(root / "boxes.csv", "path,label,x,y,width,height\nphotos/b.jpg,hat,0,0,8,8\nphotos/a.jpg,hat,0,0,8,8\n")
    return f"objects:annotations={root / 'boxes.csv'},root={root}"


def video(root: Path) -> str:
    pytest.importorskip("av", reason="pip install av")
    scene = Image.effect_noise((64, 48), 90).convert("RGB")
    film(root / "trips/a.avi", [(1.0, lambda at: scene.rotate(90 * at))], rate=4, codec="mpeg4")
    return f"video:root={root}"


def bucket(root: Path) -> str:
    remote.LIBRARIES["memory"] = "fsspec"
    files = fsspec.filesystem("memory")
    for name in ("hat/a.jpg", "shoes/b.jpg"):
        picture(root / name)
        files.pipe_file(f"/{root.name}/{name}", (root / name).read_bytes())
    return f"bucket:url=memory://{root.name}"


def stanford_products(root: Path) -> str:
    for split, number in (("train", 1), ("test", 2)):
        picture(root / f"lamp_final/{number}_0.JPG")
        rows = f"image_id class_id super_class_id path\n{number} {number} 1 lamp_final/{number}_0.JPG\n"
        text(root / f"Ebay_{split}.txt", rows)
    return f"stanford_products:root={root}"


def deepfashion(root: Path) -> str:
    name = "img/MEN/Denim/id_00000080/01_1_front.jpg"
    picture(root / "Img" / name)
    rows = f"1\nimage_name item_id evaluation_status\n{name} id_00000080 query\n"
    text(root / "Eval/list_eval_partition.txt", rows)
    return f"deepfashion:root={root}"


def cifar10(root: Path) -> str:
    text(root / "batches.meta.txt", "airplane\nautomobile\n")
    for i, name in enumerate(
        ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
    ):
        (root / f"{name}.bin").write_bytes(bytes([i % 2]) + bytes([i]) * 3_072)
    return f"cifar10:root={root}"


def fashion_mnist(root: Path) -> str:
    root.mkdir(parents=True)
    for name in ("train", "t10k"):
        (root / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, 1, 28, 28) + bytes(784))
        (root / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 1) + bytes([9]))
    return f"fashion_mnist:root={root}"


FOLDERS = {  # datasets that a folder with these pictures is one of
    "caltech101": ("accordion/image_0001.jpg", "airplanes/image_0001.jpg", "yin_yang/image_0001.jpg"),
    "caltech256": ("001.ak47/001_0001.jpg", "002.american-flag/002_0001.jpg", "256.toad/256_0001.jpg"),
    "clothing": ("train/hat/a.jpg", "validation/hat/b.jpg", "test/shoes/c.jpg"),
    "folder": ("train/shoes/b.jpg", "train/shoes/a.JPG", "val/hats/ü c.jpeg", "test/d.jpg"),
    "imagenet": ("train/n01443537/n01443537_1.JPEG", "val/n01443537/ILSVRC2012_val_00000001.JPEG"),
    "indoor67": ("airport_inside/a.jpg", "kitchen/b.jpg", "winecellar/c.jpg"),
}


def of_pictures(name: str, root: Path) -> str:
    for path in FOLDERS[name]:
        picture(root / path)
    return f"{name}:root={root}"


TINY: dict[str, Callable[[Path], str]] = {
    function.__name__: function
    for function in (
        *(catalogue, street, table, tiny_imagenet, tiles, objects, video, bucket),
        *(cifar10, deepfashion, fashion_mnist, stanford_products),
    )
}
TINY |= {name: partial(of_pictures, name) for name in FOLDERS}


@pytest.fixture(params=NAMES)
def spec(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> str:
    """A tiny dataset of each kind."""
    if request.param in TINY:
        return TINY[request.param](tmp_path / "made")
    needed = [o.name for o in plugins.options("datasets", request.param) if o.default is inspect.Parameter.empty]
    if needed:
        pytest.fail(f"{request.param} needs {', '.join(needed)}: add a function to TINY that makes a tiny one")
    return request.param


def _here(dataset: Dataset) -> None:
    if isinstance(dataset.root, remote.RemoteFolder):
        pytest.skip("read where it lies, which tests/datasets/test_bucket.py looks at")


def test_the_folder_has_the_datasets_that_are_promised() -> None:
    assert set(TINY) <= set(NAMES)


def test_records_are_records_of_text(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    records = list(dataset.records())
    assert records
    for record in records:
        assert isinstance(record, ImageRecord)
        assert all(type(value) is str for value in (record.path, record.label, record.split))
        assert all(type(key) is str and type(value) is str for key, value in record.metadata.items())


def test_every_record_has_the_same_metadata_keys(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    assert len({tuple(record.metadata) for record in dataset.records()}) == 1


def test_paths_are_posix_below_root_and_lead_to_files(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    _here(dataset)
    dataset.prepare()
    assert isinstance(dataset.root, Path)
    root = os.path.realpath(dataset.root)
    for record in dataset.records():
        assert not record.path.startswith("/")
        assert PurePosixPath(record.path).as_posix() == record.path
        assert ".." not in PurePosixPath(record.path).parts
        assert os.path.realpath(dataset.root / record.path).startswith(root + os.sep)
        assert (dataset.root / record.path).is_file()


def test_root_does_not_depend_on_the_working_folder(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMBLANCE_HOME", "relative")
    dataset = plugins.build("datasets", spec)
    _here(dataset)
    dataset.prepare()
    monkeypatch.chdir("/")
    assert dataset.root.is_absolute()
    assert all((dataset.root / record.path).is_file() for record in dataset.records())


def test_no_picture_or_part_of_one_comes_twice(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    places = [record.place for record in dataset.records()]
    assert len(set(places)) == len(places)


def test_the_parts_of_a_picture_follow_each_other(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    paths = [record.path for record in dataset.records()]
    assert len(list(itertools.groupby(paths))) == len(set(paths))


def test_the_order_never_changes(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    first = list(dataset.records())
    assert list(dataset.records()) == first
    again = plugins.build("datasets", spec)
    again.prepare()
    assert list(again.records()) == first


def test_preparing_again_touches_nothing(spec: str) -> None:
    dataset = plugins.build("datasets", spec)
    _here(dataset)
    dataset.prepare()
    before = {path: path.stat().st_mtime_ns for path in dataset.root.rglob("*")}
    steps: list[tuple[str, int, int]] = []
    dataset.prepare(lambda *step: steps.append(step))
    assert {path: path.stat().st_mtime_ns for path in dataset.root.rglob("*")} == before
    assert steps == []


def test_building_writes_nothing(spec: str, home: Path) -> None:
    plugins.build("datasets", spec)
    assert not home.exists()


@pytest.mark.parametrize(
    ("name", "place"),
    # the roots of what is rendered are where it writes, so they need not exist
    [
        (n, o.name)
        for n in NAMES
        for o in plugins.options("datasets", n)
        if o.name in ("root", "file") and n not in ("catalogue", "street")
    ],
)
def test_a_place_that_does_not_exist_is_refused_when_built(name: str, place: str, tmp_path: Path, home: Path) -> None:
    if install := plugins.missing("datasets", name):
        pytest.skip(install)
    nowhere = tmp_path / "nowhere"
    needed = {"table": "file", "objects": "annotations"}
    beside = {needed[name]: tmp_path / "list.csv"} if place == "root" and name in needed else {}
    for path in beside.values():
        text(path, "path\n")
    with pytest.raises(UsageError, match=f"{place}={re.escape(str(nowhere))}: there is no such"):
        plugins.build("datasets", f"{name}:{place}={nowhere}", **{key: str(path) for key, path in beside.items()})
