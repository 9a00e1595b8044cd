"""The index a collection is to have: written, read, kept over a restart, and changed for a gallery that is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_gallery import fill, lite, photos

from pipeline.errors import StoreError
from pipeline.filters import Filter
from pipeline.ingest import sync
from pipeline.stores import _index_spec

pytest_plugins = ("milvus_server",)


@pytest.mark.parametrize(
    "text",
    [
        *("flat", "autoindex", "hnsw", "hnsw:ef=128", "hnsw_sq:ef=32,m=8", "ivf_flat:nprobe=4", "ivf_sq8"),
        *("ivf_rabitq:refine=4", "ivf_rabitq:nprobe=64,refine=0", "diskann", "diskann:ef=100"),
    ],
)
def test_what_is_written_is_read_back(text: str) -> None:
    assert _index_spec.read(text).text == text


@pytest.mark.parametrize(
    "text", ["annoy", "hnsw:speed=9", "hnsw:ef", "flat:ef=3", "hnsw:ef=-1", "ivf_flat:nprobe=many"]
)
def test_what_is_no_index_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(StoreError, match=r"choose from flat|has these settings"):
        _index_spec.read(text)


def test_ef_is_never_below_four_times_the_hits() -> None:
    assert _index_spec.read("hnsw").searched_with(10) == {"ef": 64}
    assert _index_spec.read("hnsw").searched_with(10, filtered=True) == {"ef": 768}
    assert _index_spec.read("hnsw:ef=128").searched_with(10) == {"ef": 128}
    assert _index_spec.read("hnsw:ef=128").searched_with(100) == {"ef": 400}
    assert _index_spec.read("ivf_flat:nprobe=7").searched_with(10) == {"nprobe": 7}
    assert _index_spec.read("flat").searched_with(10) == {}
    assert _index_spec.read("diskann:ef=128").searched_with(10) == {"search_list": 128}
    assert _index_spec.read("diskann").searched_with(100) == {"search_list": 400}


def test_a_compressed_index_is_refined_unless_somebody_says_0() -> None:
    usual, bare = _index_spec.read("ivf_rabitq"), _index_spec.read("ivf_rabitq:refine=0")
    assert usual.built_with == {"nlist": 128, "refine": True, "refine_type": "SQ8"}
    assert usual.searched_with(10) == {"nprobe": 32, "refine_k": 2}
    assert bare.built_with == {"nlist": 128}
    assert bare.searched_with(10) == {"nprobe": 32}


@pytest.mark.parametrize("index", ["hnsw:ef=128", "ivf_flat:nprobe=128", "flat"])
def test_a_gallery_changes_its_index_and_keeps_it_over_a_restart(home: Path, tmp_path: Path, index: str) -> None:
    folder = photos(tmp_path / "photos", 60)
    with lite() as store:
        gallery, _ = fill(folder, store)
        before = nearest(gallery, store)
        sync.choose_index(gallery, store, index)
        assert not sync.is_filled(gallery, store)
        sync.sync(gallery, store)
        assert nearest(gallery, store) == before
    with lite() as store:
        about = store.describe(gallery.collection())
        assert (about["index"].lower(), about["settings"]) == (index.partition(":")[0], index)
        assert nearest(gallery, store) == before
        store.drop(gallery.collection())  # what Milvus lost comes again with the same index
        sync.sync(gallery, store)
        assert store.describe(gallery.collection())["settings"] == index


def test_an_index_that_cannot_be_made_changes_nothing(home: Path, tmp_path: Path) -> None:
    with lite() as store:
        gallery, _ = fill(photos(tmp_path / "photos", 12), store)
        for index in ("annoy", "hnsw:ef=x", "diskann", "ivf_rabitq"):  # the embedded Milvus has neither of the last
            with pytest.raises(StoreError):
                sync.choose_index(gallery, store, index)
        assert sync.is_filled(gallery, store)
        assert gallery.manifest().get("index", "") == ""
        assert store.collections() == [gallery.collection()]


def nearest(gallery, store) -> list[list[str]]:
    rows = gallery.rows()
    found = store.search(gallery.collection(), np.array(rows.embeddings[:5]), k=7, where=Filter())
    return [[hit.id for hit in hits] for hits in found]


@pytest.mark.server
def test_a_gallery_on_a_server_changes_its_index(
    home: Path, tmp_path: Path, milvus_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMBLANCE_MILVUS_URI", milvus_server.uri)
    with lite() as store:  # the configured one: the server
        gallery, _ = fill(photos(tmp_path / "photos", 40), store, name="on_a_server")
        before = nearest(gallery, store)
        assert store.describe(gallery.collection())["index"] == "HNSW"
        with pytest.raises(StoreError):  # this server is of before it
            sync.choose_index(gallery, store, "ivf_rabitq")
        assert store.describe(gallery.collection())["index"] == "HNSW"
        for index in ("flat", "diskann:ef=100", "ivf_sq8:nprobe=128", "hnsw:ef=256"):
            sync.choose_index(gallery, store, index)
            sync.sync(gallery, store)
            assert store.describe(gallery.collection())["settings"] == index
        assert nearest(gallery, store) == before
        sync.drop(gallery, store)
