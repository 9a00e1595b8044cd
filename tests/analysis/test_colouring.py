"""Colours of a map: few values, many, numbers, none; the legend counts every picture."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.analysis.colouring import COLOURS, REST, by_value, on_scale, plain


def test_each_of_a_few_values_has_a_colour_the_commonest_first() -> None:
    made = by_value("Label", pd.Series(["b", "a", "b", "", "c", "b", "a"]), empty="no label")
    assert made.legend == ((0, "b", 3), (1, "a", 2), (2, "c", 1), (4, "no label", 1))
    assert made.codes.tolist() == [0, 1, 0, 4, 2, 0, 1]
    assert made.palette[:3] == COLOURS[:3]
    assert made.among(["a", "no label"]).tolist() == [False, True, False, True, False, False, True]
    assert made.among(["of another map"]).all()


def test_of_500_labels_the_commonest_stay_readable_and_the_others_are_one() -> None:
    labels = [f"label {i}" for i in range(500) for _ in range(500 - i)]
    made = by_value("Label", pd.Series(labels), empty="no label")
    assert len(made.legend) == len(COLOURS) + 1
    code, name, count = made.legend[-1]
    assert name == f"{500 - len(COLOURS)} others"
    assert count == sum(500 - i for i in range(len(COLOURS), 500)) == int((made.codes == code).sum())
    assert made.palette[code] == REST
    assert sum(count for _, _, count in made.legend) == len(labels)


def test_numbers_are_a_scale_that_one_far_value_does_not_spoil() -> None:
    values = pd.Series([str(n) for n in range(100)] + ["1e9", ""])
    made = by_value("weight", values, empty="none")
    assert made.scale is not None
    assert float(made.scale[1]) <= 100
    assert made.codes[101] == 0
    assert made.codes[:100].tolist() == sorted(made.codes[:100].tolist())
    assert made.codes[100] == made.codes.max() == 255
    assert len(made.palette) == 256


def test_a_few_numbers_are_values_and_so_is_text_that_holds_one() -> None:
    assert by_value("year", pd.Series(["2020", "2021"] * 20), empty="none").scale is None
    assert by_value("mixed", pd.Series([*map(str, range(40)), "n/a"]), empty="none").scale is None
    assert by_value("odd", pd.Series([*map(str, range(40)), "inf"]), empty="none").scale is None


def test_all_equal_and_no_number_at_all_are_drawn_too() -> None:
    assert set(on_scale("score", np.full(5, 0.5)).codes.tolist()) <= set(range(1, 256))
    assert on_scale("score", np.full(5, np.nan)).codes.tolist() == [0] * 5
    assert plain(3).codes.tolist() == [0, 0, 0]
