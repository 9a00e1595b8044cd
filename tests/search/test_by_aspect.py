"""Search by colour, texture and meaning, against a loop over the pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tiny_gallery import encoder, exact, fill, lite, run

from pipeline.errors import GalleryError, UsageError
from pipeline.features import relevance
from pipeline.features.appearance import squashed
from pipeline.filters import parse as filtered
from pipeline.gallery import appearances
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.search import by_aspect
from pipeline.search.search import Query, QueryPicture, as_json, search

PAINTS = {"red": (190, 40, 40), "green": (40, 150, 60), "blue": (50, 70, 190), "yellow": (220, 200, 60)}
SHAPES = ("disc", "bars", "frame")


def paint(file: Path, colour: str, shape: str, turn: int) -> Path:
    """A large shape on white; `turn` moves it a little."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (80, 80), "white")
    pen, fill, at = ImageDraw.Draw(picture), PAINTS[colour], 4 + turn
    if shape == "disc":
        pen.ellipse((at, at, at + 66, at + 66), fill=fill)
    elif shape == "bars":
        for left in range(at, 76, 16):
            pen.rectangle((left, 0, left + 11, 79), fill=fill)
    else:
        pen.rectangle((at, at, at + 64, at + 64), outline=fill, width=22)
    picture.save(file)
    return file


@pytest.fixture
def painted(home: Path, tmp_path: Path):
    """Three of each colour and shape: SHAPE/COLOUR-N.png."""
    for shape in SHAPES:
        for colour in PAINTS:
            for turn in range(3):
                paint(tmp_path / "painted" / shape / f"{colour}-{turn}.png", colour, shape, turn)
    store = exact()
    gallery, _ = fill(tmp_path / "painted", store)
    return gallery, store, tmp_path / "painted"


def colour_of(hit) -> str:
    return Path(hit.path).name.partition("-")[0]


def asked(gallery, store, query: Query, aspects: str, **options):
    return search(gallery, store, encoder(), query, aspects=aspects, k=options.pop("k", 6), **options)


def test_the_same_colour_on_another_shape_comes_first(painted, tmp_path: Path) -> None:
    gallery, store, _ = painted
    query = Query((QueryPicture(paint(tmp_path / "asked.png", "red", "disc", 4).read_bytes()),))
    hits = asked(gallery, store, query, "colour=1,texture=-0.5").hits
    assert {colour_of(hit) for hit in hits} == {"red"}
    assert {hit.label for hit in hits} == {"bars", "frame"}
    others = asked(gallery, store, query, "texture=1,colour=-0.5").hits
    assert {hit.label for hit in others} == {"disc"}
    assert "red" not in {colour_of(hit) for hit in others}


@pytest.mark.parametrize("aspects", ["colour=1", "texture=1,meaning=0.25", "colour=0.5,texture=-1,meaning=1"])
def test_the_order_is_that_of_a_loop_over_the_thumbnails(painted, aspects: str) -> None:
    gallery, store, _ = painted
    rows, weights = gallery.rows(), by_aspect.parse(aspects)
    own = rows.table["id"][7]
    result = asked(gallery, store, Query(ids=(own,)), aspects, k=5)
    squares = np.stack([squashed(Image.open(gallery.thumbnail(picture))) for picture in rows.table["id"]])
    parts = relevance.features(squares) | {"meaning": rows.embeddings}
    quantiles = appearances.of_gallery(gallery).quantiles | {"meaning": gallery.encoder()["calibration"]}
    totals = {}
    for row, picture in enumerate(rows.table["id"]):
        if picture != own:
            totals[picture] = sum(
                weights.get(name, 0) * (float(part[row] @ part[7]) - np.mean(quantiles[name])) / np.std(quantiles[name])
                for name, part in parts.items()
            )
    first = sorted(totals.values(), reverse=True)[:5]
    assert [totals[hit.id] for hit in result.hits] == pytest.approx(first, abs=0.05)
    for hit, alike in zip(result.hits, result.alike, strict=True):
        row = rows.table["id"].tolist().index(hit.id)
        for name, part in parts.items():
            assert alike[name][0] == pytest.approx(float(part[row] @ part[7]), abs=0.005)
        assert hit.score == pytest.approx(alike["meaning"][0])
    assert not result.bands
    assert result.aspects == aspects


