"""`ingest --engine ray`: the gallery that the local engine makes, whatever dies on the way. Several copies on one machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_gallery import ROOT, SPEC, draw, fill, photos, process, run

from pipeline import devices, plugins
from pipeline.errors import UsageError
from pipeline.gallery import integrity
from pipeline.gallery.opening import create_gallery, open_gallery
from pipeline.ingest import engines, multi_gpu
from pipeline.ingest import ingest as ingestion
from pipeline.ingest.engines import Threads
from pipeline.ingest.ray_actor import CRASHED, _ExistingElsewhere, as_bytes
from pipeline.settings import Settings

CRASH = b"this one ends the decoder"
SITE = f"""
import os
import PIL.Image

real = PIL.Image.open

def open(file, *given, **named):
    if file.getvalue().endswith({CRASH!r}):
        os.abort()
    return real(file, *given, **named)

PIL.Image.open = open
"""
needs_ray = pytest.mark.skipif(sys.platform == "win32", reason="Ray's Windows form is not tried")
starts_ray = pytest.mark.skipif(
    os.environ.get("SEMBLANCE_RAY_TESTS") != "1",
    reason="starts Ray, which now and then fails to start or ends late on two cores: SEMBLANCE_RAY_TESTS=1 runs it",
)


def words(folder: Path, name: str, *more: str) -> list[str]:
    return ["ingest", name, "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "json", *more]


def ours(pid: int) -> dict[int, str]:
    """Every living process below this one: pid to command line."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    lines = [line.split(None, 2) for line in found.stdout.splitlines()]
    below: dict[int, str] = {}
    while more := {int(p): a for p, pp, a in lines if int(pp) in {pid, *below} and int(p) not in below}:
        below |= more
    return below


def alive(pids: set[int]) -> set[int]:
    def lives(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return {pid for pid in pids if lives(pid)}


def until(child: subprocess.Popen[str], done: int) -> None:
    """Read its progress until so many pictures are done."""
    assert child.stderr is not None
    said = []
    for line in child.stderr:
        said.append(line)
        if line.startswith("{") and (event := json.loads(line))["stage"] == "ingest" and event["done"] >= done:
            return
    pytest.fail("it ended before:\n" + "".join(said))


@needs_ray
@pytest.mark.timeout(600)  # Ray starts twice; on a machine of twenty busy programs that took 4 minutes
@starts_ray
def test_two_actors_make_the_gallery_of_the_local_engine_and_survive_a_picture_that_ends_the_decoder(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 300)
    (folder / "copy.png").write_bytes((folder / "cup" / "000.png").read_bytes())
    (folder / "text.png").write_text("no picture")
    near, _ = fill(folder, name="near")
    killer = folder / "bowl" / "100.png"
    killer.write_bytes(killer.read_bytes() + CRASH)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pipeline", *words(folder, "far", "--engine", "ray", "--workers", "2")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("far: 299 added, 0 known, 1 merged (same bytes), 0 removed before, 2 rejected")
    said = done.stderr.splitlines()
    assert all(line.startswith(("{", "rejected ")) for line in said), "Ray talks"
    assert f"rejected bowl/100.png: {CRASHED}" in said

    far = open_gallery("far", Settings())
    expected, got = near.rows(), far.rows()
    keep = (expected.table["path"] != "bowl/100.png").to_numpy()
    assert got.table.to_dict("records") == expected.table[keep].to_dict("records")
    np.testing.assert_allclose(got.embeddings, expected.embeddings[keep], atol=1e-6)
    for one in got.table["id"]:
        assert far.thumbnail(one).read_bytes() == near.thumbnail(one).read_bytes()
    assert (far.root / "merged.csv").read_text() == (near.root / "merged.csv").read_text()
    assert integrity.check_files(far) == []

    killer.write_bytes(killer.read_bytes().removesuffix(CRASH))
    lost, removed = got.table["id"][[5, 6]]
    far.thumbnail(lost).unlink()
    far.remove([removed])
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert "far: 1 added, 298 known, 1 merged (same bytes), 1 removed before, 1 rejected" in again.stdout
    assert integrity.check_files(far) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.timeout(600)
@starts_ray
def test_a_killed_actor_is_replaced_and_a_killed_run_leaves_no_process_and_goes_on(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4000)
    command = [sys.executable, "-m", "pipeline", *words(folder, "small", "--engine", "ray", "--workers", "2")]
    with process(*command) as child:
        until(child, 1)
        actor = next(pid for pid, said in ours(child.pid).items() if "MapWorker" in said)
        os.kill(actor, signal.SIGKILL)
        until(child, 3000)
        # what encodes, writes or holds a port; Ray's agents and monitors look for their parent only now and then
        below = {
            pid for pid, said in ours(child.pid).items() if said.startswith("ray::") or "/gcs_server" in said.split()[0]
        }
        assert below
        assert actor not in below
        child.kill()
    deadline = time.monotonic() + 150  # Ray's own watchers look now and then
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not alive(below)
    gallery = open_gallery("small", Settings())
    kept = gallery.count()
    assert kept >= 1000
    _, report = fill(folder)  # on this machine alone
    assert (report.added, report.known) == (4000 - kept, kept)
    assert integrity.check_files(gallery) == []


@needs_ray
@starts_ray
def test_ctrl_c_keeps_what_was_encoded_and_ends_ray(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3000)
    command = [sys.executable, "-m", "pipeline", *words(folder, "small", "--engine", "ray", "--workers", "1")]
    with process(*command) as child:
        until(child, 32)
        below = set(ours(child.pid))
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        said = child.stderr.read()
        assert child.wait(60) == 130
    assert said.endswith("stopped; what was committed is kept, the same command goes on from there\n")
    assert not alive(below)
    assert 32 <= open_gallery("small", Settings()).count() < 3000


def test_without_ray_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        UsageError, match=r'--engine ray needs a library that is not installed: pip install "ray\[data\]"'
    ):
        engines.choose("ray", SPEC)


