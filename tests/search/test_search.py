"""Search against the slow way: loops over numpy rows that a child could check."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import draw, encoder, exact, fill, lite, photos

from pipeline import filters
from pipeline.errors import GalleryError, UsageError
from pipeline.fingerprints import file_id
from pipeline.gallery import calibration
from pipeline.gallery.gallery import Gallery
from pipeline.images.opening import open_image
from pipeline.ingest import sync
from pipeline.search import montage
from pipeline.search.search import Query, QueryPicture, SearchResult, as_json, parse_box, search


@pytest.fixture
def made(home: Path, tmp_path: Path):
    """30 pictures with labels and two metadata keys, in the exact store."""
    folder = photos(tmp_path / "photos", 30)
    table = tmp_path / "list.csv"
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    lines = [
        f"{p},{p.split('/')[0]},{'red' if i % 3 else 'blue'},{'yes' if i % 2 else ''}" for i, p in enumerate(files)
    ]
    table.write_text("path,label,colour,sale\n" + "\n".join(lines) + "\n")
    store = exact()
    gallery, report = fill(f"table:file={table},root={folder}", store)
    assert report.added == 30
    return gallery, store, folder


def by_hand(gallery: Gallery, vector: np.ndarray, without: set[str] = frozenset()) -> list[tuple[float, str]]:  # type: ignore[assignment]
    rows = gallery.rows()
    scored = []
    for i, picture in enumerate(rows.table["id"]):
        if picture not in without:
            scored.append((round(float(sum(rows.embeddings[i].astype(float) * vector)), 6), picture))
    return sorted(scored, key=lambda pair: (-pair[0], pair[1]))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(sum(float(x) ** 2 for x in vector))


def same(result: SearchResult, truth: list[tuple[float, str]]) -> None:
    """The same scores in order, and each hit has the score the loop gave it (ties may swap by rounding)."""
    assert [hit.score for hit in result.hits] == pytest.approx([score for score, _ in truth], abs=3e-6)
    scores = {picture: score for score, picture in truth}
    clear = [i for i in range(len(truth) - 1) if truth[i][0] - truth[i + 1][0] > 1e-5]
    assert [result.hits[i].score for i in clear] == pytest.approx([scores[result.hits[i].id] for i in clear], abs=3e-6)


def encoded(data: bytes) -> np.ndarray:
    return encoder().encode(encoder().preprocess(open_image(data).image)[None])[0]


def test_the_k_nearest_are_those_of_a_plain_loop_in_both_stores(made, tmp_path: Path) -> None:
    gallery, store, _ = made
    data = draw(tmp_path / "query.png", 500).read_bytes()
    truth = by_hand(gallery, encoded(data))
    with lite() as milvus:
        sync.sync(gallery, milvus)
        for one in (store, milvus):
            for k in (1, 7, 30, 1000):
                same(search(gallery, one, encoder(), Query((QueryPicture(data),)), k=k), truth[:k])


def test_the_query_itself_is_left_out_unless_it_is_asked_for(made) -> None:
    gallery, store, folder = made
    data = (folder / "cup" / "000.png").read_bytes()
    own = file_id(data)
    for query in (Query((QueryPicture(data),)), Query(ids=(own,))):
        same(search(gallery, store, encoder(), query, k=5), by_hand(gallery, encoded(data), {own})[:5])
        kept = search(gallery, store, encoder(), query, k=5, exclude_query=False).hits[0]
        assert (kept.id, kept.score) == (own, pytest.approx(1, abs=1e-5))


def test_several_pictures_and_ids_ask_with_the_direction_of_their_mean(made, tmp_path: Path) -> None:
    gallery, store, folder = made
    one = draw(tmp_path / "q.png", 600).read_bytes()
    own = file_id((folder / "cup" / "000.png").read_bytes())
    two = encoded((folder / "cup" / "000.png").read_bytes())
    result = search(gallery, store, encoder(), Query((QueryPicture(one),), ids=(own,)), k=10)
    same(result, by_hand(gallery, unit((encoded(one) + two) / 2), {own})[:10])


def test_like_and_unlike_move_the_query_as_rocchio_does(made) -> None:
    gallery, store, _ = made
    rows = gallery.rows()
    ids, e = rows.table["id"].tolist(), rows.embeddings.astype(float)
    query = Query(ids=(ids[0],), like=(ids[1], ids[2]), unlike=(ids[3],))
    truth = unit(e[0] + 0.75 * unit((e[1] + e[2]) / 2) - 0.25 * e[3])
    same(search(gallery, store, None, query, k=12), by_hand(gallery, truth, {ids[0]})[:12])
    alone = search(gallery, store, None, Query(like=(ids[1],)), k=1)
    assert alone.hits[0].id == ids[1]


def test_a_region_is_the_crop_encoded_by_hand(made, tmp_path: Path) -> None:
    gallery, store, _ = made
    data = draw(tmp_path / "large.jpg", 7, size=(1400, 1200)).read_bytes()
    box = parse_box("100,200,640,480")
    with Image.open(io.BytesIO(data)) as image:
        cut = image.convert("RGB").crop((100, 200, 740, 680))
    vector = encoder().encode(encoder().preprocess(cut)[None])[0]
    same(search(gallery, store, encoder(), Query((QueryPicture(data, box),)), k=6), by_hand(gallery, vector)[:6])
    with pytest.raises(UsageError, match="not inside the picture"):
        search(gallery, store, encoder(), Query((QueryPicture(data, (1000, 0, 640, 480)),)))
    with pytest.raises(UsageError, match="write x,y,w,h"):
        parse_box("1,2,3")


@pytest.mark.parametrize(
    "where",
    [
        ["label=cup"],
        ["label!=cup"],
        ["colour=red", "label=bowl,shoe"],
        ["sale="],
        ["sale!="],
        ["colour!=red", "sale=yes"],
    ],
)
def test_filters_let_through_what_a_loop_lets_through(made, where: list[str]) -> None:
    gallery, store, _ = made
    chosen = filters.parse(where)
    wanted = set()
    for row in gallery.table().to_dict("records"):
        facts = row | row["metadata"]
        if all((facts[c.field] in c.values) != c.negate for c in chosen.clauses):
            wanted.add(row["id"])
    assert 0 < len(wanted) < 30
    with lite() as milvus:
        sync.sync(gallery, milvus)
        for one in (store, milvus):
            result = search(
                gallery, one, None, Query(ids=(gallery.table()["id"][0],)), k=30, where=chosen, exclude_query=False
            )
            assert {hit.id for hit in result.hits} == wanted


def test_an_unknown_field_is_refused_and_the_known_ones_are_named(made) -> None:
    gallery, store, _ = made
    with pytest.raises(
        UsageError, match="parent, path, label, split, folder, width, height, orientation, id, tag, colour, sale"
    ):
        search(gallery, store, None, Query(ids=("x",)), where=filters.parse(["lable=cup"]))


def near_duplicates(folder: Path, count: int) -> Path:
    """`count` files that differ in one pixel."""
    first = draw(folder / "a.png", 1)
    for number in range(count):
        with Image.open(first) as image:
            image.putpixel((0, 0), (number % 256, number // 256, 9))
            image.save(folder / f"dup{number:04d}.png")
    return folder


def test_collapse_folds_as_a_loop_does_and_still_brings_k(home: Path, tmp_path: Path) -> None:
    folder = near_duplicates(photos(tmp_path / "photos", 12), 80)
    store = exact()
    gallery, _ = fill(folder, store)
    data = (folder / "a.png").read_bytes()
    result = search(gallery, store, encoder(), Query((QueryPicture(data),)), k=5, collapse=0.999)
    rows = gallery.rows()
    vector = {i: rows.embeddings[n] for n, i in enumerate(rows.table["id"])}
    kept: list[str] = []
    folded: dict[str, list[str]] = {}
    for _, picture in by_hand(gallery, encoded(data), {file_id(data)}):
        near = [(float(vector[picture] @ vector[other]), other) for other in kept]
        if near and max(near)[0] >= 0.999:
            folded[max(near)[1]].append(picture)
        elif len(kept) == 5:
            break
        else:
            kept.append(picture)
            folded[picture] = []
    assert len(result.hits) == 5
    assert len(result.hits[0].folded) == 79
    assert [len(hit.folded) for hit in result.hits] == [len(folded[picture]) for picture in kept]
    assert {i for hit in result.hits for i in hit.folded} | {hit.id for hit in result.hits} == set(
        kept + [i for some in folded.values() for i in some]
    )


def test_k_hits_come_however_many_nearer_ones_are_removed(home: Path, tmp_path: Path) -> None:
    folder = near_duplicates(photos(tmp_path / "photos", 10), 300)
    store = exact()
    gallery, _ = fill(folder, store)
    table = gallery.table()
    gone = table[table["path"].str.startswith("dup")]["id"].tolist()
    gallery.remove(gone)  # the store still has them: another process holds it
    result = search(gallery, store, encoder(), Query((QueryPicture((folder / "a.png").read_bytes()),)), k=8)
    assert len(result.hits) == 8
    assert not set(gone) & {hit.id for hit in result.hits}


def test_percentiles_and_weak_matches_are_the_share_of_random_pairs_that_score_lower(made) -> None:
    gallery, store, _ = made
    e = gallery.rows().embeddings.astype(float)
    pairs = sorted(float(e[i] @ e[j]) for i in range(30) for j in range(30) if i != j)
    result = search(gallery, store, None, Query(ids=(gallery.table()["id"][0],)), k=29)
    for hit, percentile in zip(result.hits, result.percentiles, strict=True):
        below = 100 * sum(score < hit.score - 1e-4 for score in pairs) / len(pairs)
        above = 100 * sum(score < hit.score + 1e-4 for score in pairs) / len(pairs)
        assert below - 1 <= percentile <= above + 1
    assert result.weak_below == pytest.approx(np.quantile(pairs, 0.99), abs=0.02)
    assert calibration.percentile(0.5, []) != calibration.percentile(0.5, [])  # nan
    assert calibration.weak_below([]) == -1


def test_unknown_ids_bad_k_and_empty_queries_are_told(made) -> None:
    gallery, store, _ = made
    with pytest.raises(GalleryError, match="has no picture nothing"):
        search(gallery, store, None, Query(ids=("nothing",)))
    for k in (0, -1, 1001, 100_000):
        with pytest.raises(UsageError, match="choose 1 to 1,000"):
            search(gallery, store, None, Query(ids=("nothing",)), k=k)
    for collapse in (0.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="collapse"):
            search(gallery, store, None, Query(ids=("nothing",)), collapse=collapse)
    with pytest.raises(UsageError, match="nothing to search with"):
        search(gallery, store, None, Query(unlike=("x",)))


def test_another_encoder_never_asks_a_gallery(made, tmp_path: Path) -> None:
    gallery, store, _ = made
    data = draw(tmp_path / "q.png", 3).read_bytes()
    with pytest.raises(GalleryError, match="different encoder"):
        search(gallery, store, encoder("color_histogram:grid=4"), Query((QueryPicture(data),)))


def test_the_json_has_the_documented_shape_and_is_valid_in_a_gallery_of_one(home: Path, tmp_path: Path) -> None:
    store = exact()
    gallery, _ = fill(photos(tmp_path / "photos", 1), store)
    result = search(gallery, store, None, Query(ids=(gallery.table()["id"][0],)), exclude_query=False)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    told = json.loads(json.dumps(as_json(gallery, ["id:x"], result)), parse_constant=refuse)
    assert {"query", "gallery", "encoder", "hits", "milliseconds"} <= told.keys()
    assert {"rank", "id", "path", "label", "score"} <= told["hits"][0].keys()
    assert told["milliseconds"].keys() == {"open", "encode", "search", "total"}
    assert told["hits"][0]["rank"] == 1
    assert told["hits"][0]["percentile"] is None


def test_a_montage_has_a_tile_for_each_query_and_hit(made, tmp_path: Path) -> None:
    gallery, store, folder = made
    data = (folder / "cup" / "000.png").read_bytes()
    result = search(gallery, store, encoder(), Query((QueryPicture(data),)), k=13)
    gallery.thumbnail(result.hits[0].id).unlink()  # a blank tile, no failure
    sheet = montage.montage(gallery, [data], result)
    rows = 1 + 3  # the query's row, 13 hits in rows of 6
    assert sheet.size == (10 + 6 * 170, 10 + rows * (160 + 38 + 10))
    assert sheet.getpixel((sheet.width - 5, 5)) == (255, 255, 255)
    tile = np.asarray(sheet.crop((12, 12, 160, 160)))
    assert tile.std() > 10


def test_a_row_that_disappears_during_a_collapsed_search_is_passed_over(made, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, store, _ = made
    real = store.embeddings
    first = gallery.table()["id"][0]
    monkeypatch.setattr(
        store, "embeddings", lambda collection, ids: dict(list(real(collection, ids).items())[: max(1, len(ids) - 3)])
    )
    assert search(gallery, store, None, Query(ids=(first,)), k=30, collapse=0.9999).hits
