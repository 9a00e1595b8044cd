"""Sentences for visitors name no path of the machine; folders that nobody opened to them stay closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.server import exposure, jobs
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


class TestPaths:
    @pytest.fixture(autouse=True)
    def machine(self, exposed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One folder is open. In it lies what looks like an option, and links into the closed one."""
        for name in ("open/below", "open/A,b=1", "opened", "closed/within", "other"):
            (tmp_path / name).mkdir(parents=True)
        for name in ("open/truth.json", "closed/truth.json"):
            (tmp_path / name).write_text("{}")
        (tmp_path / "open" / "link").symlink_to(tmp_path / "closed")
        (tmp_path / "open" / "within").symlink_to(tmp_path / "open" / "below")
        (tmp_path / "open" / "secret.json").symlink_to(tmp_path / "closed" / "truth.json")
        (tmp_path / "open" / "loop").symlink_to("loop")
        (tmp_path / "way in").symlink_to(tmp_path / "open")
        monkeypatch.setenv("SEMBLANCE_FOLDERS", f"{tmp_path / 'other'}{os.pathsep}{tmp_path / 'open'}")

    @pytest.mark.parametrize(
        ("typed", "real"),
        [
            ("open", "open"),
            ("open/", "open"),
            ("open/below", "open/below"),
            ("open/truth.json", "open/truth.json"),
            ("open/../open/below/..", "open"),
            ("open/within", "open/below"),
            ("open/A,b=1", "open/A,b=1"),
            ("way in/below", "open/below"),
            ("other", "other"),
        ],
    )
    def test_what_is_open_is_opened_where_it_really_is(self, tmp_path: Path, typed: str, real: str) -> None:
        assert exposure.opened(f"{tmp_path}/{typed}") == tmp_path / real

    @pytest.mark.parametrize(
        "typed",
        [
            "{base}",
            "{base}/opened",
            "{base}/open/../closed",
            "{base}/open/A,b=1/../../closed",
            "{base}/open/A,b=1/../../closed/truth.json",
            "{base}/closed,labels=/../open",
            "{base}/open/link",
            "{base}/open/link/within",
            "{base}/open/secret.json",
            "{base}/open/within/../../closed",
            "{base}/open/loop",
            "{base}/open/nowhere",
            "{base}/nowhere",
            "{base}/open/" + "a" * 300,
            "/",
            "/proc/self/environ",
            "/root/.ssh",
            "~",
            ".",
            "",
        ],
    )
    def test_what_is_closed_and_what_is_not_there_get_one_answer(self, tmp_path: Path, typed: str) -> None:
        with pytest.raises(UsageError) as refusal:
            exposure.opened(typed.format(base=tmp_path))
        assert str(refusal.value).startswith("no such file or folder is open to visitors;")
        assert str(tmp_path) not in str(refusal.value)

    @pytest.mark.parametrize("typed", ["/a\0b", "~nobody-of-this-name/x", "\0"])
    def test_what_is_no_path_is_a_sentence(self, typed: str) -> None:
        with pytest.raises(UsageError, match=r"is no path|no such file"):
            exposure.opened(typed)

    def test_a_folder_is_a_dataset_of_its_one_root(self, tmp_path: Path) -> None:
        below = exposure.opened(f"{tmp_path}/open/below")
        assert exposure.dataset_at(below, "folder:root") == f"folder:root={tmp_path}/open/below"
        assert exposure.dataset_at(below, "table:file") == f"table:file={tmp_path}/open/below"
        with pytest.raises(UsageError, match="comma and an equals sign"):
            exposure.dataset_at(exposure.opened(f"{tmp_path}/open/A,b=1"), "folder:root")

    def test_none_when_none_is_named_and_all_on_ones_own_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SEMBLANCE_FOLDERS")
        with pytest.raises(UsageError):
            exposure.opened("/")
        monkeypatch.delenv("SEMBLANCE_EXPOSED")
        assert exposure.opened("/") == Path("/")
        assert Settings().exposed is False


class TestEncoders:
    @pytest.mark.parametrize(
        "spec",
        [
            "torchvision:arch=vit_h_14,weights=none",
            "checkpoint:run=/etc",
            "head:file=/etc/passwd",
            "deep_ranking:weights=/etc/passwd",
            "deep_ranking:dim=100000",
            "color_histogram:grid=9999",
            "open_clip:folder=/root",
            "timm",
            " deep_ranking",
            "",
        ],
    )
    def test_a_visitor_starts_no_other_encoder_than_those_offered(self, exposed: Path, spec: str) -> None:
        for option in ("--encoder", "--encoders"):
            with pytest.raises(UsageError, match="visitors may choose"):
                jobs.start(["pipeline", "ingest", "small", "--dataset", "catalogue", option, spec], title="no")
        assert jobs.recent() == []

    def test_what_the_app_brings_what_a_gallery_has_and_what_was_added(self, exposed: Path, monkeypatch) -> None:
        exposure.check_plugins(["--encoder", "deep_ranking", "--encoder", "mine:x=1"], own=["mine:x=1"])
        monkeypatch.setenv("SEMBLANCE_ENCODERS", "timm torchvision:arch=resnet50")
        exposure.check_plugins(["--encoder", "torchvision:arch=resnet50"], own=[])
        assert exposure.offered_encoders(["timm", "head"])[0] == "timm"
        with pytest.raises(UsageError):
            exposure.check_plugins(["--encoder", "torchvision:arch=resnet50,weights=/x"], own=[])

    def test_on_ones_own_machine_anything(self) -> None:
        exposure.check_plugins(["--encoder", "torchvision:arch=vit_h_14,weights=none"], own=[])
        assert exposure.offered_encoders(["timm"]) == ["timm"]
