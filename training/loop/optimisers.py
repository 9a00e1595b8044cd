"""Gradients into updates: the optimiser's groups, and what several processes exchange to stay one training."""

from __future__ import annotations

import ignite.distributed as idist
import torch
from torch import nn

from training.recipes import Recipe

NAMES = ("sgd", "adam", "rms")


def build(recipe: Recipe, network: nn.Module, losses: nn.Module) -> torch.optim.Optimizer:
    """Groups carry `decays`: 1 for weights of layers, 0 for biases, norms and the losses' own."""
    weights = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    heads = list(losses.parameters())
    groups = [
        {"params": weights, "decays": 1.0},
        {"params": others, "decays": 0.0},
        {"params": heads, "decays": 0.0},  # directions: only their angle counts
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optim == "sgd":
        return torch.optim.SGD(groups, lr=1.0, momentum=0.9, nesterov=True)
    if recipe.optim == "adam":
        return torch.optim.AdamW(groups, lr=1.0)
    return torch.optim.RMSprop(groups, lr=1.0, momentum=0.9)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """One exchange for all; processes draw different parts of the same batch, so the mean is the batch's gradient."""
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    flat = idist.all_reduce(flat) / idist.get_world_size()
    start = 0
    for p in parameters:
        assert p.grad is not None
        p.grad.copy_(flat[start : start + p.numel()].view_as(p))
        start += p.numel()


def share_buffers(network: nn.Module) -> None:
    """The first process's BatchNorm statistics for all: each has seen its own part of the batches only."""
    for buffer in network.buffers():
        buffer.copy_(idist.broadcast(buffer.clone(), src=0))
