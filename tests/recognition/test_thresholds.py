"""Thresholds from one half of a gallery's pictures, measured on the other, against loops over the pairs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from planted import groups, plant
from tiny_gallery import fill, photos

from pipeline.errors import UsageError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import drawn_pairs, verification
from pipeline.recognition.verification import CHOOSE, MEASURE, SLACK, curve, decide


def planted(counts: tuple[int, ...] = (14, 12, 10, 9), *, spread: float = 0.9, **facts: object) -> Gallery:
    embeddings, which = groups(counts, spread=spread)
    return plant(embeddings, labels=[f"label {one}" for one in which], **facts)  # type: ignore[arg-type]


def halves(measured: verification.Curve, half: str) -> tuple[list[float], list[float]]:
    """Scores of the half's same and different pairs."""
    rows = measured.pairs[measured.pairs["half"] == half]
    return [list(rows[rows["same"] == same]["score"]) for same in (True, False)]  # type: ignore[return-value]


def share(scores: list[float], least: float) -> float:
    return sum(score >= least for score in scores) / len(scores)


@pytest.mark.usefixtures("home")
def test_no_picture_both_chooses_and_measures_and_every_pair_of_a_half_is_there() -> None:
    gallery = planted()
    measured = curve(gallery)
    labels = dict(zip(gallery.table()["id"], gallery.table()["label"], strict=True))
    pictures_of_halves = []
    for half in (CHOOSE, MEASURE):
        rows = measured.pairs[measured.pairs["half"] == half]
        pictures = sorted({*rows["first"], *rows["second"]})
        pictures_of_halves.append(set(pictures))
        expected = {frozenset(pair): labels[pair[0]] == labels[pair[1]] for pair in combinations(pictures, 2)}
        got = {frozenset(pair): same for *pair, same in rows[["first", "second", "same"]].itertuples(index=False)}
        assert got == expected
        assert len(rows) == len(got), "no pair comes twice"
        assert measured.report["pairs"][half]["pictures"] == len(pictures)
    assert not pictures_of_halves[0] & pictures_of_halves[1]
    assert pictures_of_halves[0] | pictures_of_halves[1] == set(labels)


@pytest.mark.usefixtures("home")
def test_scores_are_cosines_of_the_pairs_own_pictures() -> None:
    gallery = planted()
    rows = gallery.rows()
    embedding = dict(zip(rows.table["id"], rows.embeddings, strict=True))
    for pair in curve(gallery).pairs.sample(40, random_state=0).itertuples():
        assert pair.score == pytest.approx(float(embedding[pair.first] @ embedding[pair.second]), abs=1e-6)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.3])
def test_the_threshold_is_chosen_on_one_half_and_its_rates_are_counted_on_the_other(rate: float) -> None:
    measured = curve(planted())
    [point] = verification.points(measured.pairs, (rate,))
    choosing, measuring = halves(measured, CHOOSE), halves(measured, MEASURE)
    fitting = [least for least in {*choosing[0], *choosing[1]} if share(choosing[1], least) <= rate]
    assert point["threshold"] == pytest.approx(min(fitting, default=max(choosing[1])), abs=3 * SLACK)
    assert point["true_accept"]["value"] == pytest.approx(share(measuring[0], point["threshold"]), abs=1e-6)
    assert point["false_accept"]["value"] == pytest.approx(share(measuring[1], point["threshold"]), abs=1e-6)
    assert point["enough"] == (len(choosing[1]) * rate >= 1)
    for name in ("true_accept", "false_accept"):
        assert 0 <= point[name]["low"] <= point[name]["value"] <= point[name]["high"] <= 1


@pytest.mark.usefixtures("home")
def test_no_mistake_in_a_few_pairs_is_not_called_never() -> None:
    measured = curve(planted(spread=0.05))
    [point] = verification.points(measured.pairs, (0.001,))
    n = len(halves(measured, MEASURE)[1])
    assert point["false_accept"]["value"] == 0
    assert point["false_accept"]["high"] >= 3 / n, "0 of n pairs leaves 3 / n open"
    assert not point["enough"]


