"""Which files of a folder count as pictures: nothing hidden, nothing outside, nothing twice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.files.picture_files import is_inside, picture_files

links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_files_come_before_folders_and_both_by_name(tmp_path: Path) -> None:
    put(tmp_path, "b/z.jpg", "b/a/c.png", "a/x.webp", "z.gif", "B.jpg", "b/y.JPEG")
    assert list(picture_files(tmp_path)) == ["B.jpg", "z.gif", "a/x.webp", "b/y.JPEG", "b/z.jpg", "b/a/c.png"]


def test_suffixes_decide_in_any_case(tmp_path: Path) -> None:
    wanted = ["a.AVIF", "a.Tif", "a.bmp", "a.eps", "a.heic", "a.heif", "a.jfif", "a.jpe", "a.pdf", "a.svg", "a.tiff"]
    put(tmp_path, *wanted, "a.txt", "a.csv", "jpg", "a.jpg.txt", "a.", "a.jpg~", "Thumbs.db")
    assert sorted(picture_files(tmp_path)) == sorted(wanted)


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, ".a.jpg", ".git/b.jpg", "c/.d/e.jpg", "c/._f.jpg", "c/g.jpg")
    assert list(picture_files(tmp_path)) == ["c/g.jpg"]


@links
def test_a_link_to_a_file_counts_only_while_it_stays_inside(tmp_path: Path) -> None:
    put(tmp_path, "root/pool/1.jpg", "outside.jpg", "root-too/2.jpg")
    root = tmp_path / "root"
    (root / "in.jpg").symlink_to("pool/1.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "neighbour.jpg").symlink_to(tmp_path / "root-too" / "2.jpg")
    (root / "dangling.jpg").symlink_to("nothing.jpg")
    (root / "itself.jpg").symlink_to("itself.jpg")
    assert list(picture_files(root)) == ["in.jpg", "pool/1.jpg"]


@links
def test_links_to_folders_make_neither_loops_nor_doubles_nor_ways_out(tmp_path: Path) -> None:
    put(tmp_path, "root/a/1.jpg", "outside/2.jpg")
    root = tmp_path / "root"
    (root / "a" / "loop").symlink_to(root)
    (root / "b").symlink_to(root / "a")
    (root / "away").symlink_to(tmp_path / "outside")
    assert list(picture_files(root)) == ["a/1.jpg"]


@links
def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "real/a/1.jpg")
    (tmp_path / "real" / "2.jpg").symlink_to("a/1.jpg")
    (tmp_path / "root").symlink_to("real")
    assert list(picture_files(tmp_path / "root")) == ["2.jpg", "a/1.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps any bytes as a name")
def test_names_that_are_not_utf8_lead_back_to_their_files(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/\xff.jpg", "wb") as file:
        file.write(b"bytes")
    (path,) = picture_files(tmp_path)
    assert os.fsencode(path) == b"caf\xe9/\xff.jpg"
    assert (tmp_path / path).read_bytes() == b"bytes"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes on Windows")
def test_only_regular_files_count(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert list(picture_files(tmp_path)) == []


def test_very_deep_folders_are_walked(tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(300):  # as deep as one path may be on every system
            os.mkdir("d")
            os.chdir("d")
        Path("1.jpg").write_bytes(b"")
    finally:
        os.chdir(here)
    assert list(picture_files(tmp_path)) == ["d/" * 300 + "1.jpg"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the folder .*missing"):
        list(picture_files(tmp_path / "missing"))


def test_a_root_is_not_inside_itself_nor_is_a_folder_that_begins_alike(tmp_path: Path) -> None:
    root = os.path.realpath(tmp_path / "a")
    assert is_inside(tmp_path / "a" / "b" / ".." / "c", root)
    assert not is_inside(tmp_path / "a", root)
    assert not is_inside(tmp_path / "ab", root)
    assert not is_inside(tmp_path / "a" / ".." / "b", root)
    assert is_inside(tmp_path, os.path.realpath("/"))
