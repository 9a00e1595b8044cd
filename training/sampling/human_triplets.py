"""Triplets judged by people: the public `query_and_triplets.txt`, or a CSV of query, positive, negative."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_plus, urlsplit

from pipeline.errors import UsageError
from pipeline.files.picture_files import existing_folder, is_inside, picture_files

COLUMNS = ("query", "positive", "negative")


@dataclass(frozen=True)
class HumanTriplet:
    """Pictures as URLs or paths; the positive is the one that people find more similar. text: what was searched."""

    query: str
    positive: str
    negative: str
    text: str = ""


@dataclass(frozen=True)
class Resolved:
    """triplets: (query, positive, negative), POSIX paths below the root, of those with all three pictures there.

    rows: where each of them was in what was loaded. unreachable: distinct references without a file, in order.
    """

    triplets: list[tuple[str, str, str]]
    rows: list[int]
    total: int
    pictures: int
    unreachable: list[str]

    def report(self) -> str:
        return (
            f"{len(self.triplets):,} of {self.total:,} triplets can be used; "
            f"{len(self.unreachable):,} of {self.pictures:,} pictures are not there"
        )


def load(file: Path) -> list[HumanTriplet]:
    """.txt: four lines a triplet (text, URL of query, positive, negative); .csv: three columns, or named ones.

    Raises UsageError with the number of the first line that is wrong.
    """
    readers = {".txt": _four_lines, ".csv": _columns}
    if file.suffix.lower() not in readers:
        raise UsageError(f"{file} ends in neither .txt (query_and_triplets.txt) nor .csv; rename it to what it is")
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}; check the path and its permissions") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{file.name}, line {line}: not UTF-8 text; save the file as UTF-8") from error
    triplets = list(readers[file.suffix.lower()](text, file.name))
    if not triplets:
        raise UsageError(f"{file.name} holds no triplets")
    return triplets


def resolve(triplets: list[HumanTriplet], root: Path) -> Resolved:
    """Look for every picture below `root`; nothing is downloaded.

    A path: as it is, or without the root's own name in front. A URL: the picture file whose name, its suffix aside,
    is the URL's SHA-1 in hex, its tbn: id, or its last part; a name that two files share is nobody's.
    """
    files = _Files(existing_folder(str(root)))
    references = dict.fromkeys(name for t in triplets for name in (t.query, t.positive, t.negative))
    path_of = {name: files.find(name) for name in references}
    paths = [(path_of[t.query], path_of[t.positive], path_of[t.negative]) for t in triplets]
    rows = [row for row, three in enumerate(paths) if all(three)]
    unreachable = [name for name, path in path_of.items() if not path]
    return Resolved([paths[row] for row in rows], rows, len(triplets), len(path_of), unreachable)


def _four_lines(text: str, name: str) -> Iterator[HumanTriplet]:
    lines = [line.strip() for line in text.rstrip().split("\n")] if text.strip() else []
    for start in range(0, len(lines), 4):
        four = lines[start : start + 4]
        for number, line in enumerate(four[1:], start=start + 2):
            if "://" not in line:
                raise UsageError(
                    f"{name}, line {number}: {line[:80]!r} is not a URL; a triplet is a text and three URLs"
                )
        if "://" in four[0]:
            raise UsageError(f"{name}, line {start + 1}: a URL where the text of the next triplet should be")
        if len(four) < 4:
            raise UsageError(f"{name}, line {len(lines)}: the file ends inside a triplet, which has four lines")
        yield HumanTriplet(four[1], four[2], four[3], text=unquote_plus(four[0]))


def _columns(text: str, name: str) -> Iterator[HumanTriplet]:
    """With a header the columns may come in any order and among others; `anchor` is read as `query`."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    places, width = [0, 1, 2], 3
    try:
        for index, cells in enumerate(reader):
            names = [cell.strip().lower().replace("anchor", "query") for cell in cells]
            if index == 0 and set(COLUMNS) <= set(names):
                places, width = [names.index(column) for column in COLUMNS], len(names)
            elif cells:
                if len(cells) != width:
                    raise UsageError(f"{name}, line {reader.line_num}: {len(cells)} cells where {width} are expected")
                three = [cells[place].strip() for place in places]
                if not all(three):
                    column = COLUMNS[three.index("")]
                    raise UsageError(f"{name}, line {reader.line_num}: the {column} is empty; fill or delete the row")
                yield HumanTriplet(*three)
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}; check the quotes") from error


class _Files:
    """The pictures below a root, by path and by name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._by_name: dict[str, set[str]] = defaultdict(set)
        for path in picture_files(root):
            file = PurePosixPath(path)
            self._by_name[file.name].add(path)
            self._by_name[file.stem].add(path)

    def find(self, reference: str) -> str:
        """Path below the root, '' when there is none."""
        if "://" in reference:
            matches = (self._by_name.get(name, set()) for name in _names(reference))
            return next((next(iter(paths)) for paths in matches if len(paths) == 1), "")
        for path in (reference, reference.removeprefix(f"{self.root.name}/")):
            full = self.root / path
            if full.is_file() and is_inside(full, self._real):
                return Path(os.path.relpath(full, self.root)).as_posix()
        return ""


def _names(url: str) -> Iterator[str]:
    """What a downloaded copy of the URL is called, the surest first."""
    yield hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    parts = urlsplit(url)
    if "tbn:" in parts.query:
        yield parts.query.partition("tbn:")[2].partition("&")[0]
    else:
        yield unquote_plus(PurePosixPath(parts.path).name)
