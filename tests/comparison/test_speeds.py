"""How quick an encoder is here is measured, kept and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.comparison import speeds
from pipeline.errors import UsageError


def test_a_measured_speed_is_kept_beside_those_before(home: Path) -> None:
    assert speeds.kept() == {}
    first = speeds.measure(["color_histogram"], device="cpu")
    both = speeds.measure(["raw_pixels"], device="cpu") | first
    assert speeds.kept() == both
    assert all(speed.dim > 0 and speed.pictures_per_second > 0 for speed in both.values())


def test_what_was_measured_stays_when_another_encoder_cannot_be_built(home: Path) -> None:
    with pytest.raises(UsageError, match="unknown encoder"):
        speeds.measure(["raw_pixels", "no_such"], device="cpu")
    assert list(speeds.kept()) == ["raw_pixels"]


def test_a_damaged_file_of_speeds_is_no_speed(home: Path) -> None:
    speeds.measure(["raw_pixels"], device="cpu")
    [file] = home.glob("cache/encoder_speeds.json")
    for text in ("{", "[]", '{"raw_pixels": 3}', '{"raw_pixels": {"dimension": 3}}'):
        file.write_text(text)
        assert speeds.kept() == {}


def test_the_command_prints_json_for_programs(home: Path) -> None:
    told = CliRunner().invoke(app, ["encoders", "--measure", "raw_pixels", "--json", "--progress", "none"])
    [row] = json.loads(told.stdout)
    assert row["encoder"] == "raw_pixels"
    assert row["pictures_per_second"] > 0
