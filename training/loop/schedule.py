"""Time into steps, once; then phase, picture size and learning rate are functions of the step, so a resume is exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.recipes import Phase, Recipe

TIMED_STEPS = 50


@dataclass(frozen=True)
class Stretch:
    """Steps [start, end) of one phase at one picture size."""

    phase: int
    start: int
    end: int
    side: int


@dataclass(frozen=True)
class Moment:
    """Where a step stands. lr: the phase's own warm-up and cosine, without the factor of single parameters."""

    phase: int
    side: int
    lr: float
    begins_phase: bool


class Schedule:
    """All stretches of a run in order."""

    def __init__(self, recipe: Recipe, stretches: Sequence[Stretch]) -> None:
        self.recipe, self.stretches = recipe, list(stretches)
        self.steps = self.stretches[-1].end

    def at(self, step: int) -> Moment:
        """The moment of step 0 ≤ step < steps."""
        here = next(stretch for stretch in self.stretches if step < stretch.end)
        start, end = self.bounds(here.phase)
        phase = self.recipe.phases[here.phase]
        return Moment(
            here.phase, here.side, lr_at(step - start, end - start, phase.lr, self.recipe.warmup), step == start
        )

    def bounds(self, phase: int) -> tuple[int, int]:
        """First step of a phase, and the step after its last."""
        own = [stretch for stretch in self.stretches if stretch.phase == phase]
        return own[0].start, own[-1].end

    def cost(self, start: int, end: int) -> float:
        """What steps [start, end) take, in pixels of a picture's area: later steps have larger pictures."""
        parts = [(max(start, s.start), min(end, s.end), s.side) for s in self.stretches]
        return sum(max(0, b - a) * side**2 for a, b, side in parts)


def lr_at(step: int, steps: int, peak: float, warmup: float) -> float:
    """Linear warm-up over a share of the steps, then half a cosine to 0."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def by_time(recipe: Recipe, seconds: float, *, step_seconds: float) -> Schedule:
    """step_seconds: measured at the first size of the first phase; the cost of a step grows with the picture's area."""
    first = recipe.phases[0].sizes[0][1]
    return _planned(recipe, lambda time, side: seconds * time / (step_seconds * (side / first) ** 2))


def by_steps(recipe: Recipe, steps: int) -> Schedule:
    """The same shares, of a number of steps that is given (epochs)."""
    return _planned(recipe, lambda time, side: steps * time)


def _planned(recipe: Recipe, steps_of: Callable[[float, int], float]) -> Schedule:
    """steps_of: (share of the run's time, side) to steps; a phase that says its own number has that."""
    stretches: list[Stretch] = []
    for number, phase, share, side in _shares(recipe):
        start = stretches[-1].end if stretches else 0
        steps = phase.steps * share if phase.steps else steps_of(phase.time * share, side)
        stretches.append(Stretch(number, start, start + max(1, round(steps)), side))
    return Schedule(recipe, stretches)


def _shares(recipe: Recipe) -> list[tuple[int, Phase, float, int]]:
    """(phase number, phase, share of the phase, side) in order."""
    shares = []
    for number, phase in enumerate(recipe.phases):
        before = 0.0
        for until, side in phase.sizes:
            shares.append((number, phase, until - before, side))
            before = until
    return shares
