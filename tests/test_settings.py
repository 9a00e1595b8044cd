from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings, current


def test_a_home_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_HOME", "~/semblance")
    assert Settings().home == Path.home() / "semblance"


def test_without_a_uri_milvus_is_the_file_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMBLANCE_HOME", str(tmp_path))
    monkeypatch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
    assert Settings().uri == str(tmp_path / "milvus.db")


def test_current_settings_are_those_of_the_environment_now(monkeypatch: pytest.MonkeyPatch) -> None:
    first = current()
    assert current() is first
    monkeypatch.setenv("SEMBLANCE_API_RATE", "7")
    assert current().api_rate == 7
    monkeypatch.delenv("SEMBLANCE_API_RATE")
    assert current() == first
