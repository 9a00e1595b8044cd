"""t-SNE (van der Maaten and Hinton 2008) by openTSNE, on neighbours that are known already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from pipeline.plugins import Card
from pipeline.projections import _start
from pipeline.records import Neighbours, Progress, silent

if TYPE_CHECKING:
    from types import ModuleType

CARD = Card(
    summary="t-SNE: keeps the nearest together, parts groups; their sizes and gaps mean nothing",
    licence="BSD-3-Clause",
    source="https://opentsne.readthedocs.io",
    requires=("openTSNE",),
    install="pip install openTSNE",
)
# Half of openTSNE's own iterations and a coarser tree: benchmarks.projection finds the same trustworthiness.
EXAGGERATED, ITERATIONS = 125, 250  # in which groups form; after that
THETA = 0.8
FFT_FROM = 8000  # rows of a 2-D map; below, the tree is faster
EVERY = 25  # iterations between two words about progress


def build(
    *, perplexity: float = 30.0, iterations: int = ITERATIONS, pca: int = 0, engine: _start.Engine = "auto"
) -> TSNE:
    """perplexity: about how many neighbours count; three times as many are used. iterations: after the first 125;
    twice as many keep a few more neighbours together in large galleries.

    pca: 0 = neighbours in the embeddings' own space, else in that of the first so many principal axes.
    engine: cuML on a GPU, by itself when it is there and the map has 2 dimensions; its maps differ from the CPU's.
    """
    _start.at_least("tsne", perplexity=(perplexity, 1), iterations=(iterations, 1), pca=(pca, 0))
    return TSNE(perplexity, iterations, pca, engine)


class TSNE:
    """records.Projector."""

    def __init__(self, perplexity: float, iterations: int, pca: int, engine: _start.Engine) -> None:
        self.perplexity, self.iterations, self.pca, self.engine = perplexity, iterations, pca, engine
        self.wanted = 0 if pca else int(3 * perplexity)  # those after PCA are others than the gallery keeps

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
            n_neighbours=int(3 * self.perplexity),
            pca=self.pca,
            what=f"perplexity={self.perplexity:g}",
        )
        perplexity = min(self.perplexity, nearest.rows.shape[1] / 3)
        gpu = _start.cuml(self.engine) if dimensions == 2 else None  # cuML's t-SNE knows no third dimension
        if gpu:
            points, made_by = self._on_gpu(gpu, embeddings, perplexity, seed)
        else:
            points, made_by = self._on_cpu(embeddings, nearest, perplexity, dimensions, seed, progress)
        return _start.Placed(np.ascontiguousarray(points, np.float32), embeddings, made_by, notes)

    def _on_cpu(
        self,
        embeddings: np.ndarray,
        nearest: Neighbours,
        perplexity: float,
        dimensions: int,
        seed: int,
        progress: Progress,
    ) -> tuple[np.ndarray, str]:
        import openTSNE
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import PrecomputedNeighbors

        threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        index = PrecomputedNeighbors(nearest.rows.astype(np.int64), nearest.distances.astype(np.float64))
        affinities = PerplexityBasedNN(knn_index=index, perplexity=perplexity, n_jobs=threads)
        total, done = EXAGGERATED + self.iterations, 0

        def report(iteration: int, error: float, positions: np.ndarray) -> None:
            nonlocal done
            done += EVERY
            progress("t-sne", min(done, total), total)

        reducer = openTSNE.TSNE(
            n_components=dimensions,
            perplexity=perplexity,
            early_exaggeration_iter=EXAGGERATED,
            n_iter=self.iterations,
            negative_gradient_method="fft" if dimensions == 2 and len(embeddings) >= FFT_FROM else "bh",
            theta=THETA,
            n_jobs=threads,
            callbacks=report,
            callbacks_every_iters=EVERY,
            random_state=seed,
        )
        # Farther apart than this and the first iterations only undo it (Kobak and Berens 2019).
        first = _start.first_positions(embeddings, dimensions, spread=1e-4, seed=seed).astype(np.float64)
        progress("t-sne", 0, total)
        points = np.asarray(reducer.fit(affinities=affinities, initialization=first))
        progress("t-sne", total, total)
        return points, f"openTSNE {openTSNE.__version__} on the CPU"

    def _on_gpu(self, cuml: ModuleType, embeddings: np.ndarray, perplexity: float, seed: int) -> tuple[np.ndarray, str]:
        reducer = cuml.manifold.TSNE(
            n_components=2,
            perplexity=perplexity,
            n_neighbors=int(3 * perplexity),
            n_iter=EXAGGERATED + self.iterations,
            method="fft",
            init="pca",
            random_state=seed,
            output_type="numpy",
        )
        return reducer.fit_transform(embeddings), f"cuML {cuml.__version__} on the GPU"
