"""Encoders side by side on the same pictures: size, speed, and how well each finds pictures of the same label.

The pictures are a stratified sample of a dataset or of a gallery, decoded once. See compare.py for a quick trial.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import ROOT, devices, filters, plugins
from pipeline.comparison.labelled_pictures import Pictures, Source, open_all, sample
from pipeline.errors import SemblanceError, UsageError
from pipeline.filters import Filter
from pipeline.metrics import protocol, retrieval
from pipeline.metrics.intervals import interval
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
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    error: str = ""
    remedy: str = ""


def split_specs(texts: Sequence[str]) -> list[str]:
    """`a,b:x=1,y=2,c` to a, b:x=1,y=2 and c: a comma begins a new encoder where a plugin's name follows it.

    So it does after a bare name, which has no options that could go on. Each spec once, in order. Raises UsageError.
    """
    known, specs = plugins.available("encoders"), list[str]()
    for text in texts:
        begun = ""
        for piece in text.split(","):
            if not piece.strip():
                raise UsageError(f"--encoders {text!r} has nothing between two commas or at an end; write a,b,c")
            if begun and ":" in begun and piece.partition(":")[0].strip() not in known:
                begun += f",{piece}"
                continue
            specs += [begun.strip()] if begun else []
            begun = piece
        specs.append(begun.strip())
    return list(dict.fromkeys(specs))


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
    filters.check(queries, source.metadata_keys)
    asks = filters.mask(queries, source.table).to_numpy()
    names = source.table["label"].to_numpy(object)
    labelled = np.flatnonzero(names != "")
    _check(_Asking(names[labelled], asks[labelled]), queries, source.name)
    rows = labelled[sample(names[labelled], asks[labelled], limit=limit, seed=seed)]
    pictures = open_all(source, rows, progress)
    asking = _Asking(names[pictures.rows], asks[pictures.rows])
    _check(asking, queries, f"what could be read of {source.name}{pictures.fault}")
    found = []
    for number, spec in enumerate(specs, 1):
        show = _named(progress, f"{number} of {len(specs)}, {spec}")
        found.append(_row(spec, pictures, asking, batch_sizes=batch_sizes, device=device, seed=seed, progress=show))
    found.sort(key=lambda row: (not row.metrics, -row.metrics["map_at_r"]["value"] if row.metrics else 0))
    return {
        "source": source.name,
        "queries": str(queries),
        "labelled": len(labelled),
        "unlabelled": len(names) - len(labelled),
        "sampled": len(rows),
        "unreadable": pictures.unreadable,
        "copies": pictures.copies,
        "pictures": len(pictures.rows),
        "labels": len(set(asking.labels)),
        "n_queries": asking.able,
        "n_skipped": int(asking.asked.sum()) - asking.able,
        "batch_sizes": list(batch_sizes),
        "device": str(on),
        "seed": seed,
        "rows": [asdict(row) for row in found],
    }


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


def _row(
    spec: str,
    pictures: Pictures,
    asking: _Asking,
    *,
    batch_sizes: Sequence[int],
    device: str,
    seed: int,
    progress: Progress,
) -> Row:
    progress("", 0, 0)
    try:
        encoder: Encoder = plugins.build("encoders", spec, device=device)
        metrics = asking.metrics(_encoded(encoder, pictures, progress), seed=seed)
        speeds = {str(size): round(_speed(encoder, pictures, size), 2) for size in batch_sizes}
    # too little memory for one network is a RuntimeError of torch; the other rows must not be lost with it
    except (SemblanceError, RuntimeError, MemoryError, OSError, ImportError) as error:
        first, *rest = re.split(r"\.\s+(?=[A-Z])", str(error).strip() or type(error).__name__, maxsplit=1)
        return Row(spec, error=" ".join(first.split()), remedy=" ".join("".join(rest).split()))
    parameters, file = size_of(encoder), getattr(encoder, "weight_file", None) or _weight_file(spec)
    size, of = (file.stat().st_size, "file") if file else (4 * parameters, "memory" if parameters else "")
    return Row(spec, encoder.dim, parameters, size, of, encoder.fingerprint, speeds, metrics)


@dataclass(frozen=True)
class _Asking:
    """Who asks whom: all ask all others, or those that are `asked` ask the rest. Both (n,), of the pictures."""

    labels: np.ndarray
    asked: np.ndarray

    def sides(self, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of `marks` that ask, and that are searched."""
        return (marks, marks) if self.asked.all() else (marks[self.asked], marks[~self.asked])

    @property
    def own(self) -> np.ndarray | None:
        """Of each that asks, its own place among what is searched."""
        return np.arange(len(self.labels)) if self.asked.all() else None

    @property
    def able(self) -> int:
        """How many that ask have something to find."""
        counts = retrieval.relevant_counts(*self.sides(self.labels.astype(str)), exclude=self.own)
        return int((counts > 0).sum())

    def metrics(self, embeddings: np.ndarray, *, seed: int) -> dict[str, dict[str, float]]:
        queries, gallery = self.sides(embeddings)
        labels, held = self.sides(self.labels.astype(str))
        measured = protocol.measure(queries, labels, gallery, held, exclude=self.own, metrics=METRICS)
        return {name: interval(values, seed=seed).rounded() for name, values in measured.values.items()}


def _encoded(encoder: Encoder, pictures: Pictures, progress: Progress) -> np.ndarray:
    def work(some: Sequence[int]) -> np.ndarray:
        return encoder.encode(np.stack([encoder.preprocess(pictures[i]) for i in some]))

    found, done = [], 0
    for part in in_order(range(len(pictures.rows)), work, chunk=16):
        found.append(part)
        done += len(part)
        progress("", done, len(pictures.rows))
    return np.concatenate(found)


def _speed(encoder: Encoder, pictures: Pictures, size: int) -> float:
    """Pictures a second, batch after batch in this thread: one core, as encoding before has left torch one thread."""
    there = [picture for picture in pictures.held if picture is not None]

    def batch(first: int) -> None:
        encoder.encode(np.stack([encoder.preprocess(there[i % len(there)]) for i in range(first, first + size)]))

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


def _check(asking: _Asking, queries: Filter, name: str) -> None:
    """UsageError unless these pictures can tell encoders apart."""
    labels = sorted(set(asking.labels))
    if not labels:
        raise UsageError(
            f"no picture has a label in {name}, so nothing says which hits are right; name data with labels"
        )
    if len(labels) == 1:
        raise UsageError(f"the only label is {labels[0]!r} in {name}, so every hit would be right; two are needed")
    if not asking.asked.any():
        raise UsageError(f"no labelled picture passes {queries} in {name}; name another --queries")
    if queries and asking.asked.all():
        raise UsageError(
            f"every labelled picture passes {queries} in {name}, so none is left to search; narrow --queries"
        )
    if not asking.able:
        raise UsageError(
            f"no picture that asks has another of its label to find in {name}; name data with more a label"
        )


def _named(progress: Progress, name: str) -> Progress:
    return lambda _, done, total: progress(name, done, total)
