"""The catalogue: balanced, graded, the same on every rendering, and never half done."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline import ROOT, plugins
from pipeline.datasets._render.patterns import COLOURS, PATTERNS
from pipeline.datasets._render.products import KINDS
from pipeline.datasets.catalogue import Catalogue, build, relevance
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import ImageRecord


def contents(catalogue: Catalogue) -> dict[str, bytes]:
    return {path.relative_to(catalogue.root).as_posix(): path.read_bytes() for path in catalogue.root.rglob("*.*")}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    catalogue = build(items=18, views=2, size=32, root=str(tmp_path_factory.mktemp("catalogue")))
    catalogue.prepare()
    return catalogue


def elsewhere(catalogue: Catalogue, folder: Path, processes: int = 1) -> Catalogue:
    return replace(catalogue, root=folder / "again", processes=processes)


def test_the_default_is_two_thousand_pictures_with_as_many_of_each_kind(home: Path) -> None:
    catalogue = build()
    records = list(catalogue.records())
    assert len(records) == 2000
    assert len({record.path for record in records}) == 2000
    assert Counter(record.label for record in records) == dict.fromkeys(KINDS, 2000 // len(KINDS))
    assert {record.metadata["pattern"] for record in records} == set(PATTERNS)
    assert {record.metadata["colour"] for record in records} == set(COLOURS)
    assert catalogue.root.parent == home / "cache"
    assert not catalogue.root.exists()  # nothing is rendered to know what there will be


def test_views_of_an_item_share_every_fact_and_the_split(home: Path) -> None:
    by_item: dict[str, list[ImageRecord]] = {}
    for record in build().records():
        assert set(record.metadata) == {"kind", "pattern", "colour", "item"}
        assert record.label == record.metadata["kind"] == record.path.split("/")[0]
        by_item.setdefault(record.metadata["item"], []).append(record)
    for records in by_item.values():
        assert len(records) == 5
        assert all(record.metadata == records[0].metadata for record in records)
        assert len({record.split for record in records}) == 1
    test_items = [records[0] for records in by_item.values() if records[0].split == "test"]
    assert len(test_items) == len(by_item) // 5
    assert Counter(record.label for record in test_items) == dict.fromkeys(KINDS, 5)


def test_every_item_of_a_kind_has_its_own_pattern_and_colour_until_all_are_used(home: Path) -> None:
    every_pair = len(PATTERNS) * len(COLOURS)
    records = build(items=every_pair * len(KINDS), views=1).records()
    seen = Counter((r.metadata["kind"], r.metadata["pattern"], r.metadata["colour"]) for r in records)
    assert len(seen) == every_pair * len(KINDS)
    assert set(seen.values()) == {1}


def test_relevance_grades_item_then_kind_with_pattern_or_colour_then_kind(home: Path) -> None:
    records = list(build(items=96, views=2).records())
    grades: Counter[int] = Counter()
    for a, b in itertools.product(records, records):
        grade = 0
        if a.metadata["kind"] == b.metadata["kind"]:
            grade = 1
            if a.metadata["pattern"] == b.metadata["pattern"]:
                grade = 2
            if a.metadata["colour"] == b.metadata["colour"]:
                grade = 2
        if a.metadata["item"] == b.metadata["item"]:
            grade = 3
        assert relevance(a, b) == relevance(b.metadata, a.metadata) == grade
        grades[grade] += 1
    assert set(grades) == {0, 1, 2, 3}


def test_what_is_rendered_is_what_the_records_name(rendered: Catalogue) -> None:
    records = list(rendered.records())
    assert set(contents(rendered)) == {record.path for record in records}
    for record in records:
        with Image.open(rendered.root / record.path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 32))
    assert len(set(contents(rendered).values())) == len(records)  # no two views alike


@pytest.mark.parametrize("processes", [1, 2])
def test_the_bytes_do_not_depend_on_the_number_of_processes(
    rendered: Catalogue, tmp_path: Path, processes: int
) -> None:
    again = elsewhere(rendered, tmp_path, processes)
    again.prepare()
    assert contents(again) == contents(rendered)


def test_an_item_looks_the_same_in_a_larger_catalogue(rendered: Catalogue, tmp_path: Path) -> None:
    larger = build(items=40, views=3, size=32, root=str(tmp_path))
    larger.render_item(17, [1])
    (path,) = contents(larger)
    assert contents(larger)[path] == contents(rendered)[path]


def test_another_seed_is_another_catalogue(rendered: Catalogue, tmp_path: Path) -> None:
    other = build(items=18, views=2, size=32, seed=1, root=str(tmp_path))
    assert other.root.name != rendered.root.name
    other.render_item(0, [0])
    (picture,) = contents(other).values()
    assert picture not in contents(rendered).values()


def test_only_missing_files_are_rendered_again(rendered: Catalogue) -> None:
    before = contents(rendered)
    files = sorted(before)
    (rendered.root / files[3]).unlink()
    (rendered.root / files[8]).write_bytes(b"")  # as after a power cut
    times = {name: (rendered.root / name).stat().st_mtime_ns for name in files if name not in (files[3], files[8])}
    told: list[tuple[str, int, int]] = []
    rendered.prepare(lambda *step: told.append(step))
    assert contents(rendered) == before
    assert all((rendered.root / name).stat().st_mtime_ns == time for name, time in times.items())
    assert told == [("render", 34, 36), ("render", 35, 36), ("render", 36, 36)]


def test_a_second_call_does_nothing(rendered: Catalogue) -> None:
    told: list[tuple[str, int, int]] = []
    rendered.prepare(lambda *step: told.append(step))
    assert not told


@pytest.mark.parametrize("processes", [1, 2])
def test_stopping_leaves_whole_files_and_the_next_call_goes_on(
    rendered: Catalogue, tmp_path: Path, processes: int
) -> None:
    again = elsewhere(rendered, tmp_path, processes)

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again.prepare(stop)
    part = contents(again)
    assert 6 <= len(part) < 36
    assert part.items() <= contents(rendered).items()
    again.prepare()
    assert contents(again) == contents(rendered)


def test_a_killed_rendering_takes_its_processes_along_and_can_be_resumed(rendered: Catalogue, tmp_path: Path) -> None:
    options = "items=18, views=2, size=32"
    script = "from dataclasses import replace; from pathlib import Path; from pipeline.datasets.catalogue import build;"
    script += f"replace(build({options}), root=Path({str(tmp_path / 'again')!r}), processes=2).prepare()"
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    again = elsewhere(rendered, tmp_path)
    while child.poll() is None and not list(again.root.rglob("*.jpg")):
        time.sleep(0.01)
    child.kill()
    child.wait()
    time.sleep(0.3)
    left = len(contents(again))
    time.sleep(0.3)
    assert len(contents(again)) == left < 36
    again.prepare()
    expected = contents(rendered)
    assert {path: data for path, data in contents(again).items() if not path.endswith(".tmp")} == expected


def test_a_script_without_a_main_guard_still_gets_its_pictures(rendered: Catalogue, tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from dataclasses import replace; from pathlib import Path; from pipeline.datasets.catalogue import build\n"
        f"catalogue = build(items=18, views=2, size=32)\n"
        f"replace(catalogue, root=Path({str(tmp_path / 'again')!r}), processes=2).prepare()\n"
    )
    repository = ROOT
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, script], env=environment, check=True, stderr=subprocess.DEVNULL, timeout=60)
    assert contents(elsewhere(rendered, tmp_path)) == contents(rendered)


@pytest.mark.parametrize("options", [{"items": 0}, {"views": 0}, {"size": 8}, {"size": 5000}, {"seed": -1}])
def test_an_option_out_of_range_is_refused_with_the_range(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=rf"{next(iter(options))}=-?\d+ is out of range; choose from"):
        build(**options)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SemblanceError, match="cannot write"):
        build(items=1, views=1, size=16, root=str(tmp_path / "file")).prepare()


def test_it_is_built_from_a_spec(tmp_path: Path) -> None:
    catalogue = plugins.build("datasets", f"catalogue:items=3,views=2,size=16,root={tmp_path}")
    assert len(list(catalogue.records())) == 6
    assert catalogue.root.parent == tmp_path