def test_what_an_engine_does_not_have_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown engine 'spark'; choose local or ray"):
        engines.choose("spark", SPEC)
    with pytest.raises(UsageError, match="--ray-address is for --engine ray"):
        engines.choose("local", SPEC, ray_address="auto")
    with pytest.raises(UsageError, match="Ray gives each actor its GPU; choose auto, cpu or cuda:all"):
        engines.choose("ray", SPEC, device="cuda:1")


@needs_ray
def test_an_address_where_nobody_listens_is_refused(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 1)
    done = run(*words(folder, "small", "--engine", "ray", "--ray-address", "127.0.0.1:9"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no Ray cluster at 127.0.0.1:9 (")
    assert done.stderr.endswith("start one with: ray start --head\n")


def test_ids_that_an_actor_knows_are_those_it_was_given() -> None:
    ids = [f"{number:02x}" * 16 for number in range(256)] + ["ab" * 8 + "00" * 8, "00" * 15 + "01"]
    given = set(ids[::2])
    held = _ExistingElsewhere(as_bytes(given))
    assert {one for one in ids if held.knows(one)} == given
    assert not _ExistingElsewhere(as_bytes(set())).knows(ids[0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="for a machine without a GPU")
def test_every_gpu_of_a_machine_without_one_is_refused_by_option_and_by_setting(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 1)
    for more, env in ((["--device", "cuda:all"], {}), ([], {"SEMBLANCE_DEVICE": "cuda:all"})):
        done = run(*words(folder, "small", *more), env=env)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            done.stderr == "error: device 'cuda:all': this machine has no GPU that torch can use; choose cpu or auto\n"
        )
    with pytest.raises(UsageError, match="has no GPU"):
        devices.choose("cuda:all")


def test_chunks_are_spread_over_the_copies_of_an_encoder_and_the_gallery_is_the_same(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 50)
    draw(folder / "last.png", 99)
    one, _ = fill(folder, name="one")
    monkeypatch.setattr(ingestion, "CHUNK", 4)
    copies = multi_gpu.on_each(SPEC, ["cpu", "cpu"])
    encoded: list[int] = []
    for number, copy in enumerate(copies.copies):
        monkeypatch.setattr(
            copy, "encode", lambda batch, n=number, real=copy.encode: (encoded.append(n), real(batch))[1]
        )
    two = create_gallery("two", Settings())
    dataset = plugins.build("datasets", f"folder:root={folder}")
    ingestion.ingest(two, dataset, copies, spec=SPEC, store=None, engine=Threads(2))
    assert sorted(set(encoded)) == [0, 1]
    assert abs(encoded.count(0) - encoded.count(1)) <= len(encoded) // 2
    assert two.rows().table.to_dict("records") == one.rows().table.to_dict("records")
    np.testing.assert_allclose(two.rows().embeddings, one.rows().embeddings, atol=1e-6)


def test_a_batch_goes_to_the_copy_with_the_least_to_do_and_one_that_fails_is_free_again() -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Copy:
        dim, fingerprint = 2, "f"

        def __init__(self, name: str) -> None:
            self.name = name

        def encode(self, batch: str) -> str:
            if batch == "slow":
                begun.set()
                assert may_end.wait(10)
            if batch == "wrong":
                raise ValueError(batch)
            return self.name

    both = multi_gpu.Spread([Copy("a"), Copy("b")])  # type: ignore[list-item]
    answers: list[str] = []
    slow = threading.Thread(target=lambda: answers.append(both.encode("slow")))  # type: ignore[arg-type]
    slow.start()
    assert begun.wait(10)
    assert [both.encode("quick") for _ in range(3)] == ["b", "b", "b"]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="wrong"):
        both.encode("wrong")  # type: ignore[arg-type]
    assert both.encode("quick") == "b"  # type: ignore[arg-type]
    may_end.set()
    slow.join()
    assert answers == ["a"]
    assert {both.encode("quick") for _ in range(2)} == {"a", "b"}  # type: ignore[arg-type]
