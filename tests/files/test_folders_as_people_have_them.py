"""Folders of NAS, Macs, Windows and cameras: what is passed over is counted, what is a picture is found."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from tiny_gallery import SPEC, draw, encoder

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.files import picture_files as walk
from pipeline.files.picture_files import PassedOver, existing_folder, existing_path, picture_files
from pipeline.gallery import ledgers
from pipeline.gallery.opening import create_gallery
from pipeline.images import opening
from pipeline.ingest import ingest as ingestion
from pipeline.records import Dataset
from pipeline.settings import Settings

links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
NFC, NFD = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


def put(root: Path, *names: str, content: bytes = b"text") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def folder(root: Path, options: str = "") -> Dataset:
    return plugins.build("datasets", f"folder:root={root}{options}")


def lock(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Folders of these names cannot be read: tests may run as root, who can read everything."""
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(walk.os, "scandir", scandir)


def test_system_folders_are_passed_over_and_said(tmp_path: Path) -> None:
    put(
        tmp_path,
        "cats/1.jpg",
        "cats/2.jpg",
        "cats/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
        "#recycle/3.jpg",
        "cats/Thumbs.db",
    )
    put(
        tmp_path,
        "$RECYCLE.BIN/S-1-5/x.jpg",
        "__MACOSX/cats/._1.jpg",
        "System Volume Information/y.jpg",
        "cats/.DS_Store",
    )
    put(tmp_path, "@Recycle/z.jpg", ".hidden/a.jpg", "clip.mp4", "raw.zip", "deep/b.mp4")
    dataset = folder(tmp_path)
    assert [(one.path, one.label) for one in dataset.records()] == [("cats/1.jpg", "cats"), ("cats/2.jpg", "cats")]
    assert dataset.notes == [  # type: ignore[attr-defined]
        "system folders and files (trash, small copies), passed over: 7 (first: #recycle)",
        "hidden files and folders, passed over: 1 (first: .hidden)",
        "files that are no pictures, passed over: 2 × .mp4 (clip.mp4), 1 × .zip (raw.zip)",
        "films (.mp4) have a dataset of their own: video:root=…",
        "archives are not looked into; unpack those that hold pictures",
    ]


def test_a_system_folder_makes_no_split_a_label(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "test/2.jpg", "@eaDir/3.jpg", "$RECYCLE.BIN/4.jpg")
    assert {one.split for one in folder(tmp_path).records()} == {"train", "test"}


def test_a_folder_that_cannot_be_read_is_rejected_and_the_others_are_ingested(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("a/1.png", "lost+found/2.png", "b/private/3.png", "b/4.png")):
        draw(tmp_path / "photos" / name, number)
    lock(monkeypatch, "lost+found", "private")
    gallery = create_gallery("some", Settings())
    report = ingestion.ingest(gallery, folder(tmp_path / "photos"), encoder(), spec=SPEC, store=None)
    assert report.added == 2
    assert [place for place, _ in report.rejected] == ["b/private", "lost+found"]
    rows = ledgers.read(gallery.root / ledgers.REJECTED)
    assert [row[0] for row in rows] == ["b/private", "lost+found"]
    assert "cannot be read (Permission denied); change its permissions" in rows[0][1]


def test_a_root_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "photos", "1.jpg")
    dataset = folder(tmp_path / "photos")
    lock(monkeypatch, "photos")
    with pytest.raises((UsageError, PermissionError)):
        list(dataset.records())


@links
def test_links_are_counted_and_followed_inside_when_asked(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root, ".store/1/x.jpg", "pool/2.jpg", "a.jpg")
    put(tmp_path, "outside/o.jpg")
    (root / "cat").symlink_to(".store/1")
    (root / "pool" / "loop").symlink_to(root)
    (root / "pool" / "self").symlink_to(".")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "o.jpg").symlink_to(tmp_path / "outside" / "o.jpg")
    (root / "gone.jpg").symlink_to("nothing.jpg")
    passed = PassedOver()
    assert list(picture_files(root, passed)) == ["a.jpg", "pool/2.jpg"]
    assert passed.notes == [
        "hidden files and folders, passed over: 1 (first: .store)",
        "links that lead outside the folder or to nothing, passed over: 3 (first: gone.jpg)",
        "links to folders inside, passed over; links=true follows them: 1 (first: cat)",
        "links to a folder that they lie in, passed over: 2 (first: pool/loop)",
    ]
    assert [one.path for one in folder(root, ",links=true").records()] == ["a.jpg", "cat/x.jpg", "pool/2.jpg"]


def test_content_decides_where_a_suffix_says_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "real.png", 1)
    draw(tmp_path / "photo.jpg", 2)
    for name in ("noext", "wrong.dat", "IMG_1.JPG_original", "x.txt"):
        put(tmp_path, name, content=(tmp_path / ("photo.jpg" if name != "x.txt" else "real.png")).read_bytes())
    put(tmp_path, "notes.txt", "BMW is a car", "c.hif", "d.nef")
    passed = PassedOver()
    found = list(picture_files(tmp_path, passed))
    assert found == ["IMG_1.JPG_original", "c.hif", "d.nef", "noext", "photo.jpg", "real.png", "wrong.dat", "x.txt"]
    assert "files without a picture's suffix, taken for their content: 4 (first: IMG_1.JPG_original)" in passed.notes
    assert "notes.txt" not in found
    assert "noext" not in list(picture_files(tmp_path))  # published datasets: suffixes decide


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS itself equals the two forms")
@pytest.mark.parametrize(("disk", "typed"), [(NFD, NFC), (NFC, NFD), (NFC, NFC)])
def test_a_name_is_found_in_either_unicode_form(disk: str, typed: str, tmp_path: Path) -> None:
    draw(tmp_path / disk / f"{disk}.png", 1)
    assert existing_path(tmp_path, f"{typed}/{typed}.png") == f"{disk}/{disk}.png"
    assert existing_path(tmp_path, f"{typed}/other.png") == ""
    assert existing_folder(str(tmp_path / typed)) == tmp_path / disk
    assert opening.read_file(tmp_path / typed / f"{typed}.png") == (tmp_path / disk / f"{disk}.png").read_bytes()
    [record] = folder(tmp_path).records()
    assert (record.path, record.label) == (f"{disk}/{disk}.png", NFC)


def test_nothing_found_says_what_was_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "@eaDir/1.jpg", "clip.mp4")
    with pytest.raises(UsageError, match=r"no pictures found .*; system folders .*first: @eaDir.*clip\.mp4"):
        list(folder(tmp_path).records())
