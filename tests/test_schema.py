"""The row of a gallery is written once: what is derived from it is what it was, and a column more is one edit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import fill, lite, photos

from pipeline import ROOT, filters, schema
from pipeline.exchange.exchange import export_gallery
from pipeline.fingerprints import row_digest
from pipeline.gallery import parts
from pipeline.records import Rows, joined
from pipeline.stores import _index_spec, _schema

ROWS = [
    {
        **{"id": f"{1:032x}", "parent": "", "box": "", "path": "cups/a.jpg", "label": "cup", "split": "train"},
        **{"width": 640, "height": 480, "metadata": {"colour": "red", "maker": ""}},
    },
    {
        **{
            "id": f"{2:032x}",
            "parent": f"{1:032x}",
            "box": "1,2,30,40",
            "path": '漢字/"b" é.jpg',
            "label": "ümlaut, 🙂",
        },
        **{"split": "", "width": 30, "height": 40, "metadata": {}},
    },
    {
        **{"id": f"{3:032x}", "parent": "", "box": "", "path": "\\udce9.png", "label": "", "split": "test"},
        **{"width": 1, "height": 2**31 - 1, "metadata": {"z": "1", "a\nb": "\x00"}},
    },
]
EMBEDDINGS = np.array([[0.6, 0.8, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0.5, -0.5]], np.float32)


def test_a_rows_digest_is_what_it_was() -> None:
    """Computed at commit 0491442: another one would make every row of every collection stale."""
    made = [row_digest(row, embedding) for row, embedding in zip(ROWS, EMBEDDINGS, strict=True)]
    assert made == ["1181cb4f7bc3e87d", "31a0bcb214bc93f8", "99d3af1ea46d9176"]


def test_a_part_has_the_columns_that_it_had() -> None:
    """Read at commit 0491442: a part of other columns is refused as damaged."""
    table = parts.to_arrow(Rows(pd.DataFrame(ROWS), EMBEDDINGS))
    assert {field.name: str(field.type) for field in table.schema} == {
        **dict.fromkeys(("id", "parent", "box", "path", "label", "split"), "string"),
        **{"width": "int32", "height": "int32", "metadata": "string", "embedding": "fixed_size_list<item: float>[4]"},
    }
    assert table["metadata"].to_pylist() == ['{"colour": "red", "maker": ""}', "{}", r'{"a\nb": "\u0000", "z": "1"}']
    assert parts.from_arrow(table, 4).table.to_dict("records") == ROWS


def test_a_collection_has_the_fields_and_the_version_that_it_had() -> None:
    """A collection of others is filled anew."""
    fields: dict[str, tuple[str, int]] = {}
    properties: dict[str, str] = {}

    class Client:
        def has_collection(self, name: str, **_: Any) -> bool:
            return False

        def create_schema(self, **_: Any) -> Client:
            return self

        def add_field(
            self, name: str, kind: Any, *, is_primary: bool = False, max_length: int = 0, dim: int = 0
        ) -> None:
            assert is_primary == (name == "id")
            fields[name] = kind.name, max_length or dim

        def create_collection(self, name: str, **options: Any) -> None:
            properties.update(options["properties"])

    _schema.create(Client(), "c", 4, ["colour"], _index_spec.read("flat"), 5.0)
    assert properties["semblance.schema"] == "2"
    assert list(fields.items()) == [
        *[("id", ("VARCHAR", 64)), ("parent", ("VARCHAR", 64)), ("box", ("VARCHAR", 64)), ("path", ("VARCHAR", 8192))],
        *[("label", ("VARCHAR", 1024)), ("split", ("VARCHAR", 256)), ("width", ("INT64", 0)), ("height", ("INT64", 0))],
        *[("metadata", ("JSON", 0)), ("numbers", ("JSON", 0)), ("dates", ("JSON", 0))],
        *[("digest", ("VARCHAR", 16)), ("embedding", ("FLOAT_VECTOR", 4))],
    ]


def test_the_columns_to_filter_by_are_those_they_were() -> None:
    assert sorted(filters.COLUMNS) == ["label", "parent", "path", "split"]


@pytest.mark.parametrize("chosen", [[2, 0], [], np.array([True, False, True]), np.array([1, 1])])
def test_rows_that_are_taken_keep_their_embeddings(chosen: Any) -> None:
    rows = Rows(pd.DataFrame(ROWS, index=[7, 8, 9]), EMBEDDINGS)
    numbers = [i for i, kept in enumerate(chosen) if kept] if np.asarray(chosen).dtype == bool else list(chosen)
    taken = rows.take(chosen)
    assert taken.table["id"].to_dict() == {place: ROWS[i]["id"] for place, i in enumerate(numbers)}
    assert taken.embeddings.tolist() == [EMBEDDINGS[i].tolist() for i in numbers]


def test_rows_that_are_joined_follow_each_other() -> None:
    rows = Rows(pd.DataFrame(ROWS), EMBEDDINGS)
    again = joined([rows.take([0]), rows.take([1, 2])])
    assert again.table.to_dict("records") == ROWS
    assert list(again.table.index) == [0, 1, 2]
    assert again.embeddings.tolist() == EMBEDDINGS.tolist()


def applied(text: str, hunk: str) -> str:
    """`text` after a diff without line numbers: the lines that are not added stand in it once, one after another."""
    lines = hunk.strip("\n").split("\n")
    before = "\n".join(line[1:] for line in lines if line[0] != "+")
    assert text.count(before) == 1, before
    return text.replace(before, "\n".join(line[1:] for line in lines if line[0] != "-"))


# What the package with the column does with a gallery of the package without it.
LATER = """
import contextlib, sys
from pathlib import Path
import pytest
from pipeline import plugins
from pipeline.errors import StoreError
from pipeline.exchange import bson_file, npz, parquet
from pipeline.exchange.rows import of_gallery
from pipeline.filters import Filter, parse
from pipeline.fingerprints import row_digest
from pipeline.gallery import integrity, parts
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import sync
from pipeline.records import Rows, SearchHit
from pipeline.settings import Settings

