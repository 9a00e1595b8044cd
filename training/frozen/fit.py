"""From datasets to a model folder: features of a frozen backbone, filters of its low-resolution paths, its last layer."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import plugins
from pipeline.datasets.catalogue import Catalogue
from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.features.appearance import unit
from pipeline.filters import Filter, matching
from pipeline.images import opening
from pipeline.networks import deep_ranking, efficientnet_lite
from pipeline.networks.cropping import Cropping
from pipeline.networks.deep_ranking import DeepRanking
from pipeline.networks.frozen import seeded
from pipeline.records import Dataset, ImageRecord, Progress, silent
from training.frozen import filters
from training.frozen.features import Features, Frozen
from training.frozen.head import Components, Lessons, Settings, fold_into, learn
from training.results import export
from training.sampling import triplets

AXES_FROM = 1200  # pictures of each dataset from which means, axes and filters come, so that none outweighs another
FILTERS_FROM = 3000
GOLDEN, GRADED = 0.3, 1.0  # weights of the two kinds of triplets
GOLDEN_EACH, GRADED_COUNT = 300, 12_000
APPEARANCE = {"colour": 0.5, "texture": 0.5}  # the golden feature without a learned part


def fit(
    folder: Path,
    *,
    labels: str,
    grades: str = "",
    unlabelled: Sequence[str] = (),
    where: Filter = Filter(),
    each: int = 0,
    limit: int = AXES_FROM,
    kept: Path,
    backbone: deep_ranking.Backbone = "efficientnet_lite2",
    side: int = 0,
    grid: int = 3,
    shallow: float = 0.4,
    settings: Settings = Settings(),
    seed: int = 0,
    device: str = "auto",
    command: str = "",
    note: str = "",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the model into `folder` and return its model.json. Only train splits, and pictures without a split, teach.

    labels: a dataset whose labels teach, `each` pictures of one (0 = all). grades: the catalogue, whose grades teach,
    of the items that pass `where`. unlabelled: datasets that means, axes and filters alone come from, `limit` pictures
    each. shallow: length of the low-resolution part, where deep path and grid have 1. kept: where features stay. note: for
    the card.
    Raises UsageError for a dataset that cannot teach this.
    """
    begun = time.monotonic()
    plan = deep_ranking.PLANS[backbone]
    size = (side or plan.size,) * 2
    lite = {"mean": efficientnet_lite.MEAN, "std": efficientnet_lite.STD} if "lite" in backbone else {}
    cropping = Cropping(size, size, **lite)  # type: ignore[arg-type]
    frozen = Frozen(backbone, cropping, grid=grid, device=device)

    specs = [labels, *([grades] if grades else []), *unlabelled]
    roles = ["labels", *(["grades"] if grades else []), *["means and axes"] * len(unlabelled)]
    sources = [source(labels, each=each, seed=seed, progress=progress)]
    if grades:
        sources.append(source(grades, where=where, progress=progress))
    sources += [source(spec, limit=limit, seed=seed, progress=progress) for spec in unlabelled]
    features = Features.joined(
        [
            frozen.features([opening.inside(dataset.root, record.path) for record in records], kept, progress=progress)
            for dataset, records in sources
        ]
    )
    ends = np.cumsum([len(records) for _, records in sources])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    random = np.random.default_rng(seed)
    some = np.concatenate([random.permutation(part)[:AXES_FROM] for part in rows])

    with seeded(seed):
        network = deep_ranking.build(backbone, dim=settings.dim, grid=grid, pretrained=True)
    network.eval()
    for path in network.paths:
        filters.settle(path, _normalised(features.small[random.permutation(some)[:FILTERS_FROM]], cropping), seed=seed)  # type: ignore[arg-type]
    parts = {"deep": features.deep, "shallow": _shallow(network, features, cropping), "grid": features.grid}
    components = Components(parts, some, shares={"deep": 1.0, "shallow": shallow, "grid": 1.0})
    inputs = components.of(parts)
    lessons = _lessons(sources[: 1 + bool(grades)], rows, features, seed)
    weight, bias = learn(inputs, lessons, settings, seed=seed)
    fold_into(network, components, weight, bias, unit(inputs[some] @ weight + bias))
    facts = {
        "dim": settings.dim,
        "run": folder.resolve().name,
        "command": command,
        "head": {"steps": settings.steps, "ranking": settings.ranking, "keep": settings.keep, "beyond": settings.beyond,
                 "shallow": shallow, "seed": seed},
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "versions": {"torch": torch.__version__},
        "data": {
            "dataset": labels.partition(":")[0],
            "labels": len(set(lessons.labels)),
            "taught": [
                {"dataset": _named(spec, dataset), "pictures": len(records), "by": by}
                for spec, by, (dataset, records) in zip(specs, roles, sources, strict=True)
            ],
            "where": str(where),
            "note": note,
        },
        "evaluation": {},
        "exported": datetime.date.today().isoformat(),
    }  # fmt: skip
    return export.write(folder, network.state_dict(), options=network.options, cropping=cropping, facts=facts)


