"""Small real galleries for tests: drawn pictures, the colour histogram, Milvus Lite or the exact store."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import warm_commands
from PIL import Image

from pipeline import ROOT, plugins
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import ingest as ingestion
from pipeline.ingest import sync
from pipeline.ingest.ingest import IngestReport
from pipeline.records import VectorStore
from pipeline.settings import Settings

SPEC = "color_histogram:grid=2,bins=2"


def draw(file: Path, seed: int, *, size: tuple[int, int] = (40, 32)) -> Path:
    """A picture of soft blobs, a PNG or JPEG by its name; the same seed gives the same file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    blobs = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC).save(file)
    return file


def photos(folder: Path, count: int, *, labels: tuple[str, ...] = ("cup", "bowl", "shoe"), first: int = 0) -> Path:
    """LABEL/NNN.png, labels in turn; returns the folder."""
    for number in range(first, first + count):
        draw(folder / labels[number % len(labels)] / f"{number:03d}.png", number)
    return folder


@functools.cache
def encoder(spec: str = SPEC):
    return plugins.build("encoders", spec, device="cpu")


@contextlib.contextmanager
def lite() -> Iterator[VectorStore]:
    with contextlib.closing(sync.open_store(Settings())) as store:
        yield store


def exact() -> VectorStore:
    return plugins.build("stores", "exact")


def fill(
    folder: Path | str, store: VectorStore | None = None, *, name: str = "small", limit: int = 0, spec: str = SPEC
) -> tuple[Gallery, IngestReport]:
    """Ingest a folder, or the dataset a spec names, into the gallery `name`."""
    dataset = folder if isinstance(folder, str) else f"folder:root={folder}"
    made = create_gallery(name, Settings())
    report = ingestion.ingest(
        made,
        plugins.build("datasets", dataset),
        encoder(spec),
        spec=spec,
        store=store,
        dataset_spec=plugins.absolute("datasets", dataset),
        limit=limit,
    )
    return made, report


@contextlib.contextmanager
def process(*command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone at the end, whatever happens; one that still runs says first where each thread stood."""
    environment = (env or os.environ) | {"PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None and sys.exc_info()[0] is not None:
                child.send_signal(signal.SIGABRT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    print(*child.communicate(timeout=10), sep="\n")
            child.kill()


def run(*words: str | Path, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline WORDS` in a process of its own, in the present environment."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | (env or {})
    return warm_commands.run(list(map(str, words)), stdin=stdin, env=environment)
