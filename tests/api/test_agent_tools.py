"""An agent surveys, finds, looks and tags within a budget; what cannot be overlooked is asked twice; no path is told."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from pipeline.access import agent_tools, confirmations
from pipeline.access.agent_tools import MAX_TEXT, SHORT, AgentTools
from pipeline.access.client import Problem, Semblance
from pipeline.access.contact_sheet import MAX_BYTES, MAX_TILES, contact_sheet
from pipeline.errors import UsageError


@pytest.fixture
def tools(api, semblance: Semblance) -> AgentTools:  # type: ignore[no-untyped-def]
    return AgentTools(semblance)


def named(text: str) -> list[str]:
    """The beginnings of ids in an answer."""
    return re.findall(rf"\b[0-9a-f]{{{SHORT}}}\b", text)


def test_a_survey_says_what_there_is_and_what_can_be_asked(api, tools: AgentTools) -> None:
    assert re.match(r"small: 9 pictures, asked with pictures only; filters: .*label", tools.galleries().text)
    said = tools.sample("small", count=4)
    assert "cup 3" in said.text
    assert len(named(said.text)) == 4
    assert Image.open(io.BytesIO(said.sheet)).format == "JPEG"


def test_a_search_by_the_beginning_of_an_id_is_that_of_the_whole(api, tools: AgentTools) -> None:
    whole = api.post("/galleries/small/search", {"ids": api.ids[:1], "k": 4}).json()["hits"]
    assert named(tools.search("small", ids=[api.ids[0][:6]], k=4).text) == [hit["id"][:SHORT] for hit in whole]
    picture = base64.b64encode(api.file()).decode()
    assert len(named(tools.search("small", picture=f"data:image/png;base64,{picture}", k=3).text)) == 3


@pytest.mark.parametrize("beginning", ["", "zz", "12345", "0" * 33, "../../x", "0" * 8])
def test_what_begins_no_id_or_several_is_refused(api, tools: AgentTools, beginning: str) -> None:
    with pytest.raises(UsageError):
        tools.search("small", ids=[beginning])


def test_each_of_several_has_its_nearest(api, tools: AgentTools) -> None:
    lines = tools.similar("small", [one[:8] for one in api.ids[:3]], k=2).text.splitlines()
    assert [len(named(line)) for line in lines] == [3, 3, 3]


def test_it_says_where_a_score_comes_from(api, tools: AgentTools) -> None:
    said = tools.explain("small", api.ids[0][:8], api.ids[1][:8])
    assert re.match(r"score 0\.\d+: colour .*texture .*semantic", said.text)
    assert "row " in said.text


def test_duplicates_are_found_when_nobody_has_looked_yet(api, tools: AgentTools) -> None:
    assert "looked at 9 pictures" in tools.find("small", "duplicates").text
    assert "looked at 9 pictures" in tools.find("small", "outliers").text


def test_tags_and_labels_are_given_and_taken_back(api, tools: AgentTools) -> None:
    ids = [one[:SHORT] for one in api.ids[:2]]
    tools.tag("small", ids, "odd")
    assert api.get("/galleries/small/tags").json() == {"tags": {"odd": 2}}
    tools.tag("small", ids, "odd", given=False)
    assert api.get("/galleries/small/tags").json() == {"tags": {}}
    before = api.get(f"/galleries/small/pictures/{api.ids[0]}").json()["label"]
    tools.label("small", ids[:1], "vase")
    tools.label("small", ids[:1], "")
    assert api.get(f"/galleries/small/pictures/{api.ids[0]}").json()["label"] == before


def test_rows_are_exported_as_csv_that_goes_on(api, tools: AgentTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_tools, "MAX_TEXT", 500)
    seen, after = [], ""
    for _ in range(9):
        text = tools.export("small", after=after).text
        assert len(text) <= 500
        seen += re.findall(r"^[0-9a-f]{32}", text, re.MULTILINE)
        if not (more := re.search(r"after=(\w+)", text)):
            break
        after = more[1]
    assert seen == api.ids


class TestRemoving:
    def test_nothing_goes_before_the_word_is_repeated(self, api, tools: AgentTools) -> None:
        ids = [one[:SHORT] for one in api.ids[:2]]
        whole = api.ids[:2]
        asked = tools.remove("small", ids)
        assert api.gallery.removed() == set()
        [word] = re.findall(r"confirm='(\w+)'", asked.text)
        tools.remove("small", ids, confirm=word)
        assert api.gallery.removed() == set(whole)
        tools.restore("small", whole)
        assert api.gallery.removed() == set()

    def test_a_word_counts_once_and_for_what_it_was_given(self, api, tools: AgentTools) -> None:
        first, second = ([one[:SHORT]] for one in api.ids[:2])
        [word] = re.findall(r"confirm='(\w+)'", tools.remove("small", first).text)
        with pytest.raises(UsageError, match="confirms nothing"):
            tools.remove("small", second, confirm=word)
        with pytest.raises(UsageError, match="confirms nothing"):
            tools.remove("small", first, confirm=word)
        assert api.gallery.removed() == set()

    def test_a_word_is_forgotten_in_time(self) -> None:
        now = [0.0]
        words = confirmations.Confirmations(lambda: now[0])
        word = words.word("remove", "small")
        now[0] = confirmations.SECONDS + 1
        with pytest.raises(UsageError, match="confirms nothing"):
            words.check(word, "remove", "small")


def test_every_answer_fits_its_budget_and_names_no_folder(api, tools: AgentTools) -> None:
    long = "x" * 60
    for n in range(40):
        api.post("/galleries/small/tags", {"tag": f"{n} {long[:50]}", "ids": api.ids})
    answers = [tools.galleries(), tools.sample("small", count=999), tools.search("small", ids=api.ids[:1], k=999),
               tools.export("small"), tools.find("small", "duplicates"), tools.find("small", "label-errors")]  # fmt: skip
    for said in answers:
        assert len(said.text) <= MAX_TEXT
        assert len(said.sheet) <= MAX_BYTES
        for place in (api.home, api.photos, Path.home()):
            assert str(place) not in said.text


def test_what_goes_wrong_is_a_sentence_without_a_folder(api, tools: AgentTools) -> None:
    with pytest.raises(Problem, match="no gallery 'none'") as problem:
        tools.sample("none")
    assert str(api.home) not in str(problem.value)
    with pytest.raises(Problem, match="pictures only"):
        tools.search("small", words="a cup")


def test_a_sheet_of_damaged_thumbnails_is_a_sheet(api) -> None:
    sheet = Image.open(
        io.BytesIO(contact_sheet([(b"", "1. none", "cup"), (b"\xff\xd8\xffdamaged", "2. bad", "Größe 北")] * 40))
    )
    assert sheet.width < 900
    assert sheet.height < 200 * (MAX_TILES // 6)
