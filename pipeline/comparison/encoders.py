"""Encoders side by side on the same pictures: size, speed, and how well each finds pictures of the same label.

The pictures are a stratified sample of a dataset or of a gallery, decoded once. `try_encoders` is a quick trial on a
gallery, whose pictures need no labels.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import ROOT, devices, filters, plugins
from pipeline.comparison.labelled_pictures import Pictures, Sides, Source, of_gallery, open_all, sample
from pipeline.errors import GalleryError, SemblanceError
from pipeline.filters import Filter
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import retrieval
from pipeline.parallel import in_order
from pipeline.records import Encoder, Progress, silent

KIND = "encoders"  # of the report
METRICS = ("recall_at_1", "map_at_r", "knn_20")
BATCH_SIZES = (1, 8, 32)
LIMIT = 2_000
UNTRAINED = "torchvision:arch=resnet18,weights=none"
USUAL = (  # the customer's documents compare the first eight
    "torchvision:arch=vgg16",
    "torchvision:arch=vgg19",
    "timm:arch=mobilenetv1_100",
    "torchvision:arch=inception_v3",
    "torchvision:arch=resnet50",
    "timm:arch=legacy_xception",
    "torchvision:arch=alexnet",
    "torchvision:arch=resnet152",
    "color_histogram",
    "deep_ranking",
    UNTRAINED,
)
SECONDS = 1.0  # that each batch size is timed, at least
TRIAL_BATCH = 32


@dataclass(frozen=True)
class Row:
    """One encoder. Without figures, `error` says why in one sentence, and `remedy` what else is known.

    bytes_of: `file`, the weight file that the spec names, or `memory`, 4 bytes a parameter. pictures_per_second: by
    batch size, decoded picture to embedding. metrics: {name: {value, low, high}}, the interval of 95 %.
    """

    encoder: str
    dim: int = 0
    parameters: int = 0
    bytes: int = 0
    bytes_of: str = ""
    fingerprint: str = ""
    pictures_per_second: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Trial:
    """One encoder of try_encoders. map_at_r is nan without labels; `error` says why there are no figures."""

    encoder: str
    dim: int = 0
    pictures_per_second: float = 0.0
    bytes_each: int = 0
    map_at_r: float = float("nan")
    pictures: int = 0
    error: str = ""


def compare(
    source: Source,
    specs: Sequence[str],
    *,
    queries: Filter = Filter(),
    limit: int = LIMIT,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The report: what was compared on, and `rows`, highest map_at_r first.

    Each labelled picture asks for all others; with `queries`, those that pass ask for the rest. Pictures without a
    label, identical copies and unreadable files take no part and are counted, as are queries with nothing to find.
    An encoder that cannot be had is a row with its reason. Raises UsageError for pictures that cannot tell.
    """
    on = devices.choose(device)
    asked = filters.check(queries, source.metadata_keys, fields=filters.UNREAD)
    is_query = filters.mask(asked, source.table).to_numpy()
    labels = source.table["label"].to_numpy(object)
    labelled = np.flatnonzero(labels != "")
    Sides(labels[labelled], is_query[labelled]).check(queries, source.name)
    drawn = labelled[sample(labels[labelled], is_query[labelled], limit=limit, seed=seed)]
    pictures = open_all(source, drawn, progress)
    sides = Sides(labels[pictures.rows], is_query[pictures.rows])
    sides.check(queries, f"what could be read of {source.name}{pictures.fault}")
    rows = []
    for number, spec in enumerate(specs, 1):
        show = _named(progress, f"{number} of {len(specs)}, {spec}")
        metrics = partial(sides.metrics, METRICS, seed=seed)
        rows.append(_measure(spec, pictures, metrics, batch_sizes=batch_sizes, device=device, progress=show))
    rows.sort(key=lambda row: (not row.metrics, -row.metrics["map_at_r"]["value"] if row.metrics else 0))
    return {
        "source": source.name,
        "queries": str(queries),
        "labelled": len(labelled),
        "unlabelled": len(labels) - len(labelled),
        "sampled": len(drawn),
        "unreadable": pictures.unreadable,
        "copies": pictures.copies,
        "pictures": len(pictures.rows),
        "labels": len(set(sides.labels)),
        "n_queries": sides.able,
        "n_skipped": int(sides.is_query.sum()) - sides.able,
        "batch_sizes": list(batch_sizes),
        "device": str(on),
        "seed": seed,
        "rows": [asdict(row) for row in rows],
    }


