"""Training in processes of its own: kill -9, Ctrl-C and two processes at once change nothing that is recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_gallery import process
from tiny_training import ROOT, Said, command, environment, figures

from pipeline import ctrl_c
from pipeline.settings import Settings
from training import recipes, runs
from training.__main__ import main
from training.data.prepared import Prepared
from training.loop import loop
from training.runs import Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL and no SIGINT to another process")
STEPS = 50
LENGTH = ("--tune", "whole", "--classification-share", "0.5", "--epochs", str(STEPS * 24 / 168), "--progress", "none")


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process what tiny_training.PREAMBLE does in another."""
    monkeypatch.setattr(loop, "RECORD", 10)
    facts = {"batch_size": 24, "test_side": 16, "dim": 16, "labels_per_batch": 6}
    monkeypatch.setitem(recipes.BASES, "cpu", recipes.Base(0.1, ((1.0, 16),), 5e-4, 0.8, facts))


@pytest.fixture(autouse=True)
def _small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


@pytest.fixture(scope="module")
def whole(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What nothing has interrupted."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as here:
        here.setenv("SEMBLANCE_HOME", str(home))
        make_small(here)
        here.setattr(sys, "argv", ["training", "train", "--data", str(data.folder), "--name", "whole", *LENGTH])
        torch.set_num_threads(1)
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return Run(home / "runs" / "whole")


def wait_for(step: int, run: Run, child: subprocess.Popen[str]) -> None:
    """Until `step` is recorded and a checkpoint is there."""
    ends = time.monotonic() + 60
    while not run.last.exists() or not any(line["step"] >= step for line in run.metrics("train")):
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < ends
        time.sleep(0.02)


def train(data: Prepared, name: str) -> list[str]:
    return command("train", "--data", data.folder, "--name", name, "--checkpoint-seconds", "0.2", *LENGTH)


def test_kill_9_then_resume_gives_the_very_figures_of_a_run_without(data: Prepared, whole: Run, said: Said) -> None:
    run = Run(Settings().runs / "killed")
    with process(*train(data, "killed"), env=environment()) as child:
        wait_for(30, run, child)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert run.about()["status"] == "running"
    assert STEPS // 2 <= torch.load(run.last, weights_only=True)["step"] < STEPS  # in the phase of triplets
    before = (run.root / "semantic.npy").stat().st_mtime_ns
    code, out, err = said("train", "--resume", "killed", "--progress", "none")
    assert (code, err) == (0, "")
    assert "runs/killed: finished" in out
    assert figures(run) == figures(whole)
    for file in ("best.safetensors", "classification.safetensors", "deep_ranking.safetensors", "semantic.npy"):
        assert (run.root / file).read_bytes() == (whole.root / file).read_bytes(), file
    assert (run.root / "semantic.npy").stat().st_mtime_ns == before  # read, not made anew
    assert not list(run.root.glob(".*.tmp"))


def test_ctrl_c_ends_with_130_and_a_checkpoint_and_says_how_to_go_on(data: Prepared, whole: Run, said: Said) -> None:
    run = Run(Settings().runs / "stopped")
    with process(*train(data, "stopped"), env=environment()) as child:
        wait_for(10, run, child)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=200)
    assert child.returncode == 130
    assert err.strip() == "go on with: python -m training train --resume stopped"
    assert run.about()["status"] == "stopped"
    step = torch.load(run.last, weights_only=True)["step"]
    assert 10 <= step < STEPS
    assert said("train", "--resume", "stopped", "--progress", "none")[0] == 0
    assert figures(run) == figures(whole)
    assert said("train", "--resume", "stopped", "--progress", "none")[0] == 0  # finished already
    assert len(run.metrics()) == len(whole.metrics())


def test_ctrl_c_before_the_first_step_is_a_stopped_run_that_goes_on(
    data: Prepared, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "paces", interrupted)
    words = ("train", "--data", data.folder, "--name", "early", "--minutes", "1", "--progress", "none")
    assert said(*words)[0] == 130
    run = Run(Settings().runs / "early")
    assert run.about()["status"] == "stopped"
    assert not run.held()


def test_two_processes_train_to_the_end_with_equal_weights_and_one_record(data: Prepared, tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    keep = (
        "import os\n"
        "real = loop.Loop.train\n"
        "def train(self):\n"
        "    status = real(self)\n"
        f"    torch.save(self.network.state_dict(), {str(tmp_path)!r} + f'/rank{{self.rank}}.pt')\n"
        "    return status\n"
        "loop.Loop.train = train\n"
    )
    words = ("train", "--data", data.folder, "--name", "two", "--tune", "whole", "--classification-share", "0.5")
    script.write_text(command(*words, "--epochs", "2.9", "--progress", "none", before=keep)[2])
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script)
    done = subprocess.run(
        [sys.executable, *map(str, launcher)], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    run = runs.open_run("two", Settings())
    assert run.about()["status"] == "finished"
    lines = (run.root / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == len(run.metrics()) == 4  # steps 10 and 20, train and dev
    assert done.stdout.count("finished") == 1
    one, two = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name
    begin = load_file(run.root / "classification.safetensors")
    assert not np.allclose(one["head.weight"], begin["head.weight"])
    assert run.metrics("dev")[-1]["recall_at_1"] > 0.5


def test_two_processes_that_are_interrupted_stop_at_the_same_step_and_go_on(data: Prepared, tmp_path: Path) -> None:
    """Only the second hears of it; a first one that went on alone would wait for its gradients for ever."""
    script = tmp_path / "two.py"
    ask_one = (
        "import os, signal\n"
        "real = loop.Loop.step\n"
        "def step(self, number):\n"
        "    if number == 13 and self.rank == 1 and not os.path.exists(os.environ['SEMBLANCE_HOME'] + '/asked'):\n"
        "        open(os.environ['SEMBLANCE_HOME'] + '/asked', 'w').close()\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(self, number)\n"
        "loop.Loop.step = step\n"
    )
    words = ("train", "--data", data.folder, "--name", "two", "--loss", "classification", "--epochs", "4.4")
    script.write_text(command(*words, "--progress", "none", before=ask_one)[2])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = environment() | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    with contextlib.ExitStack() as both:
        children = [
            both.enter_context(process(sys.executable, str(script), env=shared | {"RANK": rank, "LOCAL_RANK": rank}))
            for rank in "01"
        ]
        for child in children:
            _, err = child.communicate(timeout=200)
            assert child.returncode == 130, err
            assert "go on with: python -m training train --resume two" in err
    run = runs.open_run("two", Settings())
    assert run.about()["status"] == "stopped"
    assert torch.load(run.last, weights_only=True)["step"] == 20


def test_the_first_ctrl_c_is_noted_its_echo_is_not_a_second_one_and_a_later_one_interrupts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(ctrl_c.time, "monotonic", lambda: now)
    before = signal.getsignal(signal.SIGINT)
    with ctrl_c.noted() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        now += 0.5
        os.kill(os.getpid(), signal.SIGINT)
        now += 1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
