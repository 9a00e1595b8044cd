"""Pictures listed in a CSV or Parquet file, one row each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files.picture_files import existing_folder, is_inside
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

if TYPE_CHECKING:
    import pandas as pd

CARD = Card(
    summary="pictures listed in a CSV or Parquet file: path, label, split, and any further column as metadata",
    licence="that of your pictures",
)
FORMATS = (".csv", ".tsv", ".parquet")


def build(
    *, file: PathText, root: PathText = PathText(""), path: str = "path", label: str = "label", split: str = "split"
) -> Table:
    """file: the table, UTF-8. root: what its paths are relative to; default: the folder the table lies in.

    path, label, split: names of the columns; a table without a `label` or `split` column has empty ones.
    """
    table = Path(file).expanduser().absolute()
    if not table.is_file():
        raise UsageError(f"file={file}: there is no such file; check the spelling or give the full path")
    if table.suffix.lower() not in FORMATS:
        raise UsageError(f"file={file} is neither of {', '.join(FORMATS)}; save the table as one of these")
    folder = existing_folder(root) if root else table.parent
    return Table(table, folder, path=path, label=label, split=split)


class Table:
    """A picture for each row, in the table's order. What a cell holds is taken as text, a missing value as ''."""

    def __init__(self, file: Path, root: Path, *, path: str, label: str, split: str) -> None:
        self.file = file
        self.root = root
        self._path, self._label, self._split = path, label, split

    def prepare(self, progress: Progress = silent) -> None:
        """Nothing to do: the pictures are yours."""

    def records(self) -> Iterator[ImageRecord]:
        """Raises UsageError for a table that cannot be read, a missing column, or a path outside `root`."""
        table = _read(self.file)
        self._check_columns(list(table.columns))
        rest = [c for c in table.columns if c not in (self._path, self._label, self._split)]
        empty = [""] * len(table)
        labels = table.get(self._label, empty)
        splits = table.get(self._split, empty)
        metadata = (dict(zip(rest, values, strict=True)) for values in table[rest].itertuples(index=False, name=None))
        real_root = os.path.realpath(self.root)
        rows = zip(table[self._path], labels, splits, metadata, strict=True)
        for number, (path, label, split, more) in enumerate(rows, start=1):
            yield ImageRecord(self._relative(path, number, real_root), label=label, split=split, metadata=more)

    def _check_columns(self, columns: list[str]) -> None:
        """Only `label` and `split` by their usual names may be missing."""
        for option, column in (("path", self._path), ("label", self._label), ("split", self._split)):
            if column not in columns and (option == "path" or column != option):
                raise UsageError(
                    f"{self.file.name} has no column {column!r}; its columns are {', '.join(columns) or '(none)'}; "
                    f"say which one holds the {option}: {option}=COLUMN"
                )

    def _relative(self, text: str, number: int, real_root: str) -> str:
        """A cell as POSIX path below root. Absolute paths and Windows' backslashes are understood."""
        if not text:
            raise UsageError(
                f"{self.file.name}, row {number}: the column {self._path!r} is empty; fill or delete the row"
            )
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
        return Path(path).as_posix()


def _read(file: Path) -> pd.DataFrame:
    """All cells as text, missing ones as ''."""
    import pandas as pd

    try:
        if file.suffix.lower() == ".parquet":
            # Nullable types: with NumPy's, a missing value would turn the whole numbers beside it into 3.0
            table = pd.read_parquet(file, dtype_backend="numpy_nullable")
            if any(table.index.names):  # pandas puts a saved index back; here it is a column like any other
                table = table.reset_index()
        else:
            separator = "\t" if file.suffix.lower() == ".tsv" else ","
            table = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file.name} is not UTF-8 text ({error.reason}); save it as CSV UTF-8") from error
    except (ValueError, OSError) as error:  # pandas' and Arrow's parser errors are ValueErrors
        raise UsageError(f"cannot read {file}: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise UsageError(f"{file.name} has rows with more cells than its first line names; name every column there")
    table.columns = [str(column) for column in table.columns]
    if len(set(table.columns)) < table.shape[1]:
        raise UsageError(f"{file.name} has two columns of one name: {', '.join(table.columns)}; rename one")
    return table.astype(object).map(_text)


def _text(value: Any) -> str:
    import pandas as pd

    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
