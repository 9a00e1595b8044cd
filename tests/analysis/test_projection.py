"""Maps of a gallery: kept, read, aged, placed on; what cannot be mapped; the verb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import ROOT, fill, photos, run

from pipeline import plugins
from pipeline.analysis import map_files, projection
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import neighbours
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.records import Rows, SearchHit
from pipeline.schema import NAMES
from pipeline.settings import Settings

TSNE = "tsne:iterations=50,perplexity=3"


def in_groups(count: int, *, dim: int = 16, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(3, dim))[np.arange(count) % 3] + 0.3 * random.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def add(gallery: Gallery, embeddings: np.ndarray, *, first: int = 0, fingerprint: str = "ab" * 32) -> list[str]:
    """Rows without pictures behind them; returns their ids."""
    ids = [f"{number:032x}" for number in range(first, first + len(embeddings))]
    table = pd.DataFrame(dict.fromkeys(NAMES, ""), index=range(len(ids)))
    table = table.assign(id=ids, path=ids, label="cup", width=8, height=8, metadata=[{} for _ in ids])
    with gallery.writing():
        short = gallery.add_encoder("color_histogram", fingerprint, embeddings.shape[1])
        gallery.commit(short, Rows(table, embeddings))
    return ids


@pytest.fixture
def gallery(home: Path) -> Gallery:
    """40 embeddings in three groups."""
    made = create_gallery("small", Settings())
    add(made, in_groups(40))
    return made


def files(gallery: Gallery) -> list[str]:
    return sorted(file.suffix for file in (gallery.root / "projections").iterdir())


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_map_is_kept_with_what_made_it_and_how_far_it_can_be_trusted(gallery: Gallery, dimensions: int) -> None:
    said = []
    name = projection.project(gallery, TSNE, dimensions=dimensions, seed=7, progress=lambda *words: said.append(words))
    assert files(gallery) == [".json", ".npz", ".parquet"]
    map_ = projection.read_map(gallery, name)
    assert map_.points.columns.tolist() == ["id", *"xyz"[:dimensions], "placed"]
    assert map_.points["id"].tolist() == gallery.rows().table["id"].tolist()
    assert np.isfinite(map_.points[list(map_.axes)].to_numpy()).all()
    assert not map_.points["placed"].any()
    assert (map_.stale, map_.new, map_.gone) == ("", 0, 0)
    about = map_.about
    assert (about["method"], about["dimensions"], about["seed"], about["n"]) == ("tsne", dimensions, 7, 40)
    assert (about["fingerprint"], about["encoder"]) == ("ab" * 32, "color_histogram")
    assert about["options"] == {"perplexity": 3.0, "iterations": 50, "pca": 0, "engine": "auto"}
    assert set(about["seconds"]) == {"neighbours", "map", "trust"}
    assert 0.7 < about["trust"]["trustworthiness"] <= 1
    assert "mean nothing" in about["caption"]
    assert {"numpy", "openTSNE"} <= set(about["versions"])
    assert {stage for stage, _, _ in said} == {"neighbours", "t-sne", "trust"}
    assert all(done <= total for _, done, total in said)


def test_the_same_map_is_not_made_twice_and_another_seed_is_another(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = projection.project(gallery, "pca")
    second = projection.project(gallery, TSNE, seed=1)
    assert second != projection.project(gallery, TSNE, seed=2)
    monkeypatch.setattr(map_files, "write", None)  # to make one would fail
    assert projection.project(gallery, "pca") == first
    assert projection.project(gallery, f"{TSNE},pca=0", seed=1) == second  # a default written out
    assert [about["method"] for about in projection.maps(gallery)].count("tsne") == 2


def test_the_points_are_those_of_the_plugin(gallery: Gallery) -> None:
    rows = gallery.rows()
    known = neighbours.exact(rows.embeddings, k=9)
    expected = plugins.build("projections", TSNE).fit(rows.embeddings, neighbours=known, dimensions=2, seed=4)
    map_ = projection.read_map(gallery, projection.project(gallery, TSNE, seed=4))
    np.testing.assert_array_equal(map_.points[["x", "y"]].to_numpy(), expected.points)


@pytest.mark.parametrize("method", ["pca", TSNE])
def test_new_pictures_are_placed_and_gone_ones_left_out_until_the_map_is_made_again(
    gallery: Gallery, method: str
) -> None:
    name = projection.project(gallery, method)
    before = projection.read_map(gallery, name).points.set_index("id")
    ids = gallery.rows().table["id"].tolist()
    new = add(gallery, in_groups(40)[:2], first=100)  # copies of the first two
    gallery.remove([ids[5]])
    map_ = projection.read_map(gallery, name)
    assert (map_.new, map_.gone, len(map_.points)) == (2, 1, 41)
    assert "2 new, placed by the pictures they are closest to; 1 gone" in map_.stale
    assert "python -m pipeline project small --method" in map_.stale
    after = map_.points.set_index("id")
    assert after.index[after["placed"]].tolist() == new
    old = [one for one in ids if one != ids[5]]
    pd.testing.assert_frame_equal(after.loc[old], before.loc[old])
    width = np.ptp(before[["x", "y"]].to_numpy())
    np.testing.assert_allclose(after.loc[new, ["x", "y"]], before.loc[ids[:2], ["x", "y"]], atol=0.02 * width)
    [listed] = projection.maps(gallery)
    assert (listed["name"], listed["stale"]) == (name, True)
    again = projection.project(gallery, method)
    assert again != name
    assert [(about["name"], about["stale"]) for about in projection.maps(gallery)] == [(again, False)]
    with pytest.raises(GalleryError, match="has no map"):
        projection.read_map(gallery, name)
    gallery.remove(ids[:6])
    gallery.restore(ids[:6])
    assert projection.read_map(gallery, again).gone == 0


def test_a_map_of_another_encoder_is_told_and_takes_no_queries(gallery: Gallery) -> None:
    name = projection.project(gallery, "pca")
    add(gallery, in_groups(42, dim=8), fingerprint="cd" * 32)
    with gallery.writing():
        gallery.update(current="cdcdcdcd")
    map_ = projection.read_map(gallery, name)
    assert "made with the encoder color_histogram (abababab), the gallery now has cdcdcdcd" in map_.stale
    assert (map_.new, map_.gone, len(map_.points)) == (2, 0, 40)
    assert projection.maps(gallery)[0]["stale"]
    with pytest.raises(GalleryError, match="make it again with: python -m pipeline project small"):
        projection.place(gallery, map_, np.ones(8, np.float32))
    assert projection.project(gallery, "pca") != name
    assert len(projection.maps(gallery)) == 2


@pytest.mark.parametrize("method", ["pca", TSNE])
def test_an_upload_is_placed_near_its_likes(gallery: Gallery, method: str) -> None:
    map_ = projection.read_map(gallery, projection.project(gallery, method))
    rows = gallery.rows()
    points = map_.points[["x", "y"]].to_numpy()
    width = np.ptp(points)
    one = projection.place(gallery, map_, rows.embeddings[3])
    np.testing.assert_allclose(one, points[3], atol=0.02 * width)
    np.testing.assert_allclose(
        projection.place(gallery, map_, rows.embeddings[:4], rows=rows)[3], one, rtol=1e-4, atol=1e-5
    )
    for embedding, message in [
        (np.ones(5), "5 dimensions is not of this gallery's 16"),
        (np.full(16, np.nan), "finite"),
    ]:
        with pytest.raises(UsageError, match=message):
            projection.place(gallery, map_, embedding)


def test_hits_place_a_query_as_the_embedding_does(gallery: Gallery) -> None:
    map_ = projection.read_map(gallery, projection.project(gallery, TSNE))
    rows = gallery.rows()
    asked = in_groups(3, seed=9)[0]
    scores = rows.embeddings @ asked
    order = np.argsort(-scores)
    hits = [SearchHit(id=rows.table["id"][row], score=float(scores[row])) for row in order]
    np.testing.assert_allclose(
        projection.place_hits(map_, hits), projection.place(gallery, map_, asked), rtol=1e-4, atol=1e-4
    )
    with pytest.raises(GalleryError, match="none of the 1 hits is on the map"):
        projection.place_hits(map_, [SearchHit(id="f" * 32, score=0.5)])


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_a_damaged_map_is_told_and_made_again(gallery: Gallery, suffix: str) -> None:
    name = projection.project(gallery, "pca")
    (gallery.root / "projections" / f"{name}{suffix}").write_text("{")
    with pytest.raises(GalleryError, match="map again"):
        projection.read_map(gallery, name)
    assert projection.project(gallery, "pca") == name
    assert projection.read_map(gallery, name).about["n"] == 40
    map_files.delete(gallery, name)
    assert projection.maps(gallery) == []
    for other in (name, "../gallery", "pca"):
        with pytest.raises(GalleryError, match="has no map"):
            projection.read_map(gallery, other)


@pytest.mark.parametrize("method", ["pca", TSNE])
def test_of_very_many_pictures_a_sample_is_computed_and_the_others_are_placed(
    gallery: Gallery, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "MAX_FITTED", 25)
    monkeypatch.setattr(projection, "PLACED_AT_ONCE", 4)
    map_ = projection.read_map(gallery, projection.project(gallery, method, seed=2))
    assert len(map_.points) == map_.about["trust"]["n"] == 40
    assert "computed from 25 of 40 pictures" in map_.about["notes"][0]
    points, group = map_.points[["x", "y"]].to_numpy(), np.arange(40) % 3
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.9


def test_few_pictures_lower_the_neighbours_and_it_is_said(home: Path) -> None:
    made = create_gallery("few", Settings())
    add(made, in_groups(12))
    notes = projection.read_map(made, projection.project(made, "tsne:iterations=20")).about["notes"]
    assert notes == ["perplexity=30 lowered: 12 pictures have 11 neighbours each"]


def test_what_cannot_be_mapped_is_refused_in_a_sentence(home: Path) -> None:
    empty = create_gallery("empty", Settings())
    with pytest.raises(GalleryError, match="holds no pictures yet"):
        projection.project(empty, "pca")
    three = create_gallery("three", Settings())
    add(three, in_groups(3))
    with pytest.raises(UsageError, match=r"three has 3 pictures and a map needs 10; add more with"):
        projection.project(three, "pca")
    alike = create_gallery("alike", Settings())
    add(alike, np.repeat(in_groups(1), 12, axis=0))
    with pytest.raises(UsageError, match="all pictures of gallery alike have the same embedding"):
        projection.project(alike, "pca")
    flat = create_gallery("flat", Settings())
    add(flat, in_groups(12, dim=2))
    with pytest.raises(UsageError, match="2 dimensions have no 3 principal axes"):
        projection.project(flat, "pca", dimensions=3)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("umap:neighbours=3", {}, "umap has no option 'neighbours'; its options are n_neighbors"),
        ("mds", {}, "unknown projection 'mds'; choose from pca, tsne, umap"),
        ("pca", {"dimensions": 4}, "2 or 3 dimensions"),
        ("pca", {"seed": -1}, "seed from 0"),
    ],
)
def test_bad_options_are_refused(gallery: Gallery, spec: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        projection.project(gallery, spec, **options)


def test_a_library_that_is_missing_is_named_with_what_to_install(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = projection.project(gallery, TSNE)
    monkeypatch.setattr(plugins.importlib.util, "find_spec", lambda module: None)
    for method, package in [("umap", "umap-learn"), ("tsne", "openTSNE")]:
        with pytest.raises(UsageError, match=f"not installed: pip install {package}"):
            projection.project(gallery, method)
    assert projection.place(gallery, projection.read_map(gallery, name), in_groups(1)[0]).shape == (2,)


def test_maps_are_read_and_placed_on_without_the_libraries_that_make_them(gallery: Gallery) -> None:
    name = projection.project(gallery, TSNE)
    add(gallery, in_groups(2, seed=5), first=100)
    code = (
        "import sys; from pipeline.analysis import projection as project; from pipeline import plugins; from pipeline.gallery.opening import open_gallery\n"
        "from pipeline.settings import Settings\n"
        "gallery = open_gallery('small', Settings()); project.maps(gallery); plugins.options('projections', 'umap')\n"
        f"map_ = project.read_map(gallery, {name!r})\n"
        "project.place(gallery, map_, gallery.rows().embeddings[0])\n"
        "print([n for n in ('umap', 'sklearn', 'openTSNE', 'numba', 'scipy', 'torch') if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


def test_the_verb_makes_a_map_of_pictures_and_tells(home: Path, tmp_path: Path) -> None:
    fill(photos(tmp_path / "photos", 12))
    told = run("project", "small", "--method", "tsne:iterations=20", "--progress", "json", "--json", "--seed", "3")
    assert told.returncode == 0, told.stderr
    about = json.loads(told.stdout)
    assert (about["method"], about["seed"], about["n"]) == ("tsne", 3, 12)
    assert {json.loads(line)["stage"] for line in told.stderr.splitlines()} == {"neighbours", "t-sne", "trust"}
    words = run("project", "small", "--method", "pca", "--dimensions", "3", "--progress", "none")
    assert "12 pictures, 3-D, pca" in words.stdout
    assert "trustworthiness" in words.stdout
    wrong = run("project", "small", "--method", "pca:colour=red")
    assert (wrong.returncode, wrong.stderr) == (2, "error: pca has no option 'colour'; its options are (none)\n")
