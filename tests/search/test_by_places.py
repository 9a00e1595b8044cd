"""Re-ranking by the pictures' places: whose cells match, what is said where they cannot be compared, and the drawing."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import encoder, exact, fill, photos

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.explain import matched
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.plugins import build
from pipeline.rerank import Match, Places, cells_of, is_matcher, merged
from pipeline.search import by_places
from pipeline.search.search import Query, QueryPicture, SearchResult, needs_encoder, search

GRID = 4  # cells a side


class WithCells:
    """The tests' histogram, with the mean colour of each cell of a grid as local features."""

    def __init__(self) -> None:
        self.inner = encoder()
        self.dim, self.fingerprint = self.inner.dim, self.inner.fingerprint
        self.preprocess, self.encode = self.inner.preprocess, self.inner.encode
        self.asked = 0

    def cells(self, images: Sequence[Image.Image], grid: int) -> np.ndarray:
        self.asked += len(images)
        side = min(grid, GRID)
        small = [np.asarray(one.resize((side, side), Image.Resampling.BOX), np.float32) for one in images]
        return np.stack(small) + 1


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 24))[0]


def ask(
    gallery: Gallery, query: Query, rerank: str = "patches:share=1", with_encoder: bool = True, **options: object
) -> SearchResult:
    store = exact()
    sync.sync(gallery, store)
    return search(gallery, store, WithCells() if with_encoder else encoder(), query, rerank=rerank, **options)  # type: ignore[arg-type]


