"""Two commands at once on one embedded Milvus: one waits for the other, and every gallery ends up searchable."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from tiny_gallery import SPEC, exact, fill, lite, photos, process

from pipeline.errors import StoreLocked
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import sync
from pipeline.settings import Settings

INGEST = (sys.executable, "-m", "pipeline", "ingest")


def command(gallery: str, folder: Path) -> tuple[str, ...]:
    return (*INGEST, gallery, "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "none")


@pytest.mark.parametrize("galleries", [("one", "one"), ("one", "two")])
def test_two_ingests_at_once_leave_every_gallery_searchable(
    home: Path, tmp_path: Path, galleries: tuple[str, str]
) -> None:
    folder = photos(tmp_path / "photos", 60)
    with process(*command(galleries[0], folder)) as first, process(*command(galleries[1], folder)) as second:
        said = [child.communicate(timeout=200) for child in (first, second)]
    codes = [first.returncode, second.returncode]
    assert sorted(codes) in ([0, 0], [0, 1]), said
    assert all("is being written by another process" in err for (_, err), code in zip(said, codes, strict=True) if code)
    with lite() as store:
        for name in set(galleries):
            assert open_gallery(name, Settings()).count() == 60
            assert not sync.compare(open_gallery(name, Settings()), store)


def test_an_index_that_a_passing_command_holds_is_waited_for_and_one_of_an_app_is_not(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 4))
    store, tries = exact(), []

    def third_time(settings: Settings) -> object:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise StoreLocked("held", passing=True)
        return store

    monkeypatch.setattr(sync, "open_store", third_time)
    assert sync.index_later(gallery, Settings(), StoreLocked("held by the app")) == "held by the app"
    assert tries == []
    assert sync.index_later(gallery, Settings(), StoreLocked("held", passing=True)) == ""
    assert len(tries) == 3
    assert not sync.compare(gallery, store)
    tries.clear()
    assert sync.index_later(gallery, Settings(), StoreLocked("held", passing=True), seconds=0.1) == "held"


def test_an_index_is_left_to_the_ingest_that_writes_the_gallery_now(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 4))
    with gallery.writing():
        assert "being written" in sync.index_later(gallery, Settings(), StoreLocked("held", passing=True))
