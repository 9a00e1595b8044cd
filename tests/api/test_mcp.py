"""Agents speak to the tools over the protocol: over stdio and HTTP, with pictures, hints and errors as it has them."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import own_loop
import pytest
from tiny_gallery import ROOT, SPEC, photos, process, run

from pipeline.access.agent_tools import AgentTools
from pipeline.access.client import Semblance
from pipeline.cli import servers

mcp = pytest.importorskip("mcp", reason="the package mcp is not installed: requirements-dev.txt has it")


def spoken(server: Any, talk: Callable[[Any], Awaitable[None]]) -> None:
    """`talk(client)` with whatever the client takes for a server: the server itself, a transport, an address."""

    async def whole() -> None:
        async with mcp.Client(server) as client:
            await talk(client)

    own_loop.run(whole())


@pytest.fixture
def server(api, semblance: Semblance):  # type: ignore[no-untyped-def]
    from pipeline.access.mcp_server import mcp_server

    return mcp_server(AgentTools(semblance))


def test_tools_say_what_they_take_and_what_they_change(server) -> None:
    async def talk(client: Any) -> None:
        tools = {one.name: one for one in (await client.list_tools()).tools}
        assert {"galleries", "sample", "search", "similar", "find", "explain", "tag", "export", "remove"} <= set(tools)
        assert tools["search"].input_schema["properties"]["ids"]["type"] == "array"
        assert tools["find"].input_schema["properties"]["what"]["enum"] == [
            "duplicates",
            "clusters",
            "label-errors",
            "outliers",
        ]
        assert all(one.description for one in tools.values())
        assert [name for name, one in tools.items() if one.annotations.destructive_hint] == ["remove"]
        assert not tools["tag"].annotations.read_only_hint

    spoken(server, talk)


def test_an_answer_is_words_and_a_contact_sheet(api, server) -> None:
    async def talk(client: Any) -> None:
        answer = await client.call_tool("search", {"gallery": "small", "ids": [api.ids[0][:8]], "k": 3})
        assert not answer.is_error
        assert [one.type for one in answer.content] == ["text", "image"]
        assert answer.content[1].mime_type == "image/jpeg"

    spoken(server, talk)


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("search", {"gallery": "none", "words": "cup"}, "no gallery 'none'"),
        ("search", {"gallery": "small", "ids": ["nothing"]}, "is no id"),
        ("find", {"gallery": "small", "what": "treasure"}, "duplicates"),
        ("tag", {"gallery": "small"}, "ids"),
    ],
)
def test_what_goes_wrong_is_told_the_agent(server, tool: str, given: dict, said: str) -> None:
    async def talk(client: Any) -> None:
        answer = await client.call_tool(tool, given)
        assert answer.is_error
        assert said in answer.content[0].text

    spoken(server, talk)


def test_a_fault_of_ours_and_a_server_that_is_away_tell_no_folder(api, server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, *_: object) -> None:
        raise RuntimeError(f"{api.home}/secret")

    monkeypatch.setattr(Semblance, "galleries", broken)
    asked = []

    async def talk(client: Any) -> None:
        asked.append((await client.call_tool("galleries", {})).content[0].text)

    spoken(server, talk)
    monkeypatch.setattr(Semblance, "galleries", lambda self: (_ for _ in ()).throw(ConnectionRefusedError("x")))
    spoken(server, talk)
    assert "something went wrong here" in asked[0]
    assert str(api.home) not in asked[0]
    assert "python -m pipeline serve" in asked[1]


async def finds_copies_and_tags_them(client: Any) -> None:
    """The demo of docs/api.md: five calls."""
    galleries = (await client.call_tool("galleries", {})).content[0].text
    name = galleries.partition(":")[0]
    found = (await client.call_tool("find", {"gallery": name, "what": "duplicates"})).content[0].text
    copies = re.findall(r"removable ([0-9a-f, ]+)", found)
    ids = [one for line in copies for one in line.split(", ")]
    assert ids, found
    await client.call_tool("tag", {"gallery": name, "ids": ids, "tag": "copies"})
    listed = (await client.call_tool("export", {"gallery": name, "tag": "copies"})).content[0].text
    assert sorted(one[:10] for one in re.findall(r"^[0-9a-f]{32}", listed, re.MULTILINE)) == sorted(ids)


@pytest.fixture
def with_a_copy(home, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from PIL import Image

    folder = photos(tmp_path / "pictures", 9)
    picture = Image.open(folder / "cup" / "000.png").resize((400, 320))
    picture.save(folder / "cup" / "big.png")
    picture.save(folder / "cup" / "copy.jpg", quality=90)
    words = ("ingest", "mine", "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "none")
    assert run(*words).returncode == 0


def test_an_agent_over_stdio_finds_copies_and_tags_them(with_a_copy) -> None:
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    command = StdioServerParameters(
        command=sys.executable, args=["-m", "pipeline", "mcp"], env=dict(os.environ), cwd=ROOT
    )
    spoken(stdio_client(command), finds_copies_and_tags_them)


def test_an_agent_over_http_finds_copies_and_tags_them(with_a_copy) -> None:
    with process(sys.executable, "-m", "pipeline", "mcp", "--http") as child:
        assert child.stdout is not None
        [address] = re.findall(r"http://\S+/mcp", child.stdout.readline())
        port = int(re.findall(r":(\d+)/", address)[0])
        while not servers.listens(port):
            assert child.poll() is None
            time.sleep(0.1)
        spoken(address, finds_copies_and_tags_them)
        child.terminate()
        child.wait(20)
