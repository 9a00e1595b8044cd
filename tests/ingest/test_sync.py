"""Sync makes a store agree with the gallery, whatever had happened to it; verify says what differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import exact, fill, lite, photos
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import GalleryError
from pipeline.gallery import integrity
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import sync
from pipeline.records import Rows
from pipeline.settings import Settings


def spoil(gallery, store) -> tuple[str, str, str]:
    """One row missing, one surplus, one stale in the store."""
    rows = gallery.rows()
    collection = gallery.collection()
    missing, stale = rows.table["id"][0], rows.table["id"][1]
    store.delete(collection, [missing])
    strange = rows.table.iloc[[2]].assign(id="f" * 32).reset_index(drop=True)
    store.upsert(collection, Rows(strange, rows.embeddings[2:3]))
    changed = rows.table.iloc[[1]].assign(label="another").reset_index(drop=True)
    store.upsert(collection, Rows(changed, rows.embeddings[1:2]))
    return missing, "f" * 32, stale


def test_sync_repairs_missing_surplus_and_stale_rows_in_milvus_and_exact(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 5)
    with lite() as milvus:
        for name, store in (("one", milvus), ("two", exact())):
            gallery, _ = fill(folder, store, name=name)
            missing, surplus, stale = spoil(gallery, store)
            difference = sync.compare(gallery, store)
            assert (difference.missing, difference.surplus, difference.stale) == ([missing], [surplus], [stale])
            assert str(sync.sync(gallery, store)) == "1 missing, 1 surplus, 1 stale"
            assert not sync.compare(gallery, store)
            assert sorted(store.digests(gallery.collection())) == sorted(gallery.ids())


def test_a_changed_embedding_is_stale(home: Path, tmp_path: Path) -> None:
    store = exact()
    gallery, _ = fill(photos(tmp_path / "photos", 3), store)
    rows = gallery.rows()
    turned = np.roll(rows.embeddings[:1], 1, axis=1)
    store.upsert(gallery.collection(), Rows(rows.table.iloc[[0]], turned))
    assert sync.compare(gallery, store).stale == [rows.table["id"][0]]


def test_verify_and_sync_on_the_command_line(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    with lite() as store:
        gallery, _ = fill(folder, store)
    ask = CliRunner()
    assert ask.invoke(app, ["verify", "small"]).output == "small: 4 rows, files and index checked, nothing wrong\n"
    with lite() as store:
        spoil(gallery, store)
    told = ask.invoke(app, ["verify", "small"])
    assert told.exit_code == 1
    assert "1 missing, 1 surplus, 1 stale; repair it with: python -m pipeline sync small" in told.output
    assert "1 missing, 1 surplus, 1 stale before; now equal" in ask.invoke(app, ["sync", "small"]).output
    assert ask.invoke(app, ["verify", "small"]).exit_code == 0


def test_drop_takes_the_collections_and_the_folder_and_the_name_is_free_again(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    with lite() as store:
        gallery, _ = fill(folder, store)
        collection = gallery.collection()
        with gallery.writing(), pytest.raises(GalleryError, match="being written by another process"):
            sync.drop(gallery, store)
        assert store.count(collection) == 3  # refused before anything was deleted
        sync.drop(gallery, store)
        assert not store.exists(collection)
        with pytest.raises(GalleryError, match="no gallery 'small'"):
            open_gallery("small", Settings())
        assert fill(folder, store)[1].added == 3


def test_a_sync_that_runs_while_the_encoder_changes_keeps_to_one_encoder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    first = gallery.current
    real = type(gallery).rows

    def rows_and_switch(self, fingerprint8="", **options):
        found = real(self, fingerprint8, **options)
        encoders = self.manifest()["encoders"]
        self.update(current="0" * 8, encoders=encoders | {"0" * 8: encoders[first] | {"dim": 7}})
        return found

    monkeypatch.setattr(type(gallery), "rows", rows_and_switch)
    store = exact()
    sync.sync(gallery, store)
    assert store.collections() == [f"small__{first}"]
    assert store.count("small") == 3


def test_verify_names_each_thing_that_is_wrong_with_the_files(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    assert integrity.check_files(gallery) == []
    rows = gallery.rows()
    gallery.commit(gallery.current, Rows(rows.table.iloc[:1], rows.embeddings[:1]))
    gallery.commit(gallery.current, Rows(rows.table.iloc[1:2].assign(id="e" * 32), rows.embeddings[1:2] * 2))
    problems = "\n".join(integrity.check_files(gallery))
    assert "1 ids stand twice" in problems
    assert "1 embeddings of color_histogram:grid=2,bins=2 are not of unit length" in problems
    assert "1 thumbnails are missing" in problems
