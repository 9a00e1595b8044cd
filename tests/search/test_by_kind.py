"""Words in a gallery whose encoder takes none: by the 1,000 kinds, against a loop over all rows."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tiny_kinds
from tiny_gallery import exact, fill, lite, photos
from typer.testing import CliRunner

from pipeline import filters
from pipeline.__main__ import app
from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.kinds.words import meaning, names_of_kinds
from pipeline.records import VectorStore
from pipeline.search import search as searching
from pipeline.search.search import Query, SearchResult, load_encoder, search

Made = tuple[Gallery, VectorStore, np.ndarray, np.ndarray]


@pytest.fixture
def made(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    store = exact()
    weights, bias = tiny_kinds.use(tmp_path, monkeypatch)
    gallery, _ = fill(photos(tmp_path / "photos", 24), store)
    return gallery, store, weights, bias


def likely(made: Made, *texts: str, without: str = "") -> dict[str, float]:
    """id to how likely its picture shows all that is asked for."""
    gallery, _, weights, bias = made
    rows, found = gallery.rows(), {}
    for picture, row in zip(rows.table["id"], rows.embeddings, strict=True):
        powers = [math.exp(float(w @ row) + float(b)) for w, b in zip(weights, bias, strict=True)]
        shown = [sum(powers[kind] for kind in meaning(text).kinds) / sum(powers) for text in texts]
        away = sum(powers[kind] for kind in meaning(without).kinds) / sum(powers) if without else 0.0
        found[picture] = math.prod(shown) ** (1 / len(shown)) * (1 - away)
    return found


def same(result: SearchResult, truth: dict[str, float]) -> None:
    best = sorted(truth, key=lambda picture: -truth[picture])
    assert [hit.id for hit in result.hits] == best[: len(result.hits)]
    assert result.confidences == pytest.approx([truth[picture] for picture in best][: len(result.hits)], rel=1e-3)


@pytest.mark.parametrize("text", ["beagle", "dog", "piano", "animal"])
def test_the_likeliest_pictures_come_first_in_every_store(made: Made, text: str) -> None:
    gallery, store, *_ = made
    with lite() as milvus:
        sync.sync(gallery, milvus)
        for one in (store, milvus):
            same(search(gallery, one, None, Query(texts=(text,)), k=24), likely(made, text))


def test_several_words_and_words_not_wanted(made: Made) -> None:
    gallery, store, *_ = made
    result = search(gallery, store, None, Query(texts=("dog", "ball")), k=24)
    same(result, likely(made, "dog", "ball"))
    less = search(gallery, store, None, Query(texts=("dog",), not_texts=("terrier",)), k=24)
    same(less, likely(made, "dog", without="terrier"))
    assert less.understood.endswith("; without terrier")
    assert "terrier" not in less.understood.partition(" and ")[0]


def test_what_was_understood_names_the_kinds_of_the_first_hits(made: Made) -> None:
    gallery, store, weights, bias = made
    result = search(gallery, store, None, Query(texts=("piano",)), k=3)
    assert result.understood in ("piano: grand piano and upright", "piano: upright and grand piano")
    rows = gallery.rows()
    order = dict(zip(rows.table["id"], rows.embeddings, strict=True))
    told = np.zeros(1000)
    for hit in search(gallery, store, None, Query(texts=("dog",)), k=24).hits:
        powers = np.exp(weights @ order[hit.id] + bias)
        told += powers / powers.sum()
    first = max(meaning("dog").kinds, key=lambda kind: told[kind])
    assert f"dog: {names_of_kinds()[first]}, " in search(gallery, store, None, Query(texts=("dog",))).understood


def test_filter_removal_folding_and_cuts_hold_for_words(made: Made) -> None:
    gallery, store, *_ = made
    ask = Query(texts=("dog",))
    where = filters.parse(["label=cup"])
    hits = search(gallery, store, None, ask, where=where, k=24).hits
    assert {hit.label for hit in hits} == {"cup"}
    assert len(hits) == 8
    gallery.judge("removed", [hits[0].id], True)
    assert hits[0].id not in {hit.id for hit in search(gallery, store, None, ask, k=24).hits}
    assert len(search(gallery, store, None, ask, k=24, collapse=0.5).hits) < 23
    truth = likely(made, "dog")
    cut = search(gallery, store, None, ask, k=24, max_wrong=0.5)
    assert {hit.id for hit in cut.hits} == {picture for picture in truth if truth[picture] >= 0.5} - {hits[0].id}
    assert cut.left_out == 23 - len(cut.hits)


def test_bands_say_how_likely_a_hit_is(made: Made) -> None:
    gallery, store, *_ = made
    result = search(gallery, store, None, Query(texts=("dog",)), k=24)
    for share, band in zip(result.confidences, result.bands, strict=True):
        assert band == ("strong" if share >= 0.9 else "possible" if share >= 0.35 else "weak")


def test_words_alone_need_no_encoder_and_beside_a_picture_they_move_the_query(made: Made) -> None:
    gallery, store, weights, _ = made
    picture = gallery.table()["id"][0]
    assert not searching.needs_encoder(gallery, Query(texts=("dog",)))
    result = search(gallery, store, load_encoder(gallery, device="cpu"), Query(ids=(picture,), texts=("beagle",)), k=24)
    rows = gallery.rows()
    middle = weights[meaning("beagle").kinds[0]] - weights.mean(axis=0)
    asked = rows.embeddings[0] + middle / np.linalg.norm(middle)
    truth = rows.embeddings @ (asked / np.linalg.norm(asked))
    assert [hit.id for hit in result.hits] == [
        i for i in rows.table["id"].to_numpy()[np.argsort(-truth)] if i != picture
    ]
    assert not result.understood
    assert not result.bands


@pytest.mark.usefixtures("made")
def test_the_command_line_says_what_was_understood() -> None:
    done = CliRunner().invoke(app, ["search", "small", "--text", "red pianos", "-k", "3"])
    assert done.exit_code == 0
    assert "red is left out; piano: " in done.stderr
    assert done.stdout.count(" match (") == 3
    told = json.loads(CliRunner().invoke(app, ["search", "small", "--text", "piano", "--json"]).stdout)
    assert told["understood"].startswith("piano: ")
    assert told["hits"][0]["band"] in ("strong", "possible", "weak")


@pytest.mark.parametrize(("how", "fault"), [
    (("--text", "Hund"), "did you mean hound"),
    (("--text", "собака"), "English words"),
    (("--text", " "), "empty"),
    (("--text", "dog", "--not-text", "qwertyuiop"), "not known here"),
])  # fmt: skip
def test_words_that_mean_nothing_end_with_a_sentence_and_exit_2(made: Made, how: tuple[str, ...], fault: str) -> None:
    gallery, store, *_ = made
    with pytest.raises(UsageError, match=fault):
        search(gallery, store, None, Query(texts=how[1:2], not_texts=how[3:4]))
    done = CliRunner().invoke(app, ["search", "small", *how])
    assert done.exit_code != 0
    assert done.stdout == ""
