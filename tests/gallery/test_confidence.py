"""How likely a hit is right: learned from labels, kept to on queries that taught nothing, unknown where it must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import exact, fill, photos

from pipeline.errors import UsageError
from pipeline.filters import parse
from pipeline.gallery import confidence
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.records import SearchHit
from pipeline.search.search import Query, SearchResult, search


def labelled(n: int, seed: int = 3, dim: int = 24, spread: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(6, dim))
    marks = np.arange(n) % 6
    rows = 1.0 + centres[marks] + spread * random.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), np.array(list("abcdef"))[marks]


def first_of(query: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> list[SearchHit]:
    scored = sorted(((float(row @ query), i) for i, row in enumerate(rows)), reverse=True)[: confidence.DEPTH]
    return [SearchHit(id=str(i), score=score, path="", label=str(labels[i])) for score, i in scored]


@pytest.mark.parametrize("max_wrong", [0.1, 0.3])
def test_the_share_of_wrong_hits_that_is_asked_for_holds_for_new_queries(max_wrong: float) -> None:
    rows, labels = labelled(900)
    learned = confidence.learn(rows, labels)
    asked, truth = labelled(120, seed=11)
    wrong = kept = 0
    for query, label in zip(asked, truth, strict=True):
        hits = first_of(query, rows, labels)
        for hit, sure in zip(hits, confidence.estimate(learned, hits, hits), strict=True):
            if sure >= confidence.threshold(learned, max_wrong):
                kept += 1
                wrong += hit.label != label
    assert kept > 120
    assert 0.5 * max_wrong <= wrong / kept <= max_wrong + 0.03


def test_no_match_is_said_of_kinds_that_the_gallery_lacks_and_seldom_of_those_it_has() -> None:
    rows, labels = labelled(900, spread=0.8)
    asked, truth = labelled(300, seed=11, spread=0.8)
    there = labels != "f"
    learned = confidence.learn(rows[there], labels[there])
    novel = [confidence.is_novel(learned, first_of(query, rows[there], labels[there])) for query in asked]
    lacking = [is_novel for is_novel, label in zip(novel, truth, strict=True) if label == "f"]
    known = [is_novel for is_novel, label in zip(novel, truth, strict=True) if label != "f"]
    assert sum(known) <= 0.12 * len(known)
    assert sum(lacking) >= 0.5 * len(lacking)


def test_where_one_label_is_nearly_all_nobody_knows_what_is_lacking() -> None:
    rows, labels = labelled(300)
    few = np.where(np.arange(300) < 290, "a", labels)
    learned = confidence.learn(rows, few)
    assert learned["novelty"] == {}
    assert confidence.is_novel(learned, first_of(rows[0], rows, few)) is None


def test_a_hit_that_agrees_with_the_nearest_is_surer_than_one_that_does_not() -> None:
    rows, labels = labelled(900)
    learned = confidence.learn(rows, labels)
    hits = [SearchHit(id=str(i), score=0.9 - i / 500, path="", label="b" if i == 5 else "a") for i in range(100)]
    sure = confidence.estimate(learned, hits, hits)
    assert sure[5] < sure[6]
    assert [confidence.band(learned, sure[i]) for i in (0, 5)] == ["strong", "weak"]


def test_a_hit_does_not_vote_for_itself_and_no_label_agrees_with_nothing() -> None:
    scores = np.linspace(0.9, 0.1, 100)
    labels = np.array(["lonely", "", ""] + ["other"] * 97, object)
    shares = confidence.features(scores, labels, np.arange(100), scores, labels)[:, 1]
    assert shares[0] == 0
    assert shares[1] == shares[2] == 0
    assert shares[50] > 0.5


@pytest.mark.parametrize("labels", [[""] * 300, ["a"] * 300, ["a"] * 100 + ["b"] * 90 + [""] * 110])
def test_too_few_labels_teach_nothing(labels: list[str]) -> None:
    assert confidence.learn(labelled(300)[0], np.array(labels)) == {}


def test_nothing_is_known_without_labels_or_with_few_hits() -> None:
    hits = [SearchHit(id=str(i), score=0.5, path="", label="a") for i in range(100)]
    assert np.isnan(confidence.estimate({}, hits, hits)).all()
    learned = confidence.learn(*labelled(900))
    assert np.isnan(confidence.estimate(learned, hits[:20], hits[:99])).all()
    assert not np.isnan(confidence.estimate(learned, hits[:20], hits)).any()


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """120 pictures, and what another gallery's labels taught, so that searches have bands."""
    made = fill(photos(tmp_path / "photos", 120))[0]
    encoders = made.manifest()["encoders"]
    encoders[made.current]["confidence"] = confidence.learn(*labelled(900))
    made.update(encoders=encoders)
    return made


def ask(gallery: Gallery, **options: object) -> SearchResult:
    store = exact()
    sync.sync(gallery, store)
    return search(gallery, store, None, Query(ids=(gallery.table()["id"].iloc[0],)), **options)  # type: ignore[arg-type]


def test_an_answer_says_how_sure_each_hit_is_and_leaves_out_what_is_too_unsure(gallery: Gallery) -> None:
    assert len(gallery.table()) > confidence.DEPTH
    whole = ask(gallery, k=50)
    assert len(whole.confidences) == len(whole.bands) == len(whole.hits) == 50
    cut = ask(gallery, k=50, max_wrong=0.02)
    level = confidence.threshold(gallery.encoder()["confidence"], 0.02)
    sure = {hit.id: one for hit, one in zip(whole.hits, whole.confidences, strict=True)}
    assert [hit.id for hit in cut.hits] == [hit.id for hit in whole.hits if sure[hit.id] >= level]
    assert cut.left_out == 50 - len(cut.hits)


def test_a_filter_changes_no_confidence(gallery: Gallery) -> None:
    whole = ask(gallery, k=100)
    sure = {hit.id: one for hit, one in zip(whole.hits, whole.confidences, strict=True)}
    label = whole.hits[-1].label
    filtered = ask(gallery, k=100, where=parse([f"label={label}"]))
    assert filtered.confidences
    for hit, one in zip(filtered.hits, filtered.confidences, strict=True):
        assert hit.id not in sure or one == pytest.approx(sure[hit.id], abs=1e-6)


def test_a_least_score_needs_no_labels(home: Path, tmp_path: Path) -> None:
    gallery = fill(photos(tmp_path / "photos", 12))[0]
    whole = ask(gallery, k=12)
    level = whole.hits[3].score
    assert [hit.id for hit in ask(gallery, k=12, min_score=level).hits] == [hit.id for hit in whole.hits[:4]]
    assert whole.bands == []
    with pytest.raises(UsageError, match="fewer than 200 pictures with labels; a least score"):
        ask(gallery, max_wrong=0.1)


@pytest.mark.parametrize("options", [{"max_wrong": 0.001}, {"max_wrong": 1.0}, {"min_score": 1.5}])
def test_a_cut_out_of_range_is_refused(gallery: Gallery, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="choose"):
        ask(gallery, **options)
