"""DeepFashion's in-shop pictures: as a folder, in the shape people unpack it, and behind its password."""

from __future__ import annotations

import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from file_server import Site, serving
from locked_zip import locked_zip
from PIL import Image

from pipeline import plugins
from pipeline.datasets import deepfashion as plugin
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import Dataset, ImageRecord

A, B, C, D = (
    "img/WOMEN/Dresses/id_00000002/02_1_front.jpg",
    "img/WOMEN/Dresses/id_00000002/02_2_side.jpg",
    "img/MEN/Denim/id_00000080/01_1_front.jpg",
    "img/MEN/Denim/id_00000080/01_7_additional.jpg",
)
LIST = f"""4
image_name item_id evaluation_status
{A}                id_00000002 train
{B}                id_00000002 train
{C}                id_00000080 query
{D}                id_00000080 gallery
"""
BOXES = f"3\nimage_name  clothes_type  pose_type  x_1  y_1  x_2  y_2\n{A} 3 1 065 045 233 252\n{B} 3 2 1 2 3 4\n{C} 1 1 0 0 9 9\n"
PASSWORD = "open, sesame"


def record(path: str, split: str, box: str) -> ImageRecord:
    _, gender, category, item, _ = path.split("/")
    return ImageRecord(path, item, split, {"gender": gender, "category": category, "item": item, "box": box})


EXPECTED = [
    record(A, "train", "65,45,168,207"),
    record(B, "train", "1,2,2,2"),
    record(C, "query", "0,0,9,9"),
    record(D, "gallery", ""),
]


def drawn(path: str) -> bytes:
    data = BytesIO()
    Image.new("RGB", (24, 24), (len(path), sum(path.encode()) % 256, 30)).save(data, "JPEG")
    return data.getvalue()


def put(folder: Path, *, published: bool = True) -> Path:
    """As published, with Eval/, Anno/ and Img/, or all in one folder."""
    names = {"Eval/list_eval_partition.txt": LIST.encode(), "Anno/list_bbox_inshop.txt": BOXES.encode()}
    names |= {f"Img/{path}": drawn(path) for path in (A, B, C, D)}
    for name, data in names.items():
        file = folder / (name if published else name.partition("/")[2])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepared(spec: str) -> Dataset:
    dataset = plugins.build("datasets", spec)
    dataset.prepare()
    return dataset


def check(dataset: Dataset) -> None:
    assert list(dataset.records()) == EXPECTED
    assert all((dataset.root / path).read_bytes() == drawn(path) for path in (A, B, C, D))


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugin.PASSWORD, PASSWORD)


@pytest.fixture(autouse=True)
def _no_password_of_the_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(plugin.PASSWORD, raising=False)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("up", ["", ".."])
def test_the_folder_as_published_or_flattened_reads(tmp_path: Path, published: bool, up: str) -> None:
    check(prepared(f"deepfashion:root={put(tmp_path / 'In-shop', published=published) / up}"))


def test_without_the_list_of_boxes_no_record_has_one(tmp_path: Path) -> None:
    (put(tmp_path) / "Anno/list_bbox_inshop.txt").unlink()
    assert {record.metadata["box"] for record in prepared(f"deepfashion:root={tmp_path}").records()} == {""}


def test_a_folder_with_the_pictures_still_locked_reads_with_the_password(
    tmp_path: Path, home: Path, password: None
) -> None:
    put(tmp_path)
    pictures = {name.removeprefix("Img/"): data for name, data in content(tmp_path).items() if "img/" in name}
    shutil.rmtree(tmp_path / "Img/img")
    (tmp_path / "Img/img.zip").write_bytes(locked_zip(pictures, PASSWORD))
    check(prepared(f"deepfashion:root={tmp_path}"))
    assert not (tmp_path / "Img/img").exists(), "a person's folder is not written to"


@pytest.mark.parametrize("inner", [False, True])
def test_a_locked_zip_of_it_all_reads_with_the_password(
    tmp_path: Path, home: Path, password: None, inner: bool
) -> None:
    files = content(put(tmp_path / "in"))
    if inner:  # the lists in the open, the pictures in a locked zip within
        pictures = {name.removeprefix("Img/"): files.pop(name) for name in list(files) if "img/" in name}
        files["Img/img.zip"] = locked_zip(pictures, PASSWORD)
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
            for name, data in files.items():
                file.writestr(f"In-shop/{name}", data)
    else:
        (tmp_path / "all.zip").write_bytes(
            locked_zip({f"In-shop/{name}": data for name, data in files.items()}, PASSWORD)
        )
    check(prepared(f"deepfashion:root={tmp_path / 'all.zip'}"))
    assert not list(home.rglob("*.making")), "what else was in the zip is not kept"


