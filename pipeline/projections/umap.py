"""UMAP (McInnes et al. 2018) on neighbours that are known already, begun from the principal axes."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.plugins import Card
from pipeline.projections import _start
from pipeline.records import Neighbours, Progress, silent

CARD = Card(
    summary="UMAP: keeps neighbours together and shows groups; sizes and gaps mean little",
    licence="BSD-3-Clause",
    source="https://umap-learn.readthedocs.io",
    requires=("umap",),
    install="pip install umap-learn",
)
# umap-learn takes 500 up to 10,000 rows and 200 above; benchmarks.projection finds the same trustworthiness with these
EPOCHS, EPOCHS_OF_MANY, MANY = 200, 100, 10_000


def build(
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    epochs: int = 0,
    init: Literal["pca", "spectral"] = "pca",
    pca: int = 0,
    engine: _start.Engine = "auto",
) -> UMAP:
    """n_neighbors: as umap-learn counts them, the picture itself included. min_dist: 0 to 1, how close points may be.

    epochs: 0 = 200, of more than 10,000 pictures 100. init: the first positions. pca: 0 = neighbours in the embeddings' own space, else in that of the first so many axes.
    engine: cuML on a GPU, by itself when it is there; maps of the GPU and the CPU differ.
    """
    _start.at_least("umap", n_neighbors=(n_neighbors, 2), min_dist=(min_dist, 0), epochs=(epochs, 0), pca=(pca, 0))
    if min_dist > 1:
        raise UsageError(f"umap: min_dist={min_dist:g} is above 1")
    return UMAP(n_neighbors, min_dist, epochs, init, pca, engine)


class UMAP:
    """records.Projector. One thread: with more, umap-learn gives another map each time."""

    def __init__(
        self, n_neighbors: int, min_dist: float, epochs: int, init: str, pca: int, engine: _start.Engine
    ) -> None:
        self.n_neighbors, self.min_dist, self.epochs, self.init, self.pca = n_neighbors, min_dist, epochs, init, pca
        self.engine = engine
        self.wanted = 0 if pca else n_neighbors - 1  # those after PCA are others than the gallery keeps

    def fit(
        self,
        embeddings: np.ndarray,
        *,
        neighbours: Neighbours | None = None,
        dimensions: int = 2,
        seed: int = 0,
        progress: Progress = silent,
    ) -> _start.Placed:
        nearest, notes = _start.neighbours_for(
            embeddings,
            neighbours,
            n_neighbours=self.n_neighbors - 1,
            pca=self.pca,
            what=f"n_neighbors={self.n_neighbors}",
        )
        progress("umap", 0, 0)
        itself = np.arange(len(embeddings), dtype=np.int32)[:, None]
        rows = np.concatenate([itself, nearest.rows.astype(np.int32)], axis=1)  # (n, k + 1)
        distances = np.pad(nearest.distances, ((0, 0), (1, 0)))  # (n, k + 1), 0 to itself
        shared = {
            "n_neighbors": rows.shape[1],
            "n_components": dimensions,
            "min_dist": self.min_dist,
            "n_epochs": self.epochs or (EPOCHS if len(embeddings) <= MANY else EPOCHS_OF_MANY),
            "random_state": seed,
        }
        if gpu := _start.cuml(self.engine):
            # "spectral" is the only init besides chance that every release has
            exact = (rows.astype(np.int64), distances)
            reducer = gpu.manifold.UMAP(**shared, init="spectral", precomputed_knn=exact, output_type="numpy")
            points, made_by = reducer.fit_transform(embeddings), f"cuML {gpu.__version__} on the GPU"
        else:
            init = (
                _start.first_positions(embeddings, dimensions, spread=1.0, seed=seed)
                if self.init == "pca"
                else self.init
            )
            points, made_by = _on_cpu(embeddings, init=init, precomputed_knn=(rows, distances), **shared)
        progress("umap", 1, 1)
        return _start.Placed(np.ascontiguousarray(points, np.float32), embeddings, made_by, notes)


def _on_cpu(embeddings: np.ndarray, **options: Any) -> tuple[np.ndarray, str]:
    with warnings.catch_warnings():
        # That new rows cannot be transformed (we place them ourselves), and that the graph has several parts.
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=ImportWarning, module="umap")  # of TensorFlow, which we lack
        import umap

        # below 4,096 rows umap-learn would measure all pairs again unless it is forced not to
        reducer = umap.UMAP(**options, n_jobs=1, force_approximation_algorithm=True)
        return reducer.fit_transform(embeddings), f"umap-learn {umap.__version__} on the CPU"
