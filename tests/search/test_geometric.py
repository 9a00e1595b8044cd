"""Re-ranking by keypoints: a part finds its whole, another picture of the thing is known, and what has none is no fault."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from tiny_gallery import encoder, exact, fill, run

from pipeline.explain import matched
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.plugins import build
from pipeline.rerank import is_matcher
from pipeline.search.search import Query, QueryPicture, SearchResult, needs_encoder, search

pytest.importorskip("cv2", reason="pip install opencv-python-headless")
COUNT, SIZE = 16, (192, 160)


def textured(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Random squares of 8 px, whose corners are keypoints."""
    tiles = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    return Image.fromarray(tiles).resize(size, Image.Resampling.NEAREST)


def asking_with(image: Image.Image) -> Query:
    held = io.BytesIO()
    image.save(held, "PNG")
    return Query((QueryPicture(held.getvalue()),))


def dark_part(seed: int) -> Image.Image:
    """A quarter of a picture's area, so dark that its colours are no hit's."""
    return ImageEnhance.Brightness(textured(seed).crop((60, 50, 156, 130))).enhance(0.3)


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    for seed in range(COUNT):
        textured(seed).save(tmp_path / f"{seed:02d}.png")
    Image.new("RGB", SIZE, "black").save(tmp_path / "flat.png")
    return fill(tmp_path)[0]


def ask(gallery: Gallery, query: Query, rerank: str = "geometric", k: int = COUNT + 1) -> SearchResult:
    store = exact()
    sync.sync(gallery, store)
    return search(gallery, store, encoder(), query, rerank=rerank, k=k)


def paths(result: SearchResult) -> list[str]:
    return [hit.path for hit in result.hits]


def test_a_part_finds_its_whole_and_the_others_stay_in_the_order_of_their_scores(gallery: Gallery) -> None:
    query = asking_with(dark_part(5))
    plain, result = paths(ask(gallery, query, "none")), ask(gallery, query)
    assert plain.index("05.png") > 0, "so dark a part is nearer to others by colour"
    assert paths(result) == ["05.png", *(path for path in plain if path != "05.png")]
    assert result.unmatched == ""
    assert result.milliseconds["match"] > 0


def test_a_picture_that_shows_none_of_the_hits_leaves_them_as_they_are(gallery: Gallery) -> None:
    query = asking_with(textured(99))
    assert paths(ask(gallery, query)) == paths(ask(gallery, query, "none"))


def test_keypoints_lie_where_a_turned_and_smaller_photo_has_them() -> None:
    whole = textured(3)
    turned = whole.resize((150, 125), Image.Resampling.LANCZOS).rotate(90, expand=True)
    match = matched.compared("geometric", None, whole, turned)
    assert len(match.query) >= 30
    for (x, y, *_), (left, top, *_) in zip(match.query, match.hit, strict=True):
        assert abs(left - y) < 0.05, "what was at y from the top is at y from the left"
        assert abs(top - (1 - x)) < 0.05
    assert matched.said(match).endswith("the 40 surest are drawn.")
    drawn = np.asarray(matched.sheet(whole, turned, match))
    colour = np.array(Image.new("RGB", (1, 1), matched.COLOURS[0]))[0, 0]
    assert (drawn == colour).all(axis=2).sum() > 20


def test_a_query_without_keypoints_is_said_and_hits_without_any_are_not_same(gallery: Gallery) -> None:
    query = asking_with(Image.new("RGB", SIZE, "navy"))
    result = ask(gallery, query)
    assert "no details" in result.unmatched
    assert paths(result) == paths(ask(gallery, query, "none"))
    flat = Image.new("RGB", (8, 300), "red")
    for one, other in ((flat, flat), (flat, textured(1)), (textured(1), flat)):
        match = matched.compared("geometric", None, one, other)
        assert (match.score, len(match.query)) == (0, 0)
        assert matched.said(match).startswith("No place")


def test_pictures_that_are_gone_keep_their_place_and_are_counted(gallery: Gallery, tmp_path: Path) -> None:
    query = asking_with(dark_part(5))
    plain = paths(ask(gallery, query, "none"))
    rows = gallery.table().set_index("path")["id"]
    for path in plain:
        (tmp_path / path).unlink()
    gallery.thumbnail(rows["05.png"]).unlink()
    result = ask(gallery, query)
    assert "1 of the 17 nearest hit has neither thumbnail nor file and was not compared." in result.unmatched
    assert paths(result) == plain
    lost = ask(gallery, Query(ids=(rows["05.png"],)))
    assert "neither thumbnail nor file of picture" in lost.unmatched


def test_removed_pictures_are_no_hits_and_one_picture_is_enough(gallery: Gallery) -> None:
    rows = gallery.table().set_index("path")["id"]
    gallery.remove([rows["05.png"]])
    assert "05.png" not in paths(ask(gallery, asking_with(dark_part(5))))
    gallery.remove([picture for path, picture in rows.items() if path != "07.png"])
    assert paths(ask(gallery, asking_with(dark_part(7)))) == ["07.png"]


def test_ids_need_no_encoder(gallery: Gallery) -> None:
    first, second, *_ = gallery.table()["id"]
    assert not needs_encoder(gallery, Query(ids=(first,), like=(second,)), "geometric")
    assert ask(gallery, Query(ids=(first,), like=(second,))).unmatched == ""


def test_what_is_verified_comes_first_by_its_match_and_the_rest_by_score() -> None:
    geometric = build("rerank", "geometric")
    assert is_matcher(geometric)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    verified, chance = 8 / 28, 7 / 27
    assert geometric.merged(scores, np.array([0, np.nan, chance, verified, 0.9])).tolist() == [4, 3, 0, 1, 2]
    assert geometric.merged(scores, np.full(5, np.nan)).tolist() == [0, 1, 2, 3, 4]


def test_the_command_line_searches_by_keypoints_and_draws_them(gallery: Gallery, tmp_path: Path) -> None:
    part, out = tmp_path / "part.png", tmp_path / "drawn.png"
    dark_part(5).save(part)
    found = json.loads(run("search", "small", part, "--rerank", "geometric", "--json").stdout)
    best = found["hits"][0]
    assert best["path"] == "05.png"
    given = ("--grid", "2", "--places", "geometric", "--out", out, "--json")
    places = json.loads(run("explain", "small", part, "--id", best["id"], *given).stdout)["places"]
    assert len(places["pairs"]) >= 8
    for pair in places["pairs"]:
        wanted = [(60 + 96 * pair["query"][0]) / SIZE[0], (50 + 80 * pair["query"][1]) / SIZE[1]]
        assert pair["hit"][:2] == pytest.approx(wanted, abs=0.03)
    with Image.open(out) as drawn:
        assert drawn.height > drawn.width / 2
