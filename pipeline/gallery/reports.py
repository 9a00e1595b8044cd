"""Results beside the gallery they are of: `reports/NAME.json`, and a table of many rows as `reports/NAME.parquet`.

NAME is KIND-WHEN-NUMBER. Every report says what made it: command, time, machine, versions, the gallery's generation.
"""

from __future__ import annotations

import datetime
import re
import uuid
from typing import TYPE_CHECKING, Any

from pipeline.errors import GalleryError
from pipeline.gallery.artifacts import Artifacts, circumstances
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[a-z]+(-[a-z]+)*-\d{8}-\d{6}-[0-9a-f]{6}")


def write(gallery: Gallery, kind: str, report: dict[str, Any], table: pd.DataFrame | None = None) -> str:
    """Keep a report for good; returns its name. kind: lower-case words with dashes, such as `evaluation`."""
    now = datetime.datetime.now(datetime.UTC)
    if (last := names(gallery, kind)[:1]) and (newest := _when(last[0])) >= now:  # the clock has jumped back
        now = newest + datetime.timedelta(microseconds=1)
    part = f"{now.microsecond:05x}{uuid.uuid4().hex[0]}"  # names sort by time, also within a second
    name = f"{kind}-{now:%Y%m%d-%H%M%S}-{part}"
    assert _NAME.fullmatch(name), name
    about = {"kind": kind, "gallery": gallery.name, "generation": gallery.generation}
    _artifacts(gallery).write(name, about | circumstances() | report, table)
    return name


def names(gallery: Gallery, kind: str) -> list[str]:
    """Of one kind, newest first."""
    return [
        name for name in reversed(_artifacts(gallery).names(_NAME)) if name[: -len("-00000000-000000-000000")] == kind
    ]


def read(gallery: Gallery, name: str) -> dict[str, Any]:
    """GalleryError when there is none of this name, or a damaged one."""
    report = _artifacts(gallery).read(name, lambda report: report["kind"]) if _NAME.fullmatch(name) else None
    if report is None:
        raise GalleryError(f"gallery {gallery.name} has no report {name!r}")
    return report


def table(gallery: Gallery, name: str) -> pd.DataFrame:
    """The report's table; GalleryError when it is gone or damaged."""
    return _artifacts(gallery).table(name)


def delete(gallery: Gallery, name: str) -> None:
    _artifacts(gallery).delete(name)


def _when(name: str) -> datetime.datetime:
    """As far as its name says; its last digit is chance."""
    *_, day, time, part = name.split("-")
    try:
        whole = datetime.datetime.strptime(f"{day}{time}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:  # not of ours
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return whole.replace(microsecond=min(int(part[:5], 16), 999_999))


def _artifacts(gallery: Gallery) -> Artifacts:
    return Artifacts(gallery.root / "reports", "make the report again")
