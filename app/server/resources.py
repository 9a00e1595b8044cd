"""What sessions share: opened uploads and tables of a gallery's rows. Bounded, and keyed by what changes them."""

from __future__ import annotations

import contextlib
from typing import Any

import streamlit as st

from pipeline import filters
from pipeline.errors import SemblanceError
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import regions as parts_of_pictures
from pipeline.images.opening import open_image
from pipeline.records import Picture
from pipeline.settings import Settings

MAX_CHOICES = 60  # values of one field offered as filters; a field with more is searched by typing on the command line


def gallery(name: str) -> Gallery:
    return galleries.open_gallery(name, Settings())


def gallery_names() -> list[str]:
    """Galleries that hold pictures and can be read; the Galleries page says what is wrong with the others."""
    settings = Settings()
    found = []
    for name in galleries.names(settings):
        with contextlib.suppress(SemblanceError):
            if galleries.open_gallery(name, settings).current:
                found.append(name)
    return found


@st.cache_data(max_entries=16, show_spinner=False)
def picture(file_id: str, _data: bytes) -> Picture:
    """An upload opened once, keyed by the hash of its bytes (never by its pixels)."""
    return open_image(_data)


@st.cache_data(max_entries=8, show_spinner=False)
def _facets(
    root: str, generation: int, _gallery: Gallery
) -> tuple[dict[str, dict[str, int]], dict[str, str], int, dict[str, tuple[str, str]]]:
    table = _gallery.table()
    columns: dict[str, Any] = {"label": table["label"], "split": table["split"]}
    for key in _gallery.manifest()["metadata_keys"]:
        columns[key] = table["metadata"].map(lambda row, key=key: row.get(key, ""))
    counts = {name: column.value_counts().to_dict() for name, column in columns.items()}
    kept = {name: found for name, found in counts.items() if 1 < len(found) <= MAX_CHOICES}
    parts = table[table["box"] != ""]
    regions = dict(zip(parts["id"], zip(parts["parent"], parts["box"], strict=True), strict=True))
    return kept, dict(zip(table["id"], table["path"], strict=True)), len(set(counts["label"]) - {""}), regions


def clauses(made: Gallery) -> list[str]:
    """Filters to choose from, `field=value` and `field!=value`, for fields with 2 to 60 values."""
    fields = _facets(str(made.root), made.generation, made)[0]
    return [
        f"{name}{sign}{filters.escape(value)}"
        for name, found in fields.items()
        for sign in ("=", "!=")
        for value in found
    ]


def values(made: Gallery, field: str) -> list[str]:
    """The values of a field that has 2 to 60 of them; else none."""
    return list(_facets(str(made.root), made.generation, made)[0].get(field, {}))


def label_count(made: Gallery) -> int:
    """How many labels its pictures have."""
    return _facets(str(made.root), made.generation, made)[2]


def paths(made: Gallery) -> dict[str, str]:
    """id to path of the pictures that are not removed, in the order of their ingest."""
    return _facets(str(made.root), made.generation, made)[1]


def regions(made: Gallery) -> dict[str, tuple[str, str]]:
    """id to (id of the whole picture, box) of those rows that are parts of pictures."""
    return _facets(str(made.root), made.generation, made)[3]


def original(made: Gallery, picture_id: str) -> bytes | None:
    """The picture's file, of a part that of its whole picture; None when it is gone."""
    parent = regions(made).get(picture_id, ("", ""))[0]
    try:
        return read_original(paths(made)[picture_id], picture_id, roots(made), made.name, parent=parent)
    except (SemblanceError, KeyError):
        return None


def shown(made: Gallery, picture_id: str) -> bytes | None:
    """A file that shows just this row: `original`, of a part a PNG of it."""
    data = original(made, picture_id)
    return data and parts_of_pictures.shown(data, regions(made).get(picture_id, ("", ""))[1])
