"""How short embeddings may be: every figure the slow way, the knee, and what cannot be measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import encoder, fill, photos, run

from pipeline import plugins
from pipeline.comparison import embedding_length
from pipeline.comparison.embedding_length import distance_contrast, lengths, measure, random_directions
from pipeline.encoders.pca import PCAEncoder
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import reencode
from pipeline.records import Rows
from pipeline.schema import NAMES
from pipeline.settings import Settings


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made_of(embeddings: np.ndarray, labels: list[str], *, name: str = "made") -> Gallery:
    """A gallery that holds these embeddings; there are no pictures behind it."""
    gallery = create_gallery(name, Settings())
    ids = [f"{number:032x}" for number in range(len(labels))]
    table = pd.DataFrame(dict.fromkeys(NAMES, ""), index=range(len(labels)))
    table = table.assign(id=ids, path=ids, label=labels, width=8, height=8, metadata=[{} for _ in labels])
    with gallery.writing():
        fingerprint8 = gallery.add_encoder("color_histogram", "ab" * 32, embeddings.shape[1])
        gallery.commit(fingerprint8, Rows(table, embeddings))
    return gallery


def in_a_subspace(count: int, *, inner: int, dim: int, labels: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Clusters whose points truly lie in `inner` of `dim` dimensions, turned at random."""
    random = np.random.default_rng(seed)
    centres, marks = random.standard_normal((labels, inner)), np.arange(count) % labels
    points = centres[marks] + 0.3 * random.standard_normal((count, inner))
    turn = np.linalg.qr(random.standard_normal((dim, dim)))[0][:inner]
    return unit(points @ turn), [f"label {mark}" for mark in marks]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(float(x) * float(y) for x, y in zip(a, b, strict=True)))


def ranking(rows: np.ndarray, asking: int) -> list[int]:
    others = [row for row in range(len(rows)) if row != asking]
    return sorted(others, key=lambda row: (-cosine(rows[asking], rows[row]), row))


def slow_map_and_recall(rows: np.ndarray, labels: list[str]) -> tuple[float, float]:
    precisions, firsts = [], []
    for asking in range(len(rows)):
        order = ranking(rows, asking)
        relevant = sum(labels[row] == labels[asking] for row in order)
        right = [labels[row] == labels[asking] for row in order[:relevant]]
        precisions.append(sum(sum(right[: k + 1]) / (k + 1) for k in range(relevant) if right[k]) / relevant)
        firsts.append(labels[order[0]] == labels[asking])
    return sum(precisions) / len(rows), sum(firsts) / len(rows)


def test_each_length_is_what_reencode_makes_and_its_figures_are_those_of_plain_loops(
    home: Path, tmp_path: Path
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 24))
    gallery.remove([gallery.rows().table["id"][3]])  # fitted on, as reencode does, but not measured
    report = measure(gallery, dims="3,5")
    assert [length["dims"] for length in report["lengths"]] == [3, 5, 232]
    full, labels = gallery.rows().embeddings, gallery.rows().table["label"].tolist()
    everything = gallery.rows(as_ingested=True).embeddings.astype(float)
    total = sum(everything[:, axis].var() for axis in range(232))
    for length in report["lengths"][:2]:
        reencode.shorten(gallery, length["dims"], store=None)
        short = gallery.rows().embeddings
        components = plugins.build("encoders", gallery.encoder()["spec"]).components.astype(float)
        explained = sum(((everything - everything.mean(0)) @ axis).var() for axis in components)
        reencode.go_back(gallery, None)
        kept = [len(set(ranking(short, i)[:10]) & set(ranking(full, i)[:10])) / 10 for i in range(23)]
        assert length["variance"] == pytest.approx(explained / total, abs=1e-5)
        assert length["neighbours_kept"] == pytest.approx(sum(kept) / 23, abs=1e-9)
        assert (length["map_at_r"], length["recall_at_1"]) == pytest.approx(
            slow_map_and_recall(short, labels), abs=1e-9
        )
        assert length["bytes"] == 4 * length["dims"]
    last = report["lengths"][-1]
    assert (last["map_at_r"], last["recall_at_1"]) == pytest.approx(slow_map_and_recall(full, labels), abs=1e-9)
    assert (last["variance"], last["neighbours_kept"]) == (pytest.approx(1), 1)
    assert all(length["milliseconds"] > 0 for length in report["lengths"])
    assert (report["rows"], report["fitted_on"], report["sampled"], report["labels"]) == (23, 24, 23, 3)


