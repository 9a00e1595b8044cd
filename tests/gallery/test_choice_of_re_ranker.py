"""The re-ranker of a gallery's searches is the one that does best on its labels, and the choice can be overridden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import encoder, exact, fill, photos

from pipeline.errors import UsageError
from pipeline.filters import parse
from pipeline.gallery import ranking, views
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.search.search import Query, SearchResult, search


def hubs(n: int = 300, dim: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Five labels around centres that overlap, beside a mean that all share: neighbours help."""
    random = np.random.default_rng(5)
    marks = np.arange(n) % 5
    rows = 1.0 + random.normal(size=(5, dim))[marks] + 1.6 * random.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), np.array(list("abcde"))[marks]


def test_what_helps_beyond_chance_is_chosen() -> None:
    measured = ranking.measure(*hubs())
    best = next(one for one in measured if one.spec == "query_expansion")
    assert best.low > 0
    assert ranking.choose(measured) == max(measured, key=lambda one: one.map_at_r).spec != ranking.NONE


def test_labels_that_say_nothing_choose_nothing() -> None:
    embeddings, labels = hubs()
    shuffled = np.random.default_rng(0).permutation(labels)
    assert ranking.choose(ranking.measure(embeddings, shuffled)) == ranking.NONE


@pytest.mark.parametrize("labels", [[""] * 300, ["a"] * 300, ["a"] * 100 + ["b"] * 99 + [""] * 101])
def test_too_few_labels_measure_nothing(labels: list[str]) -> None:
    assert ranking.measure(hubs()[0], np.array(labels)) == []
    assert ranking.choose([]) == ranking.NONE


def test_the_measured_map_at_r_is_that_of_a_loop() -> None:
    embeddings, labels = hubs(250)
    [measured] = [one for one in ranking.measure(embeddings, labels) if one.spec == ranking.NONE]
    random = np.random.default_rng(0)
    random.permutation(len(embeddings))
    values = []
    for row in random.permutation(len(embeddings))[: ranking.MAX_QUERIES]:
        others = [i for i in range(len(embeddings)) if i != row]
        others.sort(key=lambda i: -float(embeddings[i] @ embeddings[row]))
        relevant = [labels[i] == labels[row] for i in others]
        count = sum(relevant)
        values.append(sum(sum(relevant[: i + 1]) / (i + 1) for i in range(count) if relevant[i]) / count)
    assert measured.map_at_r == pytest.approx(sum(values) / len(values), abs=1e-3)


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 12))[0]


def ask(gallery: Gallery, rerank: str, **options: object) -> SearchResult:
    store = exact()
    sync.sync(gallery, store)
    first = gallery.table()["id"].iloc[0]
    return search(gallery, store, None, Query(ids=(first,)), rerank=rerank, **options)  # type: ignore[arg-type]


def test_a_small_gallery_keeps_the_order_of_the_scores(gallery: Gallery) -> None:
    assert gallery.encoder()["rerank"]["spec"] == ranking.NONE
    assert len(gallery.encoder()["mean"]) == gallery.encoder()["dim"]
    result = ask(gallery, "")
    assert result.rerank == "none"
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)


@pytest.mark.parametrize("spec", ["query_expansion:neighbours=3", "k_reciprocal", "database_augmentation", "diverse"])
def test_a_re_ranked_answer_holds_the_same_pictures_with_the_scores_of_the_query_itself(
    gallery: Gallery, spec: str
) -> None:
    plain, other = ask(gallery, "none", k=100), ask(gallery, spec, k=100)
    assert other.rerank == spec
    scores = {hit.id: hit.score for hit in plain.hits}
    assert {hit.id for hit in other.hits} == set(scores)
    for hit in other.hits:
        assert hit.score == pytest.approx(scores[hit.id], abs=1e-5)


@pytest.mark.parametrize("spec", ["query_expansion", "k_reciprocal", "database_augmentation", "diverse"])
def test_rows_at_hand_give_the_same_answer_without_asking_the_store(gallery: Gallery, spec: str) -> None:
    store = exact()
    sync.sync(gallery, store)
    first, label = gallery.table()["id"].iloc[0], gallery.table()["label"].iloc[0]
    for options in ({}, {"where": parse([f"label={label}"])}, {"collapse": 0.9, "by_picture": True}):
        wanted = search(gallery, store, None, Query(ids=(first,)), k=20, rerank=spec, **options)  # type: ignore[arg-type]
        empty = exact()
        answer = search(
            gallery, empty, None, Query(ids=(first,)), k=20, rerank=spec, at_hand=lambda: sync.exact_store(gallery), **options  # type: ignore[arg-type]
        )  # fmt: skip
        assert [hit.id for hit in answer.hits] == [hit.id for hit in wanted.hits]
        assert [hit.folded for hit in answer.hits] == [hit.folded for hit in wanted.hits]


