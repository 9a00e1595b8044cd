"""A gallery's copy moves between Milvus Lite and a server, is lost and filled again, and nobody reads a half-filled one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import encoder, exact, fill, lite, photos, process
from typer.testing import CliRunner

from app.server import store
from pipeline import plugins
from pipeline.__main__ import app
from pipeline.errors import StoreError
from pipeline.filters import Filter
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import reencode, sync
from pipeline.records import Rows, VectorStore
from pipeline.schema import Row
from pipeline.search.search import Query, search
from pipeline.settings import Settings

pytest_plugins = ("milvus_server",)

OTHER = "color_histogram:grid=2,bins=3"
FIRST, SECOND = "a" * 64, "b" * 64
N, DIM = 2500, 8


@pytest.fixture
def pictures(home: Path, tmp_path: Path) -> Gallery:
    """Nine pictures with Unicode labels and metadata, one removed; a current and a previous encoder, both in Lite."""
    folder = photos(tmp_path / "photos", 10, labels=("cup", "ваза", 'a"b\\器'))
    files = [file.relative_to(folder) for file in sorted(folder.rglob("*.png"))]
    table = pd.DataFrame(
        {"path": list(map(str, files)), "label": [file.parent.name for file in files], "note": ["漢字 🙂 'x'", ""] * 5}
    )
    table.to_csv(tmp_path / "list.csv", index=False)
    with lite() as store:
        made, _ = fill(f"table:file={tmp_path / 'list.csv'},root={folder}", store)
        made.remove([made.table()["id"][3]])
        reencode.reencode(made, encoder(OTHER), spec=OTHER, store=store)
    return made


def grown(name: str, n: int = N) -> Gallery:
    """n rows of an encoder FIRST, current, and of SECOND: the same ids, other embeddings. Every row is compared."""
    made = create_gallery(name, Settings())
    table = pd.DataFrame([vars(Row(id=f"{i:032x}")) for i in range(n)])
    with made.writing():
        for seed, fingerprint in enumerate((FIRST, SECOND)):
            embeddings = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            made.commit(made.add_encoder("raw_pixels", fingerprint, DIM), Rows(table, embeddings))
        made.update(index="flat")
    return made


def switch(made: Gallery, fingerprint: str) -> None:
    made.update(current=fingerprint[:8], previous=made.current)


def ask(*words: str) -> tuple[int, str]:
    said = CliRunner().invoke(app, list(words))
    return said.exit_code, said.stdout


def answers(made: Gallery, store: VectorStore) -> list[Any]:
    return [search(made, store, None, Query(ids=(picture,)), k=9).hits for picture in made.table()["id"]]


def assert_same(found: list[Any], truth: list[Any]) -> None:
    """The same hits, whose scores two engines may round differently."""
    for hits, true_hits in zip(found, truth, strict=True):
        assert [replace(hit, score=0) for hit in hits] == [replace(hit, score=0) for hit in true_hits]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in true_hits], abs=1e-5)


def nearest(store: VectorStore, collection: str) -> list[tuple[str, float]]:
    query = np.ones((1, DIM), np.float32)
    return [(hit.id, hit.score) for hit in store.search(collection, query, k=5, where=Filter())[0]]


@pytest.fixture(params=["lite", pytest.param("server", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What Milvus is configured: the embedded file, then a server. Names of galleries end in it."""
    if request.param == "server":
        monkeypatch.setenv("SEMBLANCE_MILVUS_URI", request.getfixturevalue("milvus_server").uri)
    return request.param


