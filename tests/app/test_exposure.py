"""Sentences for visitors name no path of the machine; folders that nobody opened to them stay closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.server import exposure
from pipeline.errors import SemblanceError, StoreError, UsageError
from pipeline.settings import Settings


@pytest.fixture
def exposed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
    exposure.apply()
    return home


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("cannot read {home}/galleries/shoes/gallery.json; restore it", "cannot read …/galleries/shoes/gallery.json; restore it"),
        ("cannot read {home}/a b/c d.jpg; check", "cannot read …/a b/c d.jpg; check"),
        ("cannot write /srv/pictures/one.jpg: disk full", "cannot write …/one.jpg: disk full"),
        ("folder:root=/srv/pictures has nothing", "folder:root=…/pictures has nothing"),
        ("'/etc/ssl/key' and \"C:\\Users\\Ann\\x.png\"", "'…/key' and \"…/x.png\""),
        ("~/photos/a.jpg (see /usr/lib/x)", "…/a.jpg (see …/x)"),
        ("cannot reach Milvus at http://milvus:19530/db", "cannot reach Milvus at http://milvus:19530/db"),
        ("1,000 of 2,000 · 30/s; python -m pipeline sync small", "1,000 of 2,000 · 30/s; python -m pipeline sync small"),
        ("cups/a.jpg is 3/4 done, and/or not", "cups/a.jpg is 3/4 done, and/or not"),
    ],
)  # fmt: skip
def test_a_sentence_keeps_its_last_name_and_loses_the_way_there(exposed: Path, sentence: str, shown: str) -> None:
    assert exposure.shown(sentence.format(home=exposed)) == shown
    assert str(StoreError(sentence.format(home=exposed))) == shown
    assert exposure.shown(shown) == shown


def test_on_ones_own_machine_a_sentence_stays_as_it_is(exposed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "0")
    assert str(SemblanceError(f"cannot read {exposed}/x")) == f"cannot read {exposed}/x"


class TestFolders:
    @pytest.mark.parametrize("folder", ["{base}/open", "{base}/open/", "{base}/open/below", "{base}/open/../open"])
    def test_an_open_folder(self, exposed: Path, tmp_path: Path, monkeypatch, folder: str) -> None:
        monkeypatch.setenv("SEMBLANCE_FOLDERS", f"{tmp_path / 'other'}{os.pathsep}{tmp_path / 'open'}")
        exposure.check_dataset(f"folder:root={folder.format(base=tmp_path)}")

    @pytest.mark.parametrize(
        "folder",
        [
            "{base}",
            "{base}/opened",
            "{base}/open/../closed",
            "{base}/closed,labels=/../open",
            "{base}/open/link",
            "/",
            "~",
            "",
        ],
    )
    def test_any_other(self, exposed: Path, tmp_path: Path, monkeypatch, folder: str) -> None:
        monkeypatch.setenv("SEMBLANCE_FOLDERS", str(tmp_path / "open"))
        (tmp_path / "open").mkdir()
        (tmp_path / "open" / "link").symlink_to(tmp_path)
        with pytest.raises(UsageError, match="not open to visitors"):
            exposure.check_dataset(f"folder:root={folder.format(base=tmp_path)}")

    def test_none_when_none_is_named_and_all_on_ones_own_machine(self, exposed: Path, monkeypatch) -> None:
        with pytest.raises(UsageError):
            exposure.check_dataset("folder:root=/")
        monkeypatch.delenv("SEMBLANCE_EXPOSED")
        exposure.check_dataset("folder:root=/")
        assert Settings().exposed is False
