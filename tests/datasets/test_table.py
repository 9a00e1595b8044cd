"""Pictures listed in a table: what cells mean, in CSV and Parquet alike."""

from __future__ import annotations

import importlib.util
import unicodedata
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.records import ImageRecord


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened here")


def records(file: Path, options: str = "") -> list[ImageRecord]:
    return list(plugins.build("datasets", f"table:file={file}{options}").records())


def refusal(file: Path, options: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        records(file, options)
    return str(caught.value)


def csv(folder: Path, text: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def test_a_row_becomes_a_record_and_further_columns_its_metadata(tmp_path: Path) -> None:
    file = csv(tmp_path, "path,label,split,price,Brand name\na/1.jpg,shoes,train,007.50,Ünal\nb.png,hat,test,,NA\n")
    assert records(file) == [
        ImageRecord("a/1.jpg", "shoes", "train", {"price": "007.50", "Brand name": "Ünal"}),
        ImageRecord("b.png", "hat", "test", {"price": "", "Brand name": "NA"}),
    ]


def test_parquet_reads_as_the_same_text(tmp_path: Path) -> None:
    rows = {
        "path": ["1.jpg", "2.jpg"],
        "label": ["a", None],
        "stock": [3, None],
        "price": [1.5, None],
        "new": [True, None],
    }
    pd.DataFrame(rows).astype({"stock": "Int64"}).to_parquet(tmp_path / "list.parquet")
    assert records(tmp_path / "list.parquet") == [
        ImageRecord("1.jpg", "a", "", {"stock": "3", "price": "1.5", "new": "True"}),
        ImageRecord("2.jpg", "", "", {"stock": "", "price": "", "new": ""}),
    ]


def test_lists_in_parquet_become_text_too(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["1.jpg"], "tags": [["x", "y"]]}).to_parquet(tmp_path / "list.parquet")
    (record,) = records(tmp_path / "list.parquet")
    assert "x" in record.metadata["tags"]
    assert isinstance(record.metadata["tags"], str)


def test_a_saved_index_is_a_column_like_any_other(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["1.jpg"], "label": ["a"]}).set_index("path").to_parquet(tmp_path / "list.parquet")
    assert records(tmp_path / "list.parquet") == [ImageRecord("1.jpg", "a")]


def test_tabs_separate_in_a_tsv(tmp_path: Path) -> None:
    file = csv(tmp_path, "path\tnote\n1.jpg\tred, blue\n", "list.tsv")
    assert records(file) == [ImageRecord("1.jpg", metadata={"note": "red, blue"})]


def test_a_byte_order_mark_and_short_rows_are_understood(tmp_path: Path) -> None:
    file = csv(tmp_path, "path,label,colour\n1.jpg,a\n", encoding="utf-8-sig")
    assert records(file) == [ImageRecord("1.jpg", "a", "", {"colour": ""})]


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    file = csv(tmp_path, "image,category,fold,label\n1.jpg,a,train,x\n")
    assert records(file, ",path=image,label=category,split=fold") == [
        ImageRecord("1.jpg", "a", "train", {"label": "x"})
    ]


def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    file = csv(tmp_path, "image,category\n1.jpg,a\n")
    assert refusal(file) == (
        "list.csv has no column 'path'; its columns are image, category; say which one holds the path: path=COLUMN"
    )
    assert "no column 'kind'; its columns are image, category" in refusal(file, ",path=image,label=kind")
    assert "no column 'part'" in refusal(file, ",path=image,split=part")


def test_paths_are_relative_to_root_and_that_is_the_tables_folder_unless_said(tmp_path: Path) -> None:
    put(tmp_path, "photos/a/1.jpg")
    file = csv(tmp_path, "path\na/1.jpg\n")
    assert plugins.build("datasets", f"table:file={file}").root == tmp_path
    dataset = plugins.build("datasets", f"table:file={file},root={tmp_path / 'photos'}")
    (record,) = dataset.records()
    assert (dataset.root / record.path).exists()


def test_absolute_paths_below_root_become_relative(tmp_path: Path) -> None:
    put(tmp_path, "real/a/1.jpg")
    (tmp_path / "link").symlink_to("real")
    file = csv(tmp_path, f"path\n{tmp_path}/real/a/1.jpg\n{tmp_path}/link/a/1.jpg\n./a/../a/1.jpg\n")
    for root in ("real", "link"):
        assert [record.path for record in records(file, f",root={tmp_path / root}")] == ["a/1.jpg"] * 3


