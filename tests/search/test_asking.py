"""What twenty answers teach a search, against arrays whose truth is known, and in a gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import exact, fill, photos

from pipeline import filters
from pipeline.metrics.retrieval import average_precision_at_r
from pipeline.search import asking, refining
from pipeline.search.ask import Ask
from pipeline.search.asking import BEFORE, LEARNED, Question, Verdict
from pipeline.search.search import Query, search


@pytest.fixture
def made(home: Path, tmp_path: Path):
    store = exact()
    gallery, _ = fill(photos(tmp_path / "photos", 60), store)
    return gallery, store


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def concept() -> tuple[np.ndarray, np.ndarray]:
    """600 rows of which a fifth has a property that lies along one of 32 axes, among others that vary more."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(600, 32)) * np.linspace(2.0, 0.4, 32)
    truth = np.arange(600) % 5 == 0
    rows[truth, 20] += 2.5
    return unit(rows), truth


def map_at_r(direction: np.ndarray, rows: np.ndarray, truth: np.ndarray) -> float:
    order = np.argsort(-(rows @ direction), kind="stable")
    return float(average_precision_at_r(truth[order].astype(str)[None], ["True"], np.array([truth.sum()]))[0])


def test_a_learned_direction_puts_what_is_liked_before_what_is_not(concept) -> None:
    rows, truth = concept
    yes, no = rows[truth][:12], rows[~truth][:12]
    sought = refining.learn(yes, no, rows.mean(axis=0))
    assert np.linalg.norm(sought.along) == pytest.approx(1, abs=1e-5)
    assert np.median(yes @ sought.along) > (no @ sought.along).max()
    assert map_at_r(sought.along, rows, truth) > 2 * map_at_r(rows[0], rows, truth)
    order = np.argsort(-sought.decide(rows))
    assert (order == np.argsort(-(rows @ sought.along))).all(), "a decision orders as the score does"


def test_twenty_doubtful_pictures_teach_more_than_twenty_random_ones(concept) -> None:
    rows, truth = concept
    mean, ahead = rows.mean(axis=0), 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        query = int(random.choice(np.flatnonzero(truth)))
        yes, no = [query], list[int]()
        for _ in range(4):
            sought = refining.learn(rows[yes], rows[no], mean) if no else None
            nearest = np.argsort(-(rows @ (sought.along if sought else rows[query])), kind="stable")
            nearest = nearest[~np.isin(nearest, [*yes, *no])]
            for i in nearest[refining.next_to_ask(rows[nearest], sought, 5)]:
                (yes if truth[i] else no).append(int(i))
        drawn = random.choice(np.setdiff1d(np.arange(600), [query]), 20, replace=False)
        chance = refining.learn(rows[[query, *drawn[truth[drawn]]]], rows[drawn[~truth[drawn]]], mean)
        asked = refining.learn(rows[yes], rows[no], mean)
        ahead += map_at_r(asked.along, rows, truth) > map_at_r(chance.along, rows, truth)
    assert ahead >= 8


def test_what_is_asked_next_is_doubtful_and_never_the_same_twice(concept) -> None:
    rows, truth = concept
    sought = refining.learn(rows[truth][:9], rows[~truth][:9], rows.mean(axis=0))
    picked = refining.next_to_ask(rows, sought, 5)
    doubt = np.abs(sought.decide(rows))
    assert len(set(picked.tolist())) == 5
    assert doubt[picked].max() <= np.sort(doubt)[5 * refining.DOUBTFUL - 1]
    assert set(refining.next_to_ask(rows, None, 5)) <= set(range(5 * refining.BEGIN)), "the nearest, before any answer"
    assert refining.next_to_ask(rows[:3], sought, 5).tolist() != []
    assert len(refining.next_to_ask(rows[:0], None, 5)) == 0


def test_only_pictures_of_one_order_alone_compare(concept) -> None:
    one, other = np.arange(40), np.concatenate([np.arange(20), np.arange(100, 120)])
    learned, before = refining.to_compare(one, other, 5)
    assert len(learned) == 3
    assert set(learned) <= {20, 21, 22, 23}
    assert len(before) == 2
    assert set(before) <= {100, 101, 102, 103}
    assert [len(of) for of in refining.to_compare(one, one, 5)] == [0, 0]


