"""What was read of a file is kept for as long as the file is the same, and for no longer."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from pipeline.files.unchanged import WhileUnchanged


@pytest.fixture
def reads() -> list[Path]:
    return []


@pytest.fixture
def text(reads: list[Path]) -> WhileUnchanged[str]:
    def read(file: Path) -> str:
        reads.append(file)
        return file.read_text()

    return WhileUnchanged(read, files=2)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands ten seconds ahead of the file system's, so that what was just written counts as settled."""
    real = time.time
    monkeypatch.setattr("pipeline.files.unchanged.time.time", lambda: real() + 10)


@pytest.mark.usefixtures("settled")
def test_a_file_that_stays_the_same_is_read_once(tmp_path: Path, text: WhileUnchanged[str], reads: list[Path]) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    assert [text(file) for _ in range(3)] == ["one"] * 3
    assert len(reads) == 1


def _written(file: Path) -> None:
    file.write_text("two")


def _replaced(file: Path) -> None:
    new = file.with_name("new")
    new.write_text("two")
    about = file.stat()
    os.utime(new, ns=(about.st_atime_ns, about.st_mtime_ns))
    os.replace(new, file)


def _restored_with_its_old_time(file: Path) -> None:
    about = file.stat()
    backup = file.with_name("backup")
    backup.write_text("two")
    os.utime(backup, ns=(about.st_atime_ns, about.st_mtime_ns))
    time.sleep(0.02)  # the clock that a file system stamps with ticks every few milliseconds
    shutil.copy2(backup, file)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", [_written, _replaced, _restored_with_its_old_time])
def test_a_change_of_the_same_size_is_seen(tmp_path: Path, text: WhileUnchanged[str], change) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    assert text(file) == "one"
    time.sleep(0.02)
    change(file)
    assert text(file) == "two"


def test_what_was_written_a_moment_ago_is_not_kept(tmp_path: Path, text: WhileUnchanged[str]) -> None:
    file = tmp_path / "a"
    for round_ in range(200):  # two writes may bear one time
        file.write_text(f"{round_:03}")
        assert text(file) == f"{round_:03}"


@pytest.mark.usefixtures("settled")
def test_a_file_that_goes_and_comes_back(tmp_path: Path, text: WhileUnchanged[str]) -> None:
    file = tmp_path / "a"
    with pytest.raises(FileNotFoundError):
        text(file)
    file.write_text("one")
    assert text(file) == "one"
    file.unlink()
    with pytest.raises(FileNotFoundError):
        text(file)


@pytest.mark.usefixtures("settled")
def test_only_the_last_files_are_kept(tmp_path: Path, text: WhileUnchanged[str], reads: list[Path]) -> None:
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.write_text(file.name)
    assert [text(file) for file in [*files, files[2], files[0]]] == ["a", "b", "c", "c", "a"]
    assert reads == [*files, files[0]]


@pytest.mark.usefixtures("settled")
def test_threads_share_one(tmp_path: Path, text: WhileUnchanged[str]) -> None:
    files = [tmp_path / name for name in "abcd"]
    for file in files:
        file.write_text(file.name)
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(200):
            wrong.extend(file.name for file in files if text(file) != file.name)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
