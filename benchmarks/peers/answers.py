"""What one project answers to one task: run by the Python of its own environment, with the task's folder.

    python answers.py PROJECT TASK FOLDER

Prints one line of JSON: seconds, MB (what the process held at most, less what it held before), and figures of the task.
What a library loads once is loaded by a small round before. Points, hits and pairs go to FOLDER/PROJECT.npy or .json.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K = 10
Answer = dict[str, float]


def main(project: str, task: str, folder: Path) -> None:
    print(json.dumps(ANSWERS[task, project](folder)))


def timed(small: Callable[[], Any], whole: Callable[[], Any]) -> tuple[Any, Answer]:
    small()
    before, begun = _peak(), time.perf_counter()
    made = whole()
    return made, {"seconds": time.perf_counter() - begun, "MB": _peak() - before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- search: rows.npy (n, dim), queries.npy (q, dim); one query at a time ---


def searched(folder: Path, build: Callable[[np.ndarray], Callable[[np.ndarray], Any]]) -> Answer:
    """build gives what answers one query with K row numbers."""
    rows, queries = np.load(folder / "rows.npy"), np.load(folder / "queries.npy")
    ask, answer = timed(lambda: build(rows[:1000])(queries[0]), lambda: build(rows))
    hits, took = [], []
    for query in queries:
        begun = time.perf_counter()
        hits.append(list(ask(query)))
        took.append(1000 * (time.perf_counter() - begun))
    truth = [set(np.argpartition(-(rows @ query), K)[:K].tolist()) for query in queries]
    recall = statistics.mean(len(set(found) & true) / K for found, true in zip(hits, truth, strict=True))
    return answer | {"p50_ms": statistics.median(took), "recall": recall}


def search_ours(folder: Path) -> Answer:
    from benchmarks import scale
    from pipeline import plugins

    number = iter(range(9))

    def build(rows: np.ndarray) -> Callable[[np.ndarray], list[int]]:
        store = plugins.build("stores", "milvus", uri=str(folder / f"ours{next(number)}.db"), timeout=600.0)
        store.create("rows", dim=rows.shape[1])
        for start in range(0, len(rows), 1000):
            store.upsert("rows", scale.part(rows, start, 1000))
        return lambda query: [int(hit.id, 16) for hit in store.search("rows", query[None], k=K)[0]]

    return searched(folder, build)


def search_tutorial(folder: Path) -> Answer:
    """Milvus' own tutorial: a MilvusClient on a Lite file, vectors inserted in batches, client.search."""
    from pymilvus import MilvusClient

    client = MilvusClient(str(folder / "tutorial.db"))

    def build(rows: np.ndarray) -> Callable[[np.ndarray], list[int]]:
        name = f"rows{len(rows)}"
        client.create_collection(name, dimension=rows.shape[1], metric_type="COSINE")
        for start in range(0, len(rows), 1000):
            some = enumerate(rows[start : start + 1000], start)
            client.insert(name, [{"id": number, "vector": row.tolist()} for number, row in some])
        return lambda query: [hit["id"] for hit in client.search(name, [query.tolist()], limit=K)[0]]

    return searched(folder, build)


