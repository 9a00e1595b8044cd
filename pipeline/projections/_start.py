"""What maps begin with: principal axes, the neighbours they are made from, and the GPU where there is one."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

import numpy as np

from pipeline.errors import UsageError
from pipeline.features import pca as pca_fit
from pipeline.metrics import map_placing
from pipeline.metrics.retrieval import nearest
from pipeline.records import Neighbours

Engine = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True)
class Placed:
    """records.Projection. Further pictures are placed by the points of those they are closest to."""

    points: np.ndarray
    fitted: np.ndarray  # (n, dim), the embeddings of `points`
    made_by: str
    notes: list[str] = field(default_factory=list)
    axes: None = None
    mean: None = None

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        return map_placing.place(embeddings, self.fitted, self.points)


def principal(embeddings: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """mean (dim,) and the first axes (count, dim), float64, most variance first; the same on every machine.

    UsageError for more axes than there are dimensions.
    """
    if count > embeddings.shape[1]:
        raise UsageError(
            f"embeddings of {embeddings.shape[1]} dimensions have no {count} principal axes; ask for fewer"
        )
    mean, axes, _ = pca_fit.fit(embeddings)
    axes = axes[:count]
    largest = np.abs(axes).argmax(axis=1)
    return mean, axes * np.sign(axes[np.arange(count), largest])[:, None]  # eigh leaves the sign to chance


def first_positions(embeddings: np.ndarray, dimensions: int, *, spread: float, seed: int) -> np.ndarray:
    """(n, dimensions) float32: principal axes with a standard deviation of `spread` along the first.

    A little noise parts copies of a picture, and gives room along an axis that has no variance.
    """
    mean, axes = principal(embeddings, dimensions)
    points = map_placing.linear(embeddings, mean, axes)
    noise = np.random.default_rng(seed).normal(size=points.shape)
    return (spread * (points / points[:, 0].std() + 1e-4 * noise)).astype(np.float32)


def neighbours_for(
    embeddings: np.ndarray, neighbours: Neighbours | None, *, n_neighbours: int, pca: int, what: str
) -> tuple[Neighbours, list[str]]:
    """min(wanted, n - 1) nearest of each row, and a note when that is fewer than wanted.

    pca: 0 = in the space of the embeddings, which `given` were computed in; else in that of the first so many principal
    axes, cut to unit length as `reencode --pca` does. what: the option that wants them.
    """
    most = len(embeddings) - 1
    notes = [f"{what} lowered: {len(embeddings)} pictures have {most} neighbours each"] if n_neighbours > most else []
    k = min(n_neighbours, most)
    if 0 < pca < embeddings.shape[1]:
        mean, axes = principal(embeddings, pca)
        short = map_placing.linear(embeddings, mean, axes)
        short /= np.linalg.norm(short, axis=1, keepdims=True).clip(min=1e-12)
        return _nearest(short, k), notes
    if neighbours is not None and neighbours.rows.shape[1] >= k:
        return neighbours.first(k), notes
    return _nearest(embeddings, k), notes


def _nearest(embeddings: np.ndarray, k: int) -> Neighbours:
    scores, rows = nearest(embeddings, embeddings, k=k, exclude=np.arange(len(embeddings)))
    return Neighbours(rows, scores)


def cuml(engine: Engine) -> ModuleType | None:
    """cuML when it can be used: `auto` takes it where it is installed and sees a GPU. UsageError for gpu without it."""
    if engine == "cpu":
        return None
    if importlib.util.find_spec("cuml") is not None:
        import cupy

        try:
            if cupy.cuda.runtime.getDeviceCount():
                import cuml

                return cuml
        except cupy.cuda.runtime.CUDARuntimeError:  # installed, without a driver that works
            pass
    if engine == "gpu":
        raise UsageError(
            "engine=gpu needs cuML and an NVIDIA GPU; install it (https://docs.rapids.ai/install), or leave engine out"
        )
    return None


def at_least(name: str, **values: tuple[float, float]) -> None:
    """UsageError for an option whose (value, lowest) are the wrong way round."""
    for option, (value, lowest) in values.items():
        if not value >= lowest:  # also when it is nan
            raise UsageError(f"{name}: {option}={value:g} is below {lowest:g}")
