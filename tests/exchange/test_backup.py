"""A gallery as one file and back: everything returns, and what is damaged, hostile or too large is refused whole."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import encoder, exact, fill, lite, photos, process, run
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import GalleryError, SemblanceError, UsageError
from pipeline.exchange import backup
from pipeline.gallery import integrity, judgments, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import reencode, sync
from pipeline.records import Rows
from pipeline.search.search import Query, load_encoder, search
from pipeline.settings import Settings

OTHER = "color_histogram:grid=2,bins=3"
KINDS = pytest.mark.parametrize("ending", [".zip", ".tar"])


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """With a removed and a merged picture, Unicode labels and metadata, two encoders, a report and an upload."""
    folder = photos(tmp_path / "photos", 8, labels=("cup", "ваза", "器"))
    shutil.copy(folder / "cup" / "000.png", folder / "again.png")
    listed = [file.relative_to(folder) for file in sorted(folder.rglob("*.png"))]
    rows = [f'{path},{path.parent.name},漢字 "{number}"' for number, path in enumerate(listed)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,note", *(row.replace('"', "'") for row in rows)]) + "\n")
    made, report = fill(f"table:file={tmp_path / 'list.csv'},root={folder}")
    assert (report.added, report.merged) == (8, 1)
    reencode.reencode(made, encoder(OTHER), spec=OTHER, store=None)
    made.remove([made.table()["id"][3]])
    reports.write(made, "evaluation", {"value": 1}, made.table()[["id"]])
    kept = made.originals / "20260101-000000" / "фото 1.png"
    kept.parent.mkdir(parents=True)
    shutil.copy(folder / "cup" / "000.png", kept)
    return made


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a gallery but its locks."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in (".writing", ".changing")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def galleries() -> list[str]:
    """What lies in the folder of the galleries, locks left out."""
    return sorted(path.name for path in Settings().galleries.iterdir() if not path.name.endswith(".lock"))


@KINDS
def test_everything_returns_byte_by_byte_under_its_name(gallery: Gallery, tmp_path: Path, ending: str) -> None:
    before = contents(gallery.root)
    assert {"merged.csv", "judgments.jsonl", "originals/20260101-000000/фото 1.png"} < set(before)
    report = backup.back_up(gallery, tmp_path / f"small{ending}")
    assert (report.rows, report.files) == (7, len(before))
    assert report.bytes == sum(map(len, before.values()))
    shutil.rmtree(gallery.root)
    assert backup.restore(tmp_path / f"small{ending}", Settings()) == report
    assert contents(gallery.root) == before
    assert galleries() == ["small"]
    assert integrity.check_files(open_gallery("small", Settings())) == []


@KINDS
def test_a_restored_gallery_answers_as_before_once_it_is_synced(gallery: Gallery, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"small{ending}"
    said = CliRunner().invoke(app, ["backup", "small", str(file), "--json"])
    assert json.loads(said.stdout)["rows"] == 7
    query = Query(ids=(gallery.table()["id"][0],))
    truth = search(gallery, sync.exact_store(gallery), None, query, k=7).hits
    shutil.rmtree(Settings().home)
    assert "python -m pipeline sync small" in CliRunner().invoke(app, ["restore-backup", str(file)]).stdout
    assert "now equal" in CliRunner().invoke(app, ["sync", "small"]).stdout
    with lite() as store:
        assert search(open_gallery("small", Settings()), store, None, query, k=7).hits == truth
        assert reencode.go_back(open_gallery("small", Settings()), store) == "color_histogram:grid=2,bins=2"


@KINDS
def test_a_gallery_returns_under_another_name_with_its_shortened_encoders(
    home: Path, tmp_path: Path, ending: str
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 20))
    reencode.shorten(gallery, 8, store=None)
    reencode.shorten(gallery, 4, store=None)
    picture = np.stack([encoder().preprocess(load_picture(tmp_path / "photos" / "cup" / "000.png"))])
    truth = load_encoder(gallery).base.encode(picture)
    backup.back_up(gallery, tmp_path / f"b{ending}")
    backup.restore(tmp_path / f"b{ending}", Settings(), name="other")
    shutil.rmtree(gallery.root)  # nothing of the new one may lead there
    other = open_gallery("other", Settings())
    found = load_encoder(other)
    assert found.fingerprint == other.encoder()["fingerprint"]
    np.testing.assert_allclose(found.base.encode(picture), truth, atol=1e-6)
    store = exact()
    sync.sync(other, store)
    assert store.count("other") == 20


def load_picture(file: Path):
    from pipeline.images.opening import open_image

    return open_image(file.read_bytes()).image


def test_no_gallery_no_file_and_no_other_folder_is_overwritten(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    backup.back_up(gallery, file)
    before, archive = contents(gallery.root), file.read_bytes()
    with pytest.raises(UsageError, match=r"small exists; restore it as another: .*--name small_restored"):
        backup.restore(file, Settings())
    (Settings().galleries / "other").mkdir()
    with pytest.raises(UsageError, match="other exists"):
        backup.restore(file, Settings(), name="other")
    with pytest.raises(UsageError, match="exists; choose another name"):
        backup.back_up(gallery, file)
    assert (contents(gallery.root), file.read_bytes()) == (before, archive)


def test_requests_that_mean_nothing_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    for target, fault in ((tmp_path / "b.rar", "choose .zip or .tar"), (tmp_path / "no" / "b.zip", "make it first")):
        with pytest.raises(UsageError, match=fault):
            backup.back_up(gallery, target)
    backup.back_up(gallery, tmp_path / "b.zip")
    with pytest.raises(UsageError, match="no file"):
        backup.restore(tmp_path / "nowhere.zip", Settings())
    with pytest.raises(UsageError, match="bad gallery name"):
        backup.restore(tmp_path / "b.zip", Settings(), name="../evil")


def test_a_gallery_that_is_being_written_waits_for_its_writer(gallery: Gallery, tmp_path: Path) -> None:
    with gallery.writing(), pytest.raises(GalleryError, match="being written by another process"):
        backup.back_up(gallery, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_judgments_that_come_during_a_backup_are_in_it_whole_or_not_at_all(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = gallery.table()["id"][0]
    stop = threading.Event()

    def judge() -> None:
        while not stop.is_set():
            judgments.add(gallery.judgments_file, "tag", [picture], "x" * 3000)

    real = Path.open

    def torn(path: Path, *words: object, **options: object):
        if path == gallery.judgments_file and words == ("rb",):
            with real(path, "ab") as file:
                file.write(b'{"when": "half a li')  # what an append that is not done looks like
        return real(path, *words, **options)

    writer = threading.Thread(target=judge)
    writer.start()
    try:
        backup.back_up(gallery, tmp_path / "live.tar")
    finally:
        stop.set()
        writer.join()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", torn)
        backup.back_up(gallery, tmp_path / "torn.tar")
    for number, name in enumerate(("live", "torn")):
        backup.restore(tmp_path / f"{name}.tar", Settings(), name=f"other{number}")
        lines = (Settings().galleries / f"other{number}" / "judgments.jsonl").read_text().splitlines()
        assert all(json.loads(line) for line in lines)


def test_a_report_that_is_deleted_on_the_way_is_left_out(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = reports.names(gallery, "evaluation")
    real = Path.open

    def deleting(path: Path, *words: object, **options: object):
        if path.name == "gallery.json" and words == ("rb",):
            reports.delete(gallery, name)
        return real(path, *words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", deleting)
        backup.back_up(gallery, tmp_path / "b.zip")
    backup.restore(tmp_path / "b.zip", Settings(), name="other")
    assert reports.names(open_gallery("other", Settings()), "evaluation") == []


@KINDS
def test_a_flipped_byte_anywhere_is_found_and_nothing_is_put_in_place(
    gallery: Gallery, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"b{ending}"
    backup.back_up(gallery, file)
    [part] = list(gallery.folder().glob("*.parquet"))
    whole, content = file.read_bytes(), part.read_bytes()
    middle = whole.index(content) + len(content) // 2
    file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(SemblanceError, match=f"{gallery.current}/part-000000.parquet"):
        backup.restore(file, Settings(), name="other")
    for cut in (0, 1, len(whole) // 3, middle, whole.rindex(b"sha256")):
        file.write_bytes(whole[:cut])
        with pytest.raises(SemblanceError, match=r"damaged|cut off|no backup"):
            backup.restore(file, Settings(), name="other")
    found = 0
    for place in range(0, len(whole), len(whole) // 60):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            backup.restore(file, Settings(), name="other")
        except SemblanceError:
            found += 1
        else:  # a byte that carries nothing: a time, a permission, padding
            assert contents(Settings().galleries / "other") == contents(gallery.root)
            shutil.rmtree(Settings().galleries / "other")
    assert found > 30
    assert galleries() == ["small"]


Spoil = Callable[[dict[str, bytes]], object]


def rewritten(source: Path, target: Path, spoil: Spoil, *, compression: int = zipfile.ZIP_STORED) -> Path:
    """A zip with other members: what `spoil` made of them."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    spoil(members)
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def relisted(members: dict[str, bytes], **changes: object) -> None:
    members["backup.json"] = json.dumps(json.loads(members["backup.json"]) | changes).encode()