def source(
    spec: str, *, where: Filter = Filter(), each: int = 0, limit: int = 0, seed: int = 0, progress: Progress
) -> tuple[Dataset, list[ImageRecord]]:
    """A dataset and those of its records that teach: of each label the first `each` of a drawn order, then `limit`."""
    dataset = plugins.build("datasets", spec)
    dataset.prepare(progress)
    records = matching(where, [record for record in dataset.records() if record.split in ("train", "")])
    if not records:
        raise UsageError(f"{spec} has no pictures in its train split that pass the filter; nothing else may teach")
    if each:
        by_label: dict[str, list[ImageRecord]] = {}
        for record in sorted(records, key=lambda record: record.path):
            by_label.setdefault(record.label, []).append(record)
        records = [
            some[i] for some in by_label.values() for i in np.random.default_rng(seed).permutation(len(some))[:each]
        ]
    if limit and len(records) > limit:
        records = [records[i] for i in np.sort(np.random.default_rng(seed).permutation(len(records))[:limit])]
    return dataset, records


def _named(spec: str, dataset: Dataset) -> str:
    """A dataset as the card names it: any folder by its own name."""
    name = spec.partition(":")[0]
    return dataset.root.name if name == "folder" else name


def _lessons(
    sources: list[tuple[Dataset, list[ImageRecord]]], rows: list[np.ndarray], features: Features, seed: int
) -> Lessons:
    """The first source teaches by labels and golden triplets, the second, if there is one, by its exact grades."""
    labels = np.array([record.label for record in sources[0][1]])
    if len(set(labels)) < 2 or "" in labels:
        raise UsageError(
            "--labels needs a dataset whose pictures have labels, two or more; name its folders after them"
        )
    members, matrices = relevance.relevances(relevance.features(features.small[rows[0]]), labels, weights=APPEARANCE)
    gap = relevance.thresholds(matrices)[1]
    taught = []
    if gap > 0:  # else two pictures a label: all pairs are equally relevant
        taught.append((GOLDEN, relevance.golden_triplets(members, matrices, gap=gap, each=GOLDEN_EACH, seed=seed)))
    for dataset, records in sources[1:]:
        if not isinstance(dataset, Catalogue):
            raise UsageError("--grades needs the catalogue, the one dataset whose similarity is known exactly")
        taught.append((GRADED, rows[1][triplets.graded(records, GRADED_COUNT, seed=seed)]))
    return Lessons(rows[0], labels, taught)


def _normalised(small: np.ndarray, cropping: Cropping) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (cropping.mean, cropping.std))
    normalised: torch.Tensor = (torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255 - mean) / std
    return normalised


@torch.no_grad()
def _shallow(network: DeepRanking, features: Features, cropping: Cropping) -> np.ndarray:
    """(n, 2 · maps · 16) of the low-resolution paths, which see no more than the small pictures hold."""
    parts = []
    for start in range(0, len(features.small), 256):
        pixels = _normalised(features.small[start : start + 256], cropping)
        parts.append(torch.cat([path(pixels) for path in network.paths], dim=1).numpy())
    return unit(np.concatenate(parts))
