"""Whatever an agent sends to a tool: a short answer or a sentence, and no folder of this machine in either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from cases import Escape, cases, count
from exposed_app import free_port
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from tiny_gallery import fill, photos

from app.api import guard, routes
from app.server import store
from pipeline.access.agent_tools import MAX_TEXT, AgentTools
from pipeline.access.client import Problem, Semblance
from pipeline.access.contact_sheet import MAX_BYTES
from pipeline.errors import SemblanceError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AgentTools, list[str], Path]]:
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMBLANCE_HOME", str(folder / "home"))
        patch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
        patch.setenv("SEMBLANCE_API_RATE", "0")
        guard.rates = guard.Rates()
        made, _ = fill(photos(folder / "photos", 9))
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=[routes.mount()]), port=port, log_level="critical"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            thread.join(0.05)
        yield AgentTools(Semblance(f"http://127.0.0.1:{port}")), sorted(made.ids()), folder
        server.should_exit = True
        thread.join(20)
        store.release()


TEXTS = ["small", "", "../small", "..", "/etc/passwd", "~", "file:///etc/passwd", "C:\\", "\0", "\ud800", "label=cup",
         "label=", "path=/etc/passwd", "split!=", "x" * 3_000, "0" * 32, "<b>", "{", "%2e%2e%2f", "small/pictures"]  # fmt: skip
texts = st.sampled_from(TEXTS) | st.text(max_size=20)
lists = st.lists(texts, max_size=4)
# `find` starts a process each time; it is asked in tests/api
ASKED = st.one_of(
    st.fixed_dictionaries({"tool": st.just("sample"), "where": lists, "tag": texts, "count": st.integers(-5, 10**6)}),
    st.fixed_dictionaries({"tool": st.just("search"), "words": texts, "ids": lists, "where": lists, "picture": texts}),
    st.fixed_dictionaries({"tool": st.just("similar"), "ids": lists, "k": st.integers(-5, 10**6)}),
    st.fixed_dictionaries({"tool": st.just("tag"), "ids": lists, "tag": texts}),
    st.fixed_dictionaries({"tool": st.just("label"), "ids": lists, "label": texts}),
    st.fixed_dictionaries({"tool": st.just("export"), "where": lists, "tag": texts, "after": texts}),
    st.fixed_dictionaries({"tool": st.just("remove"), "ids": lists, "confirm": texts}),
    st.fixed_dictionaries({"tool": st.just("restore"), "ids": lists}),
    st.fixed_dictionaries({"tool": st.just("hard_cases"), "after": texts}),
)


@cases
@given(asked=ASKED, gallery=st.just("small") | texts, real=st.booleans())
def test_an_agent_gets_a_short_answer_or_a_sentence(place, asked: dict, gallery: str, real: bool) -> None:  # type: ignore[no-untyped-def,type-arg]
    count("calls of agents")
    tools, ids, folder = place
    given_ = {name: value for name, value in asked.items() if name != "tool"}
    if real and "ids" in given_:
        given_["ids"] = [ids[0][:8], *given_["ids"]][: 1 + len(given_["ids"]) % 2]
    try:
        said = getattr(tools, asked["tool"])(gallery, **given_)
        text = said.text
        assert len(said.sheet) <= MAX_BYTES
    except (SemblanceError, Problem) as error:
        text = str(error)
    if str(folder) in text or str(Path.home()) + "/" in text:
        raise Escape(f"{asked}: {text[:300]}")
    assert len(text) <= MAX_TEXT
