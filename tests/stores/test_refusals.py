"""What a server refuses and what an older Semblance left there: a wrong password, a slow look, a collection of former fields."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import fill, lite, photos, run

from pipeline import plugins
from pipeline.errors import StoreError
from pipeline.filters import Filter
from pipeline.ingest import sync
from pipeline.records import Rows, VectorStore
from pipeline.schema import Row
from pipeline.stores import _link, _schema, milvus

pytest_plugins = ("milvus_server",)


@pytest.fixture(params=["lite", pytest.param("server", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the configured Milvus is: the embedded file, then a server."""
    if request.param == "server":
        monkeypatch.setenv("SEMBLANCE_MILVUS_URI", request.getfixturevalue("milvus_server").uri)
    return request.param


@pytest.fixture
def guarded_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A server that asks for a password, as deploy/user.yaml has it do; root's is `Milvus`."""
    from milvus_server import new_server  # pytest wants to load that module itself, first

    (tmp_path / "milvus").mkdir()
    server = new_server(request, tmp_path / "milvus", COMMON_SECURITY_AUTHORIZATIONENABLED="true")
    yield server
    server.stop()


@contextlib.contextmanager
def client(store: VectorStore) -> Iterator[Any]:
    """Milvus' own client, for what another program would do there."""
    yield store._link._opened()  # type: ignore[attr-defined]


def nearest(gallery, store: VectorStore) -> list[list[tuple[str, float]]]:
    rows = gallery.rows()
    found = store.search(gallery.collection(), np.array(rows.embeddings[:5]), k=6, where=Filter())
    return [[(hit.id, hit.score) for hit in hits] for hits in found]


@pytest.mark.server
def test_a_wrong_password_is_called_that_and_the_right_one_works(
    home: Path, tmp_path: Path, guarded_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = guarded_server.uri
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    monkeypatch.setenv("SEMBLANCE_MILVUS_URI", uri)
    for token in ("root:wrong", "nobody:Milvus", ""):
        monkeypatch.setenv("SEMBLANCE_MILVUS_TOKEN", token)
        with pytest.raises(StoreError, match=r"refuses the user or password .*SEMBLANCE_MILVUS_TOKEN"):
            lite().__enter__()
    for verb in (["sync", "small"], ["verify", "small"], ["doctor"]):
        said = run(*verb)
        assert "refuses the user or password" in said.stdout + said.stderr
        assert "Traceback" not in said.stderr
    monkeypatch.setenv("SEMBLANCE_MILVUS_TOKEN", "root:Milvus")
    with lite() as store:
        sync.sync(gallery, store)
        assert store.count("small") == 3


def test_a_look_that_a_write_needs_has_a_writes_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, float] = {}
    real = _link.Link.call

    def call(link: _link.Link, what: str, action: Any, **options: Any) -> Any:
        def noted(client: Any, seconds: float) -> Any:
            given[what] = max(seconds, given.get(what, 0))
            return action(client, seconds)

        return real(link, what, noted, **options)

    monkeypatch.setattr(_link.Link, "call", call)
    with contextlib.closing(milvus.build(uri=str(tmp_path / "m.db"), timeout=2)) as store:
        store.create("c", dim=8)
        rows = _rows()
        for act in (
            lambda: store.upsert("c", rows),
            lambda: store.delete("c", ["0" * 32]),
            lambda: store.digests("c"),
            lambda: store.point("a", "c"),
        ):
            store._shapes.clear()
            given.clear()
            act()
            assert given["describe"] == given["look up"] == 12
        store._shapes.clear()
        given.clear()
        store.search("c", rows.embeddings, k=1, where=Filter())
        assert given == {"look up": 2, "describe": 2, "search": 2}


def _rows() -> Rows:
    return Rows(pd.DataFrame([vars(Row(id="0" * 32))]), np.eye(1, 8, dtype=np.float32))


def test_a_collection_of_an_older_schema_is_named_and_made_anew_by_sync(
    place: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"older_{place}"
    with lite() as store:
        with monkeypatch.context() as patch:
            patch.setattr(_schema, "VERSION", 0)
            gallery, _ = fill(photos(tmp_path / "photos", 12), store, name=name)
            truth = nearest(gallery, store)
        store._shapes.clear()
        with pytest.raises(StoreError, match=rf"older Semblance \(schema 0.*sync {name}` makes it anew"):
            nearest(gallery, store)
        assert len(sync.sync(gallery, store).missing) == 12
        assert nearest(gallery, store) == truth
        assert store.count(name) == 12  # the alias is back
        sync.drop(gallery, store)


def test_a_collection_of_a_newer_schema_or_of_another_program_is_left_alone(
    place: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"newer_{place}"
    with lite() as store:
        with monkeypatch.context() as patch:
            patch.setattr(_schema, "VERSION", 9)
            gallery, _ = fill(photos(tmp_path / "photos", 4), store, name=name)
        store._shapes.clear()
        with pytest.raises(StoreError, match=r"newer Semblance \(schema 9\); update this one"):
            sync.sync(gallery, store)
        collection = gallery.collection()
        with client(store) as other:
            assert other.has_collection(collection)
            store.drop(collection)
            other.create_collection(collection, dimension=8)
        with pytest.raises(StoreError, match="made by something else"):
            sync.sync(gallery, store)
        with client(store) as other:
            assert other.has_collection(collection)
            other.drop_collection(collection)


def test_what_milvus_lost_under_an_open_connection_is_filled_and_searched_again(
    place: str, home: Path, tmp_path: Path
) -> None:
    """The collection is gone, and this process had loaded one of that name."""
    with lite() as store:
        gallery, _ = fill(photos(tmp_path / "photos", 12), store, name=f"lost_{place}")
        truth = nearest(gallery, store)
        with client(store) as other:
            other.drop_alias(gallery.name)
            other.drop_collection(gallery.collection())
        assert len(sync.sync(gallery, store).missing) == 12
        assert nearest(gallery, store) == truth
        sync.drop(gallery, store)


def test_stores_of_one_file_agree_on_what_was_lost(home: Path, tmp_path: Path) -> None:
    with lite() as store:
        gallery, _ = fill(photos(tmp_path / "photos", 3), store)
        second = plugins.build("stores", "milvus")
        store.drop(gallery.collection())
        assert len(sync.sync(gallery, second).missing) == 3
        assert store.count("small") == 3
        second.close()