gallery = open_gallery("small", Settings())
assert gallery.manifest()["format"] == 3
rows = gallery.rows()
assert rows.table["note"].tolist() == [""] * 4
assert integrity.check_files(gallery) == []
rows.table["note"] = ["a", "b", "b", "ü"]

parts.write(Path("part"), rows)
assert parts.read(Path("part"), rows.embeddings.shape[1]).table.equals(rows.table)
facts = of_gallery(gallery)[0]
for format in (parquet, npz, bson_file):
    format.write(Path("file"), facts, rows)
    assert format.read(Path("file"))[1].table.equals(rows.table), format

with contextlib.closing(sync.open_store(Settings())) as milvus:
    assert len(sync.sync(gallery, milvus).missing) == 4  # its collection was made anew
    assert not sync.compare(gallery, milvus)
    for store in (milvus, plugins.build("stores", "exact")):
        store.create("notes", dim=rows.embeddings.shape[1])
        store.upsert("notes", rows)
        [hits] = store.search("notes", rows.embeddings[:1], k=9, where=parse(["note=b"]))
        assert {hit.id for hit in hits} == set(rows.table["id"][1:3])
        assert {hit.note for hit in hits} == {"b"}
        records = rows.table.to_dict("records")
        truth = {row["id"]: row_digest(row, rows.embeddings[i]) for i, row in enumerate(records)}
        assert store.digests("notes") == truth
        assert truth[records[0]["id"]] != row_digest(records[0] | {"note": "c"}, rows.embeddings[0])
        with pytest.raises(StoreError, match="note takes 1,026 bytes of UTF-8 and 1,024 fit"):
            store.upsert("notes", Rows(rows.table.assign(note="ü" * 513), rows.embeddings))
"""


def test_a_column_that_is_added_as_extending_md_says_is_everywhere(home: Path, tmp_path: Path) -> None:
    assert "note" not in schema.NAMES, "it is a real column now; choose another example"
    with lite() as store:
        gallery, _ = fill(photos(tmp_path / "photos", 4), store)
    export_gallery(gallery, tmp_path / "before.parquet")
    shutil.copytree(ROOT / "pipeline", tmp_path / "copy" / "pipeline")
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    edits = re.findall(r"^```diff\n# (pipeline/\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [file for file, _ in edits] == ["pipeline/schema.py", "pipeline/gallery/migrations.py"]
    for name, hunks in edits:
        file = tmp_path / "copy" / name
        for hunk in hunks.split("…\n"):
            file.write_text(applied(file.read_text(encoding="utf-8"), hunk), encoding="utf-8")
    later = subprocess.run(
        [sys.executable, "-c", LATER], cwd=tmp_path / "copy", capture_output=True, text=True, timeout=120
    )
    assert later.returncode == 0, later.stderr
    words = ["-m", "pipeline", "import", "again", str(tmp_path / "before.parquet")]
    refused = subprocess.run(
        [sys.executable, *words], cwd=tmp_path / "copy", capture_output=True, text=True, timeout=120
    )
    assert (refused.returncode, "it has no note; export it again" in refused.stderr) == (2, True)
