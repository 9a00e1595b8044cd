"""Tables, COCO, other JSON and sidecars all become a table of text that says which column names the picture."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import UsageError
from pipeline.ingest import facts_files

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
 xmp:Rating="4" exif:GPSLatitude="52,30.6N" exif:GPSLongitude="13,15E" crs:Exposure="+1">
<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>sun</rdf:li></rdf:Bag></dc:subject>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A day</rdf:li></rdf:Alt></dc:title>
<exif:DateTimeOriginal>2024-05-03T14:07:09</exif:DateTimeOriginal>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def cells(table: facts_files.FactsTable) -> list[dict[str, str]]:
    return [{key: text for key, text in row.items() if text} for row in table.cells.to_dict("records")]


def test_tables_of_each_format_say_the_same(tmp_path: Path) -> None:
    rows = pd.DataFrame({"File": ["a.jpg", "b.jpg"], "price": [1.5, None], "sold": [True, False]})
    rows.to_csv(tmp_path / "t.csv", index=False)
    rows.to_parquet(tmp_path / "t.parquet", index=False)
    rows.to_excel(tmp_path / "t.xlsx", index=False)
    for name in ("t.csv", "t.parquet", "t.xlsx"):
        table = facts_files.read(tmp_path / name)
        assert table.column == "File"
        assert cells(table) == [{"File": "a.jpg", "price": "1.5", "sold": "True"}, {"File": "b.jpg", "sold": "False"}]


def test_lists_of_a_parquet_are_lists(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a.jpg"], "tags": [["sea", "a; b"]]}).to_parquet(tmp_path / "t.parquet")
    assert cells(facts_files.read(tmp_path / "t.parquet")) == [{"path": "a.jpg", "tags": "sea; a, b"}]


def test_cocos_images_with_the_licence_and_what_they_show(tmp_path: Path) -> None:
    coco = {
        "images": [
            {
                "id": 7,
                "file_name": "a.jpg",
                "width": 4,
                "height": 3,
                "date_captured": "2013-11-14 17:02:52",
                "license": 2,
            },
            {"id": 8, "file_name": "b.jpg"},
        ],
        "licenses": [{"id": 2, "name": "CC BY"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {"image_id": 7, "category_id": 3},
            {"image_id": 7, "category_id": 1},
            {"image_id": 7, "category_id": 3},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    table = facts_files.read(tmp_path / "coco.json")
    assert table.column == "file_name"
    assert cells(table) == [
        {"file_name": "a.jpg", "date_captured": "2013-11-14 17:02:52", "license": "CC BY", "categories": "dog; cat"},
        {"file_name": "b.jpg"},
    ]


def test_other_json_names_pictures_in_a_key_or_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps([{"filename": "a.jpg", "n": 1, "at": {"lat": 1.5, "lng": 2}}]))
    assert cells(facts_files.read(tmp_path / "list.json")) == [{"filename": "a.jpg", "n": "1", "at": "1.5, 2"}]
    (tmp_path / "named.json").write_text(json.dumps({"a.jpg": {"tags": ["x", "y"]}, "b.jpg": {"ok": True}}))
    assert cells(facts_files.read(tmp_path / "named.json")) == [
        {"path": "a.jpg", "tags": "x; y"},
        {"path": "b.jpg", "ok": "true"},
    ]


def test_a_folder_of_sidecars_names_pictures_as_the_sidecars_are_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg.json").write_text(
        json.dumps(
            {
                "title": "A",
                "photoTakenTime": {"timestamp": "1714745229"},
                "geoData": {"latitude": 0.0, "longitude": 0.0},
            }
        )
    )
    (tmp_path / "b.xmp").write_text(XMP, encoding="utf-8")
    (tmp_path / "c.jpg.json").write_text("{ torn")
    table = facts_files.read(tmp_path)
    assert cells(table) == [
        {
            "path": "b", "Rating": "4", "subject": "sea; sun", "title": "A day", "DateTimeOriginal": "2024-05-03T14:07:09",
            "taken_at": "52,30.6N 13,15E",
        },
        {"path": "sub/a.jpg", "title": "A", "photoTakenTime": "2024-05-03 14:07:09"},
    ]  # fmt: skip
    assert "c.jpg.json cannot be read" in table.notes[0]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    files = {
        "empty.csv": "", "notes.txt": "x", "torn.json": "{", "five.json": "5",
        "declared.xmp": '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "torn.xmp": "<x:xmpmeta",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bad.xlsx").write_bytes(b"PK not a workbook")
    for name in (*files, "bad.xlsx"):
        if name != "five.json":
            with pytest.raises(UsageError):
                facts_files.read(tmp_path / name)
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match=r"holds no \.json or \.xmp"):
        facts_files.read(tmp_path / "none")


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * (facts_files.MAX_BYTES + 1))
    assert (tmp_path / "bomb.xlsx").stat().st_size < 1 << 20
    with pytest.raises(UsageError, match="can be read; part it"):
        facts_files.read(tmp_path / "bomb.xlsx")
