"""A head over embeddings that never change: a few hundred steps that take seconds, stopped by the dev split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.metrics import retrieval
from pipeline.networks.frozen import seeded
from pipeline.networks.head import Head
from pipeline.records import Progress, silent
from training.losses.contrastive import SQUARE_MARGIN, of_pairs
from training.losses.cosine_classification import CosineClassification
from training.losses.triplet_hinge import hinge

LOOK, PATIENCE = 50, 6  # steps between looks at dev; looks without a better one until it ends
BATCH, JUDGED = 256, 128  # labelled pictures and judgments a step
MARGIN = 0.2  # of a triplet that somebody judged


@dataclass(frozen=True)
class Judged:
    """What people said of pairs. triplets: (t, 3) rows, the first nearer to the second than to the third.

    pairs: (p, 2) rows. same: (p,) bool.
    """

    triplets: np.ndarray = field(default_factory=lambda: np.empty((0, 3), np.int64))
    pairs: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))
    same: np.ndarray = field(default_factory=lambda: np.empty(0, bool))


@dataclass(frozen=True)
class Learned:
    """looks: (step, dev map_at_r) of each look; the head is that of the best one."""

    head: Head
    looks: list[tuple[int, float]]


def learn(
    embeddings: np.ndarray,
    labels: Sequence[str] | np.ndarray,
    train: np.ndarray,
    dev: np.ndarray,
    *,
    judged: Judged = Judged(),
    dim: int = 256,
    hidden: int = 512,
    dropout: float = 0.3,
    lr: float = 2e-3,
    steps: int = 1200,
    seed: int = 0,
    progress: Progress = silent,
) -> Learned:
    """Cosine classification of the labels, and what people judged beside it.

    embeddings: (n, base dim) of unit length. labels: (n,). train, dev: rows; dev asks train, and its best map_at_r is
    what is kept. Where dev has none the last step is. The same seed gives the same head.
    """
    names, codes = np.unique(np.asarray(labels)[train], return_inverse=True)
    inputs = torch.from_numpy(embeddings)
    mean, scale = inputs[train].mean(0), 1 / (inputs[train].std(0) + 1e-4)
    seen = (inputs - mean) * scale
    rows, targets = torch.from_numpy(train), torch.from_numpy(codes)
    triplets, pairs, same = (torch.from_numpy(array) for array in (judged.triplets, judged.pairs, judged.same))
    looks: list[tuple[int, float]] = []
    with seeded(seed):
        network = _Network(embeddings.shape[1], hidden=hidden, dim=dim, dropout=dropout)
        classifier = CosineClassification(dim=dim, n_labels=len(names), scale=16, label_smoothing=0.1)
        groups = [{"params": network.parameters(), "weight_decay": 0.1}, {"params": classifier.parameters()}]
        optimiser = torch.optim.AdamW(groups, lr=lr, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        best = network.head(mean, scale)
        for step in range(1, steps + 1):
            network.train()
            drawn = torch.randint(len(rows), (BATCH,))
            loss = classifier(network(seen[rows[drawn]]), targets[drawn])
            if len(triplets):
                some = triplets[torch.randint(len(triplets), (min(JUDGED, len(triplets)),))]
                loss = loss + hinge(*(network(seen[part]) for part in some.T), margin=MARGIN).mean()
            if len(pairs):
                drawn = torch.randint(len(pairs), (min(JUDGED, len(pairs)),))
                first, second = (network(seen[part]) for part in pairs[drawn].T)
                loss = loss + of_pairs(first, second, same[drawn], square_margin=SQUARE_MARGIN).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % LOOK == 0 or step == steps:
                progress("learn", step, steps)
                head = network.head(mean, scale)
                figure = _dev_figure(head(embeddings[np.concatenate([train, dev])]), np.asarray(labels), train, dev)
                looks.append((step, round(figure, 6)))
                if np.isnan(figure) or figure >= np.nanmax([value for _, value in looks]):
                    best = head
                elif step - max(looks, key=lambda look: look[1])[0] >= PATIENCE * LOOK:
                    break
    return Learned(best, looks)


class _Network(nn.Module):
    """(n, base dim) standardised to (n, dim) of unit length."""

    def __init__(self, width: int, *, hidden: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(width, hidden), nn.Linear(hidden, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, seen: Tensor) -> Tensor:
        hidden = torch.relu(self.first(self.dropout(seen)))
        return F.normalize(self.last(self.dropout(hidden)), dim=1)

    def head(self, mean: Tensor, scale: Tensor) -> Head:
        """A copy of the weights as they are now."""
        parts = (mean, scale, self.first.weight, self.first.bias, self.last.weight)
        return Head(*(part.detach().numpy().copy() for part in parts))


def _dev_figure(embeddings: np.ndarray, labels: np.ndarray, train: np.ndarray, dev: np.ndarray) -> float:
    """map_at_r of dev asking train; nan where no dev picture has its label there. embeddings: of train, then dev."""
    gallery, queries = embeddings[: len(train)], embeddings[len(train) :]
    return retrieval.map_at_r_between(queries, labels[dev], gallery, labels[train])
