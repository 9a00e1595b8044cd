"""Milvus Lite is reached through a socket of this user alone; nothing of it listens on the network."""

from __future__ import annotations

import stat
import sys
import tempfile
from pathlib import Path

import listeners
import pytest
from tiny_gallery import fill, lite, photos

from pipeline.errors import StoreError
from pipeline.filters import Filter
from pipeline.ingest import sync
from pipeline.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; Windows has no Unix sockets in grpc")


def test_no_port_while_a_gallery_is_filled_and_searched(home: Path, tmp_path: Path) -> None:
    before = listeners.tcp(), listeners.unix()
    with lite() as store:
        gallery, _ = fill(photos(tmp_path / "photos", 9), store)
        queries = gallery.rows().embeddings[:2]
        assert store.search(gallery.collection(), queries, k=3, where=Filter())[0]
        assert listeners.tcp() == before[0]
        [socket] = listeners.unix() - before[1]
        folder = Path(socket).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert (listeners.tcp(), listeners.unix()) == before


def test_a_deep_temporary_folder_is_no_hindrance(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("a" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with lite() as store:
        fill(photos(tmp_path / "photos", 3), store)


def test_a_file_that_cannot_be_opened_leaves_no_socket(home: Path) -> None:
    (home / "milvus.db").mkdir(parents=True)
    (home / "milvus.db" / "collections").write_text("no folder")
    before = listeners.unix()
    with pytest.raises(StoreError, match="cannot open"):
        sync.open_store(Settings())
    assert listeners.unix() == before