def test_a_link_and_the_password_fetch_it_once(
    tmp_path: Path, home: Path, password: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = locked_zip(content(put(tmp_path / "in")), PASSWORD)
    with serving(Site(files={"/in-shop?id=1": data}, cuts=[500, -1])) as site:
        spec = f"deepfashion:url={site.address}/in-shop?id=1"
        check(prepared(spec))
        assert [wanted for _, wanted in site.asked] == ["", "bytes=500-"]
    monkeypatch.delenv(plugin.PASSWORD)
    check(prepared(spec))
    assert not list(home.rglob("*.zip"))


def test_the_password_is_in_no_spec_and_in_no_file(tmp_path: Path, home: Path, password: None) -> None:
    assert "password" not in {option.name for option in plugins.options("datasets", "deepfashion")}
    (tmp_path / "all.zip").write_bytes(locked_zip(content(put(tmp_path / "in")), PASSWORD))
    prepared(f"deepfashion:root={tmp_path / 'all.zip'}")
    assert not [name for name, data in content(home).items() if PASSWORD.encode() in data]


def test_a_wrong_password_is_a_clear_fault_and_nothing_is_left_behind(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = locked_zip(content(put(tmp_path / "in")), PASSWORD)
    with serving(Site(files={"/a": data})) as site:
        for wrong in ("sesame", "Öffne dich"):
            monkeypatch.setenv(plugin.PASSWORD, wrong)
            with pytest.raises(SemblanceError, match=r"\.zip does not open: the password is wrong") as refused:
                prepared(f"deepfashion:url={site.address}/a")
            assert wrong not in str(refused.value)
        assert len(site.asked) == 1, "the zip is kept for the next try"
    assert [path.suffix for path in (home / "cache").iterdir() if path.suffix != ".lock"] == [".zip"]


def test_every_wrong_password_is_refused_though_one_in_256_passes_the_first_check(tmp_path: Path, home: Path) -> None:
    files = {"img/a.jpg": drawn(A), "img/b.jpg": drawn(B)}
    (tmp_path / "all.zip").write_bytes(locked_zip(files, PASSWORD))
    passed = 0
    for number in range(600):
        with pytest.raises(SemblanceError, match="the password is wrong, or the file damaged") as refused:
            plugin.unpack(tmp_path / "all.zip", tmp_path / "out", password=str(number))
        passed += "Bad password" not in str(refused.value.__cause__)
    assert passed, "else this says nothing"


def test_a_locked_zip_without_the_password_says_where_to_put_it(tmp_path: Path, home: Path) -> None:
    (tmp_path / "all.zip").write_bytes(locked_zip(content(put(tmp_path / "in")), PASSWORD))
    with pytest.raises(UsageError, match=f"is locked; put its password into {plugin.PASSWORD} .* at https://mmlab"):
        prepared(f"deepfashion:root={tmp_path / 'all.zip'}")
    with pytest.raises(UsageError, match=f"put its password into {plugin.PASSWORD}"):
        prepared("deepfashion:url=http://127.0.0.1:9/a")


def test_a_link_to_a_page_is_told_from_the_zip(home: Path, password: None) -> None:
    with serving(Site(files={"/page": b"<html>"})) as site, pytest.raises(SemblanceError, match="to the file itself"):
        prepared(f"deepfashion:url={site.address}/page")
    assert not list(home.rglob("*.zip"))


@pytest.mark.parametrize("spec", ["deepfashion", "deepfashion:root=", "deepfashion:root=a,url=http://b"])
def test_without_one_place_it_says_where_to_ask(spec: str) -> None:
    with pytest.raises(UsageError, match=r"needs root=FOLDER .* url=LINK and the password in SEM.* at https://mmlab"):
        plugins.build("datasets", spec)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("Eval/list_eval_partition.txt", LIST.replace("4\n", "52712\n", 1), "is cut off: it has 4 rows and says 52712"),
        ("Eval/list_eval_partition.txt", LIST.replace("gallery", "val"), "'val' is none of train, query, gallery"),
        ("Eval/list_eval_partition.txt", LIST.replace("MEN/Denim", "MEN/Shirts"), "lacks 1 of them"),
        ("Eval/list_eval_partition.txt", "4\n" + "\n".join(LIST.splitlines()[2:]), "its line 2 should be 'image_name"),
        ("Anno/list_bbox_inshop.txt", BOXES.replace("065", "left"), "left 045 233 252 is not a box"),
    ],
)
def test_a_list_that_is_damaged_or_of_more_than_is_there_is_named(
    tmp_path: Path, name: str, text: str, fault: str
) -> None:
    (put(tmp_path) / name).write_text(text)
    with pytest.raises(SemblanceError, match=fault) as refused:
        list(prepared(f"deepfashion:root={tmp_path}").records())
    assert name.partition("/")[2] in str(refused.value)


def test_a_folder_without_the_pictures_says_what_it_lacks(tmp_path: Path) -> None:
    shutil.rmtree(put(tmp_path) / "Img")
    with pytest.raises(UsageError, match=r"nearest, .*, has no Img/img$"):
        prepared(f"deepfashion:root={tmp_path}")
