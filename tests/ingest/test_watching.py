"""A watched folder: new pictures at once, everything else when it is quiet, our own files never."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_gallery import SPEC, draw, fill, photos, process, run

from pipeline.gallery.opening import open_gallery
from pipeline.ingest import watching
from pipeline.ingest.watching import Only, Round, rounds
from pipeline.plugins import build
from pipeline.settings import Settings

QUIET: set[tuple[int, str]] = set()


def told(root: Path, *events: object, known: set[str], results: tuple[bool, ...] = ()) -> list[Round]:
    """The rounds of these events, each a path below the root, a list of some, or QUIET; a second apart."""
    now, answers = [100.0], iter(results)

    def seconds() -> Iterator[set[tuple[int, str]]]:
        yield QUIET
        for one in events:
            now[0] += 1
            yield {(1, str(root / path)) for path in ([one] if isinstance(one, str) else one)}  # type: ignore[union-attr]

    made = rounds(root, lambda: known, events=seconds(), clock=lambda: now[0])
    found: list[Round] = []
    try:
        assert next(made) == Round(), "all of it is looked at first"
        done = True
        while True:
            found.append(made.send(done))
            done = next(answers, True)
            known.update(found[-1].new if done else ())
    except StopIteration:
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photos(tmp_path / "pictures", 3)


def test_a_new_picture_is_brought_in_by_itself(folder: Path) -> None:
    draw(folder / "cup" / "new.png", 9)
    assert told(folder, "cup/new.png", QUIET, known={"cup/000.png"}) == [Round(("cup/new.png",))]


@pytest.mark.parametrize("change", ["cup/000.png", "cup/gone.png", "cup", "table.csv"])
def test_what_was_edited_moved_or_deleted_waits_until_it_is_quiet(folder: Path, change: str) -> None:
    assert told(folder, change, known={"cup/000.png"}) == []
    assert told(folder, change, QUIET, QUIET, known={"cup/000.png"}) == [Round()]


def test_changes_without_an_end_are_looked_at_in_time(folder: Path) -> None:
    events = ["cup/gone.png"] * (int(watching.MAX_WAIT) + 5)
    assert told(folder, *events, known=set()) == [Round()]


def test_hidden_files_and_nothing_are_no_change(folder: Path) -> None:
    assert told(folder, ".cache/x.png", "cup/.000.png.tmp", QUIET, known=set()) == []


def test_our_own_files_in_the_folder_are_no_change(folder: Path) -> None:
    events: list[set[tuple[int, str]]] = [set(), {(1, str(folder / "data" / "galleries" / "x.parquet"))}, set()]
    assert list(rounds(folder, set, apart=[folder / "data"], events=iter(events))) == [Round()]


def test_a_picture_that_could_not_be_taken_is_looked_at_again_when_it_is_quiet(folder: Path) -> None:
    draw(folder / "cup" / "half.png", 9)
    assert told(folder, "cup/half.png", QUIET, known=set(), results=(False,)) == [Round(("cup/half.png",)), Round()]


def test_what_failed_is_tried_again_after_a_while(folder: Path) -> None:
    quiet = [QUIET] * int(watching.RETRY_SECONDS + 2)
    assert told(folder, "cup/gone.png", *quiet, known=set(), results=(False, True)) == [Round(), Round()]


def test_some_records_of_a_dataset_are_as_the_dataset_says_them(folder: Path) -> None:
    whole = build("datasets", f"folder:root={folder}")
    [one] = Only(whole, ["bowl/001.png"]).records()
    assert one in list(whole.records())
    assert one.label == "bowl"


def test_a_round_of_new_pictures_calls_nothing_gone(home: Path, folder: Path) -> None:
    made, _ = fill(folder)
    draw(folder / "cup" / "new.png", 9)
    from tiny_gallery import encoder

    from pipeline.ingest.ingest import ingest

    whole = build("datasets", f"folder:root={folder}")
    spec = f"folder:root={folder}"
    report = ingest(made, Only(whole, ["cup/new.png"]), encoder(), spec=SPEC, store=None, dataset_spec=spec, limit=1)
    assert (report.added, made.gone(), len(made.ids())) == (1, {}, 4)


def until(true: Callable[[], bool], seconds: float = 60) -> float:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)
    return time.monotonic() - begun


def test_a_folder_is_watched_until_ctrl_c(home: Path, folder: Path) -> None:
    pytest.importorskip("watchfiles", reason="the package watchfiles is not installed: requirements-dev.txt has it")
    words = (
        "ingest",
        "small",
        "--dataset",
        f"folder:root={folder}",
        "--encoder",
        SPEC,
        "--progress",
        "none",
        "--watch",
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with process(sys.executable, "-m", "pipeline", *words, env=environment) as child:
        assert child.stderr is not None
        while "watching" not in child.stderr.readline():
            assert child.poll() is None
        gallery = open_gallery("small", Settings())

        def paths() -> set[str]:
            return set(gallery.table()["path"])

        draw(folder / "vase" / "new.png", 9)
        until(lambda: "vase/new.png" in paths())
        before = gallery.ids()
        shutil.move(folder / "vase", folder / "jug")
        until(lambda: "jug/new.png" in paths() and "vase/new.png" not in paths())
        assert gallery.ids() == before, "a move is no new picture"
        (folder / "cup" / "000.png").unlink()
        until(lambda: bool(gallery.gone()))
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
        assert "no longer watching" in child.stderr.read()


def test_watching_and_planning_are_two_things(home: Path, folder: Path) -> None:
    done = run("ingest", "small", "--dataset", f"folder:root={folder}", "--watch", "--plan")
    assert (done.returncode, "leave --plan" in done.stderr) == (2, True)