def test_backslashes_are_read_as_windows_means_them_unless_a_file_is_so_called(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b\\2.jpg")
    file = csv(tmp_path, "path\na\\1.jpg\nb\\2.jpg\n")
    assert [record.path for record in records(file)] == ["a/1.jpg", "b\\2.jpg"]


@pytest.mark.parametrize("path", ["../1.jpg", "a/../../1.jpg", "/etc/passwd", ".", "..\\1.jpg"])
def test_a_path_outside_root_is_refused_with_its_row(tmp_path: Path, path: str) -> None:
    file = csv(tmp_path, f"path\nfine.jpg\n{path}\n")
    assert "list.csv, row 2: " in refusal(file)
    assert "is outside" in refusal(file)


def test_a_link_that_leads_outside_root_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "secret.jpg", "photos/a.jpg")
    (tmp_path / "photos" / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    file = csv(tmp_path / "photos", "path\na.jpg\nb.jpg\n")
    assert "row 2: b.jpg is outside" in refusal(file)


def test_a_row_without_a_path_is_refused_with_its_number(tmp_path: Path) -> None:
    assert "row 2: the column 'path' is empty" in refusal(csv(tmp_path, "path,label\n1.jpg,a\n,b\n"))


def test_a_picture_that_is_missing_is_handed_on_so_that_ingest_lists_it(tmp_path: Path) -> None:
    assert records(csv(tmp_path, "path\ngone.jpg\n")) == [ImageRecord("gone.jpg")]


def test_tables_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    assert "not UTF-8" in refusal(csv(tmp_path, "path,label\n1.jpg,été\n", encoding="latin-1"))
    assert "cannot read" in refusal(csv(tmp_path, ""))
    assert "more cells than its first line" in refusal(csv(tmp_path, "path,label\n1.jpg,a,b\n2.jpg,c,d\n"))
    assert "in line 3 (4, not 2)" in refusal(csv(tmp_path, "path,label\n1.jpg,a\n2.jpg,b,c,d\n"))
    assert "cannot read" in refusal(csv(tmp_path, "this is no Parquet", "list.parquet"))


def test_a_file_that_is_missing_or_of_another_kind_is_refused_when_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        plugins.build("datasets", f"table:file={tmp_path / 'nothing.csv'}")
    with pytest.raises(UsageError, match=r"\.csv, \.tsv, \.parquet.*open it and save it as \.xlsx"):
        plugins.build("datasets", f"table:file={csv(tmp_path, '', 'list.ods')}")
    with pytest.raises(UsageError, match="there is no such folder"):
        plugins.build("datasets", f"table:file={csv(tmp_path, '')},root={tmp_path / 'nothing'}")


ROWS = [("path", "label"), ("1.jpg", "cat"), ("2.jpg", "dog")]


@pytest.mark.parametrize(
    "data",
    [
        b"path;label\n1.jpg;cat\n2.jpg;dog\n",
        b"path\tlabel\n1.jpg\tcat\n2.jpg\tdog\n",
        b"path|label\n1.jpg|cat\n2.jpg|dog\n",
        b" Path , LABEL \n1.jpg,cat\n2.jpg, dog \n,\n\n , \n",
        b"\xef\xbb\xbfpath,label\r\n1.jpg,cat\r\n2.jpg,dog\r\n",
        "path;label\n1.jpg;cat\n2.jpg;dog\n".encode("utf-16"),
        "path,label\n1.jpg,cat\n2.jpg,dog\n".encode("utf-16-be"),
        b"sep=;\r\npath;label\r\n1.jpg;cat\r\n2.jpg;dog\r\n",
        b'"path";"label"\n"1.jpg";"cat"\n"2.jpg";"dog"\n',
        b"path,label,,\n1.jpg,cat,,\n2.jpg,dog,,\n",
    ],
)
def test_tables_as_programs_save_them(data: bytes, tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "list.csv").write_bytes(data)
    assert [(one.path, one.label) for one in records(tmp_path / "list.csv")] == ROWS[1:]


def test_letters_are_those_in_which_the_pictures_exist(tmp_path: Path) -> None:
    for encoding, name in (("cp1252", "Größe"), ("cp932", "写真"), ("cp1251", "Кошка")):
        put(tmp_path, f"{name}/1.jpg")
        (tmp_path / "list.csv").write_bytes(f"path;label\n{name}/1.jpg;{name}\n".encode(encoding))
        assert [(one.path, one.label) for one in records(tmp_path / "list.csv")] == [(f"{name}/1.jpg", name)]


def test_letters_that_nothing_decides_are_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    (tmp_path / "list.csv").write_bytes("path,label\n1.jpg,Größe\n".encode("cp1252"))
    assert "'Größe' (cp1252) or " in refusal(tmp_path / "list.csv")
    assert [one.label for one in records(tmp_path / "list.csv", ",encoding=cp1252")] == ["Größe"]
    assert "is not nonsense text" in refusal(tmp_path / "list.csv", ",encoding=nonsense")


def test_how_a_table_was_understood_is_noted(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg")
    (tmp_path / "list.csv").write_text("Path;Kind\n1.jpg;cat\n")
    dataset = plugins.build("datasets", f"table:file={tmp_path / 'list.csv'}")
    list(dataset.records())
    assert dataset.notes == [  # type: ignore[attr-defined]
        "list.csv: separated by semicolons, UTF-8, 1 rows, path from 'Path'",
        "list.csv has no label column; its columns are Path, Kind",
    ]


def test_two_columns_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    assert "could each hold the path; say which: path=COLUMN" in refusal(csv(tmp_path, "Path,PATH\n1.jpg,2.jpg\n"))


def test_a_path_in_another_unicode_form_is_the_one_on_the_disk(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Café/é.jpg") for form in ("NFC", "NFD"))
    put(tmp_path, decomposed)
    [record] = records(csv(tmp_path, f"path,label\n{composed},{decomposed.split('/')[0]}\n"))
    assert (record.path, record.label) == (decomposed, composed.split("/")[0])


def test_an_excel_file_is_read_through_pandas_or_named(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg")
    file = tmp_path / "list.xlsx"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    if importlib.util.find_spec("openpyxl") is None:
        assert "pip install openpyxl; or save it as CSV UTF-8" in refusal(file)
        return
    assert "list.xlsx" in refusal(file)
    file.write_bytes(b"PK nothing")
    assert "damaged, or no Excel file" in refusal(file)
    pd.DataFrame([("1.jpg", "cat", 3), ("2.jpg", "dog", None)], columns=[" Path", "LABEL", "n"]).to_excel(
        file, index=False
    )
    assert [(one.path, one.label, one.metadata["n"]) for one in records(file)] == [
        ("1.jpg", "cat", "3"),
        ("2.jpg", "dog", ""),
    ]
    with pd.ExcelWriter(file) as book:
        for name in ("a", "b"):
            pd.DataFrame({"path": ["1.jpg"]}).to_excel(book, sheet_name=name, index=False)
    assert "several sheets with rows: a, b" in refusal(file)
