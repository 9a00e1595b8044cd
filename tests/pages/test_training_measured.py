"""What was measured of a run, on the Training page: a row a metric, and the score over K."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest
from test_training_page import at_training, make_run

from app.training_runs.measured import figures, score_table

EVALUATION = {
    "test, open labels": {
        "metrics": {
            "similarity_precision_in_class": {"value": 0.71234, "low": 0.7, "high": 0.72},
            "score_at_3": {"value": 1200, "low": 1100, "high": 1300},
        },
        "score_at": {"k": 3, "scores": [300, 800, 1200], "counted": [500, 1400, 2100], "triplets": 9000},
    },
    "human triplets": {"metrics": {"similarity_precision": {"value": 0.8, "low": 0.7, "high": 0.9}}},
}


def test_shares_have_three_digits_and_counts_are_counts() -> None:
    assert figures(EVALUATION).values.tolist() == [
        ["test, open labels", "similarity_precision_in_class", "0.712", "0.700 to 0.720"],
        ["test, open labels", "score_at_3", "1,200", "1,100 to 1,300"],
        ["human triplets", "similarity_precision", "0.800", "0.700 to 0.900"],
    ]
    assert score_table(EVALUATION).values.tolist() == [
        ["test, open labels", 1, 300, 500, 9000],
        ["test, open labels", 2, 800, 1400, 9000],
        ["test, open labels", 3, 1200, 2100, 9000],
    ]


def test_the_page_shows_what_was_measured_with_its_curve(app: AppTest) -> None:
    make_run("first").update(evaluation=EVALUATION)
    at_training(app)
    assert any("Measured on pictures that did not teach" in text.value for text in app.markdown)
    assert any("score_at_3" in str(table.value.values.tolist()) for table in app.dataframe)
    assert any("Score at top K" in str(part.proto) for part in app.get("plotly_chart"))


LEARNED = {
    "weights": {"colour": 0.2, "semantic": 0.8},
    "before": {"value": 0.75, "low": 0.7, "high": 0.8},
    "after": {"value": 0.875, "low": 0.8, "high": 0.9},
    "difference": {"value": 0.125, "low": 0.1, "high": 0.15},
    "taught": 2500,
    "held_out": 2400,
    "judges": "the catalogue's grades",
}


def test_weights_that_were_learned_are_shown_with_what_held_out_judgments_say(app: AppTest) -> None:
    weights = {"weights": {"colour": 0.2, "texture": 0.0, "semantic": 0.8}}
    make_run("first").update(relevance=weights, golden=LEARNED)
    at_training(app)
    facts = " ".join(part.proto.body for part in app.get("html"))
    assert "colour 0.2, texture 0, semantic 0.8; learned from 2,500 judgments of the catalogue" in facts
    assert (
        "87.5% of 2,400 others agree, 75.0% with the usual weights, a difference of +12.5 points (+10.0 to +15.0)"
        in facts
    )


@pytest.mark.parametrize("learned", [{}, {"before": 3}, {"before": {}, "after": {}, "difference": {}}, 5])
def test_weights_without_judgments_are_shown_alone(app: AppTest, learned: object) -> None:
    make_run("first").update(relevance={"weights": {"colour": 0.4, "semantic": 0.6}}, golden=learned)
    at_training(app)
    facts = " ".join(part.proto.body for part in app.get("html"))
    assert "<td>colour 0.4, semantic 0.6</td>" in facts


@pytest.mark.parametrize(
    "damaged", [{"test": 5}, {"test": {"metrics": {"a": {}}}}, {"test": {"metrics": [], "score_at": 3}}]
)
def test_a_damaged_report_is_a_sentence(app: AppTest, damaged: dict) -> None:
    make_run("first").update(evaluation=damaged)
    at_training(app)
    assert any("what was measured of first cannot be read" in said.value for said in app.warning)
