"""Twenty tasks that people give to agents, each done by a script in at most five calls."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from tiny_gallery import fill

from app.server import store
from pipeline.access.agent_tools import AgentTools, Said
from pipeline.access.client import Semblance

MOST = 5
G = "small"


class Counted:
    """The tools, and how often one was called."""

    def __init__(self, tools: AgentTools) -> None:
        self._tools, self.calls = tools, 0

    def __getattr__(self, name: str) -> Callable[..., Said]:
        def call(*given: Any, **named: Any) -> Said:
            self.calls += 1
            return getattr(self._tools, name)(*given, **named)

        return call


def ids(said: Said) -> list[str]:
    return re.findall(r"\b[0-9a-f]{10}\b", said.text)


def removable(said: Said) -> list[str]:
    return [one for line in re.findall(r"removable ([0-9a-f, ]+)", said.text) for one in line.split(", ")]


def tagged(tools: Counted, tag: str) -> list[str]:
    return [one[:10] for one in re.findall(r"^[0-9a-f]{32}", tools.export(G, tag=tag).text, re.MULTILINE)]


def what_is_there(tools: Counted, api: Any) -> None:
    assert "small: 11 pictures" in tools.galleries().text


def how_many_cups(tools: Counted, api: Any) -> None:
    assert tools.sample(G, where=["label=cup"]).text.startswith("5 pictures: cup 5")


def show_me_shoes(tools: Counted, api: Any) -> None:
    assert tools.sample(G, where=["label=shoe"]).sheet


def more_like_the_first(tools: Counted, api: Any) -> None:
    first = ids(tools.sample(G))[0]
    assert first not in ids(tools.search(G, ids=[first]))


def what_is_this_like(tools: Counted, api: Any) -> None:
    assert len(ids(tools.search(G, picture=base64.b64encode(api.file()).decode(), k=3))) == 3


def the_nearest_of_its_own_kind(tools: Counted, api: Any) -> None:
    cup = ids(tools.sample(G, where=["label=cup"]))[0]
    assert len(ids(tools.search(G, ids=[cup], where=["label=cup"]))) == 4


def the_nearest_of_another_kind(tools: Counted, api: Any) -> None:
    cup = ids(tools.sample(G, where=["label=cup"]))[0]
    assert " cup" not in tools.search(G, ids=[cup], where=["label!=cup"]).text


def between_two_pictures(tools: Counted, api: Any) -> None:
    first, second = ids(tools.sample(G, count=2))
    assert not {first, second} & set(ids(tools.search(G, ids=[first, second])))


def the_nearest_of_each_of_three(tools: Counted, api: Any) -> None:
    assert len(tools.similar(G, ids(tools.sample(G, count=3)), k=2).text.splitlines()) == 3


def which_are_copies(tools: Counted, api: Any) -> None:
    assert len(removable(tools.find(G, "duplicates"))) == 2


def tag_the_copies(tools: Counted, api: Any) -> None:
    copies = removable(tools.find(G, "duplicates"))
    tools.tag(G, copies, "copies")
    assert sorted(tagged(tools, "copies")) == sorted(copies)


def remove_the_copies(tools: Counted, api: Any) -> None:
    copies = removable(tools.find(G, "duplicates"))
    [word] = re.findall(r"confirm='(\w+)'", tools.remove(G, copies).text)
    tools.remove(G, copies, confirm=word)
    assert "small: 9 pictures" in tools.galleries().text


def remove_one_and_bring_it_back(tools: Counted, api: Any) -> None:
    [one] = ids(tools.sample(G, count=1))
    [word] = re.findall(r"confirm='(\w+)'", tools.remove(G, [one]).text)
    whole = re.findall(r"\b[0-9a-f]{32}\b", tools.remove(G, [one], confirm=word).text)
    tools.restore(G, whole)
    assert "small: 11 pictures" in tools.galleries().text


def which_labels_look_wrong(tools: Counted, api: Any) -> None:
    assert "->" in tools.find(G, "label-errors").text


def mend_the_first_wrong_label(tools: Counted, api: Any) -> None:
    line = next(line for line in tools.find(G, "label-errors").text.splitlines() if "->" in line)
    proposed = re.findall(r"-> (\w+)", line)[0]
    tools.label(G, [line.split()[0]], proposed)
    assert line.split()[0] in ids(tools.sample(G, where=[f"label={proposed}"], count=11))


def mend_a_label_and_take_it_back(tools: Counted, api: Any) -> None:
    cup = ids(tools.sample(G, where=["label=cup"]))[0]
    tools.label(G, [cup], "vase")
    tools.label(G, [cup], "")
    assert cup in ids(tools.sample(G, where=["label=cup"]))


def tag_what_is_unlike_all_others(tools: Counted, api: Any) -> None:
    odd = ids(tools.find(G, "outliers"))[0]
    tools.tag(G, [odd], "odd")
    assert tagged(tools, "odd") == [odd]


def which_groups_are_there(tools: Counted, api: Any) -> None:
    assert "are in none" in tools.find(G, "clusters").text


def a_list_of_all_bowls(tools: Counted, api: Any) -> None:
    assert tools.export(G, where=["label=bowl"]).text.count(",bowl,") == 3


def why_are_two_alike(tools: Counted, api: Any) -> None:
    assert "texture" in tools.explain(G, *ids(tools.sample(G, count=2))).text


TASKS = [one for name, one in list(globals().items()) if getattr(one, "__annotations__", {}).get("tools") == "Counted"]
TASKS.remove(tagged)


@pytest.fixture
def tools(api, semblance: Semblance) -> Counted:  # type: ignore[no-untyped-def]
    """Nine pictures, and two larger copies of one."""
    picture = Image.open(api.photos / "cup" / "000.png").resize((400, 320))
    picture.save(api.photos / "cup" / "big.png")
    picture.save(api.photos / "cup" / "copy.jpg", quality=90)
    fill(api.photos)
    store.refresh(api.gallery).result()
    return Counted(AgentTools(semblance))


def test_there_are_twenty() -> None:
    assert len(TASKS) == 20


@pytest.mark.parametrize("task", TASKS, ids=lambda one: one.__name__)
def test_a_task_is_done_in_five_calls(api, tools: Counted, task: Callable[[Counted, Any], None]) -> None:
    task(tools, api)
    assert 1 <= tools.calls <= MOST
