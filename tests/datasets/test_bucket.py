"""Pictures in object storage: a gallery follows them as it follows a folder, and shows their originals."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from PIL import Image
from tiny_gallery import exact

from pipeline import plugins
from pipeline.errors import GalleryError, SemblanceError, UsageError
from pipeline.files import remote
from pipeline.files.remote import RemoteFolder, StorageError
from pipeline.gallery import integrity, large_picture, ledgers, opening
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.ingest import ingest as ingestion
from pipeline.ingest.ingest import plan
from pipeline.ingest.run import IngestReport
from pipeline.settings import Settings

URL = "memory://shop/photos"


def jpeg(shade: int) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").rotate(shade).resize((40, 30)).convert("RGB").save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage in memory with three pictures, a text and something hidden."""
    monkeypatch.setitem(remote.LIBRARIES, "memory", "fsspec")
    held = fsspec.filesystem("memory")
    for number, name in enumerate(("hats/a.jpg", "hats/b.jpg", "shoes/c.jpg")):
        held.pipe_file(f"/shop/photos/{name}", jpeg(40 * number))
    held.pipe_file("/shop/photos/readme.txt", b"text")
    held.pipe_file("/shop/photos/hats/.hidden.jpg", jpeg(7))
    held.pipe_file("/shop/photos2/other.jpg", jpeg(8))
    yield held
    held.rm("/shop", recursive=True)


def bring_in(url: str = URL) -> tuple[Gallery, IngestReport]:
    gallery = opening.create_gallery("shop", Settings())
    report = ingestion.ingest(
        gallery,
        plugins.build("datasets", f"bucket:url={url}"),
        plugins.build("encoders", "color_histogram"),
        spec="color_histogram",
        store=exact(),
        dataset_spec=f"bucket:url={url}",
    )
    return gallery, report


def test_folders_are_labels_and_what_is_passed_over_is_told(home: Path, files: Any) -> None:
    dataset = plugins.build("datasets", f"bucket:url={URL}")
    assert [(one.path, one.label) for one in dataset.records()] == [
        ("hats/a.jpg", "hats"),
        ("hats/b.jpg", "hats"),
        ("shoes/c.jpg", "shoes"),
    ]
    assert any("hidden" in note for note in dataset.notes)
    assert any("1 × .txt" in note for note in dataset.notes)


def test_first_level_folders_that_are_called_like_splits_are_splits(home: Path, files: Any) -> None:
    files.pipe_file("/other/train/cup/a.jpg", jpeg(1))
    files.pipe_file("/other/val/b.jpg", jpeg(2))
    found = plugins.build("datasets", "bucket:url=memory://other").records()
    assert [(one.label, one.split) for one in found] == [("cup", "train"), ("", "validation")]


def test_the_gallery_follows_what_is_moved_changed_and_deleted(home: Path, files: Any) -> None:
    gallery, report = bring_in()
    assert (report.added, report.rejected) == (3, [])
    assert bring_in()[1].known == 3
    files.mv("/shop/photos/hats/a.jpg", "/shop/photos/caps/a.jpg")
    files.pipe_file("/shop/photos/hats/b.jpg", jpeg(99))
    files.rm("/shop/photos/shoes/c.jpg")
    dataset = plugins.build("datasets", f"bucket:url={URL}")
    planned = plan(gallery, dataset, dataset_spec=f"bucket:url={URL}").followed
    gallery, report = bring_in()
    assert report.followed == planned == {"moved": 1, "label": 1, "replaced": 1, "gone": 1}
    assert report.added == 1
    assert set(gallery.table()["path"]) == {"caps/a.jpg", "hats/b.jpg", "shoes/c.jpg"}


def test_originals_are_read_from_the_storage(home: Path, files: Any) -> None:
    gallery, _ = bring_in()
    row = gallery.table().iloc[0]
    assert read_original(row["path"], row["id"], roots(gallery), "shop") == files.cat_file(
        f"/shop/photos/{row['path']}"
    )
    assert large_picture.draw(gallery, row["id"])
    assert integrity.check_originals(gallery) == []
    files.rm(f"/shop/photos/{row['path']}")
    assert any("1 pictures' files are gone" in problem for problem in integrity.check_originals(gallery))


def test_a_network_that_goes_away_ends_the_ingest_and_the_next_goes_on(
    home: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in()
    for number in range(70):
        files.pipe_file(f"/shop/photos/many/{number:02}.jpg", jpeg(number + 100))
    real, count = RemoteFolder._bytes, iter(range(1_000))

    def failing(folder: RemoteFolder, relative: str, limit: int) -> bytes:
        if next(count) > 50:
            raise ConnectionError("Name or service not known")
        return real(folder, relative, limit)

    with monkeypatch.context() as patched:
        patched.setattr(RemoteFolder, "_bytes", failing)
        with pytest.raises(StorageError, match=r"cannot be reached .*Name or service not known.*goes on from there"):
            bring_in()
        gallery = opening.open_gallery("shop", Settings())
        row = gallery.table().iloc[0]
        with pytest.raises(GalleryError, match="cannot be read now"):
            read_original(row["path"], row["id"], roots(gallery), "shop")
        assert large_picture.draw(gallery, row["id"])  # its thumbnail
    assert ledgers.read(gallery.root / ledgers.GONE) == []
    assert ledgers.read(gallery.root / ledgers.REJECTED) == []
    _, report = bring_in()
    assert (report.added + report.known, report.followed) == (73, {})


def test_an_object_that_is_gone_or_closed_is_rejected_and_the_others_come_in(
    home: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RemoteFolder._bytes

    def closed(folder: RemoteFolder, relative: str, limit: int) -> bytes:
        if relative == "hats/a.jpg":
            raise PermissionError("Access Denied")
        return real(folder, relative.replace("shoes/c", "shoes/d"), limit)

    monkeypatch.setattr(RemoteFolder, "_bytes", closed)
    _, report = bring_in()
    assert report.added == 1
    reasons = dict(report.rejected)
    assert "may not be read (Access Denied)" in reasons["hats/a.jpg"]
    assert "no such object any more" in reasons["shoes/c.jpg"]


def test_a_large_object_is_refused_without_being_fetched_whole(
    home: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.images.opening.MAX_BYTES", 300)
    _, report = bring_in()
    assert all("more than 0.0 MB" in reason for _, reason in report.rejected)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("photos", "write e.g. s3://BUCKET/FOLDER"),
        ("s3://", "write e.g. s3://BUCKET/FOLDER"),
        ("file:///etc", "write e.g. s3://BUCKET/FOLDER"),
        ("s3://key:secret@bucket/folder", "keys come from the environment alone"),
        ("memory://nowhere", "holds nothing|no such bucket"),
        ("memory://shop/photos/readme.txt", "holds nothing|no pictures"),
    ],
)
def test_addresses_that_cannot_be_are_refused(url: str, said: str, home: Path, files: Any) -> None:
    with pytest.raises(SemblanceError, match=said) as raised:
        list(plugins.build("datasets", f"bucket:url={url}").records())
    assert "secret" not in str(raised.value)


def test_a_library_that_is_missing_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError("Install gcsfs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(UsageError, match=r"gs:// needs a library that is not installed: pip install gcsfs"):
        plugins.build("datasets", "bucket:url=gs://shop/photos")


def test_what_reads_files_of_this_machine_says_so(home: Path, files: Any) -> None:
    from pipeline.images.opening import inside

    with pytest.raises(UsageError, match="not on this machine"):
        inside(RemoteFolder(URL), "hats/a.jpg")  # type: ignore[arg-type]
