"""Files that say something about pictures, as one table of text: tables, COCO's list of images, sidecar .json and .xmp."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import plugins
from pipeline.errors import UsageError, display_name
from pipeline.files.picture_files import is_picture_name
from pipeline.files.tables import cell_text
from pipeline.files.texts import parsed_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import pandas as pd

TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xlsm")
SIDECARS = (".json", ".xmp")
PATH = "path"  # the column that names the picture, of a table that we make
MAX_BYTES = 200 << 20  # of one file; a table of a million rows of ten short cells is half as large
MAX_DEPTH = 4  # of JSON in JSON
_NAMES = ("path", "file_name", "filename", "file", "image", "name", "sourcefile", "id")  # what files name pictures by
_OURS = ("id", "width", "height")  # of COCO's images: its own number, and what the gallery measures itself
_XMP = (
    "dc",
    "xmp",
    "photoshop",
    "exif",
    "tiff",
    "lr",
    "digikam",
    "iptc4xmpcore",
    "aux",
)  # others hold a program's settings


@dataclass(frozen=True)
class FactsTable:
    """cells: text, a column each; lines: the number of each row in its file. column: what names the picture; '' = not known."""

    cells: pd.DataFrame
    lines: list[int]
    column: str
    notes: list[str] = field(default_factory=list)


def read(file: Path, *, column: str = "") -> FactsTable:
    """A table, a JSON file of several pictures, or a sidecar; of a folder all sidecars in it and below.

    column: what names the picture; '' = found by its name. UsageError for what cannot be read.
    """
    if file.is_dir():
        found = [path for path in sorted(file.rglob("*")) if path.suffix.lower() in SIDECARS and path.is_file()]
        if not found:
            raise UsageError(
                f"{file} holds no .json or .xmp beside pictures; give a table, or the folder of the sidecars"
            )
        return _of_sidecars((path.relative_to(file).as_posix(), path) for path in found)
    if file.suffix.lower() in SIDECARS:
        _check_size(file)
        return _of_sidecars([(file.name, file)]) if file.suffix.lower() == ".xmp" else _of_json(file, column)
    table = plugins.build("datasets", "table", file=str(file), path=column or PATH)
    _check_size(file)
    lines, cells, understood = table.read()
    known = {name.lower(): name for name in reversed(list(cells.columns))}
    named = (
        table.columns(list(cells.columns))["path"]
        if column
        else next((known[one] for one in _NAMES if one in known), "")
    )
    return FactsTable(cells, lines, named, [f"{file.name}: {understood.rstrip(', ')}"] if understood else [])


def of_uploads(files: Sequence[Path]) -> FactsTable:
    """Of one file as `read`; several are sidecars of as many pictures."""
    if len(files) == 1:
        return read(files[0])
    if other := [file.name for file in files if file.suffix.lower() not in SIDECARS]:
        raise UsageError(
            f"{display_name(other[0])} is a table and comes alone; several files at once are .json and .xmp of pictures"
        )
    return _of_sidecars((file.name, file) for file in files)


def _check_size(file: Path) -> None:
    """UsageError for what would take the machine's memory; a small file may be one of much text that is packed well."""
    import zipfile

    import pyarrow.parquet as pq

    size = file.stat().st_size
    if file.suffix.lower() in (".xlsx", ".xlsm") and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            size = sum(one.file_size for one in packed.infolist())
    elif file.suffix.lower() == ".parquet":
        try:
            about = pq.read_metadata(file)
        except (OSError, ValueError):
            return  # the reader says what is wrong
        size = max(
            size,
            *(about.row_group(i).total_byte_size for i in range(about.num_row_groups)),
            about.num_rows * about.num_columns,
        )
    if size > MAX_BYTES:
        raise UsageError(
            f"{file.name} holds {size / 1e6:,.0f} MB and {MAX_BYTES / 1e6:,.0f} can be read; part it, or leave columns out"
        )


def _of_json(file: Path, column: str) -> FactsTable:
    """COCO's images; a list of objects that name their pictures; an object of objects by picture; else a sidecar."""
    value = _loaded(file)
    if isinstance(value, dict) and isinstance(value.get("images"), list):
        return _table(_of_coco(value), "file_name")
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        named = column or next((name for name in _names_in(value[0])), "")
        return _table([flat(one) for one in value], named)
    by_picture = isinstance(value, dict) and any(map(is_picture_name, value))
    if by_picture and all(isinstance(one, dict) for one in value.values()):
        return _table([{PATH: name} | flat(one) for name, one in value.items()], PATH)
    return _of_sidecars([(file.name, file)])


