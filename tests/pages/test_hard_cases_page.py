"""The Hard cases page: an empty home, a case step by step, what is left out and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.server import jobs, store
from pipeline.annotations import annotations
from pipeline.hard_cases import review
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.compare import compare_parts
from pipeline.hard_cases.encode import encode_round
from pipeline.hard_cases.import_back import import_annotations
from pipeline.hard_cases.needles import find_failures
from pipeline.hard_cases.shortlist import make_shortlist
from pipeline.hard_cases.start import start_case
from pipeline.hard_cases.steps import next_step
from pipeline.settings import Settings
from tests.drawn_scenes import detected, scenes
from tests.tiny_gallery import encoder

SPEC = "color_histogram:grid=2,bins=4"


def opened(app: AppTest, **address: str) -> AppTest:
    app.run()
    app.switch_page("views/hard_cases.py")
    for key, value in address.items():
        app.query_params[key] = value
    app.run()
    assert [title.value for title in app.title] == ["Hard cases"]
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    kinds = (app.markdown, app.text, app.caption, app.info, app.error, app.warning, app.success)
    return "\n".join(one.value for kind in kinds for one in kind)


def button(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.button if one.label == label)


@pytest.fixture
def round(app: AppTest, tmp_path: Path) -> Round:
    """A case that was begun, with its files beside."""
    truth = scenes(tmp_path / "scenes")
    annotations.write(truth, tmp_path / "truth.json")
    annotations.write(detected(truth), tmp_path / "predictions.json")
    annotations.write(detected(truth, fails=False), tmp_path / "retrained.json")
    return start_case(
        "mine",
        Settings(),
        pictures=tmp_path / "scenes",
        truth=tmp_path / "truth.json",
        predictions=tmp_path / "predictions.json",
        reference=0.25,
        seed=3,
        title="Mine",
    ).round()


def done(round: Round, *, until: str) -> None:
    encode_round(round, Settings(), encoder(SPEC), spec=SPEC)
    find_failures(round)
    if until in ("shortlist", "compare"):
        make_shortlist(round, Settings(), min_score=0.96)
    if until == "compare":
        compare_parts(round, rounds=100)
    store.release()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of jobs, which are not run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: commands.append(list(command)))
    return commands


def test_an_empty_home_says_what_a_case_is_and_makes_the_demo(app: AppTest, started: list[list[str]]) -> None:
    page = opened(app)
    assert "Which pictures does your detector get wrong?" in said(page)
    button(page, "Make the demo case").click().run()
    assert started == [["pipeline", "hard-cases", "demo"]]


def test_a_case_is_begun_from_files_of_this_machine(app: AppTest, started: list[list[str]], tmp_path: Path) -> None:
    page = opened(app)
    next(one for one in page.segmented_control if one.label == "Begin with").set_value("files").run()
    button(page, "Begin").click().run()
    assert "are all needed" in said(page)
    for label, text in (
        ("Folder of pictures", "a"),
        ("Ground truth", "b.json"),
        ("Predictions", "c.json"),
        ("Title", "Left Turns"),
    ):
        next(one for one in page.text_input if one.label == label).set_value(
            str(tmp_path / text) if label != "Title" else text
        )
    button(page, "Begin").click().run()
    [command] = started
    assert command[:4] == ["pipeline", "hard-cases", "start", "left_turns"]
    assert command[4:6] == ["--pictures", str(tmp_path / "a")]


def test_the_first_step_of_a_new_case_is_to_encode(app: AppTest, round: Round, started: list[list[str]]) -> None:
    page = opened(app)
    assert "**45** pictures to search · **15** reference pictures" in said(page)
    button(page, "Encode").click().run()
    assert started[0][:5] == ["pipeline", "hard-cases", "encode", "mine", "--objects"]
    next(one for one in page.segmented_control if one.label == "Steps").set_value("compare").run()
    assert "needs shortlist" in said(page)


def test_needles_are_found_on_the_page_and_one_can_be_taken_back(app: AppTest, round: Round) -> None:
    encode_round(round, Settings(), encoder(SPEC), spec=SPEC)
    store.release()
    page = opened(app, step="needles")
    button(page, "Find failures").click().run()
    assert not page.exception
    table = round.table("needles")
    assert f"**{len(table):,} failures used as queries.**" in said(page)
    review.record(round, "drop", [table["needle"].iat[0]])
    page.run()
    assert f"**{len(table) - 1:,} failures used as queries.**" in said(page)
    button(page, "Undo").click().run()
    assert f"**{len(table):,} failures used as queries.**" in said(page)


def test_no_failure_is_told_with_what_there_is(app: AppTest, round: Round) -> None:
    page = opened(app, step="needles")
    next(one for one in page.number_input if one.label == "Least score").set_value(0.99).run()
    button(page, "Find failures").click().run()
    assert "no false positive among" in said(page)


def test_the_shortlist_stands_under_its_needles_and_onward_leads_to_the_comparison(app: AppTest, round: Round) -> None:
    done(round, until="shortlist")
    page = opened(app, step="shortlist")
    count = review.shortlisted(round)["path"].nunique()
    assert f"**{count:,} pictures on the shortlist.**" in said(page)
    button(page, "Next: Compare").click().run()
    assert not page.exception
    assert "Three measurements of the same detector" in said(page)


def test_the_comparison_says_its_verdict_and_a_changed_shortlist_is_told(app: AppTest, round: Round) -> None:
    done(round, until="compare")
    page = opened(app, step="compare")
    assert round.needed("compare")["sentence"] in said(page)
    [table] = [frame.value for frame in page.dataframe]
    assert set(table["label"]) == {"cup", "hat", "shoe"}
    review.record(round, "remove", [review.shortlisted(round)["path"].iat[0]])
    page.run()
    assert "The shortlist has changed since" in said(page)


def test_what_came_back_is_shown_and_the_next_round_begins(app: AppTest, round: Round, tmp_path: Path) -> None:
    done(round, until="compare")
    import_annotations(round, predictions=tmp_path / "retrained.json")
    page = opened(app, step="import")
    assert "On the reference mAP goes from" in said(page)
    button(page, "Begin the next round").click().run()
    assert not page.exception
    assert round.case.numbers == [1, 2]
    assert [one.value for one in page.subheader if one.value == "Rounds"]
    assert next_step(round.case.round()) == "encode"


def test_a_damaged_case_is_one_sentence(app: AppTest, round: Round) -> None:
    (round.case.folder / "case.json").write_text("{}")
    page = opened(app)
    assert "start the case again" in said(page)
