"""The log: one JSON object a line, the stages of a search, one number for all that belongs to one request."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import fill, lite, photos

from pipeline import logs
from pipeline.search import search
from pipeline.search.search import Query, QueryPicture


@pytest.fixture(autouse=True)
def silent_again() -> Iterator[None]:
    yield
    logs.write_to("none", Path())


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "app.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_search_is_one_line_with_the_time_of_each_stage(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    data = next(folder.rglob("*.png")).read_bytes()
    with lite() as store:
        gallery, _ = fill(folder, store)
        logs.write_to("file", tmp_path / "logs")
        encoder = search.load_encoder(gallery)
        result = search.search(gallery, store, encoder, Query((QueryPicture(data),)), k=3)
    [line] = lines(tmp_path / "logs")
    assert (line["event"], line["level"], line["gallery"], line["k"], line["hits"]) == ("search", "info", "small", 3, 3)
    spent = {stage: line[f"{stage}_ms"] for stage in ("open", "encode", "search", "total")}
    assert spent == pytest.approx({stage: round(ms, 1) for stage, ms in result.milliseconds.items()})
    assert spent["open"] + spent["encode"] + spent["search"] <= spent["total"] + 0.2


def test_what_belongs_to_one_request_carries_its_number(tmp_path: Path) -> None:
    logs.write_to("file", tmp_path)
    with logs.request() as number:
        logs.event("first")
        with logs.request() as inner:
            logs.trouble("second", reason='a "quoted" wörd\nand a line')
    with logs.request() as other:
        logs.event("third")
    logs.event("of nobody")
    first, second, third, last = lines(tmp_path)
    assert first["request"] == second["request"] == number == inner
    assert third["request"] == other != number
    assert "request" not in last
    assert (second["level"], second["reason"]) == ("warning", 'a "quoted" wörd\nand a line')


def test_an_old_log_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 1000)
    monkeypatch.setattr(logs, "OLD_FILES", 2)
    logs.write_to("file", tmp_path)
    for number in range(100):
        logs.event("x", number=number)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["app.jsonl", "app.jsonl.1", "app.jsonl.2"]
    assert lines(tmp_path)[-1]["number"] == 99
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_the_log_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("a file is in the way")
    logs.write_to("file", tmp_path / "logs")
    logs.event("goes on")
    assert "no log is kept" in capsys.readouterr().err


def test_a_place_that_does_not_exist_is_said_and_the_file_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.write_to("stdout", tmp_path)
    logs.event("kept", value=np.float32(0.5))
    assert "choose file, stderr, none; taking file" in capsys.readouterr().err
    assert lines(tmp_path)[0]["event"] == "kept"


def test_without_a_place_nothing_is_written_and_nobody_elses_log_is_touched(capsys: pytest.CaptureFixture[str]) -> None:
    logs.write_to("none", Path())
    before = logging.getLogger().handlers[:]
    logs.trouble("nobody hears this")
    assert capsys.readouterr().err == ""
    assert logging.getLogger().handlers == before
