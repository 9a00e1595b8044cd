"""Trying encoders, and the metric they are ranked by, against loops."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import SPEC, encoder, fill, photos

from pipeline.comparison.encoders import try_encoders
from pipeline.errors import GalleryError
from pipeline.gallery.opening import create_gallery
from pipeline.metrics.retrieval import map_at_r, recall_at_1
from pipeline.settings import Settings


def slow_map_at_r(embeddings: np.ndarray, labels: list[str]) -> float:
    values = []
    for q in range(len(labels)):
        others = sorted(
            (i for i in range(len(labels)) if i != q), key=lambda i: (-float(embeddings[q] @ embeddings[i]), i)
        )
        relevant = sum(labels[i] == labels[q] for i in others)
        if not relevant:
            continue
        found, total = 0, 0.0
        for rank, i in enumerate(others[:relevant], 1):
            if labels[i] == labels[q]:
                found += 1
                total += found / rank
        values.append(total / relevant)
    return sum(values) / len(values) if values else math.nan


@pytest.mark.parametrize("seed", range(5))
def test_map_at_r_and_recall_at_1_are_those_of_a_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    e = random.normal(size=(25, 6)).astype(np.float32)
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    labels = [str(label) for label in random.integers(0, 5, 24)] + ["alone"]
    assert map_at_r(e, labels) == pytest.approx(slow_map_at_r(e, labels))
    hits, asked = 0, 0
    for q in range(25):
        others = [i for i in range(25) if i != q]
        if any(labels[i] == labels[q] for i in others):
            asked += 1
            hits += labels[max(others, key=lambda i: float(e[q] @ e[i]))] == labels[q]
    assert recall_at_1(e, labels) == pytest.approx(hits / asked)


def test_without_a_relevant_item_there_is_no_figure() -> None:
    assert math.isnan(map_at_r(np.eye(3, dtype=np.float32), ["a", "b", "c"]))
    assert math.isnan(recall_at_1(np.eye(1, dtype=np.float32), ["a"]))


def test_encoders_are_tried_on_the_gallerys_own_labelled_pictures(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 12)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(
            (photos(tmp_path / "more", 3, first=30) / "cup" / "030.png").read_bytes() + bytes([number])
        )
    gallery, _ = fill(folder)
    trials = try_encoders(gallery, ["nothing", SPEC, "color_histogram:grid=4"], sample=100)
    assert [trial.encoder for trial in trials][2] == "nothing"
    assert trials[2].error.startswith("unknown encoder 'nothing'")
    rows = gallery.rows()
    marked = (rows.table["label"] != "").to_numpy()
    truth = slow_map_at_r(rows.embeddings[marked], rows.table["label"][marked].tolist())
    [own] = [trial for trial in trials if trial.encoder == SPEC]
    assert own.map_at_r == pytest.approx(truth, abs=1e-6)
    assert (own.dim, own.bytes_each, own.pictures) == (encoder().dim, 4 * encoder().dim, 15)
    assert own.pictures_per_second > 0


def test_an_empty_gallery_is_told(home: Path) -> None:
    with pytest.raises(GalleryError, match="ingest some first"):
        try_encoders(create_gallery("none", Settings()), [SPEC])
