"""The two files of a map in a gallery's `projections/`: NAME.json says what it is, NAME.parquet holds the points.

NAME is METHOD-2d-SETTINGS-PICTURES; maps that differ in their pictures only are one series, of which the last is kept.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import GalleryError
from pipeline.files import atomic
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

AXES = ("x", "y", "z")
_NAME = re.compile(r"[a-z][a-z0-9_]*-[23]d-[0-9a-f]{8}-[0-9a-f]{8}")


def write(gallery: Gallery, about: dict[str, Any], ids: list[str], points: np.ndarray) -> None:
    """Keep the map about["name"] instead of those of its series. points: (n, 2 or 3) of these ids."""
    import pandas as pd

    folder, name = _folder(gallery), about["name"]
    assert _NAME.fullmatch(name), name
    folder.mkdir(exist_ok=True)
    table = pd.DataFrame(points, columns=list(AXES[: points.shape[1]]))
    table.insert(0, "id", ids)
    with atomic.replacing(folder / f"{name}.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    atomic.write_json(folder / f"{name}.json", about)  # last: with it the map is there
    for older in names(gallery):
        if older != name and older.rpartition("-")[0] == name.rpartition("-")[0]:
            delete(gallery, older)


def names(gallery: Gallery) -> list[str]:
    return sorted(file.stem for file in _folder(gallery).glob("*.json") if _NAME.fullmatch(file.stem))


def read(gallery: Gallery, name: str) -> dict[str, Any]:
    """What is said about the map. GalleryError when there is none of this name, or a damaged one."""
    file = _folder(gallery) / f"{name}.json"
    if not _NAME.fullmatch(name) or not file.is_file():
        raise GalleryError(
            f"gallery {gallery.name} has no map {name!r}; make one: python -m pipeline project {gallery.name}"
        )
    try:
        about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        _ = about["fingerprint"], about["made"], about["n"], AXES[about["dimensions"] - 1]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise GalleryError(f"{file} is damaged ({error!r}); delete it and make the map again") from error
    return about


def points(gallery: Gallery, about: dict[str, Any]) -> pd.DataFrame:
    """id and the axes. GalleryError when the table is gone, damaged or not the one that `about` tells of."""
    import pandas as pd
    import pyarrow as pa

    file = _folder(gallery) / f"{about['name']}.parquet"
    try:
        table = pd.read_parquet(file, columns=["id", *AXES[: about["dimensions"]]])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise GalleryError(f"{file} cannot be read ({error}); make the map again") from error
    if len(table) != about["n"]:
        raise GalleryError(f"{file} has {len(table)} of {about['n']} points; make the map again")
    return table


def whole(gallery: Gallery, name: str) -> bool:
    """Whether the map is there and can be read."""
    try:
        points(gallery, read(gallery, name))
    except GalleryError:
        return False
    return True


def delete(gallery: Gallery, name: str) -> None:
    """Does nothing when there is no such map."""
    for suffix in (".json", ".parquet"):  # in this order: without its JSON it is no map
        if _NAME.fullmatch(name):
            (_folder(gallery) / f"{name}{suffix}").unlink(missing_ok=True)


def _folder(gallery: Gallery) -> Path:
    return gallery.root / "projections"
