"""Jobs wait in a queue, in order, whichever app process looks, and none holds more memory than its share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.server import job_queue, job_records, jobs, memory, quotas
from app.server.jobs import Job
from pipeline.errors import UsageError

SLEEP, QUICK, HUNGRY = (("tests.idle_job", *words) for words in (("60", "1"), ("0", "1"), ("60", "400")))


@pytest.fixture(autouse=True)
def one_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SEMBLANCE_JOBS", "1")
    yield
    for job in reversed(job_records.unfinished(home / "jobs")):  # those that wait first
        stop(job)
    until(lambda: not job_records.unfinished(home / "jobs"))


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stop(job: Job) -> None:
    if job.pid:  # else it has not yet begun to take Ctrl-C
        until(lambda: jobs.state(job).output == "idle" or not jobs.state(job).running)
    jobs.stop(job)


def start(*command: str, gallery: str = "") -> Job:
    return jobs.start(command, title=command[0], gallery=gallery)


def places(*wanted: Job) -> list[int]:
    return [jobs.state(job).place for job in wanted]


def test_one_works_and_the_others_wait_in_the_order_they_were_asked_for() -> None:
    first, second, third = start(*SLEEP), start(*QUICK), start(*QUICK)
    assert places(first, second, third) == [0, 1, 2]
    assert [job.id for job in jobs.recent(1)] == [first.id, second.id, third.id], (
        "those that are at work or wait are all shown"
    )
    assert all(jobs.state(job).running for job in (first, second, third))
    stop(first)
    until(lambda: not jobs.state(third).running)
    ended = [(job_records.home() / job.id / "exit.txt").stat().st_mtime for job in (first, second, third)]
    assert ended == sorted(ended)
    assert jobs.state(second).exit_code == jobs.state(third).exit_code == 0


def test_a_waiting_job_is_cancelled_and_the_next_moves_up() -> None:
    first, second, third = start(*SLEEP), start(*QUICK), start(*QUICK)
    jobs.stop(second)
    assert jobs.state(second).exit_code == 130
    assert places(first, third) == [0, 1]
    assert not (job_records.home() / second.id / "out.txt").exists(), "it never began"


def test_a_waiting_job_outlives_its_app_and_the_next_app_begins_it(home: Path) -> None:
    left = Job("20260101-000000-aaaaaa", "left", "", QUICK, time.time(), 0)
    job_records.write(home / "jobs", left)
    assert places(left) == [1]
    jobs.resume()
    until(lambda: not jobs.state(left).running)
    assert jobs.state(left).exit_code == 0


def test_a_clock_that_jumps_back_changes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first, real = start(*SLEEP), time.strftime
    monkeypatch.setattr(time, "strftime", lambda form, *given: "20200101-000000" if not given else real(form, *given))
    second, third = start(*QUICK), start(*QUICK)
    assert first.id < second.id < third.id
    assert places(second, third) == [1, 2]


def test_two_places_are_not_for_two_writers_of_one_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_JOBS", "2")
    first, second, other = start(*SLEEP, gallery="a"), start(*SLEEP, gallery="a"), start(*SLEEP, gallery="b")
    assert places(first, second, other) == [0, 1, 0]


def test_a_job_that_holds_more_than_its_share_is_ended_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_JOB_MEMORY", "0.2")
    job = start(*HUNGRY)
    until(lambda: not jobs.state(job).running)
    state = jobs.state(job)
    assert state.exit_code == 137
    assert "GB of memory and a job may hold 0.2 GB here" in state.errors.splitlines()[-1]
    until(lambda: not memory.members(job.pid))


def test_its_share_is_of_the_smallest_limit_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_of_machine", lambda: 64 << 30)
    monkeypatch.setattr(memory, "_of_addresses", lambda: 0)
    monkeypatch.setattr(memory, "_of_container", lambda: iter([4 << 30, 9 << 30]))
    assert memory.total() == 4 << 30
    assert job_queue.memory_limit() == 2 << 30
    monkeypatch.setenv("SEMBLANCE_JOBS", "2")
    assert job_queue.memory_limit() == 1 << 30


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_limit_is_read_with_those_above_it(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, name = (tmp_path / "memory", "memory.limit_in_bytes") if version == 1 else (tmp_path, "memory.max")
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / name).write_text("4294967296\n")
    (top / "a" / "b" / name).write_text("max\n")
    lines = "4:memory:/a/b\n2:cpu:/x\n" if version == 1 else "0::/a/b\n"
    read = Path.read_text
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a: lines if str(path) == "/proc/self/cgroup" else read(path, *a)
    )
    assert list(memory._of_container()) == [4 << 30]


class TestExposed:
    @pytest.fixture(autouse=True)
    def visitor(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
        home.mkdir()
        self.who = "ann"
        monkeypatch.setattr(quotas, "visitor", lambda: self.who)

    def bring(self, place: Path, size: int) -> None:
        with quotas.kept(place, 10):
            place.mkdir()
            (place / "x").write_bytes(bytes(size))

    def test_a_visitor_has_so_many_jobs_and_another_may_still_ask(self, home: Path) -> None:
        for _ in range(3):
            start(*SLEEP)
        with pytest.raises(UsageError, match="3 jobs of yours work or wait, and a visitor may have 3"):
            start(*QUICK)
        self.who = "ben"
        assert places(start(*QUICK)) == [3]
        assert len(job_records.unfinished(home / "jobs")) == 4

    def test_all_visitors_together_have_so_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quotas, "MAX_JOBS", 2)
        for self.who in ("ann", "ben"):
            start(*SLEEP)
        self.who = "cem"
        with pytest.raises(UsageError, match="2 jobs work or wait already"):
            start(*QUICK)

    def test_what_a_visitor_keeps_is_counted_while_it_is_there(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEMBLANCE_VISITOR_DISK", "0.001")
        place, small = home / "galleries" / "mine", home / "galleries" / "mine" / "originals"
        with quotas.kept(place, 10):
            small.mkdir(parents=True)
            (small / "one.jpg").write_bytes(bytes(900_000))
        with quotas.kept(small / "2", 10):  # inside what is counted already
            (small / "2").mkdir()
        with pytest.raises(UsageError, match=r"takes 0\.00 GB, this 0\.00 GB more, and a visitor may keep 0\.0 GB"):
            quotas.check_disk(200_000)
        with pytest.raises(UsageError):
            self.bring(home / "too much", 200_000)
        assert not (home / "too much").exists()
        self.who = "ben"
        quotas.check_disk(200_000)
        self.who = "ann"
        (small / "one.jpg").unlink()
        quotas.check_disk(200_000)

    @pytest.mark.parametrize(
        "words", [("--indexes", "annoy:trees=99999999"), ("--method", "umap:n=1"), ("--rerank=k_reciprocal:k=1",)]
    )
    def test_what_a_form_offers_by_name_takes_no_options(self, words: tuple[str, ...]) -> None:
        with pytest.raises(UsageError, match="by name alone"):
            jobs.start(["pipeline", "compare-indexes", "small", *words], title="no")
        assert jobs.recent() == []
