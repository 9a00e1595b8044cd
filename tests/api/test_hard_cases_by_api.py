"""Hard cases by the API and by the agents' tool: where they stand, the shortlist in pages, and no path of the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny_gallery import SPEC, encoder

from pipeline.access.agent_tools import MAX_TEXT, AgentTools
from pipeline.access.client import Problem, Semblance
from pipeline.annotations import annotations
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.encode import encode_round
from pipeline.hard_cases.export import export_shortlist
from pipeline.hard_cases.needles import find_failures
from pipeline.hard_cases.shortlist import make_shortlist
from pipeline.hard_cases.start import start_case
from pipeline.settings import Settings
from tests.drawn_scenes import detected, scenes


@pytest.fixture
def begun(api, tmp_path: Path) -> Round:
    truth = scenes(tmp_path / "scenes", 40)
    annotations.write(truth, tmp_path / "truth.json")
    annotations.write(detected(truth), tmp_path / "predictions.json")
    files = {"truth": tmp_path / "truth.json", "predictions": tmp_path / "predictions.json"}
    return start_case("mine", Settings(), pictures=tmp_path / "scenes", **files, reference=0.25, seed=3).round()


@pytest.fixture
def street(begun: Round, tmp_path: Path) -> Round:
    """A case that was worked on and exported."""
    encode_round(begun, Settings(), encoder(), spec=SPEC)
    find_failures(begun)
    make_shortlist(begun, Settings(), k=3, min_score=0.9)
    export_shortlist(begun, tmp_path / "out", format="csv")
    return begun


def test_without_a_case_it_says_so(api, semblance: Semblance) -> None:
    assert api.get("/hard-cases").json() == {"cases": [], "next_after": None}
    assert AgentTools(semblance).hard_cases().text == "no case has been begun"
    assert "no case 'nothing'" in api.get("/hard-cases/nothing", status=404).json()["detail"]
    with pytest.raises(Problem, match=r"no case|nothing is at this address"):
        AgentTools(semblance).hard_cases("../../etc")


def test_a_case_is_read_by_programs_and_agents(street, api, semblance: Semblance) -> None:
    [case] = api.get("/hard-cases").json()["cases"]
    assert (case["name"], case["next"]) == (street.case.name, "compare")
    assert {one["name"]: one["state"] for one in case["steps"]}["export"] == "done"
    page = api.get(f"/hard-cases/{case['name']}/shortlist?limit=2").json()
    rest = api.get(f"/hard-cases/{case['name']}/shortlist?after={page['next_after']}&limit=1000").json()
    ranks = [one["rank"] for one in (*page["candidates"], *rest["candidates"])]
    assert ranks == list(range(1, page["pictures"] + 1))
    scores = [one["score"] for one in (*page["candidates"], *rest["candidates"])]
    assert scores == sorted(scores, reverse=True)
    said = AgentTools(semblance).hard_cases(case["name"])
    assert page["candidates"][0]["id"][:10] in said.text
    assert said.sheet.startswith(b"\xff\xd8\xff")
    assert len(said.text) <= MAX_TEXT
    assert case["name"] in AgentTools(semblance).hard_cases().text
    told = api.get("/hard-cases").text + str(page) + said.text
    assert str(api.home.parent) not in told
    assert not re.search(r"(?<![\w.])/(?:tmp|home|root|work)/", told)


def test_before_the_shortlist_it_says_what_is_missing(begun: Round, api, semblance: Semblance) -> None:
    case = begun.case
    assert "hard-cases shortlist" in api.get(f"/hard-cases/{case.name}/shortlist", status=409).json()["detail"]
    said = AgentTools(semblance).hard_cases(case.name).text
    assert "encode: ready" in said
    assert "hard-cases shortlist" in said
