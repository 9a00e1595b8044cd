"""What every test shares: where the real photos are, and a home of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import ROOT


@pytest.fixture(scope="session")
def clothing() -> Path:
    """The 3,781 real photos, `{train,validation,test}/LABEL/*.jpg`."""
    data = Path(os.environ.get("SEMBLANCE_TEST_DATA", ROOT.parent / "shared" / "data"))
    root = data / "clothing"
    if not root.is_dir():
        pytest.skip(f"no photos at {root}; set SEMBLANCE_TEST_DATA to the folder that holds clothing/")
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SEMBLANCE_HOME."""
    monkeypatch.setenv("SEMBLANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
    return tmp_path / "home"
