"""What an encoder is worth on prepared pictures it was not trained on: one protocol for models, runs and baselines.

Queries are the test split, the gallery is train with dev (research protocol); for choices, dev against train.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.features import relevance
from pipeline.filters import Filter, matching
from pipeline.images import opening
from pipeline.metrics import intervals, protocol, triplets
from pipeline.networks import model_folder
from pipeline.parallel import in_order
from pipeline.records import Dataset, Encoder, Progress, silent
from pipeline.settings import Settings
from training.data.prepared import Prepared
from training.sampling import human_triplets
from training.sampling.triplets import graded as graded_triplets

Labels = Literal["all", "open", "closed"]
TRIPLETS = 20_000
METRICS = ("knn_20", "recall_at_1", "recall_at_30", "precision_at_30")  # of queries against the gallery


def encoder_of(target: str, *, device: str = "auto") -> Encoder:
    """target: a run's name, a folder with model.json, or an encoder spec such as color_histogram. Raises UsageError."""
    for folder in (Settings().runs / target, Path(target).expanduser()):
        if (folder / "model.json").is_file():
            return model_folder.load(folder).encoder(device)
    built: Encoder = plugins.build("encoders", target, device=device)
    return built


def encode(
    encoder: Encoder,
    n: int,
    picture: Callable[[int], Image.Image],
    *,
    workers: int = 0,
    progress: Progress = silent,
) -> np.ndarray:
    """(n, dim) of picture(0) to picture(n - 1), opened in the threads that encode, so that few are in memory at once."""

    def work(some: Sequence[int]) -> np.ndarray:
        return encoder.encode(np.stack([encoder.preprocess(picture(i)) for i in some]))

    parts: list[np.ndarray] = []
    for part in in_order(range(n), work, chunk=64, workers=workers):
        parts.append(part)
        progress("encode", min(64 * len(parts), n), n)
    return np.concatenate(parts)


def of_rows(data: Prepared, rows: np.ndarray) -> Callable[[int], Image.Image]:
    return lambda i: Image.fromarray(data.pixels[rows[i]])


def of_files(root: Path, paths: Sequence[str]) -> Callable[[int], Image.Image]:
    """Raises PictureError for a file that is no picture, or not below `root`."""
    return lambda i: opening.open_image(opening.read_file(opening.inside(root, paths[i]))).image


