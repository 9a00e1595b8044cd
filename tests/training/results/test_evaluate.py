"""One protocol for runs, models and baselines: what it says is what a plain loop says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_training import LABELS, Said, photos, tiny, trained

from pipeline import plugins
from pipeline.datasets.catalogue import relevance as grade
from pipeline.errors import UsageError
from pipeline.records import Encoder
from training.data.prepared import Prepared
from training.results import evaluate

PIXELS = "raw_pixels:side=4"


def encoder() -> Encoder:
    return plugins.build("encoders", PIXELS)


def embedded(data: Prepared, rows: np.ndarray) -> np.ndarray:
    made = encoder()
    return made.encode(np.stack([made.preprocess(Image.fromarray(data.pixels[i])) for i in rows]))


def test_test_pictures_ask_train_and_dev_and_the_nearest_has_their_label_or_not(data: Prepared) -> None:
    report = evaluate.evaluate(encoder(), data)
    asked, held = data.split("test"), np.concatenate([data.split("train"), data.split("dev")])
    queries, gallery = embedded(data, asked), embedded(data, held)
    right = 0
    for row, query in zip(asked, queries, strict=True):
        best = max(range(len(held)), key=lambda i: float(query @ gallery[i]))
        right += data.labels[held[best]] == data.labels[row]
    found = report["metrics"]["recall_at_1"]
    assert found["value"] == pytest.approx(right / len(asked), abs=1e-4)
    assert found["low"] <= found["value"] <= found["high"]
    assert (report["queries"], report["gallery"]) == (36, 204)
    assert set(report["metrics"]) == {
        *("knn_20", "recall_at_1", "recall_at_30", "precision_at_30", "map_at_r"),
        *("similarity_precision", "similarity_precision_in_class"),
    }


def test_dev_asks_train_alone_and_the_open_set_may_ask_by_itself(data: Prepared) -> None:
    assert evaluate.evaluate(encoder(), data, split="dev")["gallery"] == 168
    assert evaluate.evaluate(encoder(), data, labels="closed")["queries"] == 30
    with pytest.raises(UsageError, match="need two labels"):  # six labels have an open set of one
        evaluate.evaluate(encoder(), data, labels="open")
    assert evaluate.evaluate(encoder(), data, limit=2)["queries"] == 2 * len(LABELS)


def test_a_teacher_changes_the_golden_triplets_and_a_seed_repeats_them(data: Prepared) -> None:
    rows = data.split("test")
    plain, again, taught = (
        evaluate.golden_triplets(data, rows, teacher=teacher, seed=0) for teacher in (None, None, encoder())
    )
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, taught)
    labels = data.labels[rows]
    assert all(len({labels[i] for i in three}) == 1 for three in plain)


def test_on_other_pictures_the_split_asks_train(tmp_path: Path) -> None:
    root = photos(tmp_path, labels=LABELS[:3], each=6, split="train")
    photos(root, labels=LABELS[:3], each=2, split="test", first=20)
    dataset = plugins.build("datasets", f"folder:root={root}")
    report = evaluate.transferred(encoder(), dataset)
    assert (report["queries"], report["gallery"]) == (6, 18)
    with pytest.raises(UsageError, match="labelled pictures in the splits validation and train"):
        evaluate.transferred(encoder(), dataset, split="validation")


def test_the_catalogues_grades_are_asked_within_a_kind(tmp_path: Path) -> None:
    dataset = plugins.build("datasets", f"catalogue:items=36,views=2,size=32,root={tmp_path}")
    report = evaluate.graded(encoder(), dataset)
    assert (report["pictures"], report["triplets"]) == (72, evaluate.TRIPLETS // 4)
    records = list(dataset.records())
    pairs = [(a, b) for a in records[:20] for b in records[:20] if a.path != b.path]
    assert {grade(a, b) for a, b in pairs} >= {0, 3}
    assert 0.5 < report["metrics"]["similarity_precision_graded"]["value"] < 1


def test_people_are_asked_about_the_pictures_that_are_there(tmp_path: Path, said: Said) -> None:
    root = photos(tmp_path / "photos", labels=LABELS[:2], each=3)
    file = tmp_path / "said.csv"
    file.write_text("apple/00.png,apple/01.png,brick/00.png\napple/00.png,gone.png,brick/01.png\n")
    code, out, _ = said(
        "evaluate", "raw_pixels", "--triplets", file, "--pictures", root, "--json", "--progress", "none"
    )
    report = json.loads(out)
    assert code == 0
    assert (report["triplets"], report["pictures"], report["unreachable"]) == (1, 3, 1)
    file.write_text("no.png,gone.png,away.png\n")
    code, _, err = said("evaluate", "raw_pixels", "--triplets", file, "--pictures", root)
    assert code == 2
    assert "0 of 1 triplets can be used" in err


def test_the_score_counts_triplets_that_reach_the_first_k(tmp_path: Path, said: Said) -> None:
    root = photos(tmp_path / "pictures", labels=LABELS[:2], each=8)
    made = encoder()
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    found = made.encode(np.stack([made.preprocess(Image.open(root / path).convert("RGB")) for path in paths]))
    triplets = []
    for label in range(2):
        own = [i for i in range(16) if paths[i].startswith(LABELS[label])]
        order = sorted(own[1:], key=lambda i: -float(found[own[0]] @ found[i]))
        chosen = [(order[0], order[3]), (order[4], order[1])] + ([(order[5], order[6])] if label else [])
        triplets += [(own[0], *pair) for pair in chosen]
    table = tmp_path / "triplets.csv"
    table.write_text("query,positive,negative\n" + "\n".join(",".join(paths[i] for i in three) for three in triplets))
    code, out, err = said("evaluate", PIXELS, "--triplets", table, "--pictures", root, "--score-at", "2", "--json")
    assert code == 0, err
    report = json.loads(out)
    score = counted = 0
    everyone = {i for three in triplets for i in three}
    for anchor, closer, farther in triplets:
        order = sorted(everyone - {anchor}, key=lambda i: -float(found[anchor] @ found[i]))
        if {closer, farther} & set(order[:2]):
            counted += 1
            score += 1 if order.index(closer) < order.index(farther) else -1
    assert 0 < counted < 5
    assert report["metrics"]["score_at_2"]["value"] == score == report["score_at"]["scores"][-1]
    assert report["score_at"]["counted"][-1] == counted
    assert (report["score_at"]["triplets"], report["score_at"]["k"]) == (5, 2)


def test_the_golden_score_is_kept_by_the_run_and_other_pictures_have_none(
    data: Prepared, home: Path, said: Said
) -> None:
    report = evaluate.evaluate(encoder(), data, score_at=5)
    scores, counted = report["score_at"]["scores"], report["score_at"]["counted"]
    assert len(scores) == len(counted) == 5
    assert counted == sorted(counted)
    assert 0 < counted[-1] <= report["score_at"]["triplets"] == report["golden_triplets"]
    assert all(abs(score) <= n for score, n in zip(scores, counted, strict=True))
    found = report["metrics"]["score_at_5"]
    assert found["low"] <= found["value"] == scores[-1] <= found["high"]
    run = trained("mine", data, tiny(), steps=6)
    assert said("evaluate", "mine", "--score-at", "3")[0] == 0
    assert run.about()["evaluation"]["test, all labels"]["score_at"]["k"] == 3
    code, _, err = said("evaluate", PIXELS, "--dataset", "catalogue", "--score-at", "3")
    assert code == 2
    assert "a score at K needs triplets" in err


def test_a_run_keeps_what_was_found_and_a_sample_is_not_kept(data: Prepared, home: Path, said: Said) -> None:
    run = trained("mine", data, tiny(), steps=6)
    assert said("evaluate", "mine", "--limit", "2", "--progress", "none")[2] == ""
    assert "evaluation" not in run.about()
    code, out, _ = said("evaluate", "mine", "--progress", "none")
    assert code == 0
    kept = run.about()["evaluation"]["test, all labels"]["metrics"]["recall_at_1"]["value"]
    assert f"{kept:.4f}" in out
    code, _, err = said("evaluate", "nobody", "--data", data.folder)
    assert (code, err.partition(";")[0]) == (2, "error: unknown encoder 'nobody'")
