"""Fine-tuning on a gallery's own pictures: learn, measure on pictures held out, and switch only to what is better.

A head learns from the embeddings that the gallery keeps: no picture is opened and a CPU needs seconds. The whole network
learns from the pictures: finetune_whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import reencode
from pipeline.metrics import intervals, protocol
from pipeline.networks import head as heads
from pipeline.records import Progress, VectorStore, silent
from pipeline.settings import Settings
from training.finetune import finetune_whole, gallery_labels
from training.finetune.gallery_labels import Lesson, Source
from training.finetune.head import learn

KIND = "finetune"
Tune = Literal["head", "whole"]
Switch = Literal["if-better", "never", "always"]
METRICS = ("recall_at_1", "map_at_r")
MIN_MAPPED, MAX_MAPPED = 20, 1500  # held-out pictures on the two maps


@dataclass(frozen=True)
class _Outcome:
    """embeddings: (n, dim) in the lesson's order. switch: makes it the gallery's encoder and returns its spec."""

    embeddings: np.ndarray
    looks: list[tuple[int, float]]
    switch: Callable[[], str]


def finetune(
    gallery: Gallery,
    *,
    source: Source = "labels",
    tune: Tune = "head",
    encoder: str = "",
    epochs: float = 20,
    switch: Switch = "if-better",
    store: VectorStore | None = None,
    maps: bool = True,
    device: str = "auto",
    seed: int = 0,
    command: list[str] | None = None,
    progress: Progress = silent,
) -> str:
    """Returns the name of a report of KIND: before and after on test, each label, dev's looks, what was switched to.

    source: what the labels are (gallery_labels.lesson). tune: `head` learns over kept embeddings, `whole` trains the
    network for `epochs`, which wants a GPU or patience. encoder: what to begin from instead of the gallery's own, which
    encodes every picture first; a head begins from what it was learned over. switch, if-better: when map_at_r on test
    rises and the 95 % interval of the rise is above 0. maps: place the test pictures before and after, the slowest part.
    Raises UsageError when there is too little to learn from, GalleryError, StoreError.
    """
    begun = time.monotonic()
    current = gallery.current
    base8 = _base(gallery, encoder, device, progress)
    lesson = gallery_labels.lesson(gallery, gallery.rows(base8), source=source, seed=seed)
    base = gallery.encoder(base8)["spec"]
    if tune == "head":
        made = _head(gallery, lesson, base8, store, seed, progress)
    else:
        spec = finetune_whole.train(
            gallery, lesson, base, epochs=epochs, device=device, seed=seed, command=command or [], progress=progress
        )
        made = _encoded(gallery, lesson, spec, store, device, progress)
    before = _in_order(gallery, current, lesson)
    measured = {when: _measured(of, lesson) for when, of in (("before", before), ("after", made.embeddings))}
    rise = {name: _interval(measured["after"][name] - measured["before"][name], seed) for name in METRICS}
    better = rise["map_at_r"]["low"] > 0
    seconds = time.monotonic() - begun
    taken = made.switch() if switch == "always" or (switch == "if-better" and better) else ""
    labels = lesson.labels[lesson.part("test")]
    report = {
        "source": source,
        "tune": tune,
        "base": base,
        "before": gallery.encoder(current)["spec"],
        "after": taken,
        "better": better,
        "metrics": {
            name: {when: _interval(values[name], seed) for when, values in measured.items()} | {"rise": rise[name]}
            for name in METRICS
        },
        "labels": _by_label(measured, labels),
        "worst": gallery_labels.worst(measured["before"]["map_at_r"], labels),
        "counts": {name: len(lesson.part(name)) for name in ("train", "dev", "test")},
        "judged": {"triplets": len(lesson.judged.triplets), "pairs": len(lesson.judged.pairs)},
        "notes": lesson.notes,
        "looks": made.looks,
        "seconds": round(seconds, 1),
        "dim": made.embeddings.shape[1],
        "seed": seed,
    }
    return reports.write(
        gallery, KIND, report, _maps(lesson, before, made.embeddings, seed, progress) if maps else None
    )


def _head(
    gallery: Gallery, lesson: Lesson, base8: str, store: VectorStore | None, seed: int, progress: Progress
) -> _Outcome:
    train, dev = lesson.part("train"), lesson.part("dev")
    learned = learn(
        lesson.rows.embeddings, lesson.labels, train, dev,
        judged=lesson.judged, hidden=128 if len(train) < gallery_labels.FEW else 256, dim=128, seed=seed, progress=progress,
    )  # fmt: skip
    entry = gallery.encoder(base8)
    content = heads.to_bytes(learned.head, base=entry["spec"], fingerprint=entry["fingerprint"])

    def switch() -> str:
        return reencode.put_head(gallery, content, base8=base8, store=store, progress=progress)

    return _Outcome(learned.head(lesson.rows.embeddings), learned.looks, switch)


def _encoded(
    gallery: Gallery, lesson: Lesson, spec: str, store: VectorStore | None, device: str, progress: Progress
) -> _Outcome:
    """Every picture through a trained network; the gallery keeps the embeddings beside its own."""
    encoder = plugins.build("encoders", spec, device=device)
    fingerprint8 = reencode.encode_beside(gallery, encoder, spec=spec, progress=progress)

    def switch() -> str:
        return reencode.reencode(gallery, encoder, spec=spec, store=store, progress=progress)

    return _Outcome(_in_order(gallery, fingerprint8, lesson), [], switch)


def _base(gallery: Gallery, encoder: str, device: str, progress: Progress) -> str:
    """fingerprint8 of what the head goes over, its embeddings all there."""
    if encoder:
        built = plugins.build("encoders", encoder, device=device)
        spec = plugins.absolute("encoders", encoder)
        return reencode.encode_beside(gallery, built, spec=spec, progress=progress)
    entry = gallery.encoder()
    name, options = plugins.parse(entry["spec"])
    if name != "head":
        return gallery.current
    under = heads.read(Settings().home / options["file"])[1]["base_fingerprint"][:8]
    if lost := gallery.ids() - (gallery.ids(under) if under in gallery.manifest()["encoders"] else set()):
        raise UsageError(
            f"{len(lost):,} pictures of gallery {gallery.name} came after it was fine-tuned and have no embedding of the "
            f"encoder beneath; give it as --encoder, which encodes them"
        )
    return under


def _in_order(gallery: Gallery, fingerprint8: str, lesson: Lesson) -> np.ndarray:
    """(n, dim) of an encoder, in the lesson's order."""
    rows = gallery.rows(fingerprint8)
    place = {picture: row for row, picture in enumerate(rows.table["id"])}
    return rows.embeddings[[place[picture] for picture in lesson.rows.table["id"]]]