def _names_in(row: Mapping[str, Any]) -> list[str]:
    known = {name.lower(): name for name in row}
    return [known[one] for one in _NAMES if one in known]


def _of_coco(value: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is said of each image, the name of its licence, and the categories of its objects as a list."""
    licences = {one.get("id"): one.get("name", "") for one in _dicts(value.get("licenses"))}
    categories = {one.get("id"): one.get("name", "") for one in _dicts(value.get("categories"))}
    shown: dict[Any, dict[str, None]] = {}
    for one in _dicts(value.get("annotations")):
        shown.setdefault(one.get("image_id"), {})[str(categories.get(one.get("category_id"), ""))] = None
    rows = []
    for image in _dicts(value["images"]):
        said = {key: one for key, one in image.items() if key not in _OURS}
        if "license" in said:
            said["license"] = licences.get(said["license"], said["license"])
        rows.append(flat(said | {"categories": [name for name in shown.get(image.get("id"), {}) if name]}))
    return rows


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _of_sidecars(files: Iterable[tuple[str, Path]]) -> FactsTable:
    """A picture is named as its sidecar is, without the ending: photo.jpg.xmp, or photo.xmp. Damaged ones are noted."""
    rows, notes = [], []
    for name, file in files:
        try:
            _check_size(file)
            said = _of_xmp(parsed_xml(file)) if file.suffix.lower() == ".xmp" else flat(_loaded(file))
        except (UsageError, ValueError, OSError) as error:
            notes.append(f"{display_name(name)} cannot be read: {error}")
            continue
        rows.append({PATH: name[: -len(file.suffix)]} | {key: one for key, one in said.items() if key != PATH})
    if not rows:
        raise UsageError("; ".join(notes[:3]))
    return _table(rows, PATH, notes)


def _loaded(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file.name} cannot be read as JSON: {error}") from error


def _table(rows: Sequence[Mapping[str, str]], column: str, notes: Sequence[str] = ()) -> FactsTable:
    import pandas as pd

    names = list(dict.fromkeys(key for row in rows for key in row))
    cells = pd.DataFrame({name: [row.get(name, "") for row in rows] for name in names}, dtype=object)
    return FactsTable(cells, list(range(1, len(rows) + 1)), column if column in names else "", list(notes))


def flat(value: Any, before: str = "", depth: int = MAX_DEPTH) -> dict[str, str]:
    """A JSON object as text by key, inner ones as outer.inner; a place and a time stamp as one text each."""
    if not isinstance(value, dict):
        return {}
    made: dict[str, str] = {}
    for key, one in value.items():
        name = f"{before}{key}"
        if isinstance(one, dict):
            known = {str(inner).lower(): text for inner, text in one.items()}
            north, east = (
                known.get("latitude", known.get("lat")),
                known.get("longitude", known.get("lon", known.get("lng"))),
            )
            if isinstance(north, int | float) and isinstance(east, int | float):
                made |= (
                    {name: f"{north}, {east}"} if north or east else {}
                )  # 0, 0 is how exports say that nothing is known
            elif str(known.get("timestamp", "")).isdecimal() and len(str(known["timestamp"])) < 12:
                when = datetime.datetime.fromtimestamp(int(known["timestamp"]), datetime.UTC)
                made[name] = f"{when:%Y-%m-%d %H:%M:%S}"
            elif depth > 1:
                made |= flat(one, f"{name}.", depth - 1)
        elif text := cell_text(one):
            made[name] = text
    return made


def _of_xmp(page: Element) -> dict[str, str]:
    """What cameras and catalogues keep beside a picture: attributes and elements of rdf:Description, lists as lists."""
    made: dict[str, str] = {}
    for about in page.iter("rdf:Description"):
        for name, value in about.attrib.items():
            made |= _xmp_fact(name, value)
        for element in about:
            parts = [item.text.strip() for item in element.iter("rdf:li") if item.text and item.text.strip()]
            made |= _xmp_fact(element.tag, cell_text(parts) if parts else (element.text or ""))
    north, east = made.pop("GPSLatitude", ""), made.pop("GPSLongitude", "")
    return made | ({"taken_at": f"{north} {east}"} if north and east else {})


def _xmp_fact(name: str, text: str) -> dict[str, str]:
    space, _, own = name.partition(":")
    return {own: text.strip()} if own and space.lower() in _XMP and text.strip() else {}
