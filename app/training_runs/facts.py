"""What the Training page knows of a run: its facts as words and numbers, read from the run's folder each time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from pipeline.errors import SemblanceError
from pipeline.settings import Settings
from training.runs import Run

# s; a run that says it is running and wrote nothing for so long has probably been killed: the second while a process holds it
SILENT_AFTER = 90.0, 600.0
STATUS = {
    "new": "○ starting",
    "running": "● running",
    "finished": "✓ finished",
    "stopped": "■ stopped",
    "failed": "✗ failed",
}
BEST = ("recall_at_1", "map_at_r", "similarity_precision")
NUMBERS = ("dim", "steps", "minutes", *BEST)


@dataclass(frozen=True)
class Snapshot:
    """A run as it was on the disk when `read` was called."""

    run: Run
    about: dict[str, Any]

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def status(self) -> str:
        return "silent" if self._at_work and not self.live else str(self.about.get("status"))

    @property
    def _at_work(self) -> bool:
        return self.about.get("status") in ("new", "running")

    @cached_property
    def live(self) -> bool:
        """It says that it is running, and its files agree."""
        files = [file for name in ("metrics.jsonl", "run.json") if (file := self.run.root / name).exists()]
        last = max((file.stat().st_mtime for file in files), default=0.0)
        return self._at_work and time.time() - last < SILENT_AFTER[self.run.held()]

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return self.run.metrics()

    @property
    def last(self) -> dict[str, Any]:
        """The newest line of the training itself; empty before the first."""
        return next((line for line in reversed(self.metrics) if line["kind"] == "train"), {})

    def part(self, name: str) -> dict[str, Any]:
        """`recipe`, `network`, `data`, `versions` or `figures`; empty when the run has none."""
        part = self.about.get(name)
        return part if isinstance(part, dict) else {}

    @property
    def losses(self) -> str:
        """What it learned from, phase by phase."""
        phases = self.part("recipe").get("phases")
        told = (
            [str(phase.get("objective")) for phase in phases if isinstance(phase, dict)]
            if isinstance(phases, list)
            else []
        )
        return ", then ".join(told) or str(self.part("recipe").get("loss", ""))

    def best(self, metric: str) -> Any:
        """The figure of the weights that were kept; while nothing is, the highest on dev so far."""
        if metric in self.part("figures"):
            return self.part("figures")[metric]
        on_dev = [line[metric] for line in self.metrics if line["kind"] == "dev" and metric in line]
        return pd.to_numeric(pd.Series(on_dev, dtype=object), errors="coerce").max()

    def row(self) -> dict[str, Any]:
        network, data = self.part("network"), self.part("data")
        seconds = [line["seconds"] for line in self.metrics if isinstance(line.get("seconds"), int | float)]
        return {
            "run": self.name,
            "status": STATUS.get(self.status, f"○ {self.status}"),
            "loss": self.losses,
            "network": f"{network.get('backbone', '')}{'' if network.get('multiscale', True) else ', single-scale'}",
            "dim": network.get("dim"),
            "data": str(data.get("name", "")),
            "steps": max((line["step"] for line in self.metrics), default=0),
            "minutes": max(seconds, default=0) / 60,
            "device": str(self.about.get("device", "")),
            **{metric: self.best(metric) for metric in BEST},
        }


def read(name: str) -> Snapshot:
    """RunError when the folder is damaged."""
    run = Run(Settings().runs / name)
    return Snapshot(run, run.about())


def overview(snapshots: list[Snapshot]) -> pd.DataFrame:
    """One row a run. What should be a number and is none is left empty."""
    table = pd.DataFrame([snapshot.row() for snapshot in snapshots])
    table[list(NUMBERS)] = table[list(NUMBERS)].apply(pd.to_numeric, errors="coerce")
    return table


def state_of_all(names: list[str]) -> list[tuple[str, str]]:
    """Each run's name and state: another list when a run comes, goes, starts, has its first figures, ends or falls silent."""
    states = []
    for name in names:
        try:
            snapshot = read(name)
            states.append(
                (name, f"{snapshot.status}, learning" if snapshot.live and snapshot.last else snapshot.status)
            )
        except SemblanceError:
            states.append((name, "damaged"))
    return states


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