def a_part_of(gallery: Gallery, tmp_path: Path, row: int) -> QueryPicture:
    """The lower right quarter of a picture of the gallery."""
    with Image.open(tmp_path / "photos" / gallery.table()["path"].iloc[row]) as whole:
        part = whole.crop((whole.width // 2, whole.height // 2, whole.width, whole.height))
    held = io.BytesIO()
    part.resize((40, 32), Image.Resampling.BICUBIC).save(held, "PNG")
    return QueryPicture(held.getvalue())


def quarters(*colours: str) -> Image.Image:
    made = Image.new("RGB", (64, 64))
    for number, colour in enumerate(colours):
        made.paste(colour, (32 * (number % 2), 32 * (number // 2), 32 * (number % 2) + 32, 32 * (number // 2) + 32))
    return made


def test_a_picture_of_the_same_places_elsewhere_matches_better_than_one_of_others() -> None:
    patches, cells = build("rerank", "patches"), WithCells()
    asked, moved, other = (
        quarters("red", "lime", "blue", "white"),
        quarters("white", "blue", "lime", "red"),
        quarters("orange", "gray", "purple", "black"),
    )
    [own] = patches.places(cells, [asked], asking=True)
    same, else_ = patches.match(own, patches.places(cells, [moved, other], asking=False))
    assert same.score > 1.5 * else_.score
    red = next(i for i, box in enumerate(same.query) if tuple(box[:2]) < (0.5, 0.5))
    assert (same.hit[red][:2] >= 0.5).all(), "red is top left in one and bottom right in the other"
    assert same.query.shape == same.hit.shape == (len(same.query), 4)


def test_a_re_ranked_answer_holds_the_same_pictures_and_says_how_long_it_took(gallery: Gallery, tmp_path: Path) -> None:
    query = Query((a_part_of(gallery, tmp_path, 5),))
    plain, other = ask(gallery, query, "none", k=100), ask(gallery, query, k=100)
    scores = {hit.id: hit.score for hit in plain.hits}
    assert {hit.id for hit in other.hits} == set(scores)
    assert all(hit.score == pytest.approx(scores[hit.id], abs=1e-5) for hit in other.hits)
    assert other.milliseconds["match"] > 0
    assert "match" not in plain.milliseconds
    assert other.unmatched == ""


def test_ids_likes_and_regions_are_compared_and_words_never_are(gallery: Gallery, tmp_path: Path) -> None:
    ids = gallery.table()["id"].tolist()
    part = QueryPicture(a_part_of(gallery, tmp_path, 5).data, (0, 0, 20, 20))
    for query in (Query(ids=(ids[0],)), Query(like=(ids[1],)), Query((part,), ids=(ids[2],), unlike=(ids[3],))):
        result = ask(gallery, query)
        assert result.unmatched == ""
        assert "match" in result.milliseconds
        assert needs_encoder(gallery, query, "patches")
    assert not needs_encoder(gallery, Query(ids=(ids[0],)), "none")


def test_of_several_pictures_asked_with_the_best_match_counts(gallery: Gallery) -> None:
    first, second, *_ = gallery.table()["id"]
    hits = ask(gallery, Query(ids=(first, second)), exclude_query=False, k=3).hits
    assert {first, second} == {hit.id for hit in hits[:2]}


def test_an_encoder_without_places_leaves_the_order_of_the_scores_and_says_so(gallery: Gallery) -> None:
    query = Query(ids=(gallery.table()["id"].iloc[0],))
    result = ask(gallery, query, with_encoder=False)
    assert [hit.id for hit in result.hits] == [hit.id for hit in ask(gallery, query, "none").hits]
    assert "order is that of the scores" in result.unmatched
    assert "keeps the places" in result.unmatched


def test_pictures_that_are_gone_keep_a_middling_place_and_are_counted(gallery: Gallery, tmp_path: Path) -> None:
    query = Query((a_part_of(gallery, tmp_path, 5),))
    shutil.rmtree(tmp_path / "photos")
    assert ask(gallery, query).unmatched == "", "their thumbnails are enough"
    ids = gallery.table()["id"].tolist()
    gallery.thumbnail(ids[3]).unlink()
    result = ask(gallery, query, k=24)
    assert "1 of the 24 nearest hit has" in result.unmatched
    assert {hit.id for hit in result.hits} == set(ids)
    lost = ask(gallery, Query(ids=(ids[3],)))
    assert "neither thumbnail nor file" in lost.unmatched
    assert [hit.id for hit in lost.hits] == [hit.id for hit in ask(gallery, Query(ids=(ids[3],)), "none").hits]
    for picture in ids:
        gallery.thumbnail(picture).unlink(missing_ok=True)
    nothing = ask(gallery, query)
    assert nothing.unmatched.startswith("The order is that of the scores: no hit has")


def test_removed_pictures_are_no_hits(gallery: Gallery, tmp_path: Path) -> None:
    gone = gallery.table()["id"].iloc[5]
    gallery.remove([gone])
    assert gone not in {hit.id for hit in ask(gallery, Query((a_part_of(gallery, tmp_path, 5),)), k=24).hits}


@pytest.mark.parametrize("count", [1, 2])
def test_one_picture_and_pictures_that_are_all_alike_are_no_fault(home: Path, tmp_path: Path, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (32, 32), (10, 200 + number, 10)).save(tmp_path / f"{number}.png")
    made, _ = fill(tmp_path)
    result = ask(made, Query((QueryPicture((tmp_path / "0.png").read_bytes()),)), exclude_query=False)
    assert len(result.hits) == count
    assert result.unmatched == ""


def test_a_share_of_nothing_is_the_order_of_the_scores_and_of_all_that_of_the_matches() -> None:
    scores, matches = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.1, np.nan, 0.5, 0.9])
    assert merged(scores, matches, 0).tolist() == [0, 1, 2, 3]
    order = merged(scores, matches, 1).tolist()
    assert order[0] == 3
    assert order[-1] == 0
    assert merged(scores, np.full(4, np.nan), 1).tolist() == [0, 1, 2, 3]


def test_a_shared_encoder_and_one_that_stands_on_another_have_its_places() -> None:
    from app.server.encoders import OneAtATime
    from pipeline.encoders.pca import PCAEncoder

    cells = WithCells()
    shorter = PCAEncoder(cells, np.zeros(cells.dim, np.float32), np.eye(2, cells.dim, dtype=np.float32))
    picture = quarters("red", "lime", "blue", "white")
    for one in (cells, shorter, OneAtATime(cells), OneAtATime(shorter)):
        np.testing.assert_array_equal(cells_of(one)([picture], 4), cells.cells([picture], 4))
    with pytest.raises(UsageError, match="no network that keeps"):
        cells_of(OneAtATime(encoder()))([picture], 4)


def test_what_was_encoded_is_not_encoded_again(gallery: Gallery) -> None:
    from app.server import looks

    cells, patches = WithCells(), build("rerank", "patches")
    store = exact()
    sync.sync(gallery, store)
    query = Query(ids=(gallery.table()["id"].iloc[0],))
    first = search(gallery, store, cells, query, rerank="patches", places=looks.places_of_hits)
    encoded = cells.asked
    again = search(gallery, store, cells, query, rerank="patches", places=looks.places_of_hits)
    assert cells.asked == encoded + 2, "the query alone, at both sizes"
    assert [hit.id for hit in first.hits] == [hit.id for hit in again.hits]
    assert is_matcher(patches)
    assert by_places.places_of_hits(gallery, patches, cells, []) == []


def test_matched_places_are_drawn_on_both_pictures_and_counted() -> None:
    query, hit = Image.new("RGB", (100, 50), "navy"), Image.new("RGB", (50, 100), "navy")
    boxes = np.array([[0, 0, 0.25, 0.25], [0.5, 0.5, 0.25, 0.25]], np.float32)
    match = Match(0.5, boxes, boxes[::-1])
    drawn = matched.sheet(query, hit, match)
    assert drawn.size == (480 + matched.GAP + 240, 480)
    first = np.array(Image.new("RGB", (1, 1), matched.COLOURS[0]))[0, 0]
    seen = (np.asarray(drawn) == first).all(axis=2)
    assert seen[:, :480].any()
    assert seen[:, 480 + matched.GAP :].any()
    assert matched.said(match) == "2 places match."
    many = Match(0.5, np.tile(boxes, (9, 1)), np.tile(boxes, (9, 1)))
    assert matched.said(many) == "18 places match; the 6 surest are drawn."
    none = Match(0.0, boxes[:0], boxes[:0])
    assert matched.said(none).startswith("No place")
    assert matched.sheet(query, hit, none).size == drawn.size
    assert matched.as_json(match)["pairs"][0] == {"query": [0, 0, 0.25, 0.25], "hit": [0.5, 0.5, 0.25, 0.25]}


def test_a_re_ranker_that_opens_no_pictures_cannot_say_what_matches() -> None:
    plain = Image.new("RGB", (20, 20))
    with pytest.raises(UsageError, match=r"diverse does not compare pictures; choose from .*patches"):
        matched.compared("diverse", encoder(), plain, plain)
    with pytest.raises(UsageError, match="no network that keeps"):
        matched.compared("patches", encoder(), plain, plain)


def test_without_opencv_a_sentence_says_what_to_install(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    query = Query(ids=(gallery.table()["id"].iloc[0],))
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert "geometric" not in matched.matcher_names()
    with pytest.raises(UsageError, match="pip install opencv-python-headless"):
        ask(gallery, query, "geometric")
    monkeypatch.setattr(plugins, "missing", lambda *_: "")  # there, but it does not start
    result = ask(gallery, query, "geometric")
    assert "order is that of the scores" in result.unmatched
    assert "pip install opencv-python-headless" in result.unmatched
    assert len(result.hits) == 10


def test_places_are_boxes_inside_the_picture_row_by_row() -> None:
    [places] = build("rerank", "patches").places(WithCells(), [quarters("red", "lime", "blue", "white")], asking=False)
    assert isinstance(places, Places)
    assert places.boxes[1].tolist() == [0.25, 0, 0.25, 0.25]
    assert (places.boxes[:, :2] + places.boxes[:, 2:]).max() == 1
    assert np.linalg.norm(places.features.astype(float), axis=1) == pytest.approx(np.ones(16), abs=1e-2)
