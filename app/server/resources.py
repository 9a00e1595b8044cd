"""What sessions share of a gallery: facts about its rows, its files and previews of them, keyed by what changes them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from app.server import pictures
from app.server.caches import Cache
from app.server.pictures import Preview
from pipeline import filters
from pipeline.errors import SemblanceError
from pipeline.gallery import opening as galleries
from pipeline.gallery import parts
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import regions as parts_of_pictures
from pipeline.kinds import tags
from pipeline.search.query import QueryPicture
from pipeline.settings import current

if TYPE_CHECKING:
    import pandas as pd

Made = TypeVar("Made")
MAX_CHOICES = 60  # values of one field offered as filters; a field with more is searched by typing on the command line


_kept: Cache[Any] = Cache(512 << 20)


def gallery(name: str) -> Gallery:
    return galleries.open_gallery(name, current())


def gallery_names() -> list[str]:
    """Galleries that hold pictures and can be read; the Galleries page says what is wrong with the others."""
    settings = current()
    found = []
    for name in galleries.names(settings):
        with contextlib.suppress(SemblanceError):
            made = galleries.open_gallery(name, settings)
            if made.current and not parts.is_empty(made.folder()):
                found.append(name)
    return found


def gallery_titles() -> dict[str, str]:
    """Of `gallery_names`, by name."""
    return {name: gallery(name).manifest()["title"] for name in gallery_names()}


def kept(gallery: Gallery, *name: Hashable, make: Callable[[], Made]) -> Made:
    """What `make` gives, made once while the gallery stays as it is, for all sessions: nobody may change it."""
    return cast(Made, _kept.made((*gallery.version, *name), make))


@dataclass(frozen=True)
class _Facts:
    values: dict[str, dict[str, int]]  # of the fields with 2 to MAX_CHOICES values: how often each comes
    paths: dict[str, str]
    label_count: int
    regions: dict[str, tuple[str, str]]


def _facts(made: Gallery) -> _Facts:
    return kept(made, "facts", make=lambda: _read_facts(made))


def _read_facts(made: Gallery) -> _Facts:
    table = made.table()
    columns: dict[str, Any] = {"label": table["label"], "split": table["split"]}
    for key in made.manifest()["metadata_keys"]:
        columns[key] = table["metadata"].map(lambda row, key=key: row.get(key, ""))
    counts = {name: column.value_counts().to_dict() for name, column in columns.items()}
    if tags.SHOWS in counts:  # a word each: those that most pictures show are offered
        counts[tags.SHOWS] = dict(list(counts[tags.SHOWS].items())[:MAX_CHOICES])
    counts.pop(tags.SHOWS_KINDS, None)  # a sentence each
    few = {name: found for name, found in counts.items() if 1 < len(found) <= MAX_CHOICES}
    parts = table[table["box"] != ""]
    whole_and_box = dict(zip(parts["id"], zip(parts["parent"], parts["box"], strict=True), strict=True))
    paths = dict(zip(table["id"], table["path"], strict=True))
    return _Facts(few, paths, len(set(counts["label"]) - {""}), whole_and_box)


def clauses(made: Gallery) -> list[str]:
    """Filters to choose from, `field=value` and `field!=value`, for fields with 2 to 60 values."""
    return [
        f"{name}{sign}{filters.escape(value)}"
        for name, found in _facts(made).values.items()
        for sign in ("=", "!=")
        for value in found
    ]


def values(made: Gallery, field: str) -> list[str]:
    """The values of a field that has 2 to 60 of them; else none."""
    return list(_facts(made).values.get(field, {}))


def label_count(made: Gallery) -> int:
    """How many labels its pictures have."""
    return _facts(made).label_count


def labels(made: Gallery) -> Counter[str]:
    """How many pictures have each label; those without one are left out. Counted once for each state of the gallery."""

    def counted() -> Counter[str]:
        found = made.table()["label"]
        return Counter(found[found != ""].tolist())

    return kept(made, "label counts", make=counted)


def table(made: Gallery) -> pd.DataFrame:
    """The gallery's rows, kept while it stays as it is: for filters that a store cannot be asked; nobody may change it."""
    return kept(made, "table", make=made.table)


def paths(made: Gallery) -> dict[str, str]:
    """id to path of the pictures that are not removed, in the order of their ingest."""
    return _facts(made).paths


def regions(made: Gallery) -> dict[str, tuple[str, str]]:
    """id to (id of the whole picture, box) of those rows that are parts of pictures."""
    return _facts(made).regions


def original(made: Gallery, picture_id: str) -> bytes | None:
    """The picture's file, of a part that of its whole picture; None when it is gone."""
    parent = regions(made).get(picture_id, ("", ""))[0]
    try:
        return read_original(paths(made)[picture_id], picture_id, roots(made), made.name, parent=parent)
    except (SemblanceError, KeyError):
        return None


def shown(made: Gallery, picture_id: str) -> bytes | None:
    """A file that shows just this row: `original`, of a part a PNG of it."""
    data, box = original(made, picture_id), regions(made).get(picture_id, ("", ""))[1]
    return pictures.in_turn(lambda: parts_of_pictures.shown(data, box)) if data and box else data


def preview(made: Gallery, picture_id: str) -> Preview | None:
    """Of the picture's file, of a part that of its whole picture; None when it is gone."""
    if picture_id not in paths(made):
        return None
    whole = regions(made).get(picture_id, (picture_id, ""))[0]
    if found := pictures.known(whole):
        return found
    data = original(made, picture_id)
    return pictures.preview(QueryPicture(data)) if data else None