def evaluate(
    encoder: Encoder,
    data: Prepared,
    *,
    split: Literal["test", "dev"] = "test",
    labels: Labels = "all",
    teacher: Encoder | None = None,
    limit: int = 0,
    score_at: int = 0,
    seed: int = 0,
    workers: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """{"metrics": {name: {"value", "low", "high"}}, …}; intervals are 95 % over queries or triplets.

    labels: open restricts queries to the open set's, closed to the others; the gallery keeps all. teacher: whose
    embeddings are the semantic part of the golden feature; without one it is colour and texture. limit: queries a
    label; 0 = all. `map_at_r` is within the queries, leave-one-out; all else is queries against the gallery.
    score_at: K of the paper's score on the golden triplets, see `_score`; 0 = without it.
    """
    query_rows, gallery_rows = query_and_gallery_rows(data, split, labels, limit, seed)
    begun = time.perf_counter()
    gallery = encode(encoder, len(gallery_rows), of_rows(data, gallery_rows), workers=workers, progress=progress)
    rate = len(gallery_rows) / (time.perf_counter() - begun)
    queries = encode(encoder, len(query_rows), of_rows(data, query_rows), workers=workers)
    golden = golden_triplets(data, query_rows, teacher=teacher, seed=seed, workers=workers)
    progress("search", 0, 0)
    asked = data.labels[query_rows]
    report = {"metrics": figures(queries, gallery, asked, data.labels[gallery_rows], golden=golden, seed=seed)}
    if score_at and len(golden):
        most = int(np.bincount(asked).max())  # so that no triplet's own pictures are left out
        candidates = triplets.draw_candidates(asked, golden[:, 0], same=max(500, most), others=500, seed=seed)
        _score(report, queries, golden, candidates, k=score_at, seed=seed)
    return report | {
        "dim": encoder.dim,
        "fingerprint": encoder.fingerprint,
        "split": split,
        "labels": labels,
        "queries": len(query_rows),
        "gallery": len(gallery_rows),
        "golden_triplets": len(golden),
        "effective_rank": round(triplets.effective_rank(queries), 1),
        "pictures_per_second": round(rate, 1),
        "seed": seed,
    }


def figures(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_labels: np.ndarray,
    labels: np.ndarray,
    *,
    golden: np.ndarray,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Each metric of queries (q, dim) against a gallery (n, dim) with its interval. golden: (t, 3) rows of the queries."""
    own = np.arange(len(queries))
    values = protocol.measure(queries, query_labels, gallery, labels, metrics=METRICS).values
    values |= protocol.measure(queries, query_labels, queries, query_labels, exclude=own, metrics=["map_at_r"]).values
    category = triplets.category_triplets(query_labels, TRIPLETS, seed=seed)
    values["similarity_precision"] = triplets.similarity_precision(queries, category)
    if len(golden):
        values["similarity_precision_in_class"] = triplets.similarity_precision(queries, golden)
    return {name: _interval(value, seed) for name, value in values.items()}


def golden_triplets(
    data: Prepared, rows: np.ndarray, *, teacher: Encoder | None, seed: int, workers: int = 0
) -> np.ndarray:
    """(n, 3) places in `rows`, up to 100 a label: in-class triplets that the golden feature orders by T_r or more."""
    features = relevance.features(data.pixels[rows])
    if teacher is not None:
        features["semantic"] = encode(teacher, len(rows), of_rows(data, rows), workers=workers)
    members, matrices = relevance.relevances(features, data.labels[rows])
    _, gap = relevance.thresholds(matrices)
    if gap <= 0:  # two pictures a label: all pairs are equally relevant
        return np.empty((0, 3), np.int64)
    return relevance.golden_triplets(members, matrices, gap=gap, each=100, seed=seed)


def graded(
    encoder: Encoder,
    dataset: Dataset,
    *,
    where: Filter = Filter(),
    score_at: int = 0,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """similarity_precision on the catalogue's exact grades: of two pictures, the one with the higher grade is nearer.

    Of the pictures that pass `where`, within a kind as in the paper, so that telling kinds apart gains nothing.
    """
    dataset.prepare(progress)
    records = matching(where, list(dataset.records()))
    embeddings = _encoded(encoder, dataset.root, [record.path for record in records], progress)
    drawn = graded_triplets(records, TRIPLETS // 4, seed=seed)
    values = triplets.similarity_precision(embeddings, drawn)
    report: dict[str, Any] = {"metrics": {"similarity_precision_graded": _interval(values, seed)}}
    if score_at:
        labels = [record.label for record in records]
        most = max(Counter(labels).values())
        candidates = triplets.draw_candidates(labels, drawn[:, 0], same=max(500, most), others=500, seed=seed)
        _score(report, embeddings, drawn, candidates, k=score_at, seed=seed)
    return report | {
        "pictures": len(records),
        "triplets": len(drawn),
        "seed": seed,
    }


def transferred(
    encoder: Encoder, dataset: Dataset, *, split: str = "test", seed: int = 0, progress: Progress = silent
) -> dict[str, Any]:
    """recall_at_1 and map_at_r on a dataset's own pictures. Raises UsageError.

    `split` asks and train is searched; split="all": each picture asks all the others.
    """
    dataset.prepare(progress)
    everyone = split == "all"
    records = [
        record for record in dataset.records() if record.label and (everyone or record.split in (split, "train"))
    ]
    is_query = np.array([record.split == split for record in records])
    if not everyone and (not is_query.any() or is_query.all()):
        raise UsageError(f"the dataset needs labelled pictures in the splits {split} and train; name another --split")
    embeddings = _encoded(encoder, dataset.root, [record.path for record in records], progress)
    labels = np.array([record.label for record in records])
    queries, gallery, own = np.flatnonzero(is_query), np.flatnonzero(~is_query), None
    if everyone:
        queries = gallery = own = np.arange(len(records))
    values = protocol.measure(
        embeddings[queries], labels[queries], embeddings[gallery], labels[gallery], exclude=own,
        metrics=("recall_at_1", "map_at_r"),
    ).values  # fmt: skip
    return {
        "metrics": {name: _interval(value, seed) for name, value in values.items()},
        "queries": len(queries),
        "gallery": len(gallery),
        "seed": seed,
    }


def human(
    encoder: Encoder, file: Path, root: Path, *, score_at: int = 0, seed: int = 0, progress: Progress = silent
) -> dict[str, Any]:
    """similarity_precision on what people said (human_triplets); pictures that are not there are counted.

    score_at: K of the paper's score, among the pictures of the triplets with the same text. Raises UsageError for a
    malformed file, or when no triplet has all three pictures.
    """
    said = human_triplets.load(file)
    resolved = human_triplets.resolve(said, root)
    if not resolved.triplets:
        raise UsageError(f"{file}: {resolved.report()}; give the folder that holds the pictures with --pictures")
    paths = sorted({path for three in resolved.triplets for path in three})
    place = {path: i for i, path in enumerate(paths)}
    embeddings = _encoded(encoder, root, paths, progress)
    judged = np.array([[place[path] for path in t] for t in resolved.triplets])
    values = triplets.similarity_precision(embeddings, judged)
    report: dict[str, Any] = {"metrics": {"similarity_precision": _interval(values, seed)}}
    if score_at:
        texts = np.unique([said[row].text for row in resolved.rows], return_inverse=True)[1]
        pictures = [np.unique(judged[texts == text]) for text in range(texts.max() + 1)]
        parts: dict[int, list[np.ndarray]] = {}
        for anchor, text in zip(judged[:, 0].tolist(), texts.tolist(), strict=True):
            parts.setdefault(anchor, []).append(pictures[text])
        candidates = {anchor: np.unique(np.concatenate(some)) for anchor, some in parts.items()}
        _score(report, embeddings, judged, candidates, k=score_at, seed=seed)
    return report | {
        "pictures": len(paths),
        "triplets": len(values),
        "unreachable": len(resolved.unreachable),
        "seed": seed,
    }


def _score(
    report: dict[str, Any],
    embeddings: np.ndarray,
    judged: np.ndarray,
    candidates: dict[int, np.ndarray],
    *,
    k: int,
    seed: int,
) -> None:
    """Put score_at_K into a report: right minus wrong among triplets with a picture in the anchor's first K.

    Beside the metric, "score_at": the scores of every K up to it and how many triplets each counts, of how many.
    """
    values = triplets.score_values(embeddings, judged, candidates, k=k)
    mean = intervals.interval(values, seed=seed)
    total = {name: round(figure * len(values)) for name, figure in mean.as_json().items()}
    scores, counted = triplets.score_curve(embeddings, judged, candidates, k=k)
    report["metrics"][f"score_at_{k}"] = total
    report["score_at"] = {
        "k": k, "scores": scores.tolist(), "counted": counted.tolist(), "triplets": len(judged),
        "candidates": round(float(np.mean([len(some) for some in candidates.values()]))),
    }  # fmt: skip


def _encoded(encoder: Encoder, root: Path, paths: Sequence[str], progress: Progress) -> np.ndarray:
    return encode(encoder, len(paths), of_files(root, paths), progress=progress)


def query_and_gallery_rows(
    data: Prepared, split: str, labels: Labels, limit: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of queries and of the gallery."""
    if len(data.about["labels"]) < 2:
        raise UsageError(f"{data.folder} was prepared without labels, which say what is right; give other --data")
    queries = data.split(split, open_set={"all": None, "open": True, "closed": False}[labels])
    train = data.split("train")
    gallery = np.sort(np.concatenate([train, data.split("dev")])) if split == "test" else train
    if limit:
        random = np.random.default_rng(seed)
        each = [queries[data.labels[queries] == label] for label in np.unique(data.labels[queries])]
        queries = np.sort(np.concatenate([random.permutation(some)[:limit] for some in each]))
    if not len(queries) or not len(gallery):
        raise UsageError(f"{data.folder} has no {labels} {split} pictures to ask with; prepare a larger dataset")
    return queries, gallery


def _interval(values: np.ndarray, seed: int) -> dict[str, float]:
    return intervals.interval(values, seed=seed).rounded(4)