@pytest.mark.server
def test_a_gallery_moves_to_a_server_and_back_and_answers_the_same(
    pictures: Gallery, tmp_path: Path, milvus_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, back = milvus_server.uri, str(tmp_path / "new" / "milvus.db")
    with lite() as store:
        truth = answers(pictures, store)
    assert_same(truth, answers(pictures, sync.exact_store(pictures)))
    code, said = ask("verify", "small", "--to", uri)
    assert code == 1
    assert f"9 missing, 0 surplus, 0 stale; repair it with: python -m pipeline sync small --to {uri}" in said
    for target in (uri, back):
        code, said = ask("sync", "small", "--to", target)
        assert code == 0
        assert "9 missing, 0 surplus, 0 stale before; now equal, row by row: 9 rows in Milvus" in said
        assert target in said
        assert ask("verify", "small", "--to", target) == (0, "small: 9 rows, files and index checked, nothing wrong\n")
        with contextlib.closing(plugins.build("stores", "milvus", uri=target)) as store:
            assert_same(answers(pictures, store), truth)
    assert ask("verify", "small")[0] == 0  # where it came from
    monkeypatch.setenv("SEMBLANCE_MILVUS_URI", uri)
    with lite() as store:
        reencode.go_back(pictures, store)
        before = answers(pictures, sync.exact_store(pictures))
        assert_same(answers(pictures, store), before)
        assert before != truth
        sync.drop(pictures, store)


def test_all_brings_every_gallery_and_one_that_cannot_be_read_stops_no_other(pictures: Gallery, tmp_path: Path) -> None:
    fill(tmp_path / "photos", name="another")
    create_gallery("empty", Settings())
    (create_gallery("broken", Settings()).manifest_file).write_text("{")
    code, said = ask("sync", "--all")
    assert code == 1
    assert [line.split(":")[0] for line in said.splitlines()] == ["another", "small"]
    for words in (["sync"], ["sync", "small", "--all"]):
        assert ask(*words) == (2, "") or CliRunner().invoke(app, words).exception


def test_while_another_process_holds_the_file_sync_says_what_to_do(pictures: Gallery) -> None:
    hold = (
        "from pipeline.ingest import sync; from pipeline.settings import Settings; store = sync.open_store(Settings());"
        "print('holding', flush=True); import time; time.sleep(600)"
    )
    with process(sys.executable, "-c", hold) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "holding\n"
        failed = CliRunner().invoke(app, ["sync", "small"]).exception
    assert f"held by process {child.pid}" in str(failed)
    assert "stop it" in str(failed)
    assert "An open app brings its own index up to date by itself" in str(failed)


def test_milvus_that_lost_everything_is_filled_from_the_parts(place: str, tmp_path: Path) -> None:
    name = f"lost_{place}"
    with lite() as store:
        made, _ = fill(photos(tmp_path / "photos", 9), store, name=name)
        made.remove([made.table()["id"][2]])
        sync.sync(made, store)
        truth = answers(made, store)
        if place == "server":
            store.drop(made.collection())
    if place == "lite":
        shutil.rmtree(Settings().uri)
    code, said = ask("verify", name)
    assert (code, "8 missing" in said) == (1, True)
    assert "8 missing, 0 surplus, 0 stale before; now equal" in ask("sync", name)[1]
    assert ask("verify", name)[0] == 0
    with lite() as store:
        assert_same(answers(made, store), truth)
        sync.drop(made, store)


def test_a_sync_that_is_killed_half_way_moves_no_alias_and_goes_on(place: str) -> None:
    made = grown(f"killed_{place}")
    with lite() as store:
        sync.sync(made, store)
        old = nearest(store, made.collection())
    switch(made, SECOND)
    kill = (
        "import os, sys; from pipeline.ingest import sync; from pipeline.gallery.opening import open_gallery\n"
        "from pipeline.settings import Settings\n"
        "def progress(stage, done, total):\n"
        "    if (stage, done) == ('sync', 1000): os.kill(os.getpid(), 9)\n"
        "store = sync.open_store(Settings())\n"
        "sync.sync(open_gallery(sys.argv[1], Settings()), store, progress=progress)"
    )
    with process(sys.executable, "-c", kill, made.name) as child:
        assert child.wait(120) == -9
    with lite() as store:
        assert store.count(made.collection()) == 1000
        assert not sync.was_filled(made, store)
        assert nearest(store, made.name) == old
        assert len(sync.sync(made, store).missing) == N - 1000
        assert sync.was_filled(made, store)
        assert nearest(store, made.name) == nearest(store, made.collection()) != old
        sync.drop(made, store)


def test_a_reader_of_the_alias_meets_the_old_answer_or_the_new_one_and_no_error(place: str) -> None:
    made = grown(f"read_{place}")
    with lite() as store, lite() as reader:
        sync.sync(made, store)
        old = nearest(reader, made.name)
        seen: list[Any] = []
        begun, met, stop = threading.Event(), threading.Event(), threading.Event()
        client = reader._link._opened()  # type: ignore[attr-defined]  # asks for the alias itself, every time

        def read() -> None:
            try:
                while not stop.is_set():
                    [hits] = client.search(made.name, [[1.0] * DIM], limit=5, output_fields=["id"], timeout=30)
                    seen.append([hit["id"] for hit in hits])
                    seen.append([id_ for id_, _ in nearest(reader, made.name)])
                    begun.set()
                    if seen[-2] != [id_ for id_, _ in old]:
                        met.set()
            except Exception as error:  # whatever it is, the test tells
                seen.append(error)
                met.set()

        thread = threading.Thread(target=read)
        thread.start()
        try:
            assert begun.wait(60)
            switch(made, SECOND)
            sync.sync(made, store)
            assert met.wait(60)
        finally:
            stop.set()
            thread.join()
        truth = [[id_ for id_, _ in old], [id_ for id_, _ in nearest(store, made.collection())]]
        assert [one for one in seen if one not in truth] == []
        direct = [truth.index(one) for one in seen[::2]]
        assert direct == sorted(direct)  # the old answers, then the new ones
        assert {0, 1} == set(direct)
        sync.drop(made, store)


def test_a_store_that_keeps_less_than_it_is_given_gets_no_alias(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 5))
    store = _forgetful(exact())
    with pytest.raises(StoreError, match=r"still differs .*1 missing, 0 surplus, 0 stale.*sync small"):
        sync.sync(gallery, store)
    assert not store.exists("small")


