"""A run is one training folder: what was asked (run.json), what happened (metrics.jsonl), what came out. No torch here.

run.json            name, command, created, status, data, recipe, network, steps, device, versions, figures
metrics.jsonl       one object a line: {"kind": "train" | "dev", "step", "seconds", …figures}
best.safetensors    averaged weights with the best dev figure; model.json beside it says how to use them
last.pt             everything a resume needs
triplets.json       dev triplets for people: pictures, distances and labels, hardest first
distances.json      histograms of squared distances: anchor to positive, anchor to negative
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.files import atomic
from pipeline.settings import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class RunError(SemblanceError):
    """A run folder that is missing, damaged or of another kind."""


@dataclass(frozen=True)
class Run:
    """One run's folder. Holds no state: every call reads what is on the disk now."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def best(self) -> Path:
        return self.root / "best.safetensors"

    @property
    def last(self) -> Path:
        return self.root / "last.pt"

    @property
    def pictures(self) -> Path:
        """Small copies of the pictures that triplets.json names."""
        return self.root / "pictures"

    @property
    def lock(self) -> Path:
        return self.root / ".training"

    def held(self) -> bool:
        """Whether a process of this machine trains it now."""
        from filelock import FileLock, Timeout

        if not self.lock.exists():
            return False
        try:
            FileLock(self.lock).acquire(timeout=0).lock.release()
        except Timeout:
            return True
        except OSError:  # a file system without locks
            return False
        return False

    def about(self) -> dict[str, Any]:
        """run.json. RunError when it cannot be read."""
        return self._read("run.json", dict)

    def update(self, **changes: Any) -> None:
        atomic.write_json(self.root / "run.json", self.about() | changes)

    def record(self, kind: str, **figures: Any) -> None:
        """Add one line to metrics.jsonl, on the disk when this returns."""
        atomic.append(self.root / "metrics.jsonl", json.dumps({"kind": kind, **figures}) + "\n")

    def metrics(self, kind: str = "") -> list[dict[str, Any]]:
        """The recorded lines in order. A later line of the same kind and step stands for a resumed stretch: it wins."""
        lines = {(line["kind"], line["step"]): line for line in self._lines()}
        return sorted((line for line in lines.values() if not kind or line["kind"] == kind), key=lambda x: x["step"])

    def triplets(self) -> list[dict[str, Any]]:
        """{"anchor", "positive", "negative": {"picture", "label"}, "d_positive", "d_negative"}, hardest first; or []."""
        return self._read("triplets.json", list) if (self.root / "triplets.json").exists() else []

    def distances(self) -> dict[str, list[float]]:
        """{"edges": n + 1 squared distances, "positive": n counts, "negative": n counts}; empty before the first."""
        return self._read("distances.json", dict) if (self.root / "distances.json").exists() else {}

    def _lines(self) -> Iterator[dict[str, Any]]:
        file = self.root / "metrics.jsonl"
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else ():
            with contextlib.suppress(ValueError):  # torn by a kill
                figures = json.loads(line)
                if isinstance(figures, dict) and isinstance(figures.get("step"), int) and "kind" in figures:
                    yield figures

    def _read(self, name: str, kind: type) -> Any:
        file = self.root / name
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(value, kind):
                raise ValueError(f"it holds no {kind.__name__}")
            return value
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read {file} ({error}); the run is damaged, train again under a new name") from error


def names(settings: Settings) -> list[str]:
    """All runs, the newest first."""
    files = sorted(settings.runs.glob("*/run.json"), key=lambda file: (-file.stat().st_ctime, file.parent.name))
    return [file.parent.name for file in files]


def open_run(name: str, settings: Settings) -> Run:
    """By name, or by the path of its folder. RunError lists the runs there are."""
    for root in (settings.runs / name, Path(name).expanduser()):
        if (root / "run.json").is_file():
            return Run(root)
    first = ", ".join(names(settings)[:10]) or "none yet"
    raise RunError(f"no run {name!r} (there is: {first}); make one with: python -m training train …")


def name_of(*parts: object) -> str:
    """A name for a run out of words: what a name may not hold, such as a loss's `_:=.,`, is a dash."""
    return re.sub(r"[_:=.,]", "-", "-".join(map(str, parts)))


def check_name(name: str, settings: Settings) -> None:
    """UsageError for a bad name or one that is taken."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"bad run name {name!r}: write 1 to 64 of a-z, 0-9, - and _")
    if (settings.runs / name / "run.json").exists():
        raise UsageError(f"there is a run {name!r} already; choose another --name, or go on with --resume {name}")


def create_run(name: str, settings: Settings, **about: Any) -> Run:
    """A new folder with its run.json. UsageError for a bad name or one that is taken."""
    check_name(name, settings)
    run = Run(settings.runs / name)
    try:
        run.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.disk_error(error, run.root) from error
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    atomic.write_json(run.root / "run.json", {"format": 1, "name": name, "created": created, **about})
    return run
