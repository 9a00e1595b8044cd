"""The Siamese types of Bell and Bala (SIGGRAPH 2015, figure 5): classification, a contrastive term, or both, over pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes import Recipe


@dataclass(frozen=True)
class Kind:
    """unit: the contrastive term sees the embedding after its L2 norm, else the network's outputs as they are."""

    classification: bool
    contrastive: bool
    unit: bool


KINDS = {
    "cat": Kind(True, False, False),
    "siam": Kind(False, True, False),
    "siam_cat": Kind(True, True, False),
    "siam_cat_cos": Kind(True, True, True),
}
SQUARE_MARGIN = 0.2  # the paper's m² on unit vectors: push until the cosine is below 0.9


def contrastive(first: Tensor, second: Tensor, same: Tensor, *, square_margin: float) -> Tensor:
    """(n, dim) each and (n,) bool to (n,): D for a pair of one item, max(0, m² − D) for two, D squared Euclid.

    Their equations 1 to 3. Hadsell's form (2006) has the square of m − √D instead.
    """
    d = (first - second).square().sum(dim=1)
    return torch.where(same, d, torch.relu(square_margin - d))


class Siamese(nn.Module):
    """Where there is no L2 norm the contrastive mean is weighted by 2 / m², which brings its plateau near the classifier's."""

    def __init__(self, kind: Kind, *, dim: int, n_labels: int, square_margin: float, label_smoothing: float) -> None:
        super().__init__()
        self.kind = kind
        # Without the L2 norm the paper tries m² up to 1,000. Here the last BatchNorm makes a squared length of dim, so that
        # 0.2 dim would push nothing apart and only pull together: measured, docs/experiments.md
        self.square_margin = square_margin or (SQUARE_MARGIN if kind.unit else float(dim))
        self.label_smoothing = label_smoothing
        self.classifier = nn.Linear(dim, n_labels) if kind.classification else None

    def forward(self, outputs: Tensor, labels: Tensor, same: Tensor) -> Tensor:
        """outputs: (2n, dim), all firsts of the pairs, then all seconds. labels: (2n,). same: (n,) bool."""
        loss = outputs.new_zeros(())
        if self.classifier is not None:
            loss = F.cross_entropy(self.classifier(outputs), labels, label_smoothing=self.label_smoothing)
        if self.kind.contrastive:
            seen = F.normalize(outputs, dim=1) if self.kind.unit else outputs
            weight = 1.0 if self.kind.unit else 2 / self.square_margin
            term = contrastive(*seen.chunk(2), same, square_margin=self.square_margin)
            loss = loss + weight * term.mean()
        return loss


def build(name: str, recipe: Recipe, *, dim: int, n_labels: int) -> Siamese:
    """name: cat, siam, siam_cat or siam_cat_cos. The recipe's square_margin is instead of the kind's own where it is > 0."""
    return Siamese(
        KINDS[name],
        dim=dim,
        n_labels=n_labels,
        square_margin=recipe.square_margin,
        label_smoothing=recipe.label_smoothing,
    )