def test_filter_removal_folding_and_both_stores_hold_for_aspects(painted) -> None:
    gallery, store, _ = painted
    table = gallery.table()
    own = table["id"][table["path"] == "disc/red-0.png"].iloc[0]
    with lite() as milvus:
        sync.sync(gallery, milvus)
        for one in (store, milvus):
            hits = asked(gallery, one, Query(ids=(own,)), "colour=1", where=filtered(["label=bars"])).hits
            assert [hit.label for hit in hits] == ["bars"] * 6
            assert {colour_of(hit) for hit in hits[:3]} == {"red"}
        gallery.remove([hits[0].id])
        for one in (store, milvus):
            assert hits[0].id not in {hit.id for hit in asked(gallery, one, Query(ids=(own,)), "colour=1").hits}
    folded = asked(gallery, store, Query(ids=(own,)), "colour=1", collapse=0.9, k=30).hits
    assert len(folded) < 30
    assert any(hit.folded for hit in folded)


def test_likes_and_dislikes_move_the_colour_too(painted) -> None:
    gallery, store, _ = painted
    table = gallery.table().set_index("path")["id"]
    query = Query(ids=(table["disc/red-0.png"],), unlike=(table["bars/red-0.png"],), like=(table["disc/blue-0.png"],))
    plain = asked(gallery, store, Query(ids=query.ids), "colour=1", k=20)
    moved = asked(gallery, store, query, "colour=1", k=20)
    blues = [sum(colour_of(hit) == "blue" for hit in result.hits[:8]) for result in (plain, moved)]
    assert blues[1] > blues[0]


def test_a_gallery_made_before_is_looked_at_once_and_new_pictures_are_added(painted, tmp_path: Path) -> None:
    gallery, store, folder = painted
    assert appearances.missing(gallery) == 36
    asked(gallery, store, Query(ids=(gallery.table()["id"][0],)), "colour=1")
    file = gallery.root / "projections" / "appearances.npz"
    first = file.stat().st_mtime_ns
    assert appearances.missing(gallery) == 0
    asked(gallery, store, Query(ids=(gallery.table()["id"][1],)), "texture=1")
    assert file.stat().st_mtime_ns == first, "nothing is looked at again"
    paint(folder / "disc" / "red-9.png", "red", "disc", 6)
    fill_again(folder, store)
    assert appearances.missing(gallery) == 1
    new = gallery.table().set_index("path")["id"]["disc/red-9.png"]
    assert asked(gallery, store, Query(ids=(new,)), "colour=1").hits[0].label == "disc"


def fill_again(folder: Path, store) -> Gallery:
    from pipeline import plugins
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import ingest
    from pipeline.settings import Settings

    gallery, spec = open_gallery("small", Settings()), f"folder:root={folder}"
    ingest.ingest(
        gallery, plugins.build("datasets", spec), encoder(), spec=gallery.encoder()["spec"], store=store,
        dataset_spec=plugins.absolute("datasets", spec),
    )  # fmt: skip
    return gallery


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"no zip" * 99])
def test_a_damaged_file_is_made_anew(painted, harm) -> None:
    gallery, store, _ = painted
    query = Query(ids=(gallery.table()["id"][0],))
    before = [hit.id for hit in asked(gallery, store, query, "colour=1").hits]
    file = gallery.root / "projections" / "appearances.npz"
    file.write_bytes(harm(file.read_bytes()))
    assert [hit.id for hit in asked(gallery, store, query, "colour=1").hits] == before


def test_a_picture_without_thumbnail_and_file_is_no_hit_and_is_counted(painted) -> None:
    gallery, store, folder = painted
    table = gallery.table().set_index("path")["id"]
    lost = table["disc/red-1.png"]
    gallery.thumbnail(lost).unlink()
    (folder / "disc" / "red-1.png").unlink()
    gallery.thumbnail(table["disc/red-2.png"]).unlink()  # its file is there
    result = asked(gallery, store, Query(ids=(table["disc/red-0.png"],)), "colour=1", k=40)
    assert result.unseen == 1
    assert table["disc/red-2.png"] in {hit.id for hit in result.hits[:3]}
    assert lost not in {hit.id for hit in result.hits}
    with pytest.raises(GalleryError, match="neither thumbnail nor file"):
        asked(gallery, store, Query(ids=(lost,)), "colour=1")


