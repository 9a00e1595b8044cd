"""Uploads land below their own folder, whole, or not at all."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from data.odd_pictures import coloured, saved
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import PictureError, SemblanceError, UsageError
from pipeline.images import uploads

PNG = saved(coloured(), "PNG")
JPEG = saved(coloured(), "JPEG")


def zipped(members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(data: bytes | Path, tmp_path: Path, reason: str) -> None:
    """Unpacking fails with `reason` and leaves nothing anywhere."""
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(UsageError, match=reason) as raised:
        uploads.unpack(data, home / "target")
    assert ";" in str(raised.value)
    assert list(home.iterdir()) == []


class _Windows(zipfile.ZipInfo):
    """A member whose name is in a code page, and does not say so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.filename.encode("cp932"), 0


class TestUnpack:
    def test_folders_stay_so_that_they_are_labels(self, tmp_path: Path):
        members = {"shoes/1.png": PNG, "shoes/2.png": JPEG, "deep/er/туфли/1.png": PNG, "top.jpg": JPEG}
        paths = uploads.unpack(zipped(members), tmp_path / "a" / "b")
        assert tree(tmp_path / "a" / "b") == members
        assert [path.relative_to(tmp_path / "a" / "b").as_posix() for path in paths] == list(members)
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]

    def test_a_path_does_as_well_as_bytes(self, tmp_path: Path):
        (tmp_path / "z.zip").write_bytes(zipped({"a/1.png": PNG}))
        uploads.unpack(tmp_path / "z.zip", tmp_path / "out")
        assert tree(tmp_path / "out") == {"a/1.png": PNG}

    def test_an_empty_target_is_filled_and_a_full_one_refused(self, tmp_path: Path):
        (tmp_path / "out").mkdir()
        uploads.unpack(zipped({"1.png": PNG}), tmp_path / "out")
        with pytest.raises(UsageError, match="not empty"):
            uploads.unpack(zipped({"2.png": PNG}), tmp_path / "out")
        assert tree(tmp_path / "out") == {"1.png": PNG}

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
    def test_the_folder_can_be_read_as_others_can(self, tmp_path: Path):
        uploads.unpack(zipped({"1.png": PNG}), tmp_path / "out")
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755

    def test_system_folders_are_left_out_and_names_of_a_code_page_repaired(self, tmp_path: Path):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name in ("猫/写真.png", "猫/表示.png", "@eaDir/1.png", "$RECYCLE.BIN/S-1-5/2.png"):
                archive.writestr(_Windows(name), b"x")
        uploads.unpack(stream.getvalue(), tmp_path / "out")
        assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")) == [
            "猫/写真.png",
            "猫/表示.png",
        ]

    def test_hidden_files_and_folders_are_left_out(self, tmp_path: Path):
        kept = {"a/1.png": PNG}
        hidden = {"__MACOSX/a/._1.png": b"x", "a/.DS_Store": b"x", ".git/config": b"x", "a/": b""}
        uploads.unpack(zipped(kept | hidden), tmp_path / "out")
        assert tree(tmp_path / "out") == kept

    @pytest.mark.parametrize(
        "name",
        ["../a.png", "a/../../b.png", "/etc/a.png", "..\\a.png", "C:\\a.png", "c:a.png", "\\\\host\\a.png", "a/.."],
    )
    def test_a_member_that_leads_outside(self, name: str, tmp_path: Path):
        refused(zipped({"good/1.png": PNG, name: PNG}), tmp_path, "leads outside")

    def test_a_link(self, tmp_path: Path):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            link = zipfile.ZipInfo("a/link.png")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
        refused(buffer.getvalue(), tmp_path, "a link, 'a/link.png'")

    def test_an_encrypted_zip(self, tmp_path: Path):
        data = bytearray(zipped({"a/1.png": PNG}))
        for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.index(signature) + flags] |= 1
        refused(bytes(data), tmp_path, "encrypted")

    @pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
    def test_a_compression_that_could_ask_for_much_memory(self, method: int, name: str, tmp_path: Path):
        refused(zipped({"a/1.png": PNG}, compression=method), tmp_path, name)

    @pytest.mark.parametrize("data", [b"", b"hello", PNG, b"PK\x05\x06" + bytes(18)])
    def test_what_is_no_zip_with_files(self, data: bytes, tmp_path: Path):
        refused(data, tmp_path, "zip is empty|is no zip|holds no files")

    def test_a_zip_cut_short(self, tmp_path: Path):
        data = zipped({"a/1.png": PNG, "b/2.png": JPEG})
        for index, end in enumerate(range(1, len(data), 97)):
            (tmp_path / str(index)).mkdir()
            refused(data[:end], tmp_path / str(index), "damaged or is no zip")

    def test_a_member_with_a_wrong_checksum(self, tmp_path: Path):
        data = bytearray(zipped({"a/1.png": PNG, "b/2.bin": bytes(range(256)) * 9}, compression=zipfile.ZIP_STORED))
        data[data.index(bytes(range(256))) + 5] ^= 1
        refused(bytes(data), tmp_path, "damaged")

    def test_too_many_members(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(uploads, "MAX_MEMBERS", 10)
        uploads.unpack(zipped({f"{i}.png": b"x" for i in range(10)}), tmp_path / "ten")
        refused(zipped({f"{i}.png": b"x" for i in range(11)}), tmp_path, "more than 10 files")

    def test_a_directory_of_a_million_entries_is_not_read_into_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        entry = b"PK\x01\x02" + bytes(42)
        monkeypatch.setattr(zipfile, "ZipFile", None)  # must not be reached
        refused(entry * 1_000_000, tmp_path, "more than 5,000 files")

    def test_a_zip_that_unpacks_to_too_much_is_stopped_while_writing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 3 * 2**20)
        uploads.unpack(zipped({"a": bytes(2**20), "b": bytes(2 * 2**20)}), tmp_path / "fits")
        refused(zipped({"a": bytes(2**20), "b": bytes(2 * 2**20 + 1)}), tmp_path, "unpacks to more than")

    def test_a_header_that_lies_about_its_size_brings_no_more_in(self, tmp_path: Path):
        data = bytearray(zipped({"a": bytes(2**20)}))
        for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            start = data.index(signature) + place
            data[start : start + 4] = (5).to_bytes(4, "little")
        refused(bytes(data), tmp_path, "damaged")

    def test_a_zip_that_is_too_large(self, tmp_path: Path):
        with (tmp_path / "large.zip").open("wb") as file:
            file.truncate(uploads.MAX_ZIP_BYTES + 10**6)  # sparse
        refused(tmp_path / "large.zip", tmp_path, "201 MB and at most 200 MB")
        refused_missing = tmp_path / "missing.zip"
        with pytest.raises(UsageError, match="no such zip"):
            uploads.unpack(refused_missing, tmp_path / "out")

    def test_names_are_cleaned_and_stay_apart(self, tmp_path: Path):
        members = {
            "a?/1.png": b"1",
            "a*/1.png": b"2",
            "nul/con.png": b"3",
            "e\u0301/x\u202e.png": b"4",
            "é/x\u202d.png": b"5",
        }
        uploads.unpack(zipped(members), tmp_path / "out")
        assert tree(tmp_path / "out") == {
            "a_/1.png": b"1",
            "a_/1-2.png": b"2",
            "_nul/_con.png": b"3",
            "é/x_.png": b"4",
            "é/x_-2.png": b"5",
        }

    def test_a_file_and_a_folder_of_one_name(self, tmp_path: Path):
        refused(zipped({"a": b"1", "a/b": b"2"}), tmp_path, "a file and a folder of one name")

    def test_very_long_names_are_cut(self, tmp_path: Path):
        (path,) = uploads.unpack(zipped({f"{'靴' * 200}/{'x' * 400}.jpeg": JPEG}), tmp_path / "out")
        assert path.read_bytes() == JPEG
        assert path.suffix == ".jpeg"
        assert path.parent.name == "靴" * 50

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def full(*args: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(uploads, "_write_members", full)
        with pytest.raises(SemblanceError, match="disk is full"):
            uploads.unpack(zipped({"a": b"1"}), tmp_path / "home" / "out")
        assert list((tmp_path / "home").iterdir()) == []

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
    def test_damage_never_writes_outside(self, tmp_path: Path, damage: list[tuple[float, int]]):
        data = bytearray(zipped({"aa/11.png": PNG[:80], "bb/22.png": b"x" * 50}, compression=zipfile.ZIP_STORED))
        for place, value in damage:
            data[int(place * (len(data) - 1))] = value
        home = Path(tempfile.mkdtemp(dir=tmp_path))
        try:
            paths = uploads.unpack(bytes(data), home / "out")
        except UsageError:
            assert list(home.iterdir()) == []
        else:
            assert [path.name for path in home.iterdir()] == ["out"]
            assert all(path.is_file() and path.is_relative_to(home / "out") for path in paths)
            assert len(tree(home / "out")) == len(paths)


class TestSaveUpload:
    def test_keeps_the_bytes_under_a_readable_name_with_the_contents_suffix(self, tmp_path: Path):
        path = uploads.save_upload("Мои туфли.png", JPEG, tmp_path / "originals")
        assert path.parent == tmp_path / "originals"
        assert path.name.startswith("Мои туфли-")
        assert path.suffix == ".jpg"
        assert path.read_bytes() == JPEG

    @pytest.mark.parametrize(
        "name",
        ["../../etc/passwd", "/etc/passwd", "C:\\boot.ini", "..", "", ".", "a\0b.jpg", "con.jpg", "x" * 5000, ".jpg",
         "photo\u202egpj.exe", "\udce9.jpg", "靴" * 300, "a/b/", "<b>&\"'|*?.jpg", "a\nb.png", "~", "NUL"],
    )  # fmt: skip
    def test_no_name_is_trusted(self, name: str, tmp_path: Path):
        folder = tmp_path / "home" / "originals"
        path = uploads.save_upload(name, PNG, folder)
        assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [path]
        assert path.parent == folder
        assert path.suffix == ".png"
        assert path.name.isprintable()
        assert not path.name.startswith(".")
        assert len(os.fsencode(path.name)) < 150
        assert not set('<>:"/\\|?*') & set(path.name)
        assert path.stem.split("-")[0].lower() not in ("con", "nul")

    def test_two_pictures_of_one_name_stay_two_and_one_picture_stays_one(self, tmp_path: Path):
        first = uploads.save_upload("a.png", PNG, tmp_path)
        second = uploads.save_upload("a.png", saved(coloured(80, 60), "PNG"), tmp_path)
        assert uploads.save_upload("a.png", PNG, tmp_path) == first != second
        assert sorted(tmp_path.iterdir()) == sorted([first, second])

    @pytest.mark.parametrize("data", [b"", b"<html></html>", JPEG[:200], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
    def test_only_pictures_are_kept(self, data: bytes, tmp_path: Path):
        with pytest.raises(PictureError):
            uploads.save_upload("a.jpg", data, tmp_path / "originals")
        assert list(tmp_path.iterdir()) == []

    def test_many_sessions_may_send_the_same_picture_at_once(self, tmp_path: Path):
        with ThreadPoolExecutor(8) as pool:
            paths = list(pool.map(lambda _: uploads.save_upload("a.png", PNG, tmp_path), range(40)))
        assert set(paths) == set(tmp_path.iterdir())
        assert len(set(paths)) == 1

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def full(*args: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SemblanceError, match="disk is full"):
            uploads.save_upload("a.png", PNG, tmp_path / "originals")
        assert list((tmp_path / "originals").iterdir()) == []
