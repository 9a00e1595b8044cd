"""Duplicates of a gallery: tiers, the best copy, judgments, leakage, removal, and galleries with little in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from pipeline.duplicates.find import find_duplicates
from pipeline.duplicates.groups import lowest_score, stars
from pipeline.duplicates.judging import Verdict
from pipeline.errors import GalleryError, UsageError
from pipeline.features import alignment
from pipeline.gallery import judgments, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.records import silent
from pipeline.settings import Settings
from tests.tiny_gallery import draw, fill, run


def scene(seed: int, *, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Blobs with some finer ones on top, as photos have details."""
    random = np.random.default_rng(seed)
    coarse, fine = (random.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (4, 24))
    soft, detail = (Image.fromarray(blobs).resize(size, Image.Resampling.BICUBIC) for blobs in (coarse, fine))
    return Image.blend(soft, detail, 0.35)


def save(image: Image.Image, file: Path, **options: Any) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **options)
    return file.name


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One picture in seven copies, one of them byte for byte, among nine others."""
    root, image = tmp_path / "photos", scene(0)
    save(image, root / "cup" / "original.png")
    save(image, root / "cup" / "saved.jpg", quality=40)
    save(image.resize((80, 60)), root / "bowl" / "small.jpg", quality=90)
    save(image.crop((8, 6, 160, 120)), root / "cup" / "cropped.jpg", quality=90)
    save(ImageOps.expand(image, 6, "white"), root / "cup" / "framed.png")
    save(ImageEnhance.Brightness(image).enhance(0.8), root / "cup" / "darker.webp", quality=80)
    (root / "bowl" / "again.png").write_bytes((root / "cup" / "original.png").read_bytes())
    for seed in range(1, 10):
        save(scene(seed), root / "shoe" / f"{seed}.png")
    return root


@pytest.fixture
def gallery(home: Path, photos: Path) -> Gallery:
    return fill(photos)[0]


def groups(report: dict[str, Any], tier: str) -> list[set[str]]:
    of_tier = [group for group in report["groups"] if group["tier"] == tier]
    return [{member["path"].rsplit("/")[-1] for member in group["members"]} for group in of_tier]


COPIES = {"saved.jpg", "small.jpg", "cropped.jpg", "framed.png", "darker.webp"}


def test_copies_are_found_in_their_tiers_and_nothing_else(gallery: Gallery) -> None:
    report = find_duplicates(gallery)
    assert groups(report, "identical") == [{"original.png", "again.png"}]
    [same] = groups(report, "same")
    assert same - {"original.png", "again.png"} == COPIES
    assert groups(report, "lookalike") == []
    assert (report["not_seen"], report["files_missing"], report["from_files"]) == (0, 0, 0)


def test_the_report_has_the_keys_that_programs_read(gallery: Gallery) -> None:
    for group in find_duplicates(gallery)["groups"]:
        assert {"tier", "keep", "reason", "members"} <= set(group)
        assert group["members"][0]["id"] == group["keep"]
        assert group["members"][0]["score"] == pytest.approx(1)
        assert all({"id", "path", "score"} <= set(member) for member in group["members"])


def test_only_the_tiers_asked_for_are_told_and_an_unknown_one_is_refused(gallery: Gallery) -> None:
    assert {group["tier"] for group in find_duplicates(gallery, tiers=["same"])["groups"]} == {"same"}
    only = find_duplicates(gallery, tiers=["identical"])
    assert {group["tier"] for group in only["groups"]} == {"identical"}
    assert "hamming" not in only  # no picture was opened
    with pytest.raises(UsageError, match="unknown tier 'similar'; choose from identical, same, variant, lookalike"):
        find_duplicates(gallery, tiers=["similar"])
    with pytest.raises(UsageError, match="threshold is 7"):
        find_duplicates(gallery, threshold=7)


def test_lookalikes_are_pairs_above_the_threshold_that_are_not_one_picture(gallery: Gallery) -> None:
    report = find_duplicates(gallery, threshold=-1)
    rows = gallery.rows()
    [alike] = groups(report, "lookalike")
    [same] = groups(report, "same")
    assert len(alike & same) == 1  # the same picture takes part once
    assert alike - same == {f"{seed}.png" for seed in range(1, 10)}
    assert len(rows) == len(alike) + len(same) - 1
    assert report["threshold_from"] == "asked for"


def test_the_threshold_lets_as_many_random_pairs_through_as_it_says() -> None:
    scores = np.random.default_rng(0).uniform(-1, 1, 20_000).astype(np.float32)
    lowest = lowest_score(scores, rate=1e-3)
    assert lowest is not None
    assert (scores >= lowest).sum() == 20
    few = lowest_score(scores[:100], rate=1e-3)
    assert few is not None
    assert not (scores[:100] >= few).any()
    assert lowest_score(scores[:0], rate=1e-3) is None


# the best copy


def test_the_best_copy_has_the_most_pixels(home: Path, tmp_path: Path) -> None:
    save(scene(0), tmp_path / "p" / "large.jpg", quality=50)
    save(scene(0).resize((80, 60)), tmp_path / "p" / "small.png")
    [group] = find_duplicates(fill(tmp_path / "p")[0])["groups"]
    assert (group["keep_path"], group["reason"]) == ("large.jpg", "most pixels: 160 × 120 px")


def test_of_equal_sizes_the_one_with_the_most_bytes_and_without_files_the_sharpest(home: Path, tmp_path: Path) -> None:
    save(scene(0), tmp_path / "p" / "a.jpg", quality=30)
    save(scene(0), tmp_path / "p" / "b.png")
    gallery, _ = fill(tmp_path / "p")
    [group] = find_duplicates(gallery)["groups"]
    assert group["keep_path"] == "b.png"
    assert group["reason"].startswith("most bytes (")
    for file in (tmp_path / "p").iterdir():
        file.unlink()
    report = find_duplicates(gallery)
    assert report["files_missing"] == 2  # judged by the thumbnails
    [group] = report["groups"]
    assert "sharpest of 2 with 160 × 120 px whose files are gone" in group["reason"]
    assert group["members"][0]["bytes"] is None


def test_a_missing_thumbnail_is_made_from_the_file_and_without_both_it_is_said(home: Path, tmp_path: Path) -> None:
    save(scene(0), tmp_path / "p" / "a.png")
    save(scene(0), tmp_path / "p" / "b.jpg", quality=70)
    gallery, _ = fill(tmp_path / "p")
    for picture in gallery.ids():
        gallery.thumbnail(picture).unlink()
    report = find_duplicates(gallery)
    assert (report["from_files"], len(report["groups"])) == (2, 1)
    (tmp_path / "p" / "b.jpg").unlink()
    report = find_duplicates(gallery)
    assert (report["not_seen"], report["groups"]) == (1, [])


# judgments


def same_ids(report: dict[str, Any]) -> list[list[str]]:
    return [[member["id"] for member in group["members"]] for group in report["groups"] if group["tier"] == "same"]


def test_what_was_judged_not_the_same_is_in_no_group_until_it_is_taken_back(gallery: Gallery) -> None:
    [[keep, other, *rest]] = same_ids(find_duplicates(gallery))
    judgments.add(gallery.judgments_file, "not_same", [keep, other])
    for ids in same_ids(find_duplicates(gallery)):
        assert not {keep, other} <= set(ids)
    judgments.add(gallery.judgments_file, "not_same", [keep, other, *rest])
    assert same_ids(find_duplicates(gallery)) == []
    judgments.add(gallery.judgments_file, "not_same", [keep, other, *rest], False)
    assert len(same_ids(find_duplicates(gallery))[0]) == 6


def test_what_was_judged_the_same_is_one_group_whatever_the_pixels_say(gallery: Gallery) -> None:
    table = gallery.rows().table
    pair = table["id"][table["label"] == "shoe"].tolist()[:2]
    judgments.add(gallery.judgments_file, "not_same", pair)
    judgments.add(gallery.judgments_file, "same", pair)  # the later one counts
    assert set(pair) in map(set, same_ids(find_duplicates(gallery)))


def test_members_of_a_star_were_each_judged_the_same_as_the_kept_one_and_a_ban_holds_among_them() -> None:
    chain = [(0, 1), (1, 2), (2, 3), (3, 4)]

    def look(reach: int):
        return lambda asked: [
            [Verdict(abs(kept - row) <= reach, 1 - abs(kept - row) / 9, "") for row in others]
            for kept, others, _ in asked
        ]

    def first(rows):
        return min(rows), "the first"

    def found(reach: int, banned: set[tuple[int, int]]) -> list[list[int]]:
        return [[kept, *sorted(others)] for kept, _, others in stars(chain, banned, first, look(reach), silent)]

    assert found(9, set()) == [[0, 1, 2], [3, 4]]
    assert found(1, set()) == [[1, 0, 2], [3, 4]]  # more gather around 1 than around 0
    assert found(9, {(1, 2)}) == [[1, 0, 3], [2, 4]]
    assert found(0, set()) == []


# over splits and labels


def test_splits_and_labels_that_share_a_picture_are_listed(home: Path, tmp_path: Path, photos: Path) -> None:
    lines = ["path,label,split"]
    for file in sorted(photos.rglob("*.*")):
        path = file.relative_to(photos)
        lines.append(f"{path.as_posix()},{path.parts[0]},{'test' if file.name == 'small.jpg' else 'train'}")
    (photos / "table.csv").write_text("\n".join(lines))
    gallery, _ = fill(f"table:file={photos / 'table.csv'}")
    report = find_duplicates(gallery)
    [leak] = report["leakage"]
    assert (leak["tier"], leak["splits"]) == ("same", ["test", "train"])
    assert leak["paths"]["test"] == "bowl/small.jpg"
    assert {tuple(conflict["labels"]) for conflict in report["label_conflicts"]} == {("bowl", "cup")}
    assert {conflict["tier"] for conflict in report["label_conflicts"]} == {"identical", "same"}
    assert report["groups"][leak["group"]]["tier"] == "same"


# pixels


def test_a_picture_of_one_colour_has_too_little_contrast_to_be_the_same_as_another() -> None:
    plain = np.stack([np.full((64, 64, 3), level, np.uint8) for level in (90, 91, 130)])
    colours, details = alignment.agreement(plain[[0, 0]], plain[[1, 2]])
    assert colours.tolist() == details.tolist() == [-1, -1]


def test_pictures_of_one_colour_do_not_all_become_one_group(home: Path, tmp_path: Path) -> None:
    for level in range(0, 240, 30):
        save(Image.new("RGB", (40, 30), (level, 20, 120)), tmp_path / "p" / f"{level}.png")
    assert groups(find_duplicates(fill(tmp_path / "p")[0]), "same") == []


def test_a_border_is_taken_off_and_a_picture_without_one_is_left() -> None:
    image = scene(0)
    framed = ImageOps.expand(image, (5, 9), "black")
    assert alignment.without_border(framed).size == image.size
    assert alignment.without_border(image) is image
    assert alignment.without_border(Image.new("RGB", (30, 30))).size == (30, 30)


def test_a_blurred_copy_is_less_sharp() -> None:
    image = scene(0)
    assert alignment.sharpness(image) > alignment.sharpness(image.resize((40, 30)).resize(image.size))


# little in it, and the command line


def test_an_empty_gallery_is_refused_and_one_picture_has_no_duplicates(home: Path, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="holds no pictures yet; run: python -m pipeline ingest small"):
        find_duplicates(create_gallery("small", Settings()))
    draw(tmp_path / "one" / "a.png", 0)
    gallery, _ = fill(tmp_path / "one")
    assert find_duplicates(gallery)["groups"] == []
    gallery.remove(sorted(gallery.ids()))
    assert find_duplicates(gallery)["groups"] == []


def test_removing_takes_a_dry_run_then_a_yes_and_restore_undoes_it(gallery: Gallery) -> None:
    before = gallery.count()
    dry = run("duplicates", "small", "--remove", "--progress", "none")
    assert dry.returncode == 0, dry.stderr
    assert "5 pictures to remove" in dry.stdout
    assert "dry run, nothing was removed; to remove them add --yes" in dry.stdout
    assert gallery.count() == before
    done = run("duplicates", "small", "--remove", "--yes", "--json", "--progress", "none")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["to_remove"]) == 5
    assert gallery.removed() == set(report["to_remove"])
    [same] = [group for group in report["groups"] if group["tier"] == "same"]
    assert same["keep"] not in report["to_remove"]
    assert reports.read(gallery, report["report"])["groups"] == report["groups"]
    gallery.restore(report["to_remove"])
    assert gallery.count() == before


def test_yes_alone_is_refused(gallery: Gallery) -> None:
    refused = run("duplicates", "small", "--yes")
    assert refused.returncode == 2
    assert "--yes confirms --remove" in refused.stderr


def test_a_threshold_without_lookalikes_is_said_to_be_unused_and_no_tier_is_refused(gallery: Gallery) -> None:
    for tier in ("identical", "same", "identical,same"):
        done = run("duplicates", "small", "--tier", tier, "--threshold", "0.9", "--progress", "none")
        assert done.returncode == 0, done.stderr
        assert "--tier leaves them out: not used" in done.stderr
        assert "lookalikes score" not in done.stderr
    refused = run("duplicates", "small", "--tier", " , ", "--progress", "none")
    assert (refused.returncode, refused.stderr.strip()) == (
        2,
        "error: no tier given; choose from identical, same, variant, lookalike",
    )
