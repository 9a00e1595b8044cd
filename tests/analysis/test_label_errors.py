"""Likely label errors: flipped labels are found, votes are those of plain loops, judgments and lone labels are respected."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import label_errors
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import judgments, neighbours, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings
from tests.planted import groups, plant, unit
from tests.tiny_gallery import fill, photos, run

NAMES = ("cup", "bowl", "shoe")
FLIPPED = {3: "bowl", 40: "shoe", 70: "cup"}  # row to a wrong label


def labels_of(which: list[int]) -> list[str]:
    return [FLIPPED.get(row, NAMES[group]) for row, group in enumerate(which)]


@pytest.fixture
def gallery(home: Path) -> Gallery:
    """Three groups with a label each, and three pictures that have a wrong one."""
    embeddings, which = groups((30, 30, 30), spread=0.8)
    return plant(embeddings, labels=labels_of(which))


def table_of(gallery: Gallery) -> pd.DataFrame:
    return reports.table(gallery, label_errors.find(gallery))


def ids(*rows: int) -> list[str]:
    return [f"{row:032x}" for row in rows]


def test_flipped_labels_are_found_with_the_right_one_proposed(gallery: Gallery) -> None:
    name = label_errors.find(gallery)
    table, report = reports.table(gallery, name), reports.read(gallery, name)
    assert set(table["id"]) == set(ids(*FLIPPED))
    assert dict(zip(table["id"], table["proposed"], strict=True)) == dict(
        zip(ids(3, 40, 70), ("cup", "bowl", "shoe"), strict=True)
    )
    assert table["likely"].all()
    assert (table["score"] < table["proposed_score"]).all()
    assert set(table["hit_labels"][0]) == {table["proposed"][0]}
    assert (report["asked"], report["doubted"], report["likely"], report["labels"]) == (90, 3, 3, 3)
    assert report["generation"] == gallery.generation


def slow_shares(known: neighbours.Neighbours, marks: list[int], row: int) -> list[float]:
    """Vote by vote."""
    count = max(marks) + 1
    votes = [0.0] * count
    for other, score in zip(known.rows[row].tolist(), known.scores[row].tolist(), strict=True):
        votes[marks[other]] += math.exp((score - float(known.scores[row, 0])) / label_errors.WIDTH)
    balanced = [
        vote / (marks.count(label) / len(marks)) ** label_errors.BALANCE + label_errors.PRIOR / count
        for label, vote in enumerate(votes)
    ]
    return [vote / sum(balanced) for vote in balanced]


def test_verdicts_are_those_of_a_loop_over_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_errors, "VOTES_AT_ONCE", 4 * 7)  # several blocks, the last one shorter
    rows, marks = groups((20, 9, 5, 3), spread=2.0)
    known = neighbours.exact(rows, k=6)
    found = label_errors.judge(known, np.array(marks))
    shares = [slow_shares(known, marks, row) for row in range(len(rows))]
    own = [share[marks[row]] for row, share in enumerate(shares)]
    means = [sum(own[row] for row in range(37) if marks[row] == label) / marks.count(label) for label in range(4)]
    for row, share in enumerate(shares):
        others = [label for label in range(4) if label != marks[row]]
        proposed = max(others, key=lambda label: share[label])
        assert found.own[row] == pytest.approx(own[row], abs=1e-6)
        assert found.proposed[row] == proposed
        assert found.other[row] == pytest.approx(share[proposed], abs=1e-6)
        unsure = own[row] < means[marks[row]] or share[proposed] > own[row]
        assert found.likely[row] == (share[proposed] >= means[proposed] and unsure)
    doubt = [found.own[row] - label_errors.LEAN * found.other[row] for row in range(37)]
    assert found.order().tolist() == sorted(range(37), key=lambda row: (doubt[row], row))


def test_no_picture_votes_for_itself(home: Path) -> None:
    """A cup among bowls finds no cup but itself."""
    embeddings, _ = groups((20, 20))
    marks = [0] * 20 + [1] * 20
    marks[0] = 1
    found = label_errors.judge(neighbours.exact(embeddings, k=10), np.array(marks))
    assert found.own[0] < 0.1
    assert found.order()[0] == 0


def test_the_only_picture_of_its_label_is_said_and_not_flagged(home: Path) -> None:
    embeddings, which = groups((20, 20))
    labels = [NAMES[group] for group in which]
    labels[5] = "unicorn"
    gallery = plant(embeddings, labels=labels)
    name = label_errors.find(gallery)
    assert ids(5)[0] not in reports.table(gallery, name)["id"].tolist()
    report = reports.read(gallery, name)
    assert report["lone"] == [{"id": ids(5)[0], "path": "0005.jpg", "label": "unicorn"}]
    assert report["asked"] == 39


def test_a_label_judged_right_is_not_listed_until_it_is_taken_back_or_changes(gallery: Gallery) -> None:
    judgments.add(gallery.judgments_file, label_errors.RIGHT, ids(3), "bowl")
    judgments.add(gallery.judgments_file, label_errors.RIGHT, ids(40), "another label than it has now")
    assert set(table_of(gallery)["id"]) == set(ids(40, 70))
    assert label_errors.judged_right(gallery)[ids(3)[0]] == "bowl"
    judgments.add(gallery.judgments_file, label_errors.RIGHT, ids(3), False)
    assert set(table_of(gallery)["id"]) == set(ids(3, 40, 70))


def test_pictures_without_a_label_neither_ask_nor_vote(home: Path) -> None:
    embeddings, which = groups((30, 30, 30), spread=0.8)
    labels = labels_of(which)
    bare = [row for row in range(90) if row % 2 and row not in FLIPPED]
    for row in bare:
        labels[row] = ""
    gallery = plant(embeddings, labels=labels)
    name = label_errors.find(gallery)
    table = reports.table(gallery, name)
    assert set(table["id"]) == set(ids(*FLIPPED))
    assert "" not in {label for hits in table["hit_labels"] for label in hits}
    assert reports.read(gallery, name)["unlabelled"] == len(bare)


@pytest.mark.parametrize(("labels", "said"), [("", "no labels"), ("cup", "only the label 'cup'")])
def test_without_two_labels_it_says_what_to_do(home: Path, labels: str, said: str) -> None:
    gallery = plant(groups((5, 5))[0], labels=labels)
    with pytest.raises(UsageError, match=f"has {said}, .* pictures in folders named after their labels"):
        label_errors.find(gallery)


def test_little_galleries_and_a_k_that_cannot_be(home: Path) -> None:
    with pytest.raises(GalleryError, match="holds no pictures yet"):
        label_errors.find(create_gallery("empty", Settings()))
    one = plant(unit(np.ones((1, 16))), name="one")
    with pytest.raises(UsageError, match="takes at least 2 to compare their labels"):
        label_errors.find(one)
    with pytest.raises(UsageError, match="k is 0; choose 1 to 1,000"):
        label_errors.find(one, k=0)
    three = plant(unit(np.random.default_rng(0).normal(size=(3, 16))), labels=["a", "a", "b"], name="three")
    report = reports.read(three, label_errors.find(three))
    assert (report["k"], report["asked"], len(report["lone"])) == (2, 2, 1)


def test_equal_embeddings_with_two_labels_propose_nothing_wild(home: Path) -> None:
    gallery = plant(np.repeat(unit(np.ones((1, 16))), 12, axis=0), labels=["a"] * 9 + ["b"] * 3)
    report = reports.read(gallery, label_errors.find(gallery))
    assert report["asked"] == 12
    assert np.isfinite(report["agreeing"])


def test_five_hundred_labels_of_two_pictures_agree_with_each_other(home: Path) -> None:
    embeddings, which = groups([2] * 500, dim=64)
    labels = [f"label {group}" for group in which]
    labels[0], labels[2] = labels[2], labels[0]
    gallery = plant(embeddings, labels=labels)
    table = table_of(gallery)
    assert set(table["id"]) == set(ids(0, 1, 2, 3))  # of a pair that disagrees, either may be wrong


def test_the_verbs_say_the_same_and_both_lists_come_at_once(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 12))
    told = json.loads(run("label-errors", "small", "--json", "--progress", "none").stdout)
    assert (told["asked"], told["kind"]) == (12, "label-errors")
    done = run("label-errors", "small", "--csv", tmp_path / "out.csv")
    assert "12 labelled pictures" in done.stdout
    assert len(pd.read_csv(tmp_path / "out.csv")) == told["doubted"]
    both = run("oddities", "small", "--progress", "json")
    assert both.returncode == 0, both.stderr
    assert len(reports.names(gallery, "outliers")) == 1
    assert len(reports.names(gallery, "label-errors")) == 3


def test_without_labels_both_lists_are_one_and_that_is_said(home: Path) -> None:
    plant(groups((5, 5))[0], labels="")
    both = run("oddities", "small")
    assert both.returncode == 0, both.stderr
    assert "no list of label errors: gallery small has no labels" in both.stdout
    assert run("label-errors", "small").returncode == 2
