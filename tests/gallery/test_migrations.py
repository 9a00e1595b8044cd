"""A gallery that an older Semblance made is brought to the present format, once, and can go back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tiny_gallery import exact, fill, photos, process

from pipeline.errors import GalleryError
from pipeline.gallery import migrations
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.migrations import FORMAT
from pipeline.gallery.opening import create_gallery, open_gallery
from pipeline.ingest import sync
from pipeline.settings import Settings


@pytest.fixture
def old(home: Path, tmp_path: Path) -> Gallery:
    """A gallery as format 1 was written: its manifest says nothing of an index."""
    made, _ = fill(photos(tmp_path / "photos", 4))
    manifest = made.manifest()
    del manifest["index"]
    made.manifest_file.write_text(json.dumps(manifest | {"format": 1}))
    return made


@pytest.mark.parametrize("opened", [open_gallery, create_gallery])
def test_a_gallery_of_format_1_is_brought_up_when_it_is_opened(old: Gallery, opened) -> None:
    before = old.manifest_file.read_bytes()
    made = opened("small", Settings())
    assert made.manifest() == json.loads(before) | {"format": FORMAT, "index": ""}
    assert (made.root / "gallery.json.format1").read_bytes() == before
    store = exact()
    sync.sync(made, store)
    assert store.count("small") == 4


def test_an_index_that_was_chosen_is_kept(old: Gallery) -> None:
    old.manifest_file.write_text(json.dumps(json.loads(old.manifest_file.read_text()) | {"index": "hnsw:ef=128"}))
    assert open_gallery("small", Settings()).manifest()["index"] == "hnsw:ef=128"


def test_a_gallery_of_the_present_format_is_not_touched(home: Path) -> None:
    made = create_gallery("small", Settings())
    before = made.manifest_file.stat()
    with made.writing():  # nor is its writer waited for
        open_gallery("small", Settings())
    assert made.manifest_file.stat() == before
    assert sorted(path.name for path in made.root.iterdir() if path.name[0] != ".") == ["gallery.json"]


def test_the_former_manifest_put_back_is_brought_up_again(old: Gallery) -> None:
    first = open_gallery("small", Settings()).manifest()
    (old.root / "gallery.json.format1").rename(old.manifest_file)
    assert old.manifest()["format"] == 1
    assert open_gallery("small", Settings()).manifest() == first


def test_a_gallery_that_an_older_program_writes_waits_for_it(old: Gallery) -> None:
    with old.writing(), pytest.raises(GalleryError, match="being written by another process"):
        open_gallery("small", Settings())
    assert old.manifest()["format"] == 1


@pytest.mark.parametrize(("number", "fault"), [(FORMAT + 1, "newer Semblance"), (0, "format 0, which never was")])
def test_a_format_that_is_unknown_is_refused_and_nothing_is_changed(home: Path, number: int, fault: str) -> None:
    made = create_gallery("small", Settings())
    made.manifest_file.write_text(json.dumps(made.manifest() | {"format": number}))
    before = made.manifest_file.read_bytes()
    with pytest.raises(GalleryError, match=fault):
        open_gallery("small", Settings()).manifest()
    assert made.manifest_file.read_bytes() == before


@pytest.mark.parametrize("write", [1, 2])
def test_a_kill_at_any_write_has_the_step_done_again(old: Gallery, write: int) -> None:
    before = old.manifest_file.read_bytes()
    kill = (
        "import os, sys; from pipeline.files import atomic; from pipeline.gallery.opening import open_gallery\n"
        "from pipeline.settings import Settings\n"
        "real, left = os.replace, [int(sys.argv[1])]\n"
        "def replace(*paths):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), 9)\n"
        "    real(*paths)\n"
        "os.replace = replace; open_gallery('small', Settings())"
    )
    with process(sys.executable, "-c", kill, str(write)) as child:
        assert child.wait(60) == -9
    assert old.manifest_file.read_bytes() == before
    made = open_gallery("small", Settings())
    assert made.manifest() == json.loads(before) | {"format": FORMAT, "index": ""}
    assert (made.root / "gallery.json.format1").read_bytes() == before


def test_steps_are_taken_one_after_another(old: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    def next_step(root: Path, manifest: dict) -> dict:
        (root / "new_folder").mkdir(exist_ok=True)
        return manifest | {"index_was": manifest["index"]}

    monkeypatch.setattr(migrations, "STEPS", migrations.STEPS | {2: next_step})
    monkeypatch.setattr(migrations, "FORMAT", 3)
    monkeypatch.setattr("pipeline.gallery.manifest.FORMAT", 3)
    made = open_gallery("small", Settings())
    assert (made.manifest()["format"], made.manifest()["index_was"]) == (3, "")
    assert json.loads((made.root / "gallery.json.format2").read_text())["format"] == 2
    assert (made.root / "new_folder").is_dir()
