"""What the tests of training share: 240 pictures of six labels, drawn and prepared once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiny_training import Said, photos, prepared_stripes

from training.data.prepared import Prepared


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Every test of training."""


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LABEL/NN.png, see tiny_training.draw."""
    return photos(tmp_path_factory.mktemp("stripes"))


@pytest.fixture(scope="session")
def data(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """`stripes`, prepared: 168 to train on, 36 dev, 36 test."""
    return prepared_stripes(stripes, tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """`python -m training WORDS`, in this process: (exit code, stdout, stderr)."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        from training.__main__ import main

        monkeypatch.setattr(sys, "argv", ["training", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out.strip(), err.strip()

    return run
