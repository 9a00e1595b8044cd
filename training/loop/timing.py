"""How long a run's phases take on this machine: some steps are timed before the first, and leave no trace."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import ignite.distributed as idist
import numpy as np
import torch

from training.loop import schedule

if TYPE_CHECKING:
    from training.loop.loop import Loop

FEW = 512  # pictures that a head is timed with: what a P × K batch of it holds


def paces(loop: Loop) -> dict[int, schedule.Pace]:
    """Of the first phase and of every one of the head alone, by number; the slowest process's."""
    loop.schedule = schedule.by_steps(loop.recipe, 10**6)
    states = (loop.network, loop.average, loop.losses)
    before = copy.deepcopy([state.state_dict() for state in states])
    found = {i: _timed(loop, i) for i, phase in enumerate(loop.recipe.phases) if i == 0 or phase.head_only}
    for state, value in zip(states, before, strict=True):
        state.load_state_dict(value)
    loop.put_back()
    return found


def _timed(loop: Loop, number: int) -> schedule.Pace:
    """A head is tried on few pictures, and what comes before its first step grows with them."""
    start, end = loop.schedule.bounds(number)
    rows, before = loop.train_rows, 0.0
    if loop.recipe.phases[number].head_only:
        loop.rehearses, loop.train_rows = True, _few(loop, loop.recipe.phases[number].batch)
        begun = time.perf_counter()
        loop.begin(number, fresh=False)
        ready = time.perf_counter()
        loop.network.settle(loop.head_inputs(loop.train_rows))
        before = (ready - begun) * len(rows) / len(loop.train_rows) + time.perf_counter() - ready
        start = min(start + 1, end - 1)
    times = []
    for step in range(start, min(end, start + schedule.TIMED_STEPS)):
        begun = time.perf_counter()
        loop.step(step)
        if loop.device.type == "cuda":
            torch.cuda.synchronize(loop.device)
        times.append(time.perf_counter() - begun)
        loop.progress("timing", step - start + 1, schedule.TIMED_STEPS)
    loop.train_rows = rows
    usual = float(np.median(times[5:] or times))
    return schedule.Pace(*(float(idist.all_reduce(seconds, "MAX")) for seconds in (usual, before)))


def _few(loop: Loop, batch: int) -> np.ndarray:
    """Rows of so many labels, and of each so many pictures, that every objective can draw a batch."""
    p, labels = loop.recipe.labels_per_batch, loop.data.labels[loop.train_rows]
    each = max(16, min(batch, FEW) // p)
    largest = np.argsort(-np.bincount(labels), kind="stable")[:p]
    return np.sort(np.concatenate([loop.train_rows[labels == label][:each] for label in largest]))
