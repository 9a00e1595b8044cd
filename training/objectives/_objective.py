"""What an objective promises. A file of this folder whose `build` makes one is a new `--loss`."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.records import Progress
    from training.data.prepared import Prepared
    from training.recipes import Phase, Recipe
    from training.runs import Run


@dataclass(frozen=True)
class Context:
    """What a phase has when its steps begin."""

    run: Run
    data: Prepared
    recipe: Recipe
    rows: np.ndarray  # (n,) of `data`: the pictures to learn from
    batch: int  # pictures a step, of all processes together
    module: nn.Module  # what `Objective.module` made, on the device
    classifier: nn.Module  # (embeddings, labels or shares of labels) to a scalar; every run trains one
    embed: Callable[[np.ndarray], np.ndarray]  # rows to (m, dim), by the averaged weights
    writes: bool  # of several processes, the one that writes into the run's folder
    progress: Progress

    @property
    def labels(self) -> np.ndarray:
        """(n,) of `rows`."""
        return self.data.labels[self.rows]


class Objective(ABC):
    """Of one phase: made from its options, asked for its phase, its check and its module, then begun with the data.

    Its chance is (seed, step) alone, so that a resumed run goes on with the very same batches. Options of its own are
    the parameters of `build` and the `fields` of the recipe that it names.
    """

    mixes = False  # its pictures may be blended with each other (CutMix, MixUp)
    unit = True  # its loss is over unit vectors, else over the network's outputs as they are
    needs_labels = True  # else pictures without any will do
    tunes_head = True  # it can train the last layer alone
    keeps_statistics = False  # BatchNorm stays as it was: batches are not drawn as the data is
    last_is_best = False  # no dev figure says which of its weights are best, so the last ones are kept
    classification_share = 0.7  # of the run's time, before it, where nothing else is asked
    fields: tuple[str, ...] = ()  # of the recipe: what it reads there and most losses have not

    context: Context  # from `begin` on
    pictures: Tensor  # of a step that trains the whole network: (n, 3, side, side), normalised, as the network saw them

    def phase(self, usual: Phase) -> Phase:
        """Its rate, picture sizes, augmentation and batch, instead of those of the recipe's classification.

        usual.head_only: the last layer alone learns, from pictures that are ready but for it.
        """
        if usual.head_only:
            return dataclasses.replace(usual, lr=0.5 * usual.lr, batch=512)  # more would mine millions of triplets
        return dataclasses.replace(usual, lr=0.3 * usual.lr, sizes=usual.sizes[-1:])

    def check(self, data: Prepared, rows: np.ndarray, recipe: Recipe, *, batch: int) -> None:  # noqa: B027
        """Raise UsageError where it cannot learn from these rows; called before a run's folder is made."""

    def module(self, recipe: Recipe, *, dim: int, n_labels: int) -> nn.Module:
        """What the loss needs beside the embeddings. Its parameters are trained, and checkpoints keep them."""
        return nn.Identity()

    def begin(self, context: Context) -> None:
        """Called before the phase's first step, and again after a resume."""
        self.context = context

    @abstractmethod
    def rows(self, step: int, *, rank: int, world: int) -> np.ndarray:
        """This process's rows of the prepared pictures for a step; the processes' rows together are the batch."""

    @abstractmethod
    def loss(self, embeddings: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
        """embeddings (n, dim), in the order of `rows`, of unit length or as the network gives them; labels (n,).

        shares: (n, n_labels), which differ from labels in mixed batches only.
        """

    def figures(self, embeddings: Tensor, labels: Tensor) -> dict[str, float]:
        """active_share, d_positive and d_negative of the triplets that unit embeddings (n, dim) make."""
        return pair_figures(embeddings, labels, margin=self.context.recipe.margin)


def pair_figures(embeddings: Tensor, labels: Tensor, *, margin: float) -> dict[str, float]:
    """Over all triplets of a labelled batch; nothing where it has no positives or no negatives."""
    d = (2 - 2 * embeddings @ embeddings.T).clamp(min=0)  # (n, n), squared Euclid of unit rows
    same = labels[:, None] == labels
    anchors, positives = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero(as_tuple=True)
    if not len(anchors) or same.all():
        return {}
    other = ~same[anchors]  # (pairs, n)
    active = ((d[anchors, positives][:, None] + margin > d[anchors]) & other).sum() / other.sum()
    return mean_figures(active, d[anchors, positives], d[~same])


def mean_figures(active: Tensor, d_positive: Tensor, d_negative: Tensor) -> dict[str, float]:
    """Means; active: (n,) or (), the share of triplets whose hinge is above 0."""
    parts = {"active_share": active, "d_positive": d_positive, "d_negative": d_negative}
    return {name: float(part.mean()) for name, part in parts.items()}