def search_autofaiss(folder: Path) -> Answer:
    """What clip-retrieval builds its index with; what it chooses for 1 GB."""
    from autofaiss import build_index

    def build(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        index, _ = build_index(rows, save_on_disk=False, max_index_memory_usage="1G", verbose=40)
        return lambda query: index.search(query[None], K)[1][0]

    return searched(folder, build)


# --- map: rows.npy; points to PROJECT.npy, whose trustworthiness the runner measures ---


def mapped(folder: Path, name: str, make: Callable[[np.ndarray], np.ndarray]) -> Answer:
    rows = np.load(folder / "rows.npy")
    few = rows[: 4200 if len(rows) > 4200 else len(rows) // 2]  # nearly nearest neighbours from 4,096 rows on
    points, answer = timed(lambda: make(few), lambda: make(rows))
    np.save(folder / f"{name}.npy", np.asarray(points, np.float32))
    return answer


def map_ours(method: str) -> Callable[[Path], Answer]:
    def answer(folder: Path) -> Answer:
        from benchmarks import projection

        return mapped(folder, f"ours {method}", lambda rows: projection.ours(method, rows, 0)[0])

    return answer


def map_umap(folder: Path) -> Answer:
    import umap

    return mapped(folder, "umap-learn", lambda rows: umap.UMAP(random_state=0, n_jobs=1).fit_transform(rows))


def map_opentsne(folder: Path) -> Answer:
    import openTSNE

    return mapped(folder, "openTSNE", lambda rows: openTSNE.TSNE(random_state=0, n_jobs=2, metric="cosine").fit(rows))


def map_sklearn(folder: Path) -> Answer:
    from sklearn.manifold import TSNE

    return mapped(folder, "scikit-learn t-SNE", lambda rows: TSNE(random_state=0).fit_transform(rows))


def map_pacmap(folder: Path) -> Answer:
    import pacmap

    return mapped(folder, "pacmap", lambda rows: pacmap.PaCMAP(random_state=0).fit_transform(rows))


# --- evaluate: recall_at_1 and map_at_r of rows.npy with labels.npy among each other ---


def evaluated_ours(folder: Path) -> Answer:
    from pipeline.metrics import retrieval

    rows, labels = np.load(folder / "rows.npy"), np.load(folder / "labels.npy")
    value, answer = timed(*(lambda n=n: float(retrieval.map_at_r(rows[:n], labels[:n])) for n in (300, len(rows))))
    return answer | {"map_at_r": value}


def evaluated_pml(folder: Path) -> Answer:
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    rows, labels = np.load(folder / "rows.npy"), np.load(folder / "labels.npy")
    calculator = AccuracyCalculator(include=("mean_average_precision_at_r",), k="max_bin_count")

    def value(n: int) -> float:
        return float(calculator.get_accuracy(rows[:n], labels[:n])["mean_average_precision_at_r"])

    found, answer = timed(lambda: value(300), lambda: value(len(rows)))
    return answer | {"map_at_r": found}


# --- duplicates: files under pictures/; pairs of paths to PROJECT.json, whose recall the runner measures ---


def paired(folder: Path, name: str, find: Callable[[Path], set[tuple[str, str]]]) -> Answer:
    begun = time.perf_counter()
    pairs = find(folder / "pictures")
    seconds = time.perf_counter() - begun
    (folder / f"{name}.json").write_text(json.dumps(sorted(pairs)))
    return {"seconds": seconds, "MB": _peak()}


def duplicates_ours(folder: Path) -> Answer:
    """Ingest included, as a peer's reading of the files is."""
    from pipeline import plugins
    from pipeline.duplicates.find import find_duplicates
    from pipeline.gallery.opening import create_gallery
    from pipeline.ingest import ingest
    from pipeline.settings import Settings

    def find(pictures: Path) -> set[tuple[str, str]]:
        gallery, spec = create_gallery("edited", Settings(home=folder / "home")), f"folder:root={pictures}"
        dataset, encoder = plugins.build("datasets", spec), plugins.build("encoders", "deep_ranking", device="cpu")
        ingest.ingest(gallery, dataset, encoder, spec="deep_ranking", store=None, dataset_spec=spec)
        groups = find_duplicates(gallery, tiers=("identical", "same", "variant"))["groups"]
        paths = [sorted(member["path"] for member in group["members"]) for group in groups]
        return {(a, b) for group in paths for number, a in enumerate(group) for b in group[number + 1 :]}

    return paired(folder, "ours", find)


def duplicates_imagededup(folder: Path) -> Answer:
    from imagededup.methods import PHash

    def find(pictures: Path) -> set[tuple[str, str]]:
        method = PHash(verbose=False)
        hashes = {
            str(path.relative_to(pictures)): value
            for path in sorted(pictures.rglob("*.*"))
            if (value := method.encode_image(image_file=str(path)))
        }
        near = method.find_duplicates(encoding_map=hashes, max_distance_threshold=10)
        return {(min(one, other), max(one, other)) for one, others in near.items() for other in others}

    return paired(folder, "imagededup", find)


def duplicates_fastdup(folder: Path) -> Answer:
    import fastdup
    import pandas as pd

    def find(pictures: Path) -> set[tuple[str, str]]:
        work = folder / "fastdup"
        fastdup.run(input_dir=str(pictures), work_dir=str(work), threshold=0.9, nearest_neighbors_k=12)
        similar = pd.read_csv(work / "similarity.csv")
        files = pd.read_csv(work / "atrain_features.dat.csv").set_index("index")["filename"]
        names = [[str(Path(files[row]).relative_to(pictures)) for row in similar[side]] for side in ("from", "to")]
        return {(min(pair), max(pair)) for pair in zip(*names, strict=True)}

    return paired(folder, "fastdup", find)


# --- ingest: files under pictures/ into Milvus Lite by the same network, random weights ---


def ingested_ours(folder: Path) -> Answer:
    from pipeline import plugins
    from pipeline.gallery.opening import create_gallery
    from pipeline.ingest import ingest, sync
    from pipeline.settings import Settings

    settings = Settings(home=folder / "home")
    encoder_spec, spec = "torchvision:arch=mobilenet_v3_small,weights=none", f"folder:root={folder / 'pictures'}"
    encoder, store = plugins.build("encoders", encoder_spec, device="cpu"), sync.open_store(settings)

    def whole(name: str, limit: int) -> int:
        gallery, dataset = create_gallery(name, settings), plugins.build("datasets", spec)
        return ingest.ingest(
            gallery, dataset, encoder, spec=encoder_spec, store=store, dataset_spec=spec, limit=limit
        ).added

    count, answer = timed(lambda: whole("few", 16), lambda: whole("all", 0))
    return answer | {"pictures_per_second": count / answer["seconds"]}


def ingested_tutorial(folder: Path) -> Answer:
    """The image search of Milvus' tutorials: a picture at a time through the network, inserted at once."""
    import torch
    import torchvision
    from PIL import Image
    from pymilvus import MilvusClient
    from torchvision import transforms

    network = torchvision.models.mobilenet_v3_small(weights=None)
    network.classifier = torch.nn.Identity()
    network.eval()
    prepare = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()])
    client = MilvusClient(str(folder / "loop.db"))

    def whole(name: str, files: list[Path]) -> None:
        client.create_collection(name, dimension=576, metric_type="COSINE", auto_id=True, enable_dynamic_field=True)
        for file in files:
            with Image.open(file) as picture, torch.no_grad():
                vector = network(prepare(picture.convert("RGB"))[None])[0]
            client.insert(name, {"vector": vector.tolist(), "filename": str(file)})

    files = sorted((folder / "pictures").rglob("*.*"))
    _, answer = timed(lambda: whole("few", files[:16]), lambda: whole("all", files))
    return answer | {"pictures_per_second": len(files) / answer["seconds"]}


ANSWERS: dict[tuple[str, str], Callable[[Path], Answer]] = {
    ("search", "ours"): search_ours,
    ("search", "Milvus' tutorial"): search_tutorial,
    ("search", "autofaiss"): search_autofaiss,
    ("map", "ours umap"): map_ours("umap"),
    ("map", "umap-learn"): map_umap,
    ("map", "ours tsne"): map_ours("tsne"),
    ("map", "openTSNE"): map_opentsne,
    ("map", "scikit-learn t-SNE"): map_sklearn,
    ("map", "pacmap"): map_pacmap,
    ("evaluate", "ours"): evaluated_ours,
    ("evaluate", "pytorch-metric-learning"): evaluated_pml,
    ("duplicates", "ours"): duplicates_ours,
    ("duplicates", "imagededup"): duplicates_imagededup,
    ("duplicates", "fastdup"): duplicates_fastdup,
    ("ingest", "ours"): ingested_ours,
    ("ingest", "Milvus' tutorial"): ingested_tutorial,
}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
