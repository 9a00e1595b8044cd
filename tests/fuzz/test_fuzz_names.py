"""File names of any text: ingested, unpacked, exported, drawn and written to tables without leaving their folder."""

from __future__ import annotations

import csv
import io
import os
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from cases import Escape, cases, count, slow_cases
from hypothesis import given
from hypothesis import strategies as st
from tiny_gallery import draw, encoder, exact, fill

from app.widgets.charts import as_csv
from pipeline.errors import PictureError, SemblanceError, UsageError, spreadsheet_cell
from pipeline.exchange import exchange
from pipeline.gallery.opening import open_gallery
from pipeline.gallery.originals import on_disk
from pipeline.images import opening, uploads
from pipeline.search.montage import montage
from pipeline.search.search import Query, QueryPicture, search
from pipeline.settings import Settings

HOSTILE = ["..", "/", "\\", "\0", "\n", "\r", "\x1b[31m", "\u202e", "<img src=x onerror=alert(1)>", "&", '"', "'", "`", "$(x)",
           "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "C:", "con", "nul", ".", " ", "a" * 260, "文", "🙂", "\udcff",
           "%2e%2e", "~", ";", "|", "*", "?", ".jpg", ".png", "__MACOSX", "{x}", "\ufeff", "\u2028", "é", "e\u0301"]  # fmt: skip
names = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), min_size=1, max_size=4).map("".join)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("drawn")
    return [draw(folder / f"{i}.png", i).read_bytes() for i in range(3)]


def surroundings(folder: Path) -> set[str]:
    return {os.fspath(path.relative_to(folder)) for path in folder.rglob("*")}


def check_inside(base: Path, allowed: str) -> None:
    outside = [path for path in surroundings(base) if path != allowed and not path.startswith(allowed + os.sep)]
    if outside:
        raise Escape(str(outside))


@cases
@given(st.lists(names, min_size=1, max_size=4))
def test_members_of_a_zip_stay_below_its_folder(pictures: list[bytes], given_names: list[str]) -> None:
    count("names of zip members")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in dict.fromkeys(given_names):
            try:
                info = zipfile.ZipInfo("x")
                info.filename = name  # the constructor would cut at a NUL
                archive.writestr(info, pictures[0])
            except (UnicodeEncodeError, ValueError):
                return  # no zip can hold it
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "home").mkdir()
        try:
            written = uploads.unpack(data.getvalue(), Path(base) / "home" / "new")
        except UsageError:
            assert surroundings(Path(base)) == {"home"}
        else:
            check_inside(Path(base) / "home", "new")
            assert all(path.is_file() for path in written)
        check_inside(Path(base), "home")


@cases
@given(names)
def test_an_upload_of_any_name_lies_in_its_folder(pictures: list[bytes], name: str) -> None:
    count("names of uploads")
    with tempfile.TemporaryDirectory() as base:
        path = uploads.save_upload(name, pictures[0], Path(base) / "originals")
        if path.parent != Path(base) / "originals":
            raise Escape(str(path))
        check_inside(Path(base), "originals")


@cases
@given(names, names)
def test_no_path_of_a_gallery_is_read_outside_its_root(pictures: list[bytes], folder: str, name: str) -> None:
    count("paths")
    with tempfile.TemporaryDirectory() as base:
        root = Path(os.path.realpath(base)) / "root"
        root.mkdir()
        (root.parent / "secret.png").write_bytes(b"secret")
        for relative in (name, f"{folder}/{name}", f"../{name}", "../secret.png", f"{folder}/../../secret.png"):
            try:
                found = opening.inside(root, relative)
            except PictureError:
                continue
            if not found.is_relative_to(root):
                raise Escape(f"{relative!r} gave {found}")


@slow_cases
@given(st.lists(names, min_size=1, max_size=3))
def test_files_of_any_name_are_ingested_found_exported_and_drawn(pictures: list[bytes], given_names: list[str]) -> None:
    count("names of files")
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMBLANCE_HOME", os.path.join(base, "home"))
        patch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
        root = Path(base) / "photos"
        root.mkdir()
        for i, name in enumerate(given_names):
            file = name.replace("/", "_")[:60] + f"{i}.png"
            try:
                (root / file).write_bytes(pictures[i])
            except (OSError, ValueError, UnicodeEncodeError):  # no file can be called so
                continue
        if not any(not one.name.startswith(".") for one in root.iterdir()):
            return
        store = exact()
        _, report = fill(root, store)
        assert report.rejected == []
        made = open_gallery("small", Settings())
        for number, path in enumerate(made.table()["path"]):
            assert (root / on_disk(path)).is_file(), (number, path)
        data = next(one for one in root.iterdir() if not one.name.startswith(".")).read_bytes()
        result = search(made, store, encoder(), Query(pictures=(QueryPicture(data),)), k=3, exclude_query=False)
        montage(made, [data], result).save(io.BytesIO(), "PNG")
        for ending in ("parquet", "npz"):
            try:
                exchange.export_gallery(made, Path(base) / f"out.{ending}")
            except SemblanceError:
                continue  # a refusal is an answer
        check_inside(Path(base) / "home", "galleries")
        outside = surroundings(Path(base)) - {"home", "photos", "out.parquet", "out.npz"}
        if stray := [path for path in outside if not path.startswith((f"home{os.sep}", f"photos{os.sep}"))]:
            raise Escape(str(stray))


@cases
@given(st.lists(names, min_size=1, max_size=5), names)
def test_no_cell_of_a_table_is_a_formula(values: list[str], heading: str) -> None:
    count("cells")
    values = [value.encode("utf-8", "replace").decode() for value in values]
    heading = heading.encode("utf-8", "replace").decode()
    texts = as_csv(pd.DataFrame({heading: values}))
    for row in csv.reader(io.StringIO(texts, newline="")):
        for text in row:
            if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")):
                raise Escape(repr(text))
    read = [text for [text] in csv.reader(io.StringIO(texts, newline=""))]
    assert read == [spreadsheet_cell(text) for text in (heading, *values)]
