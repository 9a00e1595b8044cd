"""Results on disk: NAME.json says what was found and how it was made, NAME.parquet, where there is one, holds its rows.

Each is written whole or not at all, the JSON last: with it the result is there.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.errors import GalleryError, SemblanceError
from pipeline.files import atomic

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("numpy", "torch", "torchvision", "scikit-learn", "streamlit", "pymilvus")


@dataclass(frozen=True)
class Artifacts:
    """The results of one folder. again: what to do about a damaged one, such as `make the report again`."""

    folder: Path
    again: str
    error: type[SemblanceError] = GalleryError

    def write(self, name: str, record: dict[str, Any], table: pd.DataFrame | None = None) -> dict[str, Any]:
        """The record as it is kept: with `made`, the time of now in UTC."""
        self.folder.mkdir(exist_ok=True)
        if table is not None:
            with atomic.replacing(self.folder / f"{name}.parquet") as temporary:
                table.to_parquet(temporary, index=False)
        made = {"made": datetime.datetime.now(datetime.UTC).isoformat("T", "seconds")} | record
        atomic.write_json(self.folder / f"{name}.json", made)
        return made

    def names(self, pattern: re.Pattern[str]) -> list[str]:
        """Those whose whole name matches, sorted."""
        return sorted(file.stem for file in self.folder.glob("*.json") if pattern.fullmatch(file.stem))

    def read(self, name: str, check: Callable[[dict[str, Any]], object]) -> dict[str, Any] | None:
        """The record; None when there is none. check: reads what must be there. `error` for a damaged file."""
        file = self.folder / f"{name}.json"
        if not file.is_file():
            return None
        try:
            record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            check(record)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise self.error(f"{file} is damaged ({error!r}); delete it and {self.again}") from error
        return record

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """The rows; `error` when they are gone or damaged."""
        import pandas as pd
        import pyarrow as pa

        file = self.folder / f"{name}.parquet"
        try:
            return pd.read_parquet(file, columns=columns)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self.error(f"{file} cannot be read ({error}); {self.again}") from error

    def delete(self, name: str) -> None:
        """Does nothing when there is none."""
        for suffix in (".json", ".parquet"):  # in this order: without its JSON it is no result
            (self.folder / f"{name}{suffix}").unlink(missing_ok=True)


def circumstances(packages: Sequence[str] = ()) -> dict[str, Any]:
    """command, machine, versions: of this program, Python, the usual packages and these."""
    program = Path(sys.argv[0])
    command = (
        f"python -m {program.parent.name} {shlex.join(sys.argv[1:])}" if program.name == "__main__.py" else program.name
    )
    made_with = {"semblance": __version__, "python": platform.python_version()} | versions([*PACKAGES, *packages])
    return {"command": command, "machine": f"{platform.machine()}, {os.cpu_count()} cores", "versions": made_with}


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
