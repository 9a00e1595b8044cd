"""The two files of a map in a gallery's `projections/`: NAME.json says what it is, NAME.parquet holds the points.

NAME is METHOD-2d-SETTINGS-PICTURES; maps that differ in their pictures only are one series, of which the last is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import GalleryError
from pipeline.gallery.artifacts import Artifacts
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

AXES = ("x", "y", "z")
_NAME = re.compile(r"[a-z][a-z0-9_]*-[23]d-[0-9a-f]{8}-[0-9a-f]{8}")


def write(gallery: Gallery, about: dict[str, Any], ids: list[str], points: np.ndarray) -> None:
    """Keep the map about["name"] instead of those of its series. points: (n, 2 or 3) of these ids."""
    import pandas as pd

    name = about["name"]
    assert _NAME.fullmatch(name), name
    table = pd.DataFrame(points, columns=list(AXES[: points.shape[1]]))
    table.insert(0, "id", ids)
    _artifacts(gallery).write(name, about, table)
    for older in names(gallery):
        if older != name and older.rpartition("-")[0] == name.rpartition("-")[0]:
            delete(gallery, older)


def names(gallery: Gallery) -> list[str]:
    return _artifacts(gallery).names(_NAME)


def method_of(about: dict[str, Any]) -> str:
    """How people call the way it was made: UMAP 2-D."""
    return f"{about['method'].upper().replace('TSNE', 't-SNE')} {about['dimensions']}-D"


def read(gallery: Gallery, name: str) -> dict[str, Any]:
    """What is said about the map. GalleryError when there is none of this name, or a damaged one."""

    def check(about: dict[str, Any]) -> None:
        _ = about["fingerprint"], about["made"], about["n"], AXES[about["dimensions"] - 1]

    about = _artifacts(gallery).read(name, check) if _NAME.fullmatch(name) else None
    if about is None:
        raise GalleryError(
            f"gallery {gallery.name} has no map {name!r}; make one: python -m pipeline project {gallery.name}"
        )
    return about


def points(gallery: Gallery, about: dict[str, Any]) -> pd.DataFrame:
    """id and the axes. GalleryError when the table is gone, damaged or not the one that `about` tells of."""
    table = _artifacts(gallery).table(about["name"], ["id", *AXES[: about["dimensions"]]])
    if len(table) != about["n"]:
        raise GalleryError(
            f"the map {about['name']} has {len(table)} of {about['n']} points in its table; make the map again"
        )
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
    if _NAME.fullmatch(name):
        _artifacts(gallery).delete(name)


def _artifacts(gallery: Gallery) -> Artifacts:
    return Artifacts(gallery.root / "projections", "make the map again")