def _measured(embeddings: np.ndarray, lesson: Lesson) -> dict[str, np.ndarray]:
    """METRICS as (test,) values: test asks, train is searched; nan where train has nothing of the label."""
    train, test = lesson.part("train"), lesson.part("test")
    train_labels, test_labels = lesson.labels[train], lesson.labels[test]
    return protocol.measure(embeddings[test], test_labels, embeddings[train], train_labels, metrics=METRICS).values


def _interval(values: np.ndarray, seed: int) -> dict[str, float]:
    return intervals.interval(values, seed=seed).rounded(4)


def _by_label(measured: dict[str, dict[str, np.ndarray]], labels: np.ndarray) -> list[dict[str, Any]]:
    """map_at_r and recall_at_1 of each label that test has, before and after."""
    table = pd.DataFrame({f"{name} {when}": values[name] for when, values in measured.items() for name in METRICS})
    grouped = table.groupby(labels)
    made = grouped.mean().round(4).assign(pictures=grouped.size()).dropna()
    return [{"label": str(label)} | row for label, row in made.to_dict("index").items()]


def _maps(lesson: Lesson, before: np.ndarray, after: np.ndarray, seed: int, progress: Progress) -> pd.DataFrame | None:
    """Where t-SNE places the test pictures with either encoder; None of too few for a map."""
    rows = lesson.part("test")
    if len(rows) < MIN_MAPPED:
        return None
    if len(rows) > MAX_MAPPED:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_MAPPED, replace=False))
    made = lesson.rows.table.iloc[rows][["id"]].assign(label=lesson.labels[rows])
    for when, embeddings in (("before", before), ("after", after)):
        projection = plugins.build("projections", f"tsne:perplexity={min(30, (len(rows) - 1) // 3)}")
        placed = projection.fit(embeddings[rows], seed=seed, progress=_named(progress, f"map {when}"))
        made[[f"{when}_x", f"{when}_y"]] = placed.points
    return made.reset_index(drop=True)


def _named(progress: Progress, stage: str) -> Progress:
    return lambda _, done, total: progress(stage, done, total)
