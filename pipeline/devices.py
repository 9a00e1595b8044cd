"""Which processor a network runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import torch


def choose(name: str = "auto") -> torch.device:
    """`auto` is the first of cuda, mps, cpu that is there. UsageError for a name that is unknown or not there."""
    import torch

    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count())), *there]
    if name == "auto":
        return torch.device(there[0])
    if name not in there:
        raise UsageError(f"device {name!r} is not on this machine; choose from auto, {', '.join(there)}")
    return torch.device(name)