def _forgetful(store: VectorStore) -> VectorStore:
    """Loses a row at every write, also at the repair."""
    real = store.upsert

    def upsert(name: str, rows: Rows) -> None:
        real(name, rows)
        store.delete(name, [rows.table["id"].iloc[0]])

    store.upsert = upsert  # type: ignore[method-assign]
    return store


def test_a_picture_removed_while_a_large_sync_runs_is_gone_at_its_end(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 5))
    gone = gallery.table()["id"][0]
    store = exact()

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "sync" and not gallery.removed():
            gallery.remove([gone])

    assert len(sync.sync(gallery, store, progress=progress).missing) == 5
    assert gone not in store.digests("small")
    assert not sync.compare(gallery, store)


def test_the_app_answers_exactly_from_the_files_until_a_collection_was_filled_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 6))
    half, whole = threading.Event(), threading.Event()
    real = sync._repair

    def waiting(gallery: Gallery, fingerprint8: str, *rest: Any) -> None:
        store.store().upsert(gallery.collection(fingerprint8), gallery.rows().take(slice(0, 2)))
        half.set()
        assert whole.wait(60)
        real(gallery, fingerprint8, *rest)

    monkeypatch.setattr(sync, "_repair", waiting)
    try:
        running = store.refresh(gallery)
        assert half.wait(60)
        connection, note = store.searchable(gallery)
        assert (connection.count(gallery.collection()), "index is being filled" in note) == (6, True)
        whole.set()
        running.result(60)
        connection, note = store.searchable(gallery)
        assert (connection.count(gallery.collection()), note, connection is store.store()) == (6, "", True)
    finally:
        whole.set()
        store.release()
        assert os.path.exists(Settings().uri)
