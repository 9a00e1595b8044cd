"""The load benchmark's visitors without a browser, a few of them: each sees its own, and nothing stays when it is gone."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from exposed_app import free_port
from tiny_gallery import SPEC, fill, lite, photos, process, run

from app.search import query_state
from app.search.query_state import SearchState
from app.server.pictures import Upload
from benchmarks.sessions import counted, until_ready, visit
from benchmarks.streamlit_client import Visitor
from benchmarks.visitors import NAME, Leak, Ledger, Own, owns


@pytest.fixture
def people(home: Path, tmp_path: Path) -> list[Own]:
    root = photos(tmp_path / "pictures", 12)
    with lite() as store:
        made, _ = fill(root, store, name=NAME)
    return owns(made, root, 3)


@pytest.fixture
def address(people: list[Own]) -> Iterator[str]:
    port = free_port()
    forgetful = os.environ | {"STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "0"}
    command = (sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port))
    with process(*command, env=forgetful):
        until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"


def test_three_visitors_at_once_see_their_own_and_an_upload_is_not_held_twice(address: str, people: list[Own]) -> None:
    ledger = Ledger()
    until = time.monotonic() + 6
    threads = [threading.Thread(target=visit, args=(address, own, until, ledger, (0.0, 0.1))) for own in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not ledger.failures
    assert not ledger.leaks
    assert len(ledger.taken["protocol: upload to hits"]) >= 3
    with Visitor(address) as visitor:
        visitor.open(f"gallery={NAME}")
        visitor.upload(*people[0].upload(1))
        assert counted(address) == (1, 0), "the session is not the only one, or Streamlit keeps what the session has"


def test_a_picture_of_another_visitor_is_called_a_leak(people: list[Own]) -> None:
    mine, other = people[:2]
    mine.check(mine.by_picture, mine.by_picture, "upload")
    with pytest.raises(Leak, match="visitor 0"):
        mine.check(other.by_picture, mine.by_picture, "upload")


def test_what_another_program_commits_comes_into_the_index_without_a_visitor(
    address: str, home: Path, tmp_path: Path
) -> None:
    committed = run("ingest", "later", "--dataset", f"folder:root={photos(tmp_path / 'later', 3)}", "--encoder", SPEC)
    assert committed.returncode == 0, committed.stderr
    until, said = time.monotonic() + 60, []
    while not said and time.monotonic() < until:
        lines = map(json.loads, (home / "logs" / "app.jsonl").read_text().splitlines())
        said = [line["missing"] for line in lines if line.get("gallery") == "later" and line.get("missing")]
        time.sleep(0.1)
    assert said[:1] == [3]


def test_after_the_start_a_collection_of_garbage_looks_through_no_library(people: list[Own]) -> None:
    code = "import gc, streamlit\nfrom app.server import readiness, store\nreadiness.warm_up()\n"
    code += "print(gc.get_freeze_count(), len(gc.get_objects()))\nstore.release()"
    with process(sys.executable, "-c", code) as child:
        frozen, looked_at = map(int, child.communicate(timeout=120)[0].split())
    assert frozen > 100_000
    assert looked_at < 10_000


def test_the_way_back_forgets_its_oldest_steps_when_their_pictures_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_state, "HISTORY_BYTES", 250)
    history: list[SearchState] = []
    for number in range(5):
        upload = Upload(bytes(100), name=str(number))
        for k in (12, 24, 48):  # one picture in three steps counts once
            query_state._keep(history, SearchState(uploads=(upload,), k=k))
    assert [(step.uploads[0].name, step.k) for step in history] == [(n, k) for n in "34" for k in (12, 24, 48)]
