"""Triplets out of a labelled batch: which (anchor, positive, negative) a triplet loss sees."""

from __future__ import annotations

import typing
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import UsageError

Name = Literal["all", "uniform", "semi_hard", "hardest", "random_hard"]
NAMES = typing.get_args(Name)
Triplets = tuple[Tensor, Tensor, Tensor]


@torch.no_grad()
def mine(
    name: str, embeddings: Tensor, labels: Tensor, *, margin: float, generator: torch.Generator | None = None
) -> Triplets:
    """embeddings (n, dim), labels (n,) to rows of anchors, positives and negatives, (triplets,) int64 each.

    With D squared Euclid:
    all          every triplet with hinge > 0 (the batch-all of Hermans et al. 2017)
    uniform      every anchor with every positive, and a negative by chance
    semi_hard    every triplet with 0 < D(anchor, negative) − D(anchor, positive) ≤ margin (Schroff et al. 2015)
    hardest      every anchor with its farthest positive and its nearest negative (Hermans et al. 2017)
    random_hard  every anchor with every positive, and by chance one negative of those with hinge > 0, if any
    Empty when the batch holds no such triplet. The margin matters to all but uniform and hardest.
    """
    if name not in NAMES:
        raise UsageError(f"unknown miner {name!r}; choose from {', '.join(NAMES)}")
    embeddings = embeddings.detach()
    if name in ("all", "semi_hard", "hardest"):
        return _library_miner(name, margin)(embeddings, labels)
    same = labels[:, None] == labels[None]  # (n, n)
    anchors, positives = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero(as_tuple=True)
    allowed = ~same[anchors]  # (pairs, n)
    if name == "random_hard":
        d = torch.cdist(embeddings, embeddings).square()  # (n, n)
        allowed &= margin + d[anchors, positives][:, None] - d[anchors] > 0
    some = allowed.any(dim=1)
    anchors, positives, allowed = anchors[some], positives[some], allowed[some]
    return anchors, positives, _one_of(allowed, generator)


def _one_of(allowed: Tensor, generator: torch.Generator | None) -> Tensor:
    """(m, n) bool, at least one per row, to one allowed column per row, all equally likely: (m,)."""
    if not len(allowed):
        return torch.empty(0, dtype=torch.int64, device=allowed.device)
    device = generator.device if generator is not None else allowed.device
    noise = torch.rand(allowed.shape, generator=generator, device=device).to(allowed.device)
    return noise.masked_fill(~allowed, -1.0).argmax(dim=1)


def _library_miner(name: str, margin: float) -> torch.nn.Module:
    from pytorch_metric_learning import distances, miners

    squared = distances.LpDistance(power=2)
    if name == "hardest":
        return miners.BatchHardMiner(distance=squared)
    kind = "semihard" if name == "semi_hard" else name
    return miners.TripletMarginMiner(margin=margin, type_of_triplets=kind, distance=squared)