def add(members: dict[str, bytes], name: str, content: bytes = b"x") -> None:
    """A member that the list names too."""
    from hashlib import sha256

    members[name] = content
    listed = {"size": len(content), "sha256": sha256(content).hexdigest()}
    relisted(members, files=json.loads(members["backup.json"])["files"] | {name: listed})


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda m: add(m, "../evil"), "nothing was unpacked"),
        (lambda m: add(m, "/evil"), "nothing was unpacked"),
        (lambda m: add(m, "small/../../evil"), "nothing was unpacked"),
        (lambda m: add(m, "small//evil"), "nothing was unpacked"),
        (lambda m: add(m, "other/evil"), "nothing was unpacked"),
        (lambda m: add(m, "small/folder/"), "a link, a folder"),
        (lambda m: m.update({"small/unlisted": b""}), "nothing was unpacked"),
        (lambda m: m.pop("small/gallery.json"), "small/gallery.json is not in it"),
        (lambda m: m.update({"small/gallery.json": b"{}"}), "small/gallery.json has 2 bytes and had"),
        (lambda m: m.pop("backup.json"), "holds no backup.json"),
        (lambda m: m.update({"backup.json": b"[]"}), "backup.json in .* is damaged"),
        (lambda m: relisted(m, files=[]), "backup.json in .* is damaged"),
        (lambda m: relisted(m, backup=2), r"newer Semblance \(backup format 2\)"),
        (lambda m: (relisted(m, gallery="..", files={}), [m.pop(n) for n in list(m) if "/" in n]), "bad gallery name"),
    ],
)
def test_an_archive_that_is_no_backup_of_ours_is_refused(
    gallery: Gallery, tmp_path: Path, spoil: Spoil, fault: str
) -> None:
    backup.back_up(gallery, tmp_path / "b.zip")
    with pytest.raises(SemblanceError, match=fault):
        backup.restore(rewritten(tmp_path / "b.zip", tmp_path / "spoilt.zip", spoil), Settings(), name="other")
    assert galleries() == ["small"]
    assert not list(tmp_path.rglob("evil"))


