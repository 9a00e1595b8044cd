"""How sure a figure is: the interval of 95 % around it, by drawing again and again, or Wilson's for a share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TAILS = (0.025, 0.975)
Z = 1.959964  # of the normal distribution at these


@dataclass(frozen=True)
class Interval:
    """value: the figure; low, high: the middle 95 % of `draws`, (rounds,), the same figure of each drawn set."""

    value: float
    low: float
    high: float
    draws: np.ndarray

    def as_json(self) -> dict[str, float]:
        """As reports keep it."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def rounded(self, digits: int = 6) -> dict[str, float]:
        return {name: round(figure, digits) for name, figure in self.as_json().items()}


def of_draws(draws: np.ndarray, *, value: float | None = None) -> Interval:
    """value: None = the mean of the draws. A nan is no draw; without any all that is not given is nan."""
    real = draws[~np.isnan(draws)]
    nan = float("nan")
    low, high = np.quantile(real, TAILS) if len(real) else (nan, nan)
    mean = float(real.mean()) if len(real) else nan
    return Interval(mean if value is None else value, float(low), float(high), draws)


def interval(values: np.ndarray, *, seed: int, rounds: int = 1000) -> Interval:
    """Of the mean, over `rounds` samples of the queries. A nan is no query; without queries all are nan."""
    real = np.asarray(values, np.float64)
    real = real[~np.isnan(real)]
    random = np.random.default_rng(seed)
    means = [real[random.integers(len(real), size=len(real))].mean() for _ in range(rounds if len(real) else 0)]
    return of_draws(np.array(means), value=float(real.mean()) if len(real) else None)


def wilson(share: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of shares of n independent trials (Wilson 1927): wider than nothing also where a share is 0 or 1."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    width = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return centre - width, centre + width
