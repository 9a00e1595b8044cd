"""Milvus when things go wrong: two processes, many threads, a server that is gone, mute or frozen, a full disk."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import ROOT
from pipeline.errors import StoreError, StoreLocked
from pipeline.filters import Filter
from pipeline.records import Rows
from pipeline.schema import Row
from pipeline.stores import milvus

pytest_plugins = ("milvus_server",)

DIM = 8
HOLD = """
import sys, time
from pipeline.stores import milvus
store = milvus.build(uri=sys.argv[1])
store.create("held", dim=8)
print("holding", flush=True)
time.sleep(600)
"""


def make_rows(n: int, *, start: int = 0, dim: int = DIM) -> Rows:
    embeddings = np.random.default_rng(start).normal(size=(n, dim)).astype(np.float32)
    records = [
        vars(
            Row(
                id=f"{start + i:032x}",
                path=f"{start + i}.jpg",
                label="shoes",
                split="train",
                width=4,
                height=3,
            )
        )
        for i in range(n)
    ]
    return Rows(pd.DataFrame(records), embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))


@contextmanager
def seconds() -> Iterator[list[float]]:
    """A list that holds the time that the block took, once it is over."""
    taken: list[float] = []
    started = time.monotonic()
    try:
        yield taken
    finally:
        taken.append(time.monotonic() - started)


@contextmanager
def another_process_on(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the Lite file until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_at_once_who_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "milvus.db"
    assert milvus.holder(path) == ""
    with another_process_on(path) as process:
        with seconds() as taken, pytest.raises(StoreLocked) as refused:
            milvus.build(uri=str(path))
        assert taken[0] < 6  # 0.1 of patience, not Milvus' own 10 s and more
        says = str(refused.value)
        assert re.search(rf"milvus\.db is held by process {process.pid} \(python.*\) since 20\d\d-", says)
        assert "SEMBLANCE_MILVUS_URI" in says
        assert f"process {process.pid} (" in milvus.holder(path)


def test_a_killed_holder_leaves_no_lock_and_no_name_behind(tmp_path: Path) -> None:
    path = tmp_path / "milvus.db"
    with another_process_on(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert milvus.holder(path) == ""
        store = milvus.build(uri=str(path))
        assert store.count("held") == 0
        assert f"process {os.getpid()} (" in milvus.holder(path)
        store.close()
    assert milvus.holder(path) == ""


def test_rows_of_a_killed_process_are_found(tmp_path: Path) -> None:
    path = tmp_path / "milvus.db"
    write = HOLD.replace(
        'print("holding"', "import test_milvus\nstore.upsert('held', test_milvus.make_rows(50))\nprint('holding'"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", write, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    process.kill()
    process.communicate()
    store = milvus.build(uri=str(path))
    assert len(store.digests("held")) == 50
    store.close()


def test_refusing_needs_no_pymilvus(tmp_path: Path) -> None:
    path = tmp_path / "milvus.db"
    ask = "import sys; from pipeline.stores import milvus\ntry: milvus.build(uri=sys.argv[1])\nexcept Exception: pass\n"
    with another_process_on(path):
        done = subprocess.run(
            [sys.executable, "-c", ask + "print('pymilvus' in sys.modules)", str(path)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    assert done.stdout == "False\n"


def test_the_holders_note_keeps_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "pipeline", "sync", "--to", "http://root:secret@host:19530"])
    store = milvus.build(uri=str(tmp_path / "milvus.db"))
    said = milvus.holder(tmp_path / "milvus.db")
    store.close()
    assert "secret" not in said
    assert "pipeline sync --to http://…@host:19530" in said


def test_twenty_threads_share_one_connection(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "milvus.db"
    gate = threading.Barrier(20)
    stores: list[Any] = [None] * 20
    counts: list[Any] = [None] * 20

    def work(number: int) -> None:
        gate.wait()
        store = stores[number] = milvus.build(uri=str(path))
        store.create("shared", dim=DIM)
        rows = make_rows(5, start=5 * number)
        store.upsert("shared", rows)
        (hits,) = store.search("shared", rows.embeddings[:1], k=1, where=Filter())
        counts[number] = hits[0].id == rows.table["id"][0]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [True] * 20
    assert len({id(store._link) for store in stores}) == 1
    for store in stores[1:]:
        store.close()
    assert stores[0].count("shared") == 100
    stores[0].close()
    assert milvus.holder(path) == ""


def test_many_unflushed_rows_are_flushed_before_they_are_searched(tmp_path: Path) -> None:
    store = milvus.build(uri=str(tmp_path / "milvus.db"))
    store.create("many", dim=DIM)
    rows = make_rows(3_000)
    store.upsert("many", rows)
    assert not list(tmp_path.rglob("*.parquet"))
    (hits,) = store.search("many", rows.embeddings[:1], k=3_000, where=Filter())
    assert len(hits) == 3_000
    assert list(tmp_path.rglob("*.parquet"))
    store.close()


def test_after_a_failed_write_nothing_is_flushed_and_the_store_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from milvus_lite.storage import wal

    store = milvus.build(uri=str(tmp_path / "milvus.db"))
    store.create("full", dim=DIM)
    store.upsert("full", make_rows(100))
    with monkeypatch.context() as patch:

        def no_space(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(wal.WAL, "write_insert", no_space)
        with pytest.raises(StoreError, match=r"No space left on device.*Free disk space.*sync NAME"):
            store.upsert("full", make_rows(100, start=100))
        assert not list(tmp_path.rglob("*.parquet"))  # what was acknowledged is still in the log, untouched
    assert len(store.digests("full")) == 100
    store.upsert("full", make_rows(100, start=100))
    assert store.count("full") == 200
    store.close()


# the engine forgets to close the log that it could not flush
@pytest.mark.filterwarnings(r"ignore:Exception ignored in.*wal_data_:pytest.PytestUnraisableExceptionWarning")
def test_a_failed_flush_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from milvus_lite.engine import flush

    store = milvus.build(uri=str(tmp_path / "milvus.db"))
    store.create("full", dim=DIM)
    rows = make_rows(2_500)
    store.upsert("full", rows)
    with monkeypatch.context() as patch:

        def no_space(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(flush, "write_data_file", no_space)
        with pytest.raises(StoreError, match="No space left on device"):
            store.count("full")
    assert set(store.digests("full")) == set(rows.table["id"])
    store.close()


def test_a_missing_library_is_named_and_the_lock_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "milvus_lite"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "milvus_lite", None)
    with pytest.raises(StoreError, match="pip install"):
        milvus.build(uri=str(tmp_path / "milvus.db"))
    assert milvus.holder(tmp_path / "milvus.db") == ""


@pytest.mark.parametrize("uri", ["milvus", "data/milvus.sqlite", "localhost:19530"])
def test_an_address_that_is_none_is_explained(uri: str) -> None:
    with pytest.raises(StoreError, match="write http://HOST:19530"):
        milvus.build(uri=uri)


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot open.*SEMBLANCE_HOME"):
        milvus.build(uri=str(tmp_path / "file" / "milvus.db"))


def test_a_dotenv_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MILVUS_URI=not-an-address\nPROBE=read\n")
    ask = "import os; from pipeline.stores import milvus\nmilvus.build(uri='milvus.db').close()\nprint(os.environ.get('PROBE'))"
    (tmp_path / "ask.py").write_text(ask)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "ask.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "None\n"
    assert done.stderr == ""


def test_a_closed_port_is_reported_within_the_timeout() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with (
            seconds() as taken,
            pytest.raises(StoreError, match=r"cannot reach Milvus at http://127\.0\.0\.1.*start it"),
        ):
            milvus.build(uri=f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}")
    assert taken[0] < 6


def test_a_server_that_never_answers_is_reported_within_six_seconds() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with seconds() as taken, pytest.raises(StoreError, match=r"did not answer within 5 s|cannot reach") as refused:
            milvus.build(uri=f"http://root:secret@127.0.0.1:{mute.getsockname()[1]}")
    assert taken[0] < 6
    assert "secret" not in str(refused.value)


@pytest.mark.server
def test_a_frozen_server_is_reported_within_six_seconds_and_used_again_when_it_thaws(milvus_server: Any) -> None:
    store = milvus.build(uri=milvus_server.uri)
    store.create("frozen", dim=DIM)
    rows = make_rows(10)
    store.upsert("frozen", rows)
    assert store.count("frozen") == 10
    milvus_server.process.send_signal(signal.SIGSTOP)
    try:
        for ask in (
            lambda: store.search("frozen", rows.embeddings[:1], k=3, where=Filter()),
            store.ping,
            lambda: store.count("frozen"),
        ):
            with seconds() as taken, pytest.raises(StoreError, match="did not answer within 5 s"):
                ask()
            assert taken[0] < 6
    finally:
        milvus_server.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 15
    while True:
        try:
            (hits,) = store.search("frozen", rows.embeddings[:1], k=3, where=Filter())
            break
        except StoreError:
            assert time.monotonic() < deadline, "the store did not recover"
    assert hits[0].id == rows.table["id"][0]
    store.drop("frozen")
    store.close()
