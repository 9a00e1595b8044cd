"""The clothing photos: read where they are, or downloaded and held against the pinned commit."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from file_server import Site, serving

from pipeline import plugins
from pipeline.datasets import clothing as plugin
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import ImageRecord

PHOTOS = {
    "train/hat/b.jpg": b"1",
    "train/hat/a.jpg": b"2",
    "train/hat-stand/a.jpg": b"3",  # git sorts `hat` as `hat/`, after `hat-stand`
    "validation/t-shirt/c.jpg": b"4",
    "test/hat/d.jpg": b"",
}


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def as_github_packs_it(folder: Path, target: Path) -> bytes:
    with zipfile.ZipFile(target, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, f"clothing-dataset-small-{plugin.COMMIT}/{path.relative_to(folder).as_posix()}")
    return target.read_bytes()


def test_folders_are_splits_and_labels(tmp_path: Path) -> None:
    root = put(tmp_path, PHOTOS)
    assert list(plugins.build("datasets", f"clothing:root={root}").records()) == [
        ImageRecord("train/hat/a.jpg", "hat", "train"),
        ImageRecord("train/hat/b.jpg", "hat", "train"),
        ImageRecord("train/hat-stand/a.jpg", "hat-stand", "train"),
        ImageRecord("validation/t-shirt/c.jpg", "t-shirt", "validation"),
        ImageRecord("test/hat/d.jpg", "hat", "test"),
    ]


def test_the_real_copy_has_its_3781_photos(clothing: Path) -> None:
    records = list(plugins.build("datasets", f"clothing:root={clothing}").records())
    assert Counter(record.split for record in records) == {"train": 3068, "validation": 341, "test": 372}
    assert len({record.label for record in records}) == 10


@pytest.mark.skipif(shutil.which("git") is None, reason="git itself is what the ids are held against")
def test_tree_ids_are_those_that_git_gives(tmp_path: Path) -> None:
    root = put(tmp_path, PHOTOS)

    def git(*words: str) -> str:
        settings = (
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            "-c",
            "core.autocrlf=false",
            "-c",
            "core.fileMode=false",
        )
        return subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", "train", "validation", "test")
    whole = git("write-tree").strip()
    for split in plugin.TREES:
        assert plugin.git_tree(root / split) == git("rev-parse", f"{whole}:{split}").strip()


def test_a_download_is_held_against_the_commit(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = put(tmp_path / "photos", PHOTOS)
    monkeypatch.setattr(plugin, "TREES", {split: plugin.git_tree(photos / split) for split in plugin.TREES})
    with serving(Site(says_length=False, ranges=False)) as site:  # as GitHub's own servers
        site.files["/archive.zip"] = as_github_packs_it(photos, tmp_path / "a.zip")
        monkeypatch.setattr(plugin, "URL", f"{site.address}/archive.zip")
        dataset = plugins.build("datasets", "clothing")
        with pytest.raises(SemblanceError, match="call prepare"):
            list(dataset.records())
        dataset.prepare()
        dataset.prepare()
        assert len(site.asked) == 1
    assert [record.path for record in dataset.records()] == [
        "train/hat/a.jpg", "train/hat/b.jpg", "train/hat-stand/a.jpg", "validation/t-shirt/c.jpg", "test/hat/d.jpg",
    ]  # fmt: skip
    assert dataset.root.is_relative_to(home.absolute() / "cache")


def test_photos_that_differ_from_the_commit_are_refused(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = put(tmp_path / "photos", PHOTOS)
    monkeypatch.setattr(plugin, "TREES", {split: plugin.git_tree(photos / split) for split in plugin.TREES})
    put(photos, {"test/hat/d.jpg": b"one byte more"[:1]})
    with serving(Site()) as site:
        site.files["/archive.zip"] = as_github_packs_it(photos, tmp_path / "a.zip")
        monkeypatch.setattr(plugin, "URL", f"{site.address}/archive.zip")
        dataset = plugins.build("datasets", "clothing")
        with pytest.raises(SemblanceError, match="did not bring the photos of commit 11961516: test differ"):
            dataset.prepare()
    assert not dataset.root.exists()


def test_a_copy_of_ones_own_is_taken_as_it_is(tmp_path: Path, home: Path) -> None:
    as_github_packs_it(put(tmp_path / "photos", PHOTOS), tmp_path / "a.zip")
    dataset = plugins.build("datasets", f"clothing:root={tmp_path / 'a.zip'}")
    dataset.prepare()
    assert len(list(dataset.records())) == len(PHOTOS)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"train/a/1.jpg": b""})
    with pytest.raises(UsageError, match="no folder there holds train, validation, test"):
        plugins.build("datasets", f"clothing:root={tmp_path}")
