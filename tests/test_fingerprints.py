"""Identity by content, settings from the environment, and progress that programs can read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.fingerprints import encoder_fingerprint, file_id, region_id, row_digest
from pipeline.progress import shown
from pipeline.schema import Row
from pipeline.settings import Settings

ROW = vars(Row(id="a", path="p", label="l", width=3, height=4, metadata={"k": "v"}))


def test_a_file_is_named_by_32_digits_of_its_sha256() -> None:
    assert file_id(b"abc") == hashlib.sha256(b"abc").hexdigest()[:32]
    assert region_id(b"abc", (1, 2, 3, 4)) == hashlib.sha256(b"abc#1,2,3,4").hexdigest()[:32]


def test_everything_that_changes_an_embedding_changes_the_fingerprint_and_order_does_not() -> None:
    weights = {"a": np.ones((2, 3), np.float32), "b": np.zeros(2, np.float32)}
    one = encoder_fingerprint(weights, size=64, mean=(1, 2))
    assert one == encoder_fingerprint(dict(reversed(weights.items())), mean=(1, 2), size=64)
    others = [
        encoder_fingerprint(weights, size=65, mean=(1, 2)),
        encoder_fingerprint(weights | {"a": np.ones((3, 2), np.float32)}, size=64, mean=(1, 2)),
        encoder_fingerprint(weights | {"a": np.ones((2, 3), np.float64)}, size=64, mean=(1, 2)),
        encoder_fingerprint({"c": weights["a"], "b": weights["b"]}, size=64, mean=(1, 2)),
        encoder_fingerprint(None, size=64, mean=(1, 2)),
    ]
    assert len({one, *others}) == 6
    assert len(one) == 64


def test_a_rows_digest_changes_with_each_of_its_parts_but_not_with_the_order_of_metadata() -> None:
    embedding = np.array([0.6, 0.8], np.float32)
    changed = [ROW | {key: 9 if key in ("width", "height") else "other"} for key in ROW if key != "metadata"]
    changed += [ROW | {"metadata": {"k": "w"}}, ROW | {"metadata": {"k": "v", "new": ""}}]
    digests = {row_digest(ROW, embedding), *(row_digest(row, embedding) for row in changed)}
    digests.add(row_digest(ROW, embedding[::-1].copy()))
    assert len(digests) == 1 + len(changed) + 1
    two = ROW | {"metadata": {"x": "1", "a": "2"}}
    assert row_digest(two, embedding) == row_digest(two | {"metadata": {"a": "2", "x": "1"}}, embedding)
    assert len(row_digest(ROW | {"path": "\udce9"}, embedding)) == 16


def test_settings_follow_the_environment_of_the_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMBLANCE_HOME", str(tmp_path))
    monkeypatch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
    assert Settings().uri == str(tmp_path / "milvus.db")
    assert Settings().galleries == tmp_path / "galleries"
    monkeypatch.setenv("SEMBLANCE_MILVUS_URI", "http://127.0.0.1:19530")
    assert Settings().uri == "http://127.0.0.1:19530"


def test_progress_for_programs_is_one_object_a_line_and_ends_with_the_total(capsys: pytest.CaptureFixture) -> None:
    with shown("json") as progress:
        for done in range(1, 101):
            progress("ingest", done, 100)
        progress("sync", 1, 0)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (lines[0]["stage"], lines[0]["done"], lines[0]["total"]) == ("ingest", 1, 100)
    assert [line["done"] for line in lines if line["stage"] == "ingest"][-1] == 100
    assert lines[-1] == {"stage": "sync", "done": 1, "total": 0, "rate": lines[-1]["rate"], "seconds_left": None}
    with shown("auto") as progress:
        progress("ingest", 1000, 1000)
    assert capsys.readouterr().err.startswith("ingest 1,000 of 1,000")
    with shown("none") as progress:
        progress("ingest", 1, 2)
    assert capsys.readouterr().err == ""
