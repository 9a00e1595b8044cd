"""Results beside the gallery they are of: `reports/NAME.json`, and a table of many rows as `reports/NAME.parquet`.

NAME is KIND-WHEN-NUMBER. Every report says what made it: command, time, machine, versions, the gallery's generation.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import shlex
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.errors import GalleryError
from pipeline.files import atomic
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[a-z]+(-[a-z]+)*-\d{8}-\d{6}-[0-9a-f]{6}")
PACKAGES = ("numpy", "torch", "torchvision", "scikit-learn", "streamlit", "pymilvus")


def write(gallery: Gallery, kind: str, report: dict[str, Any], table: pd.DataFrame | None = None) -> str:
    """Keep a report for good; returns its name. kind: lower-case words with dashes, such as `evaluation`."""
    now = datetime.datetime.now(datetime.UTC)
    part = f"{now.microsecond:05x}{uuid.uuid4().hex[0]}"  # names sort by time, also within a second
    name = f"{kind}-{now:%Y%m%d-%H%M%S}-{part}"
    assert _NAME.fullmatch(name), name
    folder = _folder(gallery)
    folder.mkdir(exist_ok=True)
    if table is not None:
        with atomic.replacing(folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False)
    made = {
        "kind": kind,
        "gallery": gallery.name,
        "generation": gallery.generation,
        "made": now.isoformat("T", "seconds"),
    }
    atomic.write_json(folder / f"{name}.json", made | circumstances() | report)  # last: with it the report is there
    return name


def names(gallery: Gallery, kind: str) -> list[str]:
    """Of one kind, newest first."""
    found = (file.stem for file in _folder(gallery).glob(f"{kind}-*.json"))
    return sorted(
        (name for name in found if _NAME.fullmatch(name) and name[: -len("-00000000-000000-000000")] == kind),
        reverse=True,
    )


def read(gallery: Gallery, name: str) -> dict[str, Any]:
    """GalleryError when there is none of this name, or a damaged one."""
    file = _folder(gallery) / f"{name}.json"
    if not _NAME.fullmatch(name) or not file.is_file():
        raise GalleryError(f"gallery {gallery.name} has no report {name!r}")
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        report["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalleryError(f"{file} is damaged ({error!r}); delete it and make the report again") from error
    return report


def table(gallery: Gallery, name: str) -> pd.DataFrame:
    """The report's table; GalleryError when it is gone or damaged."""
    import pandas as pd
    import pyarrow as pa

    file = _folder(gallery) / f"{name}.parquet"
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise GalleryError(f"{file} cannot be read ({error}); make the report again") from error


def delete(gallery: Gallery, name: str) -> None:
    for suffix in (".json", ".parquet"):
        (_folder(gallery) / f"{name}{suffix}").unlink(missing_ok=True)


def circumstances() -> dict[str, Any]:
    """command, machine, versions."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"semblance": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    program = Path(sys.argv[0])
    command = (
        f"python -m {program.parent.name} {shlex.join(sys.argv[1:])}" if program.name == "__main__.py" else program.name
    )
    return {"command": command, "machine": f"{platform.machine()}, {os.cpu_count()} cores", "versions": versions}


def _folder(gallery: Gallery) -> Path:
    return gallery.root / "reports"
