"""Reports beside a gallery: kept, listed newest first, read back, damaged ones told."""

from __future__ import annotations

import datetime
import shlex
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import GalleryError
from pipeline.gallery import reports
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings


@pytest.fixture
def gallery(home: Path):
    return create_gallery("small", Settings())


def test_a_report_is_read_back_with_what_made_it_and_its_table(gallery) -> None:
    name = reports.write(gallery, "evaluation", {"seed": 3}, pd.DataFrame({"id": ["a", "b"], "value": [0.5, 1.0]}))
    found = reports.read(gallery, name)
    assert (found["seed"], found["kind"], found["gallery"], found["generation"]) == (3, "evaluation", "small", 0)
    assert {"command", "machine", "versions", "made"} <= set(found)
    assert reports.table(gallery, name)["value"].tolist() == [0.5, 1.0]


def test_the_command_of_a_report_can_be_typed_again(gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["evaluate", "small", "--queries", "colour=light blue"]
    monkeypatch.setattr("sys.argv", ["/somewhere/pipeline/__main__.py", *asked])
    command = reports.read(gallery, reports.write(gallery, "evaluation", {}))["command"]
    assert shlex.split(command) == ["python", "-m", "pipeline", *asked]


def test_names_are_of_one_kind_and_newest_first(gallery) -> None:
    first, second = (reports.write(gallery, "evaluation", {}) for _ in range(2))
    later = gallery.root / "reports" / f"{first.replace('evaluation-2', 'evaluation-3')}.json"
    later.write_text("{}")
    reports.write(gallery, "evaluation-length", {})
    assert reports.names(gallery, "evaluation") == [later.stem, *sorted([first, second], reverse=True)]
    reports.delete(gallery, second)
    assert reports.names(gallery, "evaluation") == [later.stem, first]


@pytest.mark.parametrize("content", ["", "[1]", '{"seed": 1}', "\xff"])
def test_a_damaged_report_and_a_missing_one_are_told(gallery, content: str) -> None:
    name = reports.write(gallery, "evaluation", {})
    (gallery.root / "reports" / f"{name}.json").write_text(content)
    with pytest.raises(GalleryError, match=r"is damaged .* make the report again"):
        reports.read(gallery, name)
    with pytest.raises(GalleryError, match=r"parquet cannot be read .*; make the report again"):
        reports.table(gallery, name)
    for other in ("evaluation-20260101-000000-abcdef", "../gallery"):
        with pytest.raises(GalleryError, match="has no report"):
            reports.read(gallery, other)


def test_a_report_made_after_the_clock_was_put_back_is_the_newest_still(
    gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [reports.write(gallery, "evaluation", {}) for _ in range(2)]

    class Earlier(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Earlier:
            return cls(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr(reports.datetime, "datetime", Earlier)
    after = [reports.write(gallery, "evaluation", {}) for _ in range(3)]
    assert reports.names(gallery, "evaluation") == [*reversed(after), *reversed(before)]
