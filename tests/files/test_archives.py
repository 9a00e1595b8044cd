"""Archives become folders once, whole, and never write beside them."""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from file_server import Site, serving

from pipeline.errors import SemblanceError, UsageError
from pipeline.files import archives
from pipeline.files.archives import DamagedArchive, Source, unpack

FILES = {"top/cats/1.jpg": b"one", "top/dogs/2.jpg": b"two" * 1_000}
PETS = Source("pets", ("cats", "dogs"))


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return data.getvalue()


def tarred(files: dict[str, bytes], *links: tuple[str, str]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as file:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            file.addfile(member)
    return data.getvalue()


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def visible(folder: Path) -> list[str]:
    """Names in a folder; the lock file is a dot file and may stay."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred), ("a.TGZ", tarred)])
def test_an_archive_unpacks_to_its_files(tmp_path: Path, name: str, pack) -> None:
    (tmp_path / name).write_bytes(pack(FILES))
    steps = []
    unpack(tmp_path / name, tmp_path / "out", progress=lambda *step: steps.append(step))
    assert content(tmp_path / "out") == FILES
    assert [done for _, done, _ in steps] == [1, 2]


@pytest.mark.parametrize("name", ["../evil.jpg", "a/../../evil.jpg", "/evil.jpg", "..\\evil.jpg"])
def test_a_zip_member_that_would_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({name: b"evil"}))
    with pytest.raises(DamagedArchive, match=r"not safe to unpack.*evil"):
        unpack(tmp_path / "a.zip", tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil*"))


def test_a_tar_member_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(tarred({"../evil.jpg": b"evil"}))
    with pytest.raises(DamagedArchive, match=r"not safe to unpack.*evil"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil*"))


def test_a_link_out_of_a_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(tarred({}, ("evil.jpg", "../../secret")))
    with pytest.raises(DamagedArchive, match="not safe to unpack"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "deep" / "out")


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_cut_off_archive_is_called_damaged(tmp_path: Path, name: str, pack, share: float) -> None:
    data = pack(FILES)
    (tmp_path / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(DamagedArchive, match="damaged or incomplete"):
        unpack(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
def test_a_spoilt_byte_is_noticed(tmp_path: Path, name: str, pack) -> None:
    data = bytearray(pack(FILES))
    data[data.index(b"2.jpg") + 8 if name == "a.zip" else len(data) - 6] ^= 255
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(DamagedArchive, match="damaged or incomplete"):
        unpack(tmp_path / name, tmp_path / "out")


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(9, 9, 3_002))
    (tmp_path / "a.zip").write_bytes(zipped(FILES))
    with pytest.raises(SemblanceError, match=r"needs 3,003 bytes in .*, 3,002 are free"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert content(tmp_path / "out") == {}


@pytest.mark.parametrize("given", [".", "top", "top/.."])
def test_a_folder_is_taken_where_it_is_found_up_to_two_levels_down(tmp_path: Path, home: Path, given: str) -> None:
    (tmp_path / "x.zip").write_bytes(zipped(FILES))
    unpack(tmp_path / "x.zip", tmp_path / "own")
    origin = PETS.at(str(tmp_path / "own" / given))
    assert origin.root.resolve() == tmp_path / "own" / "top"
    origin.prepare()
    assert not home.exists()


def test_a_folder_that_is_something_else_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c" / "cats").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c" / "dogs").mkdir()
    with pytest.raises(UsageError, match="is not pets: no folder there holds cats, dogs"):
        PETS.at(str(tmp_path))


def test_a_root_that_is_not_there_or_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file or folder; check the spelling$"):
        PETS.at(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="leave root out to download it"):
        Source("pets", (), url="http://x/y.zip").at(str(tmp_path / "nothing"))
    (tmp_path / "a.rar").write_bytes(b"")
    with pytest.raises(UsageError, match=r"neither a folder nor one of \.zip, \.tar"):
        PETS.at(str(tmp_path / "a.rar"))


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
def test_an_archive_is_unpacked_once_into_the_cache_and_stays(tmp_path: Path, home: Path, name: str, pack) -> None:
    (tmp_path / name).write_bytes(pack(FILES))
    origin = PETS.at(str(tmp_path / name))
    with pytest.raises(SemblanceError, match="not unpacked"):
        origin.check_prepared()
    origin.prepare()
    assert content(origin.root) == {"cats/1.jpg": b"one", "dogs/2.jpg": b"two" * 1_000}
    assert visible(home / "cache") == [origin.root.name]
    (origin.root / "cats" / "1.jpg").write_bytes(b"marked")
    PETS.at(str(tmp_path / name)).prepare()
    assert (origin.root / "cats" / "1.jpg").read_bytes() == b"marked"
    assert (tmp_path / name).exists()


def test_another_archive_under_the_same_name_is_unpacked_elsewhere(tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(FILES))
    first = PETS.at(str(tmp_path / "a.zip"))
    (tmp_path / "a.zip").write_bytes(zipped(FILES | {"top/cats/3.jpg": b"three"}))
    assert PETS.at(str(tmp_path / "a.zip")).root != first.root


def test_an_archive_in_an_archive_is_unpacked_too(tmp_path: Path, home: Path) -> None:
    inner = tarred(FILES)
    (tmp_path / "a.zip").write_bytes(zipped({"dist/readme.txt": b"hello", "dist/pets.tar.gz": inner}))
    origin = PETS.at(str(tmp_path / "a.zip"))
    origin.prepare()
    assert sorted(content(origin.root)) == ["cats/1.jpg", "dogs/2.jpg"]


def test_an_archive_of_something_else_leaves_nothing_and_stays(tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"birds/1.jpg": b""}))
    origin = PETS.at(str(tmp_path / "a.zip"))
    with pytest.raises(DamagedArchive, match=r"a\.zip is not pets: it holds birds, and no folder with cats, dogs"):
        origin.prepare()
    assert visible(home / "cache") == []
    assert (tmp_path / "a.zip").exists()


def test_unpacking_that_was_killed_is_done_again(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(FILES))
    origin = PETS.at(str(tmp_path / "a.zip"))
    left = origin.root.with_name(f".{origin.root.name}.unpacking")
    (left / "top" / "cats").mkdir(parents=True)
    (left / "top" / "cats" / "1.jpg").write_bytes(b"o")
    (left / "top" / "cats" / "9.jpg").write_bytes(b"from another archive")
    origin.prepare()
    assert content(origin.root) == {"cats/1.jpg": b"one", "dogs/2.jpg": b"two" * 1_000}
    assert visible(home / "cache") == [origin.root.name]


def test_a_download_is_unpacked_checked_and_not_kept(home: Path) -> None:
    checked = []
    with serving(Site(files={"/pets.zip": zipped(FILES)})) as site:
        source = Source("pets", ("cats", "dogs"), url=f"{site.address}/pets.zip", check=checked.append)
        for _ in range(2):
            source.at("").prepare()
        assert len(site.asked) == 1
    assert len(checked) == 1
    assert visible(home / "cache") == ["pets"]
    assert sorted(content(home / "cache" / "pets")) == ["cats/1.jpg", "dogs/2.jpg"]


@pytest.mark.parametrize("sent", [zipped({"birds/1.jpg": b""}), zipped(FILES)[:-30], b"<html>"])
def test_a_download_of_something_else_is_deleted_so_that_the_next_try_can_work(home: Path, sent: bytes) -> None:
    with serving(Site(files={"/pets.zip": sent})) as site:
        origin = Source("pets", ("cats", "dogs"), url=f"{site.address}/pets.zip").at("")
        with pytest.raises(DamagedArchive):
            origin.prepare()
        assert visible(home / "cache") == []
        site.files["/pets.zip"] = zipped(FILES)
        origin.prepare()
    assert origin.root.is_dir()


def test_a_download_that_fails_its_check_is_not_kept(home: Path) -> None:
    def refuse(folder: Path) -> None:
        raise DamagedArchive(f"{len(content(folder))} files are not as they should be")

    with serving(Site(files={"/pets.zip": zipped(FILES)})) as site:
        origin = Source("pets", ("cats", "dogs"), url=f"{site.address}/pets.zip", check=refuse).at("")
        with pytest.raises(DamagedArchive, match="2 files"):
            origin.prepare()
    assert visible(home / "cache") == []


def test_a_full_disk_does_not_cost_the_download(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise SemblanceError("no room")

    with serving(Site(files={"/pets.zip": zipped(FILES)})) as site:
        origin = Source("pets", ("cats", "dogs"), url=f"{site.address}/pets.zip").at("")
        with monkeypatch.context() as patch:
            patch.setattr(archives, "unpack", full)
            with pytest.raises(SemblanceError, match="no room"):
                origin.prepare()
        assert visible(home / "cache") == ["pets.zip"]
        origin.prepare()
        assert len(site.asked) == 1


def test_two_at_once_download_once(home: Path) -> None:
    with serving(Site(files={"/pets.zip": zipped(FILES)}, silence=0.1)) as site:
        source = Source("pets", ("cats", "dogs"), url=f"{site.address}/pets.zip")
        failures: list[Exception] = []

        def prepare() -> None:
            try:
                source.at("").prepare()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=prepare) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(site.asked) == 1
