"""Fine-tuning a whole network on a gallery's pictures: prepared, trained as a run, and encoded again with what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import devices, plugins
from pipeline.encoders.deep_ranking import SHIPPED
from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import roots
from pipeline.networks import model_folder
from pipeline.records import ImageRecord, Progress, silent
from pipeline.settings import Settings
from training import recipes, runs
from training.data import prepare, prepared
from training.finetune.gallery_labels import Lesson
from training.loop import start

LR = 0.25  # of the recipe's own, which begins from nothing
NAMES = {"train": "train", "dev": "validation", "test": "test"}  # as `prepare` reads a dataset's splits


@dataclasses.dataclass(frozen=True)
class GalleryPictures:
    """records.Dataset of a lesson's pictures, in its splits."""

    root: Path
    lesson: Lesson

    def prepare(self, progress: Progress = silent) -> None:
        """They are there."""

    def records(self) -> Iterator[ImageRecord]:
        for path, label, split in zip(
            self.lesson.rows.table["path"], self.lesson.labels, self.lesson.split, strict=True
        ):
            yield ImageRecord(path, str(label), NAMES[split])


def train(
    gallery: Gallery,
    lesson: Lesson,
    base: str,
    *,
    epochs: float = 20,
    device: str = "auto",
    seed: int = 0,
    command: list[str],
    progress: Progress = silent,
) -> str:
    """The spec of the encoder that came out: `checkpoint:run=NAME`.

    base: deep_ranking or a checkpoint, whose weights it begins with; its averaged weights with the best recall_at_1 on
    dev are kept. Raises UsageError for another base, parts of pictures, and files that are not below one folder.
    """
    facts, init = _network(base)
    settings = Settings()
    number = 1 + sum(name.startswith(f"{_run_name(gallery)}-") for name in runs.names(settings))
    name = f"{_run_name(gallery)}-{number}"
    folder = settings.home / "prepared" / name
    prepare.prepare(
        GalleryPictures(_root(gallery, lesson), lesson), folder,
        spec=f"gallery {gallery.name}", open_labels=0, seed=seed, progress=progress,
    )  # fmt: skip
    kind = "gpu" if devices.choose(device).type == "cuda" else "cpu"
    made = recipes.recipe(
        kind, loss=recipes.CLASSIFICATION, lr=LR * recipes.BASES[kind].lr, seed=seed,
        **facts | {"batch_size": min(128, max(6, len(lesson.part("train")) // 2))},
    )  # fmt: skip
    run = start.new_run(name, prepared.load(folder), made, minutes=0, epochs=epochs, init=init, command=command)
    if start.go_on(run, device=device, progress=progress) == "stopped":
        raise KeyboardInterrupt
    return f"checkpoint:run={name}"


def _network(base: str) -> tuple[dict[str, Any], str]:
    """Facts of the recipe, and the folder whose weights to begin with."""
    name, options = plugins.parse(base)
    if name not in ("deep_ranking", "checkpoint"):
        raise UsageError(
            f"{base} cannot be trained whole: that takes deep_ranking or a checkpoint; leave --tune whole out, and a "
            "head is learned over it"
        )
    folder = Settings().runs / options["run"] if name == "checkpoint" else Path(options.get("weights") or SHIPPED)
    network = model_folder.load(folder).network
    # what no label taught (`kept`) and the grid it is taken from stay behind: labels teach the rest
    learned = network.head.out_features
    return {"dim": learned, "grid": 0} | {key: network.options[key] for key in ("backbone", "multiscale")}, str(folder)


def _root(gallery: Gallery, lesson: Lesson) -> Path:
    if (lesson.rows.table["box"] != "").any():
        raise UsageError("parts of pictures are taught by a head only; leave --tune whole out")
    paths = lesson.rows.table["path"].tolist()
    for root in roots(gallery):
        if all((root / path).is_file() for path in paths):
            return root
    raise UsageError(
        f"the pictures of gallery {gallery.name} are not all below one folder any more; put them back, or leave "
        "--tune whole out: a head needs no files"
    )


def _run_name(gallery: Gallery) -> str:
    return runs.name_of(gallery.name[:50], "finetuned")