def try_encoders(
    gallery: Gallery,
    specs: Sequence[str],
    *,
    sample: int = 300,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> list[Trial]:
    """Each encoder on the same random pictures, best map_at_r first; nothing is kept.

    An encoder that cannot be had is a row with its reason. GalleryError when no picture can be read.
    """
    source = of_gallery(gallery)
    n = len(source.table)
    if not n:
        raise GalleryError(f"gallery {gallery.name} holds no pictures to try encoders on; ingest some first")
    pictures = open_all(source, np.sort(np.random.default_rng(seed).permutation(n)[:sample]), progress)
    if not len(pictures.rows):
        raise GalleryError(f"no picture of gallery {gallery.name} could be read{pictures.fault}")
    labels = source.table["label"].to_numpy(str)[pictures.rows]
    labelled = np.flatnonzero(labels != "")

    def metrics(embeddings: np.ndarray) -> dict[str, float]:
        if len(set(labels[labelled])) < 2:
            return {}
        return {"map_at_r": retrieval.map_at_r(embeddings[labelled], labels[labelled])}

    trials = []
    for number, spec in enumerate(specs):
        progress("encoders", number, len(specs))
        row = _measure(spec, pictures, metrics, batch_sizes=(TRIAL_BATCH,), device=device, progress=silent)
        error = ". ".join(filter(None, (row.error, row.remedy)))
        rate = row.pictures_per_second.get(str(TRIAL_BATCH), 0.0)
        score = row.metrics.get("map_at_r", float("nan"))
        trials.append(Trial(spec, row.dim, rate, 4 * row.dim, score, 0 if error else len(labels), error))
    progress("encoders", len(specs), len(specs))
    return sorted(trials, key=lambda trial: (bool(trial.error), -np.nan_to_num(trial.map_at_r)))


def size_of(encoder: Encoder) -> int:
    """Parameters: what the encoder states as `parameters`, else those of its network; 0 when it has none.

    A network is counted as it runs: without its classifier, which none of ours needs, and with each BatchNorm folded
    into the convolution before it. So resnet50 has 23.5 million here and 25.6 million where it is published.
    """
    if isinstance(stated := getattr(encoder, "parameters", None), int):
        return stated
    if (network := getattr(encoder, "network", None)) is not None:
        return sum(int(tensor.numel()) for tensor in network.parameters())
    if (base := getattr(encoder, "base", None)) is not None:  # of pca, which adds a mean and a matrix
        return size_of(base) + sum(int(getattr(encoder, name).size) for name in ("mean", "components"))
    return 0


def _measure(
    spec: str,
    pictures: Pictures,
    metrics: Callable[[np.ndarray], dict[str, Any]],
    *,
    batch_sizes: Sequence[int],
    device: str,
    progress: Progress,
) -> Row:
    """One encoder on pictures. metrics: of their embeddings (n, dim)."""
    progress("", 0, 0)
    try:
        encoder: Encoder = plugins.build("encoders", spec, device=device)
        figures = metrics(_encoded(encoder, pictures, progress))
        speeds = {str(size): round(_speed(encoder, pictures, size), 2) for size in batch_sizes}
    # too little memory for one network is a RuntimeError of torch; the other rows must not be lost with it
    except (SemblanceError, RuntimeError, MemoryError, OSError, ImportError) as error:
        first, *rest = re.split(r"\.\s+(?=[A-Z])", str(error).strip() or type(error).__name__, maxsplit=1)
        return Row(spec, error=" ".join(first.split()), remedy=" ".join("".join(rest).split()))
    parameters, file = size_of(encoder), getattr(encoder, "weight_file", None) or _weight_file(spec)
    size, of = (file.stat().st_size, "file") if file else (4 * parameters, "memory" if parameters else "")
    return Row(spec, encoder.dim, parameters, size, of, encoder.fingerprint, speeds, figures)


def _encoded(encoder: Encoder, pictures: Pictures, progress: Progress) -> np.ndarray:
    def work(some: Sequence[int]) -> np.ndarray:
        return encoder.encode(np.stack([encoder.preprocess(pictures[i]) for i in some]))

    parts, done = [], 0
    for part in in_order(range(len(pictures.rows)), work, chunk=16):
        parts.append(part)
        done += len(part)
        progress("", done, len(pictures.rows))
    return np.concatenate(parts)


def _speed(encoder: Encoder, pictures: Pictures, size: int) -> float:
    """Pictures a second, batch after batch in this thread: one core, as encoding before has left torch one thread."""
    held = [picture for picture in pictures.held if picture is not None]

    def batch(first: int) -> None:
        encoder.encode(np.stack([encoder.preprocess(held[i % len(held)]) for i in range(first, first + size)]))

    batch(0)  # the first of a new shape makes ready what later ones find
    begun, done = time.perf_counter(), 0
    while not done or time.perf_counter() - begun < SECONDS:
        batch(done)
        done += size
    return done / (time.perf_counter() - begun)


def _weight_file(spec: str) -> Path | None:
    """The file that `weights=…` names, or the one in the folder it names; of our own network, the one that is shipped."""
    name, options = plugins.parse(spec)
    shipped = ROOT / "models" if name == "deep_ranking" and not options else Path("none")
    given = Path(options.get("weights") or shipped).expanduser()
    return next((file for file in (given, given / "model.safetensors") if file.is_file()), None)


def _named(progress: Progress, name: str) -> Progress:
    return lambda _, done, total: progress(name, done, total)