@pytest.mark.usefixtures("home")
def test_pairs_that_share_their_pictures_count_less_than_as_many_independent_ones() -> None:
    """20 pictures make 190 pairs; whether a pair is accepted hangs on one of its pictures alone."""
    pictures = np.array(list(combinations(range(20), 2)))
    accepted = (pictures < 3).any(axis=1)[:, None]
    [interval] = verification._intervals(accepted, pictures, 0)
    p, n = float(accepted.mean()), len(pictures)
    independent = 2 * 1.96 * (p * (1 - p) / n) ** 0.5
    assert interval["high"] - interval["low"] > 1.5 * independent


@pytest.mark.usefixtures("home")
def test_a_decision_counts_the_pairs_on_the_wrong_side_of_its_score() -> None:
    measured = curve(planted())
    same, different = halves(measured, MEASURE)
    threshold = verification.point_of(measured, 0.05)["threshold"]
    for score in (threshold - 0.01, threshold, threshold + 0.01, sorted(different)[-3] + SLACK / 10):
        decision = decide(measured, score, rate=0.05)
        assert decision.same == (score >= threshold)
        assert decision.higher == sum(one >= score - SLACK for one in different)
        assert decision.lower == sum(one < score - SLACK for one in same)
        assert (decision.n_same, decision.n_different) == (len(same), len(different))


@pytest.mark.usefixtures("home")
def test_where_a_different_pair_is_on_top_only_a_higher_score_is_the_same() -> None:
    embeddings, which = groups((5,) * 12, spread=3.0)
    measured = curve(plant(embeddings, labels=[str(one) for one in which]))
    same, different = halves(measured, CHOOSE)
    assert max(different) > max(same)
    decision = decide(measured, max(different), rate=0.001)
    assert max(different) < decision.threshold < 1
    assert not decision.same
    assert decide(measured, 1.0, rate=0.001).same


@pytest.mark.usefixtures("home")
def test_where_copies_have_two_labels_no_score_is_enough() -> None:
    embeddings = np.eye(2, dtype=np.float32)[[0] * 16 + [1] * 16]
    measured = curve(plant(embeddings, labels=["cup", "bowl"] * 16))
    assert not decide(measured, 1.0, rate=0.001).same


@pytest.mark.usefixtures("home")
def test_a_part_stays_in_the_half_of_its_picture() -> None:
    embeddings, which = groups((12, 12))
    parents = [f"{number // 3:032x}" if number % 3 else "" for number in range(24)]
    parents = [parent and f"{3 * int(parent, 16):032x}" for parent in parents]
    measured = curve(plant(embeddings, labels=[str(one) for one in which], parents=parents))
    half_of: dict[int, set[str]] = {}
    for pair in measured.pairs.itertuples():
        for picture in (pair.first, pair.second):
            half_of.setdefault(int(picture, 16) // 3, set()).add(pair.half)
    assert all(len(measured) == 1 for measured in half_of.values())


@pytest.mark.usefixtures("home")
def test_pictures_may_be_paired_by_a_metadata_field_and_those_without_it_take_no_part() -> None:
    embeddings, which = groups((8, 8, 8))
    items = [{"item": f"i{one}"} if one else {} for one in which]
    gallery = plant(embeddings, metadata=items)
    assert drawn_pairs.groupings(gallery) == ["item"]
    measured = curve(gallery, by="item")
    assert measured.report["pictures"] == 16
    assert {int(picture, 16) // 8 for picture in [*measured.pairs["first"], *measured.pairs["second"]]} == {1, 2}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("labels", "by", "message"),
    [
        ("", "label", "0 pictures of small have a label, 0 different ones"),
        ("cup", "label", "two values are needed"),
        ("cup", "colour", "no field 'colour' to pair pictures by; choose from label"),
    ],
)
def test_what_makes_no_pairs_is_refused_with_what_to_do(labels: str, by: str, message: str) -> None:
    gallery = plant(groups((8, 8))[0], labels=labels)
    assert drawn_pairs.groupings(gallery) == []
    with pytest.raises(UsageError, match=message):
        curve(gallery, by=by)


def test_a_curve_is_kept_until_the_gallery_changes_and_one_is_enough(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 24))
    first = curve(gallery)
    assert curve(gallery).report == first.report
    gallery.remove([sorted(gallery.ids())[0]])
    assert verification.kept_curve(gallery).report == first.report  # type: ignore[union-attr]
    again = curve(gallery)
    assert (again.report["generation"], again.report["pictures"]) == (gallery.generation, 23)
    assert len(reports.names(gallery, verification.KIND)) == 1
    assert curve(gallery, seed=1).pairs["first"].tolist() != again.pairs["first"].tolist()