def test_a_gallery_of_a_newer_format_is_refused_before_it_is_put_in_place(gallery: Gallery, tmp_path: Path) -> None:
    backup.back_up(gallery, tmp_path / "b.zip")

    def newer(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["small/gallery.json"]) | {"format": 99}
        add(members, "small/gallery.json", json.dumps(manifest).encode())

    with pytest.raises(GalleryError, match=r"newer Semblance \(format 99\)"):
        backup.restore(rewritten(tmp_path / "b.zip", tmp_path / "newer.zip", newer), Settings(), name="other")
    assert galleries() == ["small"]


def test_bombs_and_links_are_refused_before_a_byte_is_unpacked(gallery: Gallery, tmp_path: Path) -> None:
    backup.back_up(gallery, tmp_path / "b.zip")
    zeros = rewritten(
        tmp_path / "b.zip",
        tmp_path / "bomb.zip",
        lambda members: add(members, "small/zeros", bytes(50_000_000)),
        compression=zipfile.ZIP_DEFLATED,
    )
    sparse, link, packed = tmp_path / "sparse.tar", tmp_path / "link.tar", tmp_path / "packed.tar"
    with tarfile.open(link, "w") as archive:
        about = tarfile.TarInfo("small/passwd")
        about.type, about.linkname = tarfile.SYMTYPE, "../../x"
        archive.addfile(about)
    with tarfile.open(packed, "w:gz") as archive:
        about = tarfile.TarInfo("small/zeros")
        about.size = 50_000_000
        archive.addfile(about, io.BytesIO(bytes(about.size)))
    with tarfile.open(sparse, "w") as archive:
        about = tarfile.TarInfo("small/zeros")
        about.size = 0
        about.pax_headers = {"GNU.sparse.size": "1000000000000", "GNU.sparse.map": "0,0", "GNU.sparse.name": "small/z"}
        archive.addfile(about)
    for file, fault in (
        (zeros, "compressed, as no backup does"),
        (link, "a link"),
        (packed, "damaged, or no backup"),
        (sparse, "a link, a folder or compressed"),
    ):
        with pytest.raises(GalleryError, match=fault):
            backup.restore(file, Settings(), name="other")
    assert galleries() == ["small"]


