"""Intervals against theory, and against what is left out of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.metrics.intervals import interval, of_draws, wilson


def bounds(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    found = interval(values, seed=seed)
    return found.value, found.low, found.high


def test_the_interval_is_as_wide_as_theory_says_and_the_same_for_a_seed() -> None:
    values = (np.random.default_rng(0).random(2000) < 0.3).astype(float)
    mean, low, high = bounds(values, 1)
    half = 1.96 * math.sqrt(mean * (1 - mean) / 2000)
    assert mean == values.mean()
    assert (mean - low, high - mean) == (pytest.approx(half, rel=0.15), pytest.approx(half, rel=0.15))
    assert bounds(values, 1) == (mean, low, high) != bounds(values, 2)


def test_a_nan_is_no_query_and_no_draw() -> None:
    assert bounds(np.array([np.nan, 1, 1]), 0) == (1, 1, 1)
    assert all(math.isnan(value) for value in bounds(np.array([np.nan]), 0))
    assert all(math.isnan(value) for value in bounds(np.array([]), 0))
    drawn = of_draws(np.array([np.nan, 0, *range(1, 40), 40]), value=0.5)
    assert (drawn.value, drawn.low, drawn.high) == (0.5, 1, 39)
    assert of_draws(np.array([np.nan, 1, 3])).value == 2
    assert math.isnan(of_draws(np.array([np.nan]), value=0.5).low)
    assert math.isnan(of_draws(np.array([np.nan])).value)


def test_reports_keep_three_rounded_figures() -> None:
    assert of_draws(np.array([1 / 7, 1 / 7]), value=1 / 3).rounded(4) == {
        "value": 0.3333,
        "low": 0.1429,
        "high": 0.1429,
    }


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (10, 10), (130, 400)])
def test_wilsons_bounds_are_where_the_share_is_just_not_refused(right: int, n: int) -> None:
    """At each bound p the share lies 1.96 standard deviations of p away from it."""
    for bound in wilson(np.array([right / n]), n):
        away = abs(right / n - bound[0])
        assert away == pytest.approx(1.959964 * math.sqrt(bound[0] * (1 - bound[0]) / n), abs=1e-7)
    low, high = wilson(np.array([right / n]), n)
    assert low[0] - 1e-9 <= right / n <= high[0] + 1e-9
    assert high[0] - low[0] > 0
