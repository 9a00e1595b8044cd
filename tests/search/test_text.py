"""Words as a query against the slow way: open_clip itself, and loops over numpy rows that a child could check."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from tiny_clip import tiny_clip
from tiny_gallery import SPEC, draw, encoder, exact, fill, lite, photos, run
from typer.testing import CliRunner

from pipeline import filters, plugins
from pipeline.__main__ import app
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.images.opening import open_image
from pipeline.ingest import reencode, sync
from pipeline.records import VectorStore
from pipeline.search import text as words
from pipeline.search.search import Query, QueryPicture, SearchResult, as_json, load_encoder, search


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def made(home: Path, tmp_path: Path, clip: Path) -> tuple[Gallery, VectorStore, Path]:
    """24 pictures, encoded by a tiny CLIP, in the exact store."""
    folder, store = photos(tmp_path / "photos", 24), exact()
    gallery, report = fill(folder, store, spec=f"open_clip:folder={clip}")
    assert report.added == 24
    return gallery, store, folder


def said(clip: Path, text: str) -> np.ndarray:
    """A text's embedding as open_clip makes it."""
    model = open_clip.create_model(f"local-dir:{clip}").eval()
    with torch.inference_mode():
        return unit(model.encode_text(open_clip.get_tokenizer(f"local-dir:{clip}")([text]))[0].double().numpy())


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(sum(float(x) ** 2 for x in vector))


def by_hand(gallery: Gallery, asked: np.ndarray, without: set[str] = frozenset()) -> list[tuple[str, float]]:  # type: ignore[assignment]
    rows = gallery.rows()
    scored = {
        picture: sum(float(a) * float(b) for a, b in zip(row, asked, strict=True))
        for picture, row in zip(rows.table["id"], rows.embeddings, strict=True)
        if picture not in without
    }
    return sorted(scored.items(), key=lambda pair: -pair[1])


def same(result: SearchResult, truth: list[tuple[str, float]]) -> None:
    assert [hit.id for hit in result.hits] == [picture for picture, _ in truth][: len(result.hits)]
    assert [hit.score for hit in result.hits] == pytest.approx([s for _, s in truth][: len(result.hits)], abs=1e-5)


def asked(gallery: Gallery, store: VectorStore, query: Query, **options) -> SearchResult:
    return search(gallery, store, load_encoder(gallery, device="cpu"), query, **options)


@pytest.mark.parametrize("text", ["a red shoe", "blue jeans with holes", "Überwurf, gestreift"])
def test_words_rank_the_pictures_as_a_loop_over_open_clips_own_embedding_does(made, clip: Path, text: str) -> None:
    gallery, store, _ = made
    truth = by_hand(gallery, said(clip, text))
    with lite() as milvus:
        sync.sync(gallery, milvus)
        for one in (store, milvus):
            same(asked(gallery, one, Query(texts=(text,)), k=24), truth)


def test_words_pictures_and_ids_ask_with_the_direction_of_their_mean(made, clip: Path, tmp_path: Path) -> None:
    gallery, store, _ = made
    rows, data = gallery.rows(), draw(tmp_path / "q.png", 900).read_bytes()
    used = load_encoder(gallery, device="cpu")
    picture = used.encode(used.preprocess(open_image(data).image)[None])[0]
    red, shoe = said(clip, "red"), said(clip, "a shoe")
    first = rows.table["id"][0]
    truth = unit((picture + rows.embeddings[0] + red + shoe) / 4)
    query = Query((QueryPicture(data),), ids=(first,), texts=("red", "a shoe"))
    same(asked(gallery, store, query, k=12), by_hand(gallery, truth, {first}))
    twice = unit((picture + 2 * red) / 3)
    same(asked(gallery, store, Query((QueryPicture(data),), texts=("red", "red")), k=12), by_hand(gallery, twice))


def test_not_this_moves_away_as_a_disliked_hit_does(made, clip: Path) -> None:
    gallery, store, _ = made
    rows = gallery.rows()
    ids, e = rows.table["id"].tolist(), rows.embeddings.astype(float)
    shoe, laces, heel = (said(clip, text) for text in ("a shoe", "laces", "a high heel"))
    alone = unit(shoe - 0.25 * unit((laces + heel) / 2))
    same(
        asked(gallery, store, Query(texts=("a shoe",), not_texts=("laces", "a high heel")), k=24),
        by_hand(gallery, alone),
    )
    everything = Query(ids=(ids[0],), like=(ids[1],), unlike=(ids[2],), texts=("a shoe",), not_texts=("laces",))
    truth = unit(unit((e[0] + shoe) / 2) + 0.75 * e[1] - 0.25 * e[2] - 0.25 * laces)
    same(asked(gallery, store, everything, k=12), by_hand(gallery, truth, {ids[0]}))


def test_a_filter_holds_for_words_too(made, clip: Path) -> None:
    gallery, store, _ = made
    cups = set(gallery.table()["id"][gallery.table()["label"] == "cup"])
    truth = [pair for pair in by_hand(gallery, said(clip, "red")) if pair[0] in cups]
    same(asked(gallery, store, Query(texts=("red",)), k=24, where=filters.parse(["label=cup"])), truth)


