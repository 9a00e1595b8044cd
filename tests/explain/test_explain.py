"""Why two pictures score as they do, with a histogram as encoder: every promise can be checked by eye."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import draw, encoder, fill, photos, run

from pipeline.errors import UsageError
from pipeline.explain.explain import PARTS, Explanation, calibrations_of, explain
from pipeline.explain.heat_maps import overlay, sheet

HISTOGRAM = "color_histogram"


def blobs(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


def told(query: Image.Image, hit: Image.Image, **options: object) -> Explanation:
    return explain(encoder(HISTOGRAM), query, hit, **options)  # type: ignore[arg-type]


def sharing_the_top_left() -> tuple[Image.Image, Image.Image]:
    one, other = blobs(1), blobs(2)
    other.paste(one.crop((0, 0, 48, 48)), (0, 0))
    return one, other


def test_the_one_quarter_that_two_pictures_share_carries_the_score() -> None:
    found = told(*sharing_the_top_left(), grid=8)
    for heat in (found.heat_query, found.heat_hit):
        quarters = heat.reshape(2, 4, 2, 4).mean(axis=(1, 3))
        assert quarters.argmax() == 0
        assert quarters[0, 0] > 2 * np.abs(quarters).ravel()[1:].max()
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert row < 4
        assert column < 4


def test_a_places_heat_is_the_score_lost_when_it_is_hidden_by_hand() -> None:
    query, hit = sharing_the_top_left()
    found = told(query, hit, grid=4)
    histogram = encoder(HISTOGRAM)

    def score(picture: Image.Image) -> float:
        one, other = histogram.encode(np.stack([histogram.preprocess(image) for image in (picture, hit)]))
        return float(one @ other)

    hidden = query.copy()
    mean = tuple(round(v) for v in np.asarray(query).reshape(-1, 3).mean(axis=0))
    hidden.paste(mean, (12, 36, 60, 84))  # two cells of 24 px round the middle of row 2, column 1
    assert found.score == pytest.approx(score(query), abs=1e-6)
    assert found.heat_query[2, 1] == pytest.approx(score(query) - score(hidden), abs=1e-6)


def test_hiding_everything_leaves_what_a_plain_picture_scores() -> None:
    query, hit = sharing_the_top_left()
    found = told(query, hit, grid=1)
    mean = tuple(round(v) for v in np.asarray(query).reshape(-1, 3).mean(axis=0))
    floor = told(Image.new("RGB", query.size, mean), hit, grid=1).score
    assert found.heat_query.shape == (1, 1)
    assert found.score - found.heat_query[0, 0] == pytest.approx(floor, abs=1e-6)


def test_swapping_the_pictures_swaps_the_maps() -> None:
    query, hit = blobs(3, (90, 60)), blobs(4, (50, 80))
    there, back = told(query, hit), told(hit, query)
    np.testing.assert_allclose(there.heat_query, back.heat_hit, atol=1e-6)
    np.testing.assert_allclose(there.heat_hit, back.heat_query, atol=1e-6)
    assert there.parts == pytest.approx(back.parts, abs=1e-6)


@pytest.mark.parametrize("size", [(96, 96), (128, 64), (64, 192)])
def test_a_mirrored_pair_has_mirrored_maps(size: tuple[int, int]) -> None:
    query, hit = blobs(5, size), blobs(6, size)
    straight = told(query, hit, grid=6)
    mirror = Image.Transpose.FLIP_LEFT_RIGHT
    flipped = told(query.transpose(mirror), hit.transpose(mirror), grid=6)
    np.testing.assert_allclose(flipped.heat_query, straight.heat_query[:, ::-1], atol=0.01)
    assert not np.allclose(flipped.heat_query, straight.heat_query, atol=0.01)


def test_a_picture_with_itself_is_alike_in_every_part() -> None:
    found = told(blobs(7), blobs(7))
    assert found.parts == pytest.approx(dict.fromkeys(PARTS, 1.0), abs=1e-5)
    assert found.heat_query.min() > -1e-6, "nothing hidden can make it more alike"
    np.testing.assert_allclose(found.heat_query, found.heat_hit, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (8, 300), (1, 1), (1300, 1100)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_odd_pictures_have_finite_maps(size: tuple[int, int], mode: str) -> None:
    found = told(blobs(8, size).convert(mode), blobs(9, (30, 50)).convert(mode), grid=3)
    for heat in (found.heat_query, found.heat_hit):
        assert heat.shape == (3, 3)
        assert heat.dtype == np.float32
        assert np.isfinite(heat).all()
    assert all(-1 <= value <= 1 for value in found.parts.values())


def test_two_plain_pictures_differ_in_colour_alone() -> None:
    found = told(Image.new("RGB", (30, 30), "red"), Image.new("RGB", (30, 30), "blue"))
    assert found.parts["texture"] == 1
    assert found.parts["colour"] < 0.5
    assert found.most == pytest.approx(0, abs=1e-5)


def test_what_a_cropping_encoder_never_sees_has_no_heat() -> None:
    untrained = encoder("deep_ranking:trained=false")
    found = explain(untrained, blobs(10, (240, 80)), blobs(11, (240, 80)), grid=12)
    for heat in (found.heat_query, found.heat_hit):
        assert np.abs(heat[:, [0, 1, 2, 9, 10, 11]]).max() < 1e-6, "only the middle third is cut out"
        assert np.abs(heat[:, 4:8]).max() > 1e-6


@pytest.mark.parametrize("grid", [0, 17, -1])
def test_a_grid_out_of_range_is_refused(grid: int) -> None:
    with pytest.raises(UsageError, match="not between 1 and 16"):
        told(blobs(1), blobs(2), grid=grid)


def test_calibration_says_how_unusual_each_part_is(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 12), spec=HISTOGRAM)
    known = calibrations_of(gallery)
    assert set(known) == set(PARTS)
    for quantiles in known.values():
        assert quantiles == sorted(quantiles)
    same = told(blobs(1), blobs(1), calibrations=known)
    assert same.percentiles == dict.fromkeys(PARTS, 100.0)
    assert all(same.usual[name] < 1 for name in PARTS)
    assert told(blobs(1), blobs(2)).percentiles == {}


def test_heat_is_drawn_where_it_is_and_less_than_none_as_none() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[0, 3], heat[3, 0] = 0.2, -0.2
    drawn = np.asarray(overlay(Image.new("RGB", (80, 40), "white"), heat, most=0.2, side=160)).astype(int)
    assert drawn.shape == (80, 160, 3)
    assert drawn[5, 150, 2] < 120, "top right is viridis' yellow, so little blue"
    assert abs(drawn[70, 10] - drawn[70, 100]).max() <= 2
    np.testing.assert_array_equal(overlay(Image.new("RGB", (9, 9)), heat * 0, most=0.0, side=30).size, (30, 30))


def test_the_sheet_holds_pictures_of_any_shape() -> None:
    for size in ((300, 20), (20, 300), (1, 1)):
        found = told(blobs(1, size), blobs(2))
        assert sheet(blobs(1, size), blobs(2), found, titles=("a", "b")).width > 700


def test_the_command_line_explains_a_file_against_a_picture_of_the_gallery(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 4), spec=HISTOGRAM)
    asked, known = draw(tmp_path / "asked.png", 50), str(gallery.table()["id"].iloc[0])
    done = run("explain", "small", asked, "--id", known, "--grid", "3", "--out", tmp_path / "heat.png", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["parts"]) == set(PARTS)
    assert np.shape(said["heat_hit"]) == (3, 3)
    Image.open(io.BytesIO((tmp_path / "heat.png").read_bytes())).verify()
    refused = run("explain", "small", "--id", known)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "two pictures" in refused.stderr
    missing = run("explain", "small", tmp_path / "no.png", "--id", known)
    assert missing.returncode == 1
    assert "no.png: there is no such file" in missing.stderr


def test_matched_places_are_searched_by_told_and_drawn(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 6), spec="deep_ranking:weights=models/small")
    asked, out = draw(tmp_path / "asked.png", 2), tmp_path / "places.png"
    searched = json.loads(run("search", "small", asked, "--rerank", "patches", "--keep-query", "--json").stdout)
    assert searched["unmatched"] == ""
    assert searched["milliseconds"]["match"] > 0
    best = searched["hits"][0]["id"]
    assert gallery.table().set_index("id")["path"][best] == "shoe/002.png", "the picture itself"
    done = run("explain", "small", asked, "--id", best, "--grid", "2", "--places", "patches", "--out", out, "--json")
    places = json.loads(done.stdout)["places"]
    assert places["score"] > 0.9
    assert all(pair["query"] == pair["hit"] for pair in places["pairs"]), "each cell matches itself"
    with Image.open(out) as drawn:
        assert drawn.height > drawn.width / 2
    refused = run("explain", "small", asked, "--id", best, "--places", "diverse")
    assert refused.returncode == 2
    assert "does not compare pictures" in refused.stderr
    assert "Traceback" not in refused.stderr
