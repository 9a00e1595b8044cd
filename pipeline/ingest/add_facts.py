"""A table's columns become metadata of pictures that a gallery has already; what later ingests say leaves them alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pipeline import readings, schema
from pipeline.errors import UsageError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

KIND = "added-facts"
BROUGHT = "brought"  # in the manifest: keys of metadata that tables brought, which an ingest keeps
_SLASHED = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})( .*)?")
ORDERS = ("", "dmy", "mdy")


@dataclass
class Matched:
    """values: id to column to text, empty cells left out. by: how many rows matched by id, path or file name."""

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    unmatched: list[tuple[int, str]] = field(
        default_factory=list
    )  # (line, what it names) of rows that match no picture
    ambiguous: list[tuple[int, str]] = field(default_factory=list)  # those whose file name several pictures have
    notes: list[str] = field(default_factory=list)


def match(gallery: Gallery, lines: Sequence[int], table: pd.DataFrame, *, column: str, dates: str = "") -> Matched:
    """Which row of a table of text is about which picture; nothing is changed.

    column: what names the picture: its id, its path below the dataset's folder or a longer one that ends so, or a file name
    that only one has. dates: dmy or mdy, how 3/5/2024 is meant; '' = as the column's other dates show. Regions of a
    picture get what is said of it.
    """
    if dates not in ORDERS:
        raise UsageError(f"dates are dmy or mdy, not {dates!r}")
    held = gallery.table()
    whole = held[held["parent"] == ""] if (held["parent"] == "").any() else held
    ids, paths = (
        set(held["id"]),
        {_plain(path): picture for path, picture in zip(whole["path"], whole["id"], strict=True)},
    )
    names = Counter(PurePosixPath(path).name for path in paths)
    of_name = {PurePosixPath(path).name: picture for path, picture in paths.items()}
    parts: dict[str, list[str]] = {}
    for picture, parent in zip(held["id"], held["parent"], strict=True):
        parts.setdefault(parent or picture, []).append(picture)
    found = Matched()
    texts = {
        name: _dated(table[name].tolist(), name, dates, found) for name in table.columns if name and name != column
    }
    for i, (line, named) in enumerate(zip(lines, table[column], strict=True)):
        picture, by = _picture(named.strip(), ids, paths, names, of_name)
        if not picture:
            (found.ambiguous if by else found.unmatched).append((line, named.strip()))
            continue
        found.by[by] += 1
        said = {name: cells[i].strip() for name, cells in texts.items() if cells[i].strip()}
        for one in parts.get(picture, [picture]):
            found.values.setdefault(one, {}).update(said)
    return found


def _picture(
    named: str, ids: set[str], paths: Mapping[str, str], names: Mapping[str, int], of_name: Mapping[str, str]
) -> tuple[str, str]:
    """The picture that a cell names and by what; without one '' and, where several have the name, why."""
    if named in ids:
        return named, "id"
    steps = _plain(named).split("/")
    for start in range(len(steps)):  # an absolute path ends with the one below the dataset's folder
        if picture := paths.get("/".join(steps[start:])):
            return picture, "path"
    name = steps[-1]
    if names.get(name, 0) == 1:
        return of_name[name], "file name"
    return "", "several" if names.get(name) else ""


def _plain(path: str) -> str:
    path = schema.composed(path.replace("\\", "/"))
    return path.removeprefix("./").strip("/")


def _dated(cells: list[str], name: str, dates: str, found: Matched) -> list[str]:
    """3/5/2024 as 2024-05-03 where the column's other dates, or the one who asks, say which number is the day."""
    slashed = [match for cell in cells if (match := _SLASHED.fullmatch(cell.strip()))]
    if not slashed or len(slashed) < sum(bool(cell.strip()) for cell in cells) / 2:
        return cells
    first, second = (max(int(match[place]) for match in slashed) for place in (1, 3))
    order = dates or ("dmy" if first > 12 >= second else "mdy" if second > 12 >= first else "")
    if not order:
        found.notes.append(f"{name}: {slashed[0][0]} can be read in two ways; add --dates dmy or --dates mdy")
        return cells
    day, month = (1, 3) if order == "dmy" else (3, 1)

    def spelt(cell: str) -> str:
        match = _SLASHED.fullmatch(cell.strip())
        if match is None:
            return cell
        text = f"{match[4]}-{int(match[month]):02d}-{int(match[day]):02d}{match[5] or ''}"
        return text if readings.date(text) else cell

    return [spelt(cell) for cell in cells]


def add(gallery: Gallery, matched: Matched) -> str:
    """Give the pictures these values, beside what they have; returns the name of the report that `undo` takes back.

    UsageError for a row that no store takes, and when nothing would change; nothing is changed then.
    """
    import pandas as pd

    with gallery.writing():
        rows, changes, before = (
            gallery.rows(as_ingested=True).table,
            dict[str, dict[str, Any]](),
            list[dict[str, str]](),
        )
        for row in rows.to_dict("records"):
            said = matched.values.get(row["id"], {})
            former = {key: row["metadata"].get(key, "") for key in said}
            if former == said:
                continue
            changes[row["id"]] = {"metadata": row["metadata"] | said}
            if fault := schema.fault(row | changes[row["id"]]):
                raise UsageError(f"{row['path']}: {fault}; nothing was changed")
            before.append({"id": row["id"], "before": schema.json_text(former)})
        if not changes:
            raise UsageError(
                f"nothing to add to {gallery.name}: no row of the table matches a picture and says something new"
            )
        keys = sorted({key for said in matched.values.values() for key in said})
        brought = gallery.manifest().get(BROUGHT, [])
        gallery.update(**{BROUGHT: [*brought, *(key for key in keys if key not in brought)]})
        gallery.change_rows(changes)
        gallery.update()
        new = [key for key in keys if key not in brought]
        return reports.write(
            gallery, KIND, {"keys": keys, "new_keys": new, "pictures": len(changes)}, pd.DataFrame(before)
        )


def undo(gallery: Gallery) -> int:
    """Take back what was added last; how many pictures have their former values again. UsageError when nothing was."""
    names = reports.names(gallery, KIND)
    if not names:
        raise UsageError(f"nothing was added to {gallery.name} that could be taken back")
    with gallery.writing():
        report, table = reports.read(gallery, names[0]), reports.table(gallery, names[0])
        former = {picture: json.loads(text) for picture, text in zip(table["id"], table["before"], strict=True)}
        rows = gallery.rows(as_ingested=True).table
        held = dict(zip(rows["id"], rows["metadata"], strict=True))
        changes = {picture: {"metadata": held[picture] | old} for picture, old in former.items() if picture in held}
        gallery.change_rows(changes)
        kept = [key for key in gallery.manifest().get(BROUGHT, []) if key not in report["new_keys"]]
        gallery.update(**{BROUGHT: kept})
        reports.delete(gallery, names[0])
    return len(changes)
