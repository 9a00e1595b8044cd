"""Evidence for `same`: what is only alike is never removable, and mirrored, turned and grey copies have a tier of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks import hard_negatives
from pipeline.duplicates.find import find_duplicates, removable
from pipeline.duplicates.judging import ALTERED, evidence_pictures
from pipeline.features.perceptual_hash import ORIENTATIONS, in_orientation, perceptual_hash, turned_hashes
from pipeline.gallery.gallery import Gallery
from tests.duplicates.test_duplicates import groups, save, scene
from tests.tiny_gallery import fill, run

MOST = 12  # pictures of a kind; benchmarks/duplicates.py judges all of them


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """30 drawn ones."""
    for seed in range(30):
        save(scene(100 + seed, size=(200, 240)), tmp_path / "photos" / f"{seed:02d}.png")
    return sorted((tmp_path / "photos").iterdir())


@pytest.mark.parametrize("kind", hard_negatives.KINDS, ids=lambda kind: kind.__name__)
def test_nothing_that_is_only_alike_is_removable(
    home: Path, tmp_path: Path, photos: list[Path], kind: hard_negatives.Kind
) -> None:
    images = list(kind(photos, np.random.default_rng(1)))
    for number, image in enumerate(images[:: -(-len(images) // MOST)]):
        save(image, tmp_path / "alike" / f"{number:02d}.png")
    gallery, _ = fill(tmp_path / "alike")
    report = find_duplicates(gallery)
    assert groups(report, "same") == []
    assert removable(gallery, report["groups"]) == []


def test_animations_are_the_same_only_when_all_their_frames_are(home: Path, tmp_path: Path) -> None:
    frames = [scene(seed) for seed in range(3)]
    for name, order in {"a": (0, 1, 2), "b": (0, 2, 1), "c": (0,), "d": (0, 1)}.items():
        first, *rest = (frames[number] for number in order)
        save(first, tmp_path / "p" / f"{name}.gif", save_all=True, append_images=rest, duration=90)
    first, *rest = frames
    save(first, tmp_path / "p" / "again.gif", save_all=True, append_images=rest, duration=200)
    save(Image.new("RGB", (90, 90)), tmp_path / "p" / "black1.gif", save_all=True, append_images=[frames[0]])
    save(Image.new("RGB", (90, 90)), tmp_path / "p" / "black2.gif", save_all=True, append_images=[frames[1]])
    assert groups(find_duplicates(fill(tmp_path / "p")[0]), "same") == [{"a.gif", "again.gif"}]


def test_a_grey_copy_is_a_variant_named_as_such_and_never_removable(home: Path, tmp_path: Path) -> None:
    save(scene(0), tmp_path / "p" / "coloured.png")
    save(scene(0).convert("L"), tmp_path / "p" / "grey.png")
    gallery, _ = fill(tmp_path / "p")
    report = find_duplicates(gallery, tiers=["same", "variant"])
    [group] = report["groups"]
    assert group["keep_path"] == "coloured.png"
    assert group["members"][1]["kind"] == "grey"
    assert removable(gallery, report["groups"]) == []


def test_mirrored_and_turned_copies_are_variants_named_as_such_and_never_removable(home: Path, tmp_path: Path) -> None:
    image = scene(0)
    save(image, tmp_path / "p" / "original.png")
    made = {
        "mirrored.png": ("mirrored", ImageOps.mirror(image)),
        "left.png": ("turned 90°", image.transpose(Image.Transpose.ROTATE_270)),
        "right.png": ("turned 270°", image.transpose(Image.Transpose.ROTATE_90)),
        "over.png": ("turned 180°", image.transpose(Image.Transpose.ROTATE_180)),
    }
    for name, (_, picture) in made.items():
        save(picture, tmp_path / "p" / name)
    for seed in range(1, 8):
        save(scene(seed), tmp_path / "p" / f"{seed}.png")
    gallery, _ = fill(tmp_path / "p")
    report = find_duplicates(gallery)
    [group] = [group for group in report["groups"] if group["tier"] == "variant"]
    kinds = {member["path"]: member.get("kind", "") for member in group["members"]}
    assert kinds.pop(group["keep_path"]) == ""
    assert set(kinds) | {group["keep_path"]} == {"original.png", *made}
    if group["keep_path"] == "original.png":
        assert kinds == {name: kind for name, (kind, _) in made.items()}
    assert removable(gallery, report["groups"]) == []
    assert groups(report, "same") == []


def test_a_grey_copy_is_found_also_where_the_kept_one_is_a_mirrored_one(home: Path, tmp_path: Path) -> None:
    image = scene(0)
    save(image.resize((60, 40)), tmp_path / "p" / "original.png")
    save(ImageOps.mirror(image), tmp_path / "p" / "mirrored.png")
    save(image.convert("L").resize((60, 40)), tmp_path / "p" / "grey.png")
    gallery, _ = fill(tmp_path / "p")
    [group] = [group for group in find_duplicates(gallery)["groups"] if group["tier"] == "variant"]
    assert {member["path"]: member.get("kind", "") for member in group["members"]} == {
        "mirrored.png": "",
        "original.png": "mirrored",
        "grey.png": "grey, mirrored",
    }
    assert len(list(evidence_pictures(gallery, group))) == 2


def test_a_copy_with_a_caption_is_a_variant_named_as_altered_and_never_removable(home: Path, tmp_path: Path) -> None:
    image = scene(0, size=(320, 240))
    save(image, tmp_path / "p" / "plain.png")
    ImageDraw.Draw(image).text((200, 210), "Tuesday 14:05", "white", font_size=16)
    save(image, tmp_path / "p" / "with caption.png")
    gallery, _ = fill(tmp_path / "p")
    report = find_duplicates(gallery, tiers=["same", "variant"])
    [group] = report["groups"]
    assert group["tier"] == "variant"
    assert group["members"][1]["kind"] == ALTERED
    assert removable(gallery, report["groups"]) == []


@pytest.mark.parametrize("other", [(60, 30, 140, 170), (78, 78, 122, 122)], ids=["taller", "smaller"])
def test_a_plain_shape_of_other_proportions_or_size_is_another_one(
    home: Path, tmp_path: Path, other: tuple[int, int, int, int]
) -> None:
    for name, place in (("one", (60, 60, 140, 140)), ("two", other)):
        image = Image.new("RGB", (200, 200), "white")
        ImageDraw.Draw(image).polygon([(place[0], place[1]), place[2:], (place[0], place[3])], fill=(20, 20, 30))
        save(image, tmp_path / "p" / f"{name}.png")
    assert groups(find_duplicates(fill(tmp_path / "p")[0]), "same") == []


def test_a_hash_of_a_turned_picture_is_that_of_the_picture_turned() -> None:
    image = scene(3, size=(96, 96))
    for name, turned in zip(ORIENTATIONS, turned_hashes(image), strict=True):
        really = perceptual_hash(Image.fromarray(in_orientation(np.asarray(image), name)))
        assert (turned ^ really).bit_count() <= 4, name


def test_a_chain_of_crops_is_no_group_around_a_picture_that_shares_nothing(home: Path, tmp_path: Path) -> None:
    wide = scene(4, size=(640, 200))
    for step in range(12):
        save(wide.crop((29 * step, 0, 29 * step + 320, 200)), tmp_path / "p" / f"{step:02d}.png")
    report = find_duplicates(fill(tmp_path / "p")[0])
    assert groups(report, "same") == []


def test_a_picture_whose_file_is_there_is_kept_before_a_larger_one_whose_file_is_gone(
    home: Path, tmp_path: Path
) -> None:
    save(scene(0), tmp_path / "p" / "large.png")
    save(scene(0).resize((120, 90)), tmp_path / "p" / "small.png")
    gallery, _ = fill(tmp_path / "p")
    (tmp_path / "p" / "large.png").unlink()
    [group] = [group for group in find_duplicates(gallery)["groups"] if group["tier"] == "same"]
    assert group["keep_path"] == "small.png"
    assert "the files of others are gone" in group["reason"]


def copies(tmp_path: Path) -> Gallery:
    save(scene(0), tmp_path / "p" / "one.png")
    save(ImageEnhance.Brightness(scene(0)).enhance(0.8), tmp_path / "p" / "two.jpg", quality=80)
    return fill(tmp_path / "p")[0]


def test_the_evidence_is_three_pictures_side_by_side_and_the_command_writes_them(home: Path, tmp_path: Path) -> None:
    gallery = copies(tmp_path)
    [group] = find_duplicates(gallery, tiers=["same"])["groups"]
    [(picture, strip)] = evidence_pictures(gallery, group)
    assert picture == group["members"][1]["id"]
    assert strip.startswith(b"\x89PNG")
    done = run("duplicates", "small", "--remove", "--evidence", tmp_path / "seen", "--progress", "none")
    assert "details agree 0.9" in done.stdout or "details agree 1.0" in done.stdout, done.stderr
    [file] = (tmp_path / "seen").iterdir()
    with Image.open(file) as image:
        assert image.width == 3 * image.height + 8
