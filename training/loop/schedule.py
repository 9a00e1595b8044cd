"""Time into steps, once; then phase, picture size and learning rate are functions of the step, so a resume is exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.recipes import Recipe

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


@dataclass(frozen=True)
class Pace:
    """What a phase takes, measured: seconds before its first step, and of a step at its first size."""

    step: float
    before: float = 0.0


def by_time(recipe: Recipe, seconds: float, *, paces: Mapping[int, Pace]) -> Schedule:
    """paces: of the first phase and of those of the head alone, by number. A step's cost grows with the picture's area."""
    first = recipe.phases[0].sizes[0][1]
    seconds = max(0.1 * seconds, seconds - sum(pace.before for pace in paces.values()))
    heads = {i: phase.steps * paces[i].step / seconds for i, phase in enumerate(recipe.phases) if phase.head_only}
    shares = _budgets(recipe, heads)

    def steps(number: int, share: float, side: int) -> float:
        step = paces[number].step if number in heads else paces[0].step * (side / first) ** 2
        return seconds * shares[number] * share / step

    return _planned(recipe, steps)


def by_steps(recipe: Recipe, steps: int) -> Schedule:
    """The same shares, of a number of steps that is given (epochs)."""
    heads = {i: phase.steps / max(1, steps) for i, phase in enumerate(recipe.phases) if phase.head_only}
    shares = _budgets(recipe, heads)
    return _planned(recipe, lambda number, share, side: steps * shares[number] * share)


def _budgets(recipe: Recipe, most: Mapping[int, float]) -> list[float]:
    """Each phase's share of the run; what a head does not need of its own is divided among those that train everything."""
    shares = [min(phase.time, most.get(i, 1.0)) for i, phase in enumerate(recipe.phases)]
    whole = sum(share for i, share in enumerate(shares) if i not in most)
    left = sum(phase.time for phase in recipe.phases) - sum(shares)
    return [share if i in most else share * (1 + left / whole) for i, share in enumerate(shares)]


def _planned(recipe: Recipe, steps_of: Callable[[int, float, int], float]) -> Schedule:
    """steps_of: (number of the phase, share of the phase, side) to steps; a phase without time has its own number."""
    stretches: list[Stretch] = []
    for number, phase in enumerate(recipe.phases):
        before = 0.0
        for until, side in phase.sizes:
            start = stretches[-1].end if stretches else 0
            steps = steps_of(number, until - before, side) if phase.time else phase.steps * (until - before)
            stretches.append(Stretch(number, start, start + max(1, round(steps)), side))
            before = until
    return Schedule(recipe, stretches)
