"""Pictures listed in a CSV or Parquet file, one row each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files.picture_files import existing_folder, existing_path, is_inside
from pipeline.files.tables import cell_text, plain_name, read_sheet
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent
from pipeline.schema import composed

if TYPE_CHECKING:
    import pandas as pd

CARD = Card(
    summary="pictures listed in a CSV, Excel or Parquet file: path, label, split, and any further column as metadata",
    licence="that of your pictures",
)
FORMATS = (".csv", ".tsv", ".parquet", ".xlsx", ".xlsm")


def build(
    *,
    file: PathText,
    root: PathText = PathText(""),
    path: str = "path",
    label: str = "label",
    split: str = "split",
    encoding: str = "",
) -> Table:
    """file: the table. root: what its paths are relative to; default: the folder the table lies in.

    path, label, split: names of the columns, in any case; a table without a `label` or `split` column has empty ones.
    encoding: of a CSV that is neither UTF-8 nor UTF-16, such as cp1252; empty: the one in which its paths exist.
    """
    table = existing_file(file)
    if table.suffix.lower() not in FORMATS:
        hint = (
            "open it and save it as .xlsx"
            if table.suffix.lower() in (".xls", ".ods", ".numbers")
            else "save it as one of these"
        )
        raise UsageError(f"file={file} is neither of {', '.join(FORMATS)}; {hint}")
    folder = existing_folder(root) if root else table.parent
    return Table(table, folder, path=path, label=label, split=split, encoding=encoding)


def existing_file(file: str) -> Path:
    """UsageError unless it is a file."""
    table = Path(file).expanduser().absolute()
    if not table.is_file() and (spelt := existing_path(Path(table.anchor), table.relative_to(table.anchor).as_posix())):
        table = Path(table.anchor) / spelt
    if not table.is_file():
        raise UsageError(f"file={file}: there is no such file; check the spelling or give the full path")
    return table


class Table:
    """A picture for each row, in the table's order. What a cell holds is taken as text, a missing value as ''."""

    def __init__(self, file: Path, root: Path, *, path: str, label: str, split: str, encoding: str = "") -> None:
        self.file = file
        self.root = root
        self._wanted = {"path": path, "label": label, "split": split}
        self._encoding = encoding
        self.notes: list[str] = []  # how the table was understood

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError for a table that cannot be read, a missing column, or a path outside `root`."""
        lines, table, understood = self.read()
        at = self.columns(list(table.columns))
        rest = [c for c in table.columns if c not in at.values() and c]
        empty = [""] * len(table)
        labels, splits = (table[at[what]] if what in at else empty for what in ("label", "split"))
        metadata = (dict(zip(rest, values, strict=True)) for values in table[rest].itertuples(index=False, name=None))
        used = [f"{what} from {column!r}" for what, column in at.items()]
        self.notes = [f"{self.file.name}: {understood}{len(table):,} rows, {', '.join(used)}"] if understood else []
        if "label" not in at:
            self.notes.append(
                f"{self.file.name} has no label column; its columns are {', '.join(map(str, table.columns))}"
            )
        real_root = os.path.realpath(self.root)
        rows = zip(lines, table[at["path"]], labels, splits, metadata, strict=True)
        for number, path, label, split, more in rows:
            label, split = composed(label.strip()), split.strip()
            relative = self._relative(path, number, real_root, at["path"])
            yield ImageRecord(relative, label=label, split=split, metadata=more)

    def read(self) -> tuple[list[int], pd.DataFrame, str]:
        """(numbers of the rows, cells as text without those that are all empty, how a text was understood)."""
        return _read(self.file, self._encoding, self._known, self._there)

    def columns(self, columns: list[str]) -> dict[str, str]:
        """path, label and split to their columns: by name, in any case and with blanks around it.

        Raises UsageError for a path column that is missing, one asked for by name that is, and for two that fit.
        """
        at: dict[str, str] = {}
        for what, wanted in self._wanted.items():
            same = [one for one in columns if one == wanted] or [
                one for one in columns if plain_name(one) == plain_name(wanted)
            ]
            if len(same) > 1:
                raise UsageError(
                    f"{self.file.name}: {' and '.join(map(repr, same))} could each hold the {what}; say which: {what}=COLUMN"
                )
            if same:
                at[what] = same[0]
            elif what == "path" or wanted != what:
                raise UsageError(
                    f"{self.file.name} has no column {wanted!r}; its columns are {', '.join(columns) or '(none)'}; "
                    f"say which one holds the {what}: {what}=COLUMN"
                )
        return at

    def _known(self, column: str) -> bool:
        names = {plain_name(wanted) for wanted in self._wanted.values()}
        return column in names

    def _there(self, header: list[str], rows: list[list[str]]) -> int:
        """How many rows' paths are files: in the right encoding they are."""
        try:
            column = header.index(self.columns(header)["path"])
        except UsageError:
            return 0
        paths = {row[column].strip() for row in rows if column < len(row)}
        return sum(bool(existing_path(self.root, path)) for path in paths if path and not path.isascii())

    def _relative(self, text: str, number: int, real_root: str, column: str) -> str:
        """A cell as POSIX path below root, as the disk spells it. Absolute paths and Windows' backslashes are understood."""
        text = text if (self.root / text).exists() else text.strip()
        if not text:
            raise UsageError(f"{self.file.name}, row {number}: the column {column!r} is empty; fill or delete the row")
        if "\\" in text and not (self.root / text).exists():
            text = PureWindowsPath(text).as_posix()
        if not is_inside(self.root / text, real_root):
            raise UsageError(
                f"{self.file.name}, row {number}: {text} is outside {self.root}; every picture must lie below it: "
                "give the folder that holds them all as root=FOLDER"
            )
        path = os.path.relpath(self.root / text, self.root)  # keeps the names of links as they were written
        if path.startswith(os.pardir):  # an absolute path that reaches the same folder by another way
            path = os.path.relpath(os.path.realpath(self.root / text), real_root)
        path = Path(path).as_posix()
        return existing_path(self.root, path) or path