def test_a_row_that_the_first_axes_do_not_tell_from_the_mean_becomes_the_first_axis_as_in_the_encoder() -> None:
    turned = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    shortening = PCAEncoder(encoder(), np.zeros(2, np.float32), np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(embedding_length._unit(turned), shortening.of_base(turned))


def test_embeddings_that_live_in_few_dimensions_need_no_more(home: Path) -> None:
    embeddings, labels = in_a_subspace(120, inner=6, dim=40, labels=8)
    with_labels = measure(made_of(embeddings, labels))
    assert with_labels["dims"] == [2, 4, 8, 16, 32, 40]
    assert (with_labels["decided_by"], with_labels["keep"]) == ("map_at_r", 0.99)
    assert measure(made_of(embeddings, labels, name="same"), dims="4,6,20")["recommended"] <= 6
    at_8 = with_labels["lengths"][2]
    assert at_8["variance"] == pytest.approx(1, abs=1e-6)
    assert with_labels["apply"] == f"python -m pipeline reencode made --pca {with_labels['recommended']}"


def test_the_knee_is_the_shortest_with_enough_of_the_best(home: Path) -> None:
    embeddings, labels = in_a_subspace(120, inner=6, dim=40, labels=8)
    report = measure(made_of(embeddings, labels))
    best = max(length["map_at_r"] for length in report["lengths"])
    enough = [length["dims"] for length in report["lengths"] if length["map_at_r"] >= 0.99 * best]
    assert report["recommended"] == min(enough)


@pytest.mark.parametrize("labels", [[""] * 60, ["one"] * 60, [f"own {n}" for n in range(60)]])
def test_without_labels_to_ask_for_the_neighbours_kept_decide(home: Path, labels: list[str]) -> None:
    points = np.random.default_rng(1).standard_normal((60, 3))
    opposite = np.concatenate([points[:30], -points[:30]])  # their mean is 0, so PCA changes no angle
    report = measure(made_of(unit(np.pad(opposite, ((0, 0), (0, 17)))), labels), dims="2,3,10")
    assert (report["decided_by"], report["keep"], report["labels"]) == ("neighbours_kept", 0.95, 0)
    assert [length["map_at_r"] for length in report["lengths"]] == [None] * 4
    assert [length["neighbours_kept"] > 0.95 for length in report["lengths"]] == [False, True, True, True]
    assert report["recommended"] == 3
    assert "95 % of the best neighbours_kept" in embedding_length.advice(report)


def test_when_no_shorter_length_is_enough_all_stay(home: Path) -> None:
    embeddings = unit(np.random.default_rng(2).standard_normal((60, 12)))
    report = measure(made_of(embeddings, [""] * 60), dims="2")
    assert (report["recommended"], report["apply"]) == (12, "")
    assert embedding_length.advice(report).startswith("all 12 dimensions are needed")


def test_contrast_is_that_of_plain_loops_and_rows_with_a_copy_are_left_out() -> None:
    rows = random_directions(12, 5, seed=3)
    rows[7] = rows[4]
    values = []
    for asking in range(12):
        distances = [math.dist(rows[asking], rows[row]) for row in range(12) if row != asking]
        if min(distances) > 0:
            values.append((max(distances) - min(distances)) / min(distances))
    assert len(values) == 10
    assert distance_contrast(rows, seed=0) == pytest.approx(float(np.median(values)), rel=1e-6)
    assert distance_contrast(rows[[1, 1, 1]], seed=0) is None


def test_contrast_falls_with_dimensions() -> None:
    found = [distance_contrast(random_directions(300, dims, seed=0), seed=0) for dims in (2, 4, 16, 64, 256)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.5 < 10 < found[0]


def test_the_same_seed_gives_the_same_report_and_the_sample_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_length, "SAMPLE", 50)
    gallery = made_of(*in_a_subspace(90, inner=5, dim=16, labels=4))

    def figures(seed: int) -> list[dict]:
        report = measure(gallery, seed=seed)
        assert (report["sampled"], report["rows"], report["seed"]) == (50, 90, seed)
        return [{key: row[key] for key in row if key != "milliseconds"} for row in report["lengths"]]

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


def test_lengths_are_powers_of_two_and_the_full_one() -> None:
    assert lengths("", longest=127, full=128) == [2, 4, 8, 16, 32, 64, 128]
    assert lengths("", longest=99, full=100) == [2, 4, 8, 16, 32, 64, 100]
    assert lengths("", longest=9, full=100) == [2, 4, 8, 100]
    assert lengths("8, 3,100", longest=99, full=100) == [3, 8, 100]


@pytest.mark.parametrize("text", ["many", "2,", "1", "0,4", "-3", "2.5", "101", "2;4", " "])
def test_lengths_that_cannot_be_are_refused_with_those_that_can(text: str) -> None:
    with pytest.raises(UsageError, match=r"write whole numbers from 2 to 99, with commas between them: --dims 2,4,8"):
        lengths(text, longest=99, full=100)


def test_what_cannot_be_measured_is_one_sentence_with_a_remedy(home: Path) -> None:
    with pytest.raises(GalleryError, match="holds no pictures yet; run: python -m pipeline ingest"):
        measure(create_gallery("empty", Settings()))
    few = made_of(unit(np.random.default_rng(0).standard_normal((19, 8))), ["a", *["b"] * 18], name="few")
    with pytest.raises(UsageError, match="holds 19 pictures and 20 are needed; ingest more"):
        measure(few)
    few.remove(few.rows().table["id"].tolist())
    with pytest.raises(GalleryError, match="holds no pictures to measure; ingest some"):
        measure(few)
    flat = made_of(unit(np.random.default_rng(0).standard_normal((30, 2))), ["a"] * 30, name="flat")
    with pytest.raises(UsageError, match="of 2 dimensions cannot be shortened; choose an encoder"):
        measure(flat)
    with pytest.raises(UsageError, match="have the same embedding; choose another encoder"):
        measure(made_of(unit(np.ones((30, 8))), ["a"] * 30, name="alike"))
    damaged = unit(np.random.default_rng(0).standard_normal((30, 8)))
    damaged[4, 2] = np.nan
    with pytest.raises(
        UsageError, match=f"of picture {4:032x} is not finite .* damaged; move .* away and ingest again"
    ):
        measure(made_of(damaged, ["a"] * 30, name="damaged"))


def test_the_verb_prints_a_table_keeps_the_report_and_ends_in_the_command(home: Path) -> None:
    gallery = made_of(*in_a_subspace(60, inner=4, dim=16, labels=4))
    done = run("embedding-length", "made", "--seed", "5", "--progress", "none")
    assert done.returncode == 0, done.stderr
    [name] = reports.names(gallery, "length")
    report = reports.read(gallery, name)
    assert f"60 of 60 pictures, seed 5, color_histogram; kept as {name}" in done.stderr
    lines = done.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines[1:-1]] == [2, 4, 8, 16] == report["dims"]
    assert lines[-1].endswith(f"apply it with: python -m pipeline reencode made --pca {report['recommended']}")
    assert {"command", "machine", "versions", "fingerprint", "generation", "seed"} <= set(report)
    told = json.loads(run("embedding-length", "made", "--dims", "3", "--json", "--progress", "none").stdout)
    assert told["dims"] == [3, 16]
    assert told["report"] in reports.names(gallery, "length")
    wrong = run("embedding-length", "made", "--dims", "17")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