def test_nothing_is_said_of_what_the_scores_of_words_mean(made) -> None:
    gallery, store, _ = made
    first = gallery.table()["id"][0]
    for query in (Query(texts=("red",)), Query(ids=(first,), texts=("red",)), Query(ids=(first,), not_texts=("red",))):
        result = asked(gallery, store, query, k=24)
        assert all(math.isnan(percentile) for percentile in result.percentiles)
        assert not any(hit.score < result.weak_below for hit in result.hits)
        told = json.loads(json.dumps(as_json(gallery, ["text:red"], result), allow_nan=False))
        assert told["hits"][0]["percentile"] is None
    assert asked(gallery, store, Query(ids=(first,)), k=24).percentiles[0] >= 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the words are empty"),
        (" \n\t\u00a0", "the words are empty"),
        ("x" * 1001, "1,001 characters long; say it in at most 1,000"),
        ("red\x00shoe", r"cannot be shown: red\\x00shoe"),
        ("red \u202eeohs", r"cannot be shown: red \\u202eeohs"),
        ("red \udcff", r"cannot be shown: red \\xff"),
        ("shoe " * 90, "reads 77 tokens"),
    ],
)
def test_what_is_no_text_to_search_with_is_refused(made, text: str, fault: str) -> None:
    gallery, store, _ = made
    for query in (Query(texts=(text,)), Query(texts=("red",), not_texts=(text,))):
        with pytest.raises(UsageError, match=fault):
            asked(gallery, store, query)


def test_spaces_and_line_ends_between_words_make_no_difference(made) -> None:
    gallery, store, _ = made
    plain, odd = (asked(gallery, store, Query(texts=(text,))) for text in ("a red shoe", "\n a\u00a0 red\t\tshoe "))
    assert [hit.id for hit in plain.hits] == [hit.id for hit in odd.hits]


def test_not_this_alone_asks_for_nothing(made) -> None:
    gallery, store, _ = made
    with pytest.raises(UsageError, match="nothing to search with; give a picture, an --id, a --like or a --text"):
        asked(gallery, store, Query(not_texts=("red",)))


def test_an_encoder_without_words_is_named_with_the_remedy(home: Path, tmp_path: Path, clip: Path) -> None:
    store = exact()
    gallery, _ = fill(photos(tmp_path / "photos", 8), store)
    for query in (Query(texts=("red",)), Query(ids=(gallery.table()["id"][0],), not_texts=("red",))):
        with pytest.raises(UsageError, match=rf"made with {SPEC}.*reencode small --encoder open_clip$"):
            search(gallery, store, encoder(), query)
    spec = f"open_clip:folder={clip}"
    reencode.reencode(gallery, encoder(spec), spec=spec, store=None)
    sync.sync(gallery, store)
    assert len(asked(gallery, store, Query(texts=("red",))).hits) == 8
    reencode.shorten(gallery, 3, store=None)
    with pytest.raises(UsageError, match="made with pca:"):
        asked(gallery, store, Query(texts=("red",)))


def test_words_of_another_text_tower_never_ask_a_gallery(made, clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    gallery, _, _ = made
    other = tiny_clip(tmp_path / "other")
    state = load_file(other / "open_clip_model.safetensors")
    state["text_projection"] = state["text_projection"].flip(0)
    save_file(state, other / "open_clip_model.safetensors")
    with pytest.raises(GalleryError, match="gives other embeddings"):
        load_encoder(gallery, device="cpu", spec=f"open_clip:folder={other}")


def test_only_cards_say_which_encoders_take_words() -> None:
    assert words.encoders_with_words() == ["open_clip"]
    assert words.takes_words("open_clip:arch=ViT-B-32,weights=none")
    assert not any(words.takes_words(name) for name in plugins.available("encoders") if name != "open_clip")


# the command line


def test_the_command_line_searches_with_words(made, tmp_path: Path) -> None:
    gallery, store, folder = made
    file = folder / "cup" / "000.png"
    done = run(
        "search", "small", file, "--text", "a red shoe", "--not-text", "laces", "--text", "leather", "--json", "-k", 5
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["query"] == [str(file), "text:a red shoe", "text:leather", "not:laces"]
    query = Query((QueryPicture(file.read_bytes()),), texts=("a red shoe", "leather"), not_texts=("laces",))
    assert [hit["id"] for hit in told["hits"]] == [hit.id for hit in asked(gallery, store, query, k=5).hits]


def test_the_command_line_shows_no_share_of_random_pairs_for_words(made) -> None:
    gallery, _, _ = made
    first = gallery.table()["id"][0]
    by_words, by_picture = (
        CliRunner().invoke(app, ["search", "small", *how]) for how in (["--text", "red"], ["--id", first])
    )
    assert by_words.exit_code == by_picture.exit_code == 0
    assert " %" in by_picture.stdout
    assert " %" not in by_words.stdout
    assert "weak" not in by_words.stdout


def test_bad_words_end_with_a_sentence_and_exit_2(home: Path, tmp_path: Path) -> None:
    fill(photos(tmp_path / "photos", 4))
    for how, fault in (
        (["--text", "red"], "takes pictures only"),
        (["--text", " "], "empty"),
        (["--not-text", "x"], "nothing"),
    ):
        done = run("search", "small", *how)
        assert done.returncode == 2
        assert fault in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_the_lists_of_encoders_say_which_takes_words(made, clip: Path) -> None:
    listed = CliRunner().invoke(app, ["encoders"]).stdout.splitlines()
    assert [line.split(":")[0] for line in listed if "[takes words]" in line] == ["open_clip"]
    tried = ["--encoder", f"open_clip:folder={clip}", "--encoder", "color_histogram", "--encoder", "nothing_such"]
    rows = CliRunner().invoke(app, ["try-encoders", "small", *tried, "--json", "--progress", "none"])
    told = {row["encoder"].partition(":")[0]: row["words"] for row in json.loads(rows.stdout)}
    assert told == {"open_clip": True, "color_histogram": False, "nothing_such": False}