def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing_half(gallery: Gallery, tmp_path: Path) -> None:
    size = 4096  # bytes: less than a backup, and less than its largest file
    add_one = f"import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); sys.argv[0] = 'pipeline'; runpy.run_module('pipeline', run_name='__main__', alter_sys=True)"
    rows = gallery.rows()
    gallery.commit(gallery.current, Rows(rows.table.assign(label="x" * 9000), rows.embeddings))

    def limited(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", add_one, *map(str, words)], capture_output=True, text=True, timeout=60
        )

    for ending in (".zip", ".tar"):
        file = tmp_path / f"b{ending}"
        said = limited("backup", "small", file)
        assert said.returncode == 1
        assert said.stderr.count("\n") == 1, said.stderr
        assert "disk is full" in said.stderr
        assert not list(tmp_path.glob(f"*b{ending}*"))
        backup.back_up(gallery, file)
        said = limited("restore-backup", file, "--name", "other", "--progress", "none")
        assert said.returncode == 1
        assert said.stderr.startswith("error: cannot unpack"), said.stderr
        assert said.stderr.count("\n") == 1
        assert galleries() == ["small"]


def test_too_little_room_is_said_before_anything_is_written(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup.back_up(gallery, tmp_path / "b.tar")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(SemblanceError, match="10 are free; make room"):
        backup.restore(tmp_path / "b.tar", Settings(), name="other")
    assert galleries() == ["small"]


def test_a_restore_that_is_killed_leaves_no_gallery_and_is_done_again(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    backup.back_up(gallery, file)
    kill = (
        "import os, sys; from pathlib import Path; from pipeline.exchange import backup; from pipeline.settings import Settings\n"
        "def progress(stage, done, total):\n    if stage == 'verify' and done == 3: os.kill(os.getpid(), 9)\n"
        "backup.restore(Path(sys.argv[1]), Settings(), name='other', progress=progress)"
    )
    with process(sys.executable, "-c", kill, str(file)) as child:
        assert child.wait(60) == -9
    assert galleries() == [".other.restoring", "small"]
    assert run("galleries").stdout.count("other") == 0
    backup.restore(file, Settings(), name="other")
    assert galleries() == ["other", "small"]
    assert contents(Settings().galleries / "other") == contents(gallery.root)