def _read(
    file: Path, encoding: str, known: Callable[[str], bool], exists: Callable[[list[str], list[list[str]]], int]
) -> tuple[list[int], pd.DataFrame, str]:
    import pandas as pd

    understood = ""
    try:
        if file.suffix.lower() == ".parquet":
            # Nullable types: with NumPy's, a missing value would turn the whole numbers beside it into 3.0
            table = pd.read_parquet(file, dtype_backend="numpy_nullable")
            if any(table.index.names):  # pandas puts a saved index back; here it is a column like any other
                table = table.reset_index()
            lines = list(range(1, len(table) + 1))
        elif file.suffix.lower() in (".xlsx", ".xlsm"):
            lines, table, understood = _spreadsheet(file)
        else:
            sheet = read_sheet(file, known=known, encoding=encoding, exists=exists)
            if not sheet.header:
                raise UsageError(f"cannot read {file}: it is empty")
            width = len(sheet.header)
            cells = [[*row, *[""] * (width - len(row))] for _, row in sheet.rows]
            table = pd.DataFrame(cells, columns=sheet.header, dtype=object)
            lines = list(range(1, len(table) + 1))
            understood = "" if (sheet.separator, sheet.encoding) == (",", "utf-8") else f"{sheet.understood}, "
    except (ValueError, OSError) as error:  # pandas' and Arrow's parser errors are ValueErrors
        raise UsageError(f"cannot read {file}: {error}") from error
    table.columns = [str(column).strip() for column in table.columns]
    if len(set(table.columns)) < table.shape[1]:
        raise UsageError(f"{file.name} has two columns of one name: {', '.join(table.columns)}; rename one")
    text = table.astype(object).map(_text)
    filled = text.map(str.strip).ne("").any(axis=1).tolist() if len(text) else []
    lines = [line for line, keep in zip(lines, filled, strict=True) if keep]
    return lines, text[filled].reset_index(drop=True) if len(text) else text, understood


def _spreadsheet(file: Path) -> tuple[list[int], pd.DataFrame, str]:
    """The first sheet that is not empty, through pandas' reader; '0012' stays as it is written only where it is text."""
    import zipfile

    import pandas as pd

    try:
        sheets = pd.read_excel(file, engine="openpyxl", sheet_name=None, dtype=object, keep_default_na=False)
    except ImportError as error:
        raise UsageError(
            f"{file.name} is an Excel file, which needs openpyxl: pip install openpyxl; or save it as CSV UTF-8"
        ) from error
    except (zipfile.BadZipFile, KeyError) as error:
        raise UsageError(f"{file.name} is damaged, or no Excel file ({error}); save it again") from error
    filled = {name: sheet for name, sheet in sheets.items() if not sheet.empty}
    if not filled:
        raise UsageError(f"{file.name} has no rows below its first line")
    if len(filled) > 1:
        raise UsageError(
            f"{file.name} has several sheets with rows: {', '.join(map(str, filled))}; save the one you mean as its own file"
        )
    [(name, sheet)] = filled.items()
    unnamed = [column for column in sheet.columns if str(column).startswith("Unnamed:")]
    sheet = sheet.drop(columns=[column for column in unnamed if (sheet[column].astype(str).str.strip() == "").all()])
    whole = sheet.map(
        lambda cell: int(cell) if isinstance(cell, float) and cell.is_integer() else cell
    )  # Excel's 3.0 is 3
    return list(range(1, len(sheet) + 1)), whole, f"sheet {name!r}, "


def _text(value: Any) -> str:
    import pandas as pd

    if not pd.api.types.is_scalar(value):
        return cell_text(value)
    return "" if pd.isna(value) else str(value)
