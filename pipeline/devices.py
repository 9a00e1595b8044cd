"""Which processor a network runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    import torch


EVERY_GPU = "cuda:all"
"""What `ingest` takes for one copy of the encoder on each GPU; a single network goes to the first of them."""


def choose(name: str = "auto") -> torch.device:
    """`auto` is the first of cuda, mps, cpu that is there. UsageError for a name that is unknown or not there."""
    import torch

    if name == EVERY_GPU:
        name = every_gpu()[0]

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


def every_gpu() -> list[str]:
    """`cuda:0`, `cuda:1`, …; UsageError when there is none."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise UsageError(f"device {EVERY_GPU!r}: this machine has no GPU that torch can use; choose cpu or auto")
    return [f"cuda:{i}" for i in range(count)]
