"""The detector that fails on purpose fails there, and nearly only there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations
from pipeline.detection.simulated import Habits, simulate
from pipeline.errors import UsageError
from pipeline.metrics.detection import bootstrap, evaluate, match


def planned(n: int = 150) -> Annotations:
    """Scenes of five objects on a grid; every tenth has two that are striped."""
    pictures = [{"path": f"{at:03d}.jpg", "width": 300, "height": 200} for at in range(n)]
    boxes = []
    for at, picture in enumerate(pictures):
        for place in range(5):
            pattern = "stripes" if at % 10 == 0 and place < 2 else "dots"
            facts = json.dumps({"pattern": pattern})
            label = ("cup", "hat", "shoe")[(at + place) % 3]
            size = {"x": 55 * place + 10, "y": 60 + 5 * place, "width": 40, "height": 50}
            boxes.append({"path": picture["path"], "label": label, "attributes": facts, **size})
    return annotations.of(pictures, boxes)


def test_pictures_with_the_pattern_are_found_clearly_worse() -> None:
    truth = planned()
    hard = {f"{at:03d}.jpg" for at in range(0, 150, 10)}
    rest = set(truth.pictures["path"]) - hard
    told = bootstrap(truth, simulate(truth), {"rest": rest, "all": hard | rest, "hard": hard}, rounds=200)
    assert told["rest"].low > told["all"].high > told["all"].low > told["hard"].high


def test_false_positives_lie_where_it_fails_and_are_of_every_kind() -> None:
    truth = planned(400)
    found = match(truth, simulate(truth), score=0.6).predictions
    wrong = found[found["outcome"] == "FP"]
    assert wrong["path"].str[:3].astype(int).mod(10).eq(0).mean() > 0.9
    assert set(wrong["kind"]) >= {"background", "confused class", "poor box"}


def test_with_no_failure_it_is_a_good_detector_everywhere() -> None:
    truth = planned()
    found = evaluate(truth, simulate(truth, fails_on=""))
    assert found.ap50 > 0.9
    assert found.precision > 0.95


@pytest.mark.parametrize(
    ("habit", "kind"),
    [("missed", ""), ("confused", "confused class"), ("poor", "poor box"), ("invented", "background")],
)
def test_a_habit_does_what_it_says(habit: str, kind: str) -> None:
    truth = planned(20)
    never = Habits(0, 0, 0, 0, jitter=0, scores=(0.7, 0.9))
    found = match(truth, simulate(truth, fails_on="", usual=replace(never, **{habit: 1.0})))
    assert match(truth, simulate(truth, fails_on="", usual=never)).counts["TP"] == 100
    if habit == "missed":
        assert (len(found.predictions), found.counts["FN"]) == (0, 100)
    elif habit == "invented":
        assert found.counts["TP"] == 100
        assert (found.predictions["outcome"] == "FP").sum() == 100
    else:
        assert found.counts["FN"] == 100
        assert found.counts[kind] >= 90
        assert found.predictions["score"].between(0.7, 0.9).all()


def test_predictions_stay_inside_their_pictures() -> None:
    truth, found = planned(), simulate(planned()).boxes
    assert (found[["x", "y"]].min() >= 0).all()
    assert (found["x"] + found["width"]).max() <= 300
    assert (found["y"] + found["height"]).max() <= 200
    assert found["score"].between(0, 1).all()
    assert set(found["label"]) == set(truth.labels)


def test_the_same_seed_gives_the_same_and_an_objects_fate_is_its_own() -> None:
    truth = planned()
    first = simulate(truth).boxes
    assert simulate(truth).boxes.equals(first)
    assert not simulate(truth, seed=1).boxes.equals(first)
    part = simulate(truth.only(["020.jpg"])).boxes.drop(columns="number").reset_index(drop=True)
    whole = first[first["path"] == "020.jpg"].drop(columns="number").reset_index(drop=True)
    assert part.equals(whole)


def test_a_value_that_no_object_has_names_those_there_are() -> None:
    with pytest.raises(
        UsageError, match="no object has 'pattern=tartan'; write attribute=value with one of the values dots, stripes"
    ):
        simulate(planned(), fails_on="pattern=tartan")
    with pytest.raises(UsageError, match="no object has 'stripes'"):
        simulate(planned(), fails_on="stripes")
