"""A published list of pictures: a text file with a picture a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import SemblanceError


def lines_of(file: Path) -> list[str]:
    """The lines that are not empty, without the blanks around them."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SemblanceError(f"{file} is damaged: it is not text ({error.reason}); unpack the dataset again") from error
    except OSError as error:
        raise SemblanceError(f"cannot read {file}: {error.strerror}") from error
    return [line for line in map(str.strip, text.splitlines()) if line]


def rows_of(file: Path, header: str, *, counted: bool = False) -> list[list[str]]:
    """The rows below `header`, split at blanks, as many cells each as the header has words.

    counted: a line above the header says how many rows there are. Raises SemblanceError when any of it is not so.
    """
    lines = lines_of(file)
    columns = header.split()
    top = 2 if counted else 1
    if len(lines) < top or lines[top - 1].split() != columns:
        raise SemblanceError(f"{file} is damaged: its line {top} should be {header!r}; unpack the dataset again")
    rows = [line.split() for line in lines[top:]]
    wrong = next((number for number, row in enumerate(rows, start=top + 1) if len(row) != len(columns)), 0)
    if wrong:
        raise SemblanceError(f"{file} is damaged: its line {wrong} has not {len(columns)} columns; unpack it again")
    if counted and lines[0] != str(len(rows)):
        raise SemblanceError(f"{file} is cut off: it has {len(rows):,} rows and says {lines[0]}; unpack it again")
    return rows


def check_folders(root: Path, paths: Iterable[str], *, file: Path) -> None:
    """Raises SemblanceError unless every folder that the listed paths lie in is there: one look a folder."""
    folders = sorted({path.rpartition("/")[0] for path in paths})
    missing = [folder for folder in folders if not (root / folder).is_dir()]
    if missing:
        raise SemblanceError(
            f"{file.name} lists pictures in {len(folders):,} folders and {root} lacks {len(missing):,} of them, first "
            f"{missing[0]}; unpack the whole dataset there"
        )