def test_filter_and_removed_pictures_hold_for_a_re_ranked_answer_too(gallery: Gallery) -> None:
    table = gallery.table()
    gone, label = table["id"].iloc[3], table["label"].iloc[5]
    gallery.remove([gone])
    assert gone not in {hit.id for hit in ask(gallery, "query_expansion", k=100).hits}
    hits = ask(gallery, "query_expansion", k=100, where=parse([f"label={label}"])).hits
    assert hits
    assert {hit.label for hit in hits} == {label}


def test_the_choice_of_a_gallery_is_taken_unless_another_is_asked_for(gallery: Gallery) -> None:
    encoders = gallery.manifest()["encoders"]
    encoders[gallery.current]["rerank"]["spec"] = "diverse"
    gallery.update(encoders=encoders)
    assert ask(gallery, "").rerank == "diverse"
    assert ask(gallery, "none").rerank == "none"


def test_a_gallery_made_before_has_the_order_of_the_scores(gallery: Gallery) -> None:
    encoders = gallery.manifest()["encoders"]
    del encoders[gallery.current]["rerank"], encoders[gallery.current]["mean"]
    gallery.update(encoders=encoders)
    assert ask(gallery, "").rerank == "none"
    assert ask(gallery, "query_expansion").hits


def test_an_unknown_re_ranker_is_refused_with_those_there_are(gallery: Gallery) -> None:
    with pytest.raises(
        UsageError, match="unknown re-ranker 'best'; choose from database_augmentation, diverse, geometric"
    ):
        ask(gallery, "best")


@pytest.fixture
def unlabelled(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 220, labels=("all",)), exact())[0]


def test_without_labels_views_of_its_own_pictures_choose(unlabelled: Gallery) -> None:
    kept = unlabelled.encoder()["rerank"]
    assert kept["by"] == ranking.BY_VIEWS
    assert {one["spec"] for one in kept["measured"]} == {
        "none",
        "query_expansion",
        "k_reciprocal",
        "database_augmentation",
    }
    assert kept["spec"] == ranking.choose([ranking.Measured(**one) for one in kept["measured"]])


def test_a_view_is_a_small_part_of_its_picture_and_the_same_seed_draws_it_again() -> None:
    plain = Image.new("RGB", (200, 100), (120, 90, 60))
    sides = []
    for seed in range(50):
        part = views.view(plain, np.random.default_rng(seed))
        sides.append(part.width * part.height / 20_000)
        assert part.size == views.view(plain, np.random.default_rng(seed)).size
    assert views.SMALLEST - 0.01 <= min(sides) < 0.1
    assert 0.2 < max(sides) <= views.LARGEST + 0.01


def test_views_ask_for_their_own_picture(unlabelled: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[np.ndarray, np.ndarray]] = []
    monkeypatch.setattr(ranking, "measure", lambda rows, labels, seed: asked.append((rows, labels)) or [])
    ranking.measure_on_views(unlabelled, unlabelled.rows(), encoder())
    [(rows, labels)] = asked
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    assert len(names) == views.PICTURES
    assert set(counts) == {views.EACH + 1}, "the views and the picture itself"
    assert len(rows) == len(labels) == 220 + views.PICTURES * views.EACH
    table = unlabelled.rows().table["id"].tolist()
    for name in names[:3]:
        own = unlabelled.rows().embeddings[table.index(name)]
        assert any(np.array_equal(row, own) for row in rows[labels == name])


def test_what_an_older_semblance_could_not_measure_is_measured_at_the_next_ingest(unlabelled: Gallery) -> None:
    encoders, short = unlabelled.manifest()["encoders"], unlabelled.current
    encoders[short]["rerank"] = {"spec": "none", "measured": [], "rows": 220}
    unlabelled.update(encoders=encoders)
    with unlabelled.writing():
        ranking.refresh(unlabelled, short)
        assert "by" not in unlabelled.encoder()["rerank"], "nothing to encode views with"
        ranking.refresh(unlabelled, short, encoder=encoder())
    assert unlabelled.encoder()["rerank"]["by"] == ranking.BY_VIEWS


def test_pictures_without_thumbnails_choose_nothing(unlabelled: Gallery) -> None:
    for picture in unlabelled.ids():
        unlabelled.thumbnail(picture).unlink()
    assert ranking.measure_on_views(unlabelled, unlabelled.rows(), encoder()) == []
