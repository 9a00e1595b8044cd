"""Stop ends the job's own process and never another that has its number since."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server import jobs, processes
from app.server.jobs import Job


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's process: it says that it was interrupted by ending."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def job_of(home: Path, pid: int, process: str) -> Job:
    (home / "jobs" / "1").mkdir(parents=True, exist_ok=True)
    return Job("1", "Ingest", "small", ("pipeline", "ingest"), time.time(), pid, process)


def test_an_identity_stays_and_is_no_other_processs(sleeper: subprocess.Popen[bytes]) -> None:
    assert processes.identity(sleeper.pid)
    assert processes.identity(sleeper.pid) == processes.identity(sleeper.pid)
    assert processes.identity(sleeper.pid) != processes.identity(os.getpid())
    sleeper.kill()
    time.sleep(0.2)
    assert processes.identity(sleeper.pid) == "", "a process that ended and was not waited for is gone"
    sleeper.wait()
    assert processes.identity(sleeper.pid) == ""


@pytest.mark.parametrize("recorded", ["", "another boot pid:[1] 1", "{boot} pid:[1] {tick}", "{boot} {container} 1"])
def test_another_process_of_the_same_number_is_left_alone(
    home: Path, sleeper: subprocess.Popen[bytes], recorded: str
) -> None:
    boot, container, tick = processes.identity(sleeper.pid).split(" ")
    job = job_of(home, sleeper.pid, recorded.format(boot=boot, container=container, tick=tick))
    assert not jobs.state(job).running
    jobs.stop(job)
    processes.interrupt(job.pid, job.process)
    time.sleep(0.3)
    assert sleeper.poll() is None


def test_the_jobs_own_process_is_found_again_and_stopped(home: Path, sleeper: subprocess.Popen[bytes]) -> None:
    job = job_of(home, sleeper.pid, processes.identity(sleeper.pid))
    assert jobs.state(job).running
    time.sleep(0.5)  # else it has not yet begun to take Ctrl-C
    jobs.stop(job)
    assert sleeper.wait(20) in (-signal.SIGINT, 1, 130)
    assert not jobs.state(job).running


def test_a_record_says_which_process_and_an_old_one_without_it_is_read(home: Path) -> None:
    job = jobs.start(["pipeline", "encoders"], title="List")
    assert job.process
    [read] = jobs.recent()
    assert read == job
    old = {key: value for key, value in dataclasses.asdict(job).items() if key != "process"}
    assert Job(**old).process == ""
    while jobs.state(job).running:
        time.sleep(0.05)