@pytest.mark.parametrize("likes", [0.0, 1.0])
def test_rows_that_are_all_equal_teach_nothing_and_break_nothing(likes: float) -> None:
    rows = np.full((6, 8), likes / np.sqrt(8), np.float32)
    sought = refining.learn(rows[:3], rows[3:], rows.mean(axis=0))
    assert np.isfinite(sought.along).all()
    assert np.isfinite(sought.decide(rows)).all()


def test_enough_marks_are_learned_and_then_no_score_is_called_strong(made) -> None:
    gallery, store = made
    rows = gallery.rows()
    ids = rows.table["id"].tolist()
    query = Query(ids=(ids[0],), like=tuple(ids[1:4]), unlike=tuple(ids[4:7]))
    direction = refining.learn(rows.embeddings[:4], rows.embeddings[4:7], rows.embeddings.mean(axis=0)).along
    result = search(gallery, store, None, query, k=10, rerank="none")
    scores = dict(zip(ids, rows.embeddings @ direction, strict=True))
    expected = sorted((i for i in ids if i != ids[0]), key=lambda one: -scores[one])[:10]
    assert [hit.id for hit in result.hits] == expected
    assert not result.bands
    assert all(np.isnan(result.percentiles))
    few = search(gallery, store, None, Query(ids=(ids[0],), like=(ids[1],), unlike=(ids[4],)), k=10)
    assert not np.isnan(few.percentiles).any(), "few marks move the query as before"


def test_a_cut_that_was_chosen_before_is_not_asked_for_of_what_is_learned(
    made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of how often its hits are right; an address that has both is answered all the same."""
    gallery, store = made
    entry = gallery.encoder() | {"confidence": {"learned": 1}}
    monkeypatch.setattr(type(gallery), "encoder", lambda *_: entry)
    ids = gallery.rows().table["id"].tolist()
    few = Ask(ids=(ids[0],), like=(ids[1],), max_wrong=0.1)
    many = Ask(ids=(ids[0],), like=tuple(ids[1:4]), unlike=tuple(ids[4:7]), max_wrong=0.1)
    assert few.options(gallery, few.query(), None)["max_wrong"] == 0.1
    options = many.options(gallery, many.query(), None)
    assert options["max_wrong"] is None
    assert search(gallery, store, None, many.query(), **options).hits


def test_nobody_is_asked_about_the_query_what_was_answered_or_what_does_not_pass(made) -> None:
    gallery, store = made
    ids = gallery.rows().table["id"].tolist()
    query, like, unlike, seen = Query(ids=(ids[0],)), ids[1:3], ids[3:6], {ids[6]}
    labels = dict(zip(ids, gallery.rows().table["label"], strict=True))
    where = filters.parse(["label=cup"])
    asked = set()
    for _ in range(3):
        made_now = asking.questions(
            gallery, store, None, query, like=like, unlike=unlike, seen=seen | asked, where=where
        )
        assert made_now
        assert {labels[one.hit.id] for one in made_now} == {"cup"}
        now = {one.hit.id for one in made_now}
        assert not now & {ids[0], *like, *unlike, *seen, *asked}
        asked |= now
    everything = set(ids)
    assert asking.questions(gallery, store, None, query, seen=everything) == []


def test_what_compares_is_first_in_one_order_and_says_in_which(made) -> None:
    gallery, store = made
    ids = gallery.rows().table["id"].tolist()
    query, like, unlike = Query(ids=(ids[0],)), ids[20:26], ids[1:7]
    found = asking.questions(gallery, store, None, query, like=like, unlike=unlike, compare=True)
    assert {one.only for one in found} == {LEARNED, BEFORE}
    marked = {ids[0], *like, *unlike}
    before = [hit.id for hit in search(gallery, store, None, query, k=59, rerank="none").hits if hit.id not in marked]
    for one in found:
        assert (one.hit.id in before[: refining.FIRST]) == (one.only == BEFORE)
    assert all(isinstance(one, Question) for one in found)


def test_the_verdict_counts_the_answers_of_those_that_compare() -> None:
    only = {"a": LEARNED, "b": LEARNED, "c": BEFORE, "d": BEFORE, "e": ""}
    answers = {"a": True, "b": False, "c": False, "e": True}
    assert asking.verdict(answers, only) == Verdict((1, 2), (0, 1))
    assert Verdict((1, 2), (0, 1)).above
    assert Verdict((1, 3), (1, 2)).better is False
    assert Verdict((0, 0), (0, 0)).better
    assert not Verdict((0, 0), (0, 0)).above
    assert Verdict((2, 3), (0, 0)).better
    assert not Verdict((0, 0), (2, 2)).better
