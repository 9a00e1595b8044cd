"""The street: exact boxes and masks, the rare pattern where it was asked for, the same files for the same options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import plugins
from pipeline.annotations import annotations
from pipeline.annotations import masks as annotation_masks
from pipeline.datasets._render.patterns import PATTERNS
from pipeline.datasets._render.products import KINDS
from pipeline.datasets._render.street_ground import GROUNDS, LIGHTS
from pipeline.datasets.street import Scenes, build
from pipeline.errors import UsageError


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    scenes = build(scenes=6, size=64, share=0.5, root=str(tmp_path_factory.mktemp("street")))
    scenes.prepare()
    return scenes


def contents(scenes: Scenes) -> dict[str, bytes]:
    return {path.relative_to(scenes.root).as_posix(): path.read_bytes() for path in scenes.root.rglob("*.*")}


def test_the_ground_truth_fits_its_pictures(rendered: Scenes) -> None:
    truth = annotations.read(rendered.truth, pictures=rendered.root)
    assert truth.faults == []
    assert truth.pictures["path"].tolist() == [record.path for record in rendered.records()]
    assert set(contents(rendered)) == {*truth.pictures["path"], "annotations.json"}
    for path in truth.pictures["path"]:
        with Image.open(rendered.root / path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_a_box_is_the_smallest_around_its_mask_and_masks_do_not_overlap(rendered: Scenes) -> None:
    truth = annotations.read(rendered.truth)
    for path, boxes in truth.boxes.groupby("path"):
        taken = np.zeros((64, 64), int)
        for row in boxes.itertuples():
            mask = annotation_masks.decode(row.mask, width=64, height=64)
            pixels = [(x, y) for y in range(64) for x in range(64) if mask[y, x]]
            across, down = [x for x, _ in pixels], [y for _, y in pixels]
            assert (row.x, row.y) == (min(across), min(down)), path
            assert (row.x + row.width, row.y + row.height) == (max(across) + 1, max(down) + 1)
            assert row.area == len(pixels)
            taken += mask
        assert taken.max() == 1
    assert 3 <= len(truth.boxes) / 6 <= 8


def test_a_mask_lies_where_the_picture_differs_from_the_empty_street(rendered: Scenes) -> None:
    from pipeline.datasets.street import _path

    truth, differing = annotations.read(rendered.truth), []
    for number in range(6):
        street = rendered.plan(number).street
        empty = street.tinted(street.draw(64).astype(np.float32)).astype(int)
        with Image.open(rendered.root / _path(number)) as image:
            changed = np.abs(np.asarray(image).astype(int) - empty).max(axis=2) > 24
        masks = truth.boxes["mask"][truth.boxes["path"] == _path(number)]
        covered = np.any([annotation_masks.decode(mask, width=64, height=64) for mask in masks], axis=0)
        differing.append((changed[covered].mean(), changed[~covered].mean()))
    inside, outside = np.mean(differing, axis=0)
    assert inside > 0.8
    assert outside < 0.15  # shadows


def test_every_object_says_what_it_is(rendered: Scenes) -> None:
    truth = annotations.read(rendered.truth)
    assert set(truth.labels) <= set(KINDS)
    assert set(truth.attribute("pattern")) <= set(PATTERNS)
    assert set(truth.attribute("light")) <= set(LIGHTS)
    assert set(truth.attribute("ground")) <= set(GROUNDS)
    assert (truth.attribute("item").str.partition("-")[0] == truth.boxes["label"]).all()
    assert (truth.attribute("seen").astype(float) >= 0.45).all()


def test_the_rare_pattern_is_on_some_scenes_and_several_products_there(home: Path) -> None:
    scenes = build(scenes=400, rare="dots", share=0.2)
    counts = [sum(thing.pattern == "dots" for thing, _, _ in scenes.plan(number).things) for number in range(400)]
    assert set(counts) <= {0, 2, 3, 4}
    assert 50 < sum(count > 0 for count in counts) < 110
    told = [record.metadata["rare"] == "true" for record in scenes.records()]
    assert told == [count > 0 for count in counts]
    assert not scenes.root.exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_the_same_options_give_the_same_bytes(rendered: Scenes, tmp_path: Path, processes: int) -> None:
    again = replace(rendered, root=tmp_path / "again", sprites=tmp_path / "sprites", processes=processes)
    again.prepare()
    assert contents(again) == contents(rendered)


def test_another_seed_gives_other_scenes(rendered: Scenes, tmp_path: Path) -> None:
    other = build(scenes=1, size=64, share=0.5, seed=1, root=str(tmp_path))
    other.prepare()
    assert contents(other)["scenes/00000.jpg"] != contents(rendered)["scenes/00000.jpg"]


def test_what_is_missing_is_rendered_again_and_nothing_else(rendered: Scenes) -> None:
    before = contents(rendered)
    (rendered.root / "scenes/00002.jpg").unlink()
    (rendered.root / "scenes/00003.jpg").write_bytes(b"")  # as after a power cut
    kept = (rendered.root / "scenes/00004.jpg").stat().st_mtime_ns
    rendered.prepare()
    assert contents(rendered) == before
    assert (rendered.root / "scenes/00004.jpg").stat().st_mtime_ns == kept


def test_stopping_leaves_whole_files_and_the_next_call_goes_on(rendered: Scenes, tmp_path: Path) -> None:
    again = replace(rendered, root=tmp_path / "again")

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "render scenes" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again.prepare(stop)
    part = contents(again)
    assert len(part) == 3
    assert part.items() <= contents(rendered).items()
    again.prepare()
    assert contents(again) == contents(rendered)


@pytest.mark.parametrize("option", [{"scenes": 0}, {"size": 8}, {"share": 1.5}, {"seed": -1}])
def test_an_option_out_of_range_is_refused_with_the_range(option: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=rf"{next(iter(option))}=-?[\d.]+ is out of range; choose from"):
        build(**option)  # type: ignore[arg-type]


def test_an_unknown_pattern_is_refused_with_the_patterns() -> None:
    with pytest.raises(UsageError, match="unknown pattern rare='tartan'; choose from plain, stripes"):
        plugins.build("datasets", "street:rare=tartan")