@pytest.mark.parametrize(
    ("aspects", "said"),
    [
        ("shape=1", "colour, texture, meaning"),
        ("colour", "with a weight from -1 to 1"),
        ("colour=nan", "with a weight from -1 to 1"),
        ("colour=2", "with a weight from -1 to 1"),
        ("colour=1,colour=1", "once at most"),
        ("colour=-1,meaning=0", "weight above 0"),
        ("colour=0", "weight above 0"),
    ],
)
def test_aspects_that_cannot_be_read_are_refused_in_a_sentence(painted, aspects: str, said: str) -> None:
    gallery, store, _ = painted
    with pytest.raises(UsageError, match=said):
        asked(gallery, store, Query(ids=(gallery.table()["id"][0],)), aspects)


def test_words_another_order_and_a_share_of_wrong_hits_do_not_go_with_aspects(painted) -> None:
    gallery, store, _ = painted
    query = Query(ids=(gallery.table()["id"][0],))
    with pytest.raises(UsageError, match="give one of the two"):
        asked(gallery, store, query, "colour=1", rerank="diverse")
    with pytest.raises(UsageError, match="not known here"):
        asked(gallery, store, query, "colour=1", max_wrong=0.1)
    with pytest.raises(UsageError, match="neither colour nor texture"):
        asked(gallery, store, Query(texts=("shoe",)), "colour=1")


def test_meaning_alone_is_the_order_of_the_scores(painted) -> None:
    gallery, store, _ = painted
    query = Query(ids=(gallery.table()["id"][0],))
    alone = asked(gallery, store, query, "meaning=1")
    assert [hit.id for hit in alone.hits] == [hit.id for hit in asked(gallery, store, query, "", rerank="none").hits]
    assert not (gallery.root / "projections" / "appearances.npz").exists()


def test_the_command_line_tells_each_aspect(painted) -> None:
    gallery, _, folder = painted
    answer = run("search", "small", folder / "disc" / "red-0.png", "--aspects", "colour=1", "--json", "-k", "2")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["aspects"] == "colour=1"
    assert set(told["hits"][0]["alike"]) == {"colour", "texture", "meaning"}
    assert run("aspects", "small").stdout == "small: colour and texture of 36 pictures are known\n"
    wrong = run("search", "small", folder / "disc" / "red-0.png", "--aspects", "hue=1")
    assert wrong.returncode == 2
    assert "cannot be read at 'hue=1'" in wrong.stderr
    assert (
        as_json(gallery, [], asked(gallery, exact_of(gallery), Query(ids=(told["hits"][0]["id"],)), ""))["aspects"]
        == ""
    )


def exact_of(gallery: Gallery):
    return sync.exact_store(gallery)


def test_on_real_photos_colour_comes_nearer_and_meaning_keeps_the_label(home: Path, clothing: Path) -> None:
    store = exact()
    gallery, _ = fill(clothing / "test", store)
    table, random = gallery.table(), np.random.default_rng(0)
    seen = appearances.of_gallery(gallery)
    distances: dict[str, list[float]] = {}
    for own in random.permutation(table["id"])[:40]:
        for aspects in ("meaning=1", "colour=1", "colour=1,meaning=1"):
            hits = asked(gallery, store, Query(ids=(own,)), aspects, k=10, appearances=seen).hits
            found = seen.features("colour", [seen.rows_of[hit.id] for hit in hits])
            own_colour = seen.features("colour", [seen.rows_of[own]])[0]
            distances.setdefault(aspects, []).append(float(np.median(1 - found @ own_colour)))
    median = {aspects: float(np.median(of)) for aspects, of in distances.items()}
    assert median["colour=1"] < median["meaning=1"] / 2
    assert median["colour=1,meaning=1"] < median["meaning=1"] / 1.5
