"""How quick an encoder is on this machine: measured when asked for, kept in the cache for the page that offers it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline import plugins
from pipeline.errors import SemblanceError
from pipeline.files import atomic
from pipeline.parallel import in_order
from pipeline.records import Progress, silent
from pipeline.settings import Settings

PICTURES, SIZE = (
    128,
    (500, 375),
)  # made-up photos of the usual size: an encoder's work does not depend on what they show
SECONDS = 1.5  # that are timed, at least


@dataclass(frozen=True)
class Speed:
    """dim: numbers a picture. pictures_per_second: decoded picture to embedding, on all cores or the GPU."""

    dim: int
    pictures_per_second: float


def measure(specs: Sequence[str], *, device: str = "auto", progress: Progress = silent) -> dict[str, Speed]:
    """Measure these encoders and keep what came out. Raises UsageError for the first that cannot be built."""
    measured = {}
    for number, spec in enumerate(specs):
        progress("encoders", number, len(specs))
        measured[spec] = _measured(spec, device)
        _file().parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(_file(), {name: asdict(speed) for name, speed in (kept() | measured).items()})
    progress("encoders", len(specs), len(specs))
    return measured


def kept() -> dict[str, Speed]:
    """What was measured here before, by spec; empty when nothing was."""
    try:
        return {spec: Speed(**facts) for spec, facts in json.loads(_file().read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _measured(spec: str, device: str) -> Speed:
    encoder = plugins.build("encoders", spec, device=device)
    pictures = [
        Image.fromarray(noise).resize(SIZE)
        for noise in np.random.default_rng(0).integers(0, 256, (PICTURES, 24, 32, 3), dtype=np.uint8)
    ]

    def work(some: Sequence[Image.Image]) -> int:
        return len(encoder.encode(np.stack([encoder.preprocess(picture) for picture in some])))

    try:
        sum(in_order(pictures, work, chunk=32))  # what is made ready once
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < SECONDS:
            done += sum(in_order(pictures, work, chunk=32))
    except (RuntimeError, MemoryError) as error:  # of torch: too little memory for one network
        raise SemblanceError(f"{spec} cannot be measured here: {' '.join(str(error).split())[:200]}") from error
    return Speed(encoder.dim, round(done / (time.perf_counter() - begun), 1))


def _file() -> Path:
    return Settings().cache / "encoder_speeds.json"
