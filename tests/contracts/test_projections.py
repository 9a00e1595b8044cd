"""What every map promises. A new file in pipeline/projections is tested here without an edit."""

from __future__ import annotations

import functools
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.gallery import neighbours as neighbouring
from pipeline.records import Neighbours, Projection

NAMES = plugins.available("projections")
FAST = {"umap": "umap:epochs=50", "tsne": "tsne:iterations=100,perplexity=10"}
COUNT = 90


@functools.cache
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, 64) in three groups, and the group of each."""
    random = np.random.default_rng(0)
    marks = np.arange(COUNT) % 3
    rows = random.normal(size=(3, 64))[marks] + 0.4 * random.normal(size=(COUNT, 64))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), marks


@functools.cache
def known() -> Neighbours:
    return neighbouring.exact(groups()[0], k=60)


@functools.cache
def made(name: str, dimensions: int) -> Projection:
    projector = plugins.build("projections", FAST.get(name, name))
    return projector.fit(groups()[0], neighbours=known(), dimensions=dimensions, seed=3)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    if install := plugins.missing("projections", request.param):
        pytest.skip(install)
    return request.param


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_picture_has_a_finite_point(name: str, dimensions: int) -> None:
    map_ = made(name, dimensions)
    assert (map_.points.shape, map_.points.dtype) == ((COUNT, dimensions), np.float32)
    assert np.isfinite(map_.points).all()
    assert " on the " in map_.made_by
    assert map_.notes == []


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_nearest_on_the_map_are_of_the_same_group(name: str, dimensions: int) -> None:
    points, marks = made(name, dimensions).points, groups()[1]
    for row in range(COUNT):
        distances = ((points - points[row]) ** 2).sum(axis=1)
        distances[row] = np.inf
        assert marks[distances.argmin()] == marks[row]


def test_the_same_seed_gives_the_same_map(name: str) -> None:
    again = plugins.build("projections", FAST.get(name, name)).fit(
        groups()[0], neighbours=known(), dimensions=2, seed=3
    )
    np.testing.assert_array_equal(again.points, made(name, 2).points)


def test_neighbours_are_found_when_none_are_given(name: str) -> None:
    points, marks = plugins.build("projections", FAST.get(name, name)).fit(groups()[0], seed=3).points, groups()[1]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (marks[distances.argmin(axis=1)] == marks).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_known_picture_is_placed_on_its_own_point(name: str, dimensions: int) -> None:
    map_ = made(name, dimensions)
    placed = map_.place(groups()[0][:20])
    assert (placed.shape, placed.dtype) == ((20, dimensions), np.float32)
    width = np.ptp(map_.points, axis=0).max()
    assert np.abs(placed - map_.points[:20]).max() < 0.02 * width


def test_a_new_picture_is_placed_in_its_group_and_the_map_stays(name: str) -> None:
    map_ = made(name, 2)
    before = map_.points.copy()
    embeddings, marks = groups()
    for group in range(3):
        middle = embeddings[marks == group].mean(axis=0)
        point = map_.place((middle / np.linalg.norm(middle))[None])[0]
        centres = [map_.points[marks == other].mean(axis=0) for other in range(3)]
        assert np.argmin([np.linalg.norm(point - centre) for centre in centres]) == group
    np.testing.assert_array_equal(map_.points, before)
    assert map_.place(embeddings[:0]).shape == (0, 2)


def test_few_pictures_with_copies_among_them_have_a_map(name: str) -> None:
    """12 pictures, three of them the same, and fewer than the neighbours that are usual."""
    embeddings = np.concatenate([groups()[0][:10], groups()[0][:1], groups()[0][:1]])
    map_ = plugins.build("projections", name).fit(embeddings, seed=0)
    assert np.isfinite(map_.points).all()
    assert all("lowered" in note and "12 pictures" in note for note in map_.notes)
    assert len(map_.notes) == (name != "pca")


def test_embeddings_on_one_line_have_a_map(name: str) -> None:
    angles = np.linspace(0, 1, 40)
    arc = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1).astype(np.float32)
    assert np.isfinite(plugins.build("projections", FAST.get(name, name)).fit(arc, dimensions=3).points).all()


@pytest.mark.parametrize("name", ["umap", "tsne"])
def test_principal_axes_can_come_first(name: str) -> None:
    embeddings, marks = groups()
    short = plugins.build("projections", f"{FAST[name]},pca=5").fit(embeddings, neighbours=known(), seed=3)
    assert not np.array_equal(short.points, made(name, 2).points)
    distances = np.linalg.norm(short.points[:, None] - short.points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (marks[distances.argmin(axis=1)] == marks).mean() > 0.95


@pytest.mark.parametrize("name", ["umap", "tsne"])
def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(name: str) -> None:
    if "cuml" in sys.modules:
        pytest.skip("cuML is there")
    with pytest.raises(UsageError, match="needs cuML and an NVIDIA GPU"):
        plugins.build("projections", f"{name}:engine=gpu").fit(groups()[0])


@pytest.mark.parametrize("name", ["umap", "tsne"])
def test_cuml_is_taken_by_itself_and_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    def fake(**options: object) -> SimpleNamespace:
        given.update(options)
        return SimpleNamespace(fit_transform=lambda rows: np.ones((len(rows), 2), np.float32))

    library = SimpleNamespace(__version__="26.10", manifold=SimpleNamespace(UMAP=fake, TSNE=fake))
    monkeypatch.setattr("pipeline.projections._start.cuml", lambda engine: library)
    map_ = plugins.build("projections", name).fit(groups()[0], neighbours=known(), seed=5)
    assert map_.made_by == "cuML 26.10 on the GPU"
    assert given["random_state"] == 5
