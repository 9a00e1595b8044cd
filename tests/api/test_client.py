"""The client says what the API says, over a real connection, and is one file that needs nothing but Python."""

from __future__ import annotations

import ast
import re
import sys
import zipfile
from pathlib import Path

import pytest
from tiny_gallery import SPEC, draw

from pipeline import ROOT
from pipeline.access import tokens
from pipeline.access.client import Problem, Semblance

FILE = ROOT / "pipeline" / "access" / "client.py"


def test_it_fits_in_200_lines_and_imports_what_python_brings() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [one.module if isinstance(one, ast.ImportFrom) else one.names[0].name for one in imports]
    assert {str(name).partition(".")[0] for name in names} <= set(sys.stdlib_module_names)


def test_it_searches_with_files_bytes_and_ids(api, semblance: Semblance) -> None:
    [gallery] = semblance.galleries()
    assert (gallery.name, gallery.rows) == ("small", 9)
    file = sorted(api.photos.rglob("*.png"))[0]
    by_file = semblance.search("small", pictures=[file], k=3)
    assert by_file.hits == semblance.search("small", pictures=[file.read_bytes()], k=3).hits
    own = next(one for one in semblance.pictures("small", limit=2) if file.as_posix().endswith(one.path))
    assert semblance.search("small", ids=[own.id], k=3).hits == by_file.hits
    assert semblance.similar("small", [own.id], k=3)[own.id].hits == by_file.hits
    assert semblance.file("small", own.id) == file.read_bytes()
    assert semblance.explain("small", file, by_file.hits[0].id)["score"] == pytest.approx(
        by_file.hits[0].score, abs=1e-3
    )


def test_it_lists_what_a_filter_lets_through(api, semblance: Semblance) -> None:
    assert {one.label for one in semblance.pictures("small", where=["label=cup,bowl", "label!=cup"])} == {"bowl"}


def test_it_changes_and_takes_back(api, semblance: Semblance) -> None:
    ids = api.ids[:2]
    semblance.tag("small", ids, "odd")
    assert [one.id for one in semblance.pictures("small", tag="odd")] == ids
    undo = semblance.label("small", {ids[0]: "vase"})
    semblance.label("small", undo)
    assert [one.id for one in semblance.pictures("small", where="label=vase")] == []
    assert semblance.remove("small", ids) == semblance.remove("small", ids, undo=True) == 2


def test_it_adds_a_zip_and_follows_the_job(api, semblance: Semblance, tmp_path: Path) -> None:
    packed = tmp_path / 'späte "Bilder".zip'
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(draw(tmp_path / "a.png", 300), "vase/a.png")
    semblance.call("POST", "/galleries", {"name": "new"})
    *_, last = semblance.wait(semblance.add("new", [packed], encoder=SPEC))
    assert last.state == "done", last
    assert [one.label for one in semblance.pictures("new")] == ["vase"]
    *_, found = semblance.wait(semblance.find("small", "outliers"))
    assert found.state == "done"
    assert next(semblance.report("small", "outliers"))["rows"] == 9


def test_a_problem_is_an_exception_that_says_it(api, semblance: Semblance) -> None:
    with pytest.raises(Problem, match="no gallery 'none'") as problem:
        semblance.search("none", texts=["cup"])
    assert (problem.value.status, problem.value.kind) == (404, "not-found")
    assert re.fullmatch(r"[0-9a-f]{8}", problem.value.request_id)
    token = tokens.add(api.home, "shop")
    with pytest.raises(Problem, match="Authorization"):
        semblance.galleries()
    assert Semblance(semblance._address, token).galleries()[0].name == "small"
