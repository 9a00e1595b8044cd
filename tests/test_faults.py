"""A full disk, Ctrl-C and kill -9 at any step: a clear message, nothing lost, and the next run ends with everything."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_gallery import ROOT, SPEC, fill, lite, photos, process, run

from benchmarks.kill_rounds import kill_rounds
from pipeline.errors import SemblanceError
from pipeline.files import atomic
from pipeline.gallery import integrity
from pipeline.gallery.opening import create_gallery, open_gallery
from pipeline.ingest import ingest as ingestion
from pipeline.ingest import run as ingest_run
from pipeline.ingest import sync
from pipeline.settings import Settings


def ends_with_everything(folder: Path, count: int) -> None:
    with lite() as store:
        gallery, _ = fill(folder, store)
        assert not sync.compare(gallery, store)
    assert integrity.check_files(gallery) == []
    assert gallery.count() == count
    assert not list(gallery.root.rglob(".*.tmp"))


def failing_write(which: str, after: int) -> Callable:
    """os.fsync, as the last step of writing a file, fails for names holding `which` from call number `after` on."""
    calls = 0
    real = os.fsync

    def fsync(handle: int) -> None:
        nonlocal calls
        if which in os.readlink(f"/proc/self/fd/{handle}"):
            calls += 1
            if calls > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    return fsync


@pytest.mark.skipif(sys.platform != "linux", reason="finds a file's name in /proc")
@pytest.mark.parametrize(
    ("which", "after"),
    [
        ("part-000000", 0),
        ("part-000002", 0),
        ("gallery.json", 1),
        ("gallery.json", 4),
        ("merged.csv", 0),
        ("rejected.csv", 0),
    ],
)
def test_a_disk_that_is_full_at_one_file_loses_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str, after: int
) -> None:
    folder = photos(tmp_path / "photos", 9)
    (folder / "copy.png").write_bytes((folder / "cup" / "000.png").read_bytes())
    (folder / "bad.png").write_text("no picture")
    monkeypatch.setattr(ingest_run, "PART_ROWS", 3)
    monkeypatch.setattr(ingestion, "CHUNK", 3)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", failing_write(which, after))
        with pytest.raises(
            SemblanceError, match=r"the disk is full: .* Free some space and run the same command again"
        ):
            fill(folder)
    ends_with_everything(folder, 9)
    gallery = open_gallery("small", Settings())
    assert (gallery.info().merged, gallery.info().rejected) == (1, 1)


def test_a_disk_that_is_full_at_a_thumbnail_loses_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 6)
    real = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        if "thumbnails" in self.parts and len(list(self.parents[1].rglob("*.jpg"))) >= 3:
            real(self, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(SemblanceError, match="the disk is full"):
            fill(folder)
    ends_with_everything(folder, 6)


def test_a_line_that_did_not_fit_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lines"
    atomic.append(file, "one\n")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(SemblanceError, match="the disk is full"):
            atomic.append(file, "two\n")
    assert file.read_text() == "one\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_limit_on_file_size_ends_with_1_one_sentence_and_a_rerun_ends_with_everything(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 30)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192))\n"
        "from pipeline.__main__ import main\n"
        f"sys.argv = ['pipeline', 'ingest', 'small', '--dataset', 'folder:root={folder}', '--encoder', '{SPEC}',"
        " '--progress', 'none']\n"
        "main()\n"
    )
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the disk is full" in done.stderr
    assert "Free some space and run the same command again" in done.stderr
    ends_with_everything(folder, 30)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")
def test_ctrl_c_ends_with_130_and_keeps_what_was_encoded(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 1200)
    command = [sys.executable, "-m", "pipeline", "ingest", "small", "--dataset", f"folder:root={folder}"]
    with process(*command, "--encoder", SPEC, "--progress", "json") as child:
        assert child.stderr is not None
        for line in child.stderr:
            if '"stage": "ingest"' in line:
                break
        child.send_signal(signal.SIGINT)
        said = child.stderr.read()
        assert child.wait(30) == 130
    assert "stopped; what was committed is kept" in said
    assert "Traceback" not in said
    kept = open_gallery("small", Settings()).count()
    assert 0 < kept < 1200
    again = run("ingest", "small", "--dataset", f"folder:root={folder}", "--progress", "none")
    assert f"{1200 - kept:,} added, {kept:,} known" in again.stdout
    assert run("verify", "small").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL to a process group")
def test_kill_9_loses_nothing_doubles_nothing_and_leaves_no_wrong_embedding(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 300)
    rounds, verdicts = kill_rounds(folder, home, rounds=3, seed=time.time_ns(), shortest=0.8, longest=2.0, sample=20)
    assert len(rounds) == 3
    assert verdicts
    assert all(verdict.good for verdict in verdicts), verdicts
    assert {verdict.pictures for verdict in verdicts} == {300}


def test_a_kill_at_every_write_of_an_ingest_is_recovered_from(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before or after each rename in turn: the files are then what a kill there leaves."""
    folder = photos(tmp_path / "photos", 4)
    (folder / "copy.png").write_bytes((folder / "cup" / "000.png").read_bytes())
    monkeypatch.setattr(ingest_run, "PART_ROWS", 2)
    monkeypatch.setattr(ingestion, "CHUNK", 2)
    real = os.replace

    class KilledError(BaseException):
        pass

    steps = 0
    for die_at in range(60):
        name = f"small{die_at}"
        seen = 0

        def replace(source, target, *, at: int = die_at) -> None:
            nonlocal seen
            seen += 1
            if seen > at // 2:
                if at % 2 and seen == at // 2 + 1:
                    real(source, target)
                raise KilledError  # and at every later step: nothing more reaches the disk
            real(source, target)

        with monkeypatch.context() as dying:
            dying.setattr(os, "replace", replace)
            try:
                fill(folder, name=name)
            except KilledError:
                steps += 1
            else:
                break
        gallery, _ = fill(folder, name=name)
        assert integrity.check_files(gallery) == [], die_at
        assert gallery.count() == 4
        assert gallery.info().merged == 1
        assert not list(gallery.root.rglob(".*.tmp"))
    assert steps > 15


def test_two_processes_never_write_one_gallery(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    with create_gallery("small", Settings()).writing():
        done = run("ingest", "small", "--dataset", f"folder:root={folder}", "--encoder", SPEC)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("gallery small is being written by another process; wait for it or stop it")
    ends_with_everything(folder, 3)
