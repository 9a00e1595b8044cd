"""Ingest: the numbers add up, again is a no-op, and what a person decided stays decided."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import draw, encoder, exact, fill, lite, photos

from pipeline import plugins
from pipeline.errors import GalleryError, UsageError
from pipeline.fingerprints import file_id
from pipeline.gallery import integrity, parts
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images.opening import open_image
from pipeline.ingest import ingest as ingestion
from pipeline.ingest import reencode, sync
from pipeline.ingest import run as ingest_run
from pipeline.ingest.engines import Threads
from pipeline.records import ImageRecord
from pipeline.search.search import Query, QueryPicture, search
from pipeline.settings import Settings


def merged_lines(gallery: Gallery) -> list[list[str]]:
    with (gallery.root / "merged.csv").open(newline="", encoding="utf-8") as lines:
        return [row[:-1] for row in csv.reader(lines)][1:]  # without its checksum


def is_clean(gallery: Gallery, store: object) -> bool:
    return not integrity.check_files(gallery) and not sync.compare(gallery, store)  # type: ignore[arg-type]


def test_a_row_is_what_opening_hashing_and_encoding_the_file_by_hand_give(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 5)
    gallery, report = fill(folder)
    rows = gallery.rows()
    assert (report.added, report.known, report.merged, report.rejected) == (5, 0, 0, [])
    assert sorted(rows.table["path"]) == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    for i, row in enumerate(rows.table.to_dict("records")):
        data = (folder / row["path"]).read_bytes()
        picture = open_image(data)
        assert row["id"] == file_id(data)
        assert row["label"] == row["path"].split("/")[0]
        assert (row["width"], row["height"]) == (picture.width, picture.height) == (40, 32)
        one = encoder().encode(encoder().preprocess(picture.image)[None])[0]
        np.testing.assert_allclose(rows.embeddings[i], one, atol=1e-6)
        assert max(open_image(gallery.thumbnail(row["id"]).read_bytes()).image.size) == 40


def test_a_second_run_adds_nothing_and_changes_no_file_but_the_locks(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 7)
    with lite() as store:
        gallery, _ = fill(folder, store)
        before = {p: p.read_bytes() for p in gallery.root.rglob("*") if p.is_file()}
        _, again = fill(folder, store)
        assert (again.added, again.known, again.merged) == (0, 7, 0)
        assert {p: p.read_bytes() for p in gallery.root.rglob("*") if p.is_file()} == before
        assert is_clean(gallery, store)


def test_the_same_bytes_elsewhere_are_merged_and_listed_once_however_often_one_ingests(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 4)
    (folder / "copies").mkdir()
    shutil.copy(folder / "cup" / "000.png", folder / "copies" / 'a, "b".png')
    gallery, first = fill(folder)
    assert (first.added, first.merged) == (4, 1)
    for _ in range(3):
        _, again = fill(folder)
        assert (again.added, again.known, again.merged) == (0, 4, 1)
    original = file_id((folder / "cup" / "000.png").read_bytes())
    rows = gallery.table()
    kept = rows[rows["id"] == original]["path"].item()
    other = ({'copies/a, "b".png', "cup/000.png"} - {kept}).pop()
    assert merged_lines(gallery) == [[original, other, other.split("/")[0], ""]]
    assert gallery.info().merged == 1


def test_ingest_never_revives_a_removed_picture_until_it_is_restored(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    with lite() as store:
        gallery, _ = fill(folder, store)
        out = gallery.table()["id"][2]
        gallery.remove([out])
        sync.apply_judged(gallery, store, [out])
        _, again = fill(folder, store)
        assert (again.added, again.known, again.removed) == (0, 5, 1)
        assert out not in set(gallery.rows().table["id"])
        assert store.count(gallery.collection()) == 5
        gallery.restore([out])
        sync.apply_judged(gallery, store, [out])
        assert store.count(gallery.collection()) == 6
        assert is_clean(gallery, store)


def test_compact_drops_for_good_keeps_part_numbers_and_a_restore_lets_the_next_ingest_bring_it_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_run, "PART_ROWS", 2)
    monkeypatch.setattr(ingestion, "CHUNK", 2)
    folder = photos(tmp_path / "photos", 6)
    gallery, _ = fill(folder)
    ids = gallery.table()["id"].tolist()
    gallery.remove([ids[0], ids[4], ids[5]])
    assert gallery.compact() == 3
    assert gallery.compact() == 0
    assert gallery.ids() == {ids[1], ids[2], ids[3]}
    assert not gallery.thumbnail(ids[4]).exists()
    assert [file.name for file in parts.files(gallery.folder())] == [f"part-00000{i}.parquet" for i in range(3)]
    assert integrity.check_files(gallery) == []
    _, again = fill(folder)
    assert (again.added, again.removed) == (0, 3)
    photos(folder, 1, first=6)
    fill(folder)
    assert parts.files(gallery.folder())[-1].name == "part-000003.parquet"
    gallery.restore([ids[0]])
    _, last = fill(folder)
    assert (last.added, last.removed) == (1, 2)
    assert integrity.check_files(gallery) == []


def test_limit_takes_the_first_records_only(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    first = [record.path for record in plugins.build("datasets", f"folder:root={folder}").records()][:4]
    gallery, report = fill(folder, limit=4)
    assert report.added == 4
    assert gallery.table()["path"].tolist() == first
    assert fill(folder)[1].added == 2


def test_a_rejected_file_is_listed_with_its_reason_and_leaves_the_list_once_it_is_repaired(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 3)
    whole = draw(tmp_path / "whole.jpg", 50).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "copy.png").write_text("this is text")
    gallery, report = fill(folder)
    assert report.added == 3
    assert dict(report.rejected).keys() == {"cut.jpg", "copy.png"}
    listed = (gallery.root / "rejected.csv").read_text()
    assert 'cut.jpg,"the file is damaged or cut short' in listed
    assert 'copy.png,"this is not a picture in a known format' in listed
    assert gallery.info().rejected == 2
    fill(folder)
    assert gallery.info().rejected == 2
    (folder / "cut.jpg").write_bytes(whole)
    shutil.copy(folder / "cup" / "000.png", folder / "copy.png")  # repaired into a file that is known already
    _, again = fill(folder)
    assert (again.added, again.merged, again.rejected) == (1, 1, [])
    assert gallery.info().rejected == 0


def test_a_file_changed_at_its_path_is_a_new_picture_and_the_old_one_can_be_restored(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    old = file_id((folder / "cup" / "000.png").read_bytes())
    draw(folder / "cup" / "000.png", 99)
    new = file_id((folder / "cup" / "000.png").read_bytes())
    _, report = fill(folder)
    assert (report.added, report.known) == (1, 2)
    assert gallery.removed() == {old}
    assert {old, new} <= gallery.ids()
    assert file_id(read_original("cup/000.png", new, roots(gallery), "small")) == new
    with pytest.raises(GalleryError, match=f"remove small --ids {old}"):
        read_original("cup/000.png", old, roots(gallery), "small")


def test_new_metadata_keys_reach_old_rows_and_the_store(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 5, labels=("cup",))
    first = tmp_path / "first.csv"
    first.write_text("path,colour\n" + "".join(f"cup/00{i}.png,red\n" for i in range(3)))
    second = tmp_path / "second.csv"
    second.write_text("path,price\n" + "".join(f"cup/00{i}.png,{i}\n" for i in (3, 4)))
    with lite() as store:
        gallery, _ = fill(f"table:file={first},root={folder}", store)
        _, report = fill(f"table:file={second},root={folder}", store)
        assert report.added == 2
        assert gallery.table()["metadata"].tolist() == [{"colour": "red", "price": ""}] * 3 + [
            {"colour": "", "price": "3"},
            {"colour": "", "price": "4"},
        ]
        assert is_clean(gallery, store)
        assert len(gallery.manifest()["datasets"]) == 2


def test_a_kill_between_part_and_manifest_leaves_no_key_unknown(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 2, labels=("cup",))
    table = tmp_path / "list.csv"
    table.write_text("path,colour\ncup/000.png,red\ncup/001.png,blue\n")

    class KilledError(Exception):
        pass

    real = parts.write

    def write_and_die(*given: object, **options: object) -> Path:
        real(*given, **options)  # type: ignore[arg-type]
        raise KilledError

    monkeypatch.setattr(parts, "write", write_and_die)
    with pytest.raises(KilledError):
        fill(f"table:file={table},root={folder}")
    monkeypatch.setattr(parts, "write", real)
    gallery = create_gallery("small", Settings())
    assert gallery.manifest()["metadata_keys"] == ["colour"]
    with lite() as store:
        _, report = fill(f"table:file={table},root={folder}", store)
        assert (report.added, report.known) == (0, 2)
        assert is_clean(gallery, store)


def test_counts_that_agree_by_chance_do_not_hide_a_difference(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    with lite() as store:
        gallery, _ = fill(folder, store)
        gallery.remove([gallery.table()["id"][0]])  # while another process holds the store …
        photos(folder, 1, first=4)
        fill(folder)  # … so parts only
        assert store.count(gallery.collection()) == gallery.count() == 4
        assert fill(folder, store)[1].added == 0
        assert is_clean(gallery, store)


def test_two_datasets_live_in_one_gallery_and_each_original_is_found(home: Path, tmp_path: Path) -> None:
    one, two = photos(tmp_path / "one", 3), photos(tmp_path / "two", 3, first=10)
    draw(one / "same.png", 70)
    draw(two / "same.png", 71)  # one path, two pictures
    gallery, _ = fill(one)
    _, report = fill(two)
    assert report.added == 4
    assert gallery.manifest()["datasets"] == [f"folder:root={one}", f"folder:root={two}"]
    for row in gallery.table().to_dict("records"):
        assert file_id(read_original(row["path"], row["id"], roots(gallery), "small")) == row["id"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps file names that are not UTF-8")
def test_a_name_that_is_not_utf8_goes_all_the_way(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    odd = os.fsencode(folder) + b"/caf\xe9"
    os.mkdir(odd)
    picture = draw(tmp_path / "odd.png", 40).read_bytes()
    with open(odd + b"/cl\xe9.png", "wb") as file:
        file.write(picture)
    with open(odd + b"/copy\xff.png", "wb") as file:
        file.write(picture)
    with open(odd + b"/bad\xfe.png", "wb") as file:
        file.write(b"text")
    with lite() as store:
        gallery, report = fill(folder, store)
        assert (report.added, report.merged, len(report.rejected)) == (4, 1, 1)
        result = search(gallery, store, encoder(), Query((QueryPicture(picture),)), k=1, exclude_query=False)
        assert (result.hits[0].path, result.hits[0].label) == ("caf\\udce9/cl\\udce9.png", "caf\\udce9")
        assert merged_lines(gallery)[0][1] == "caf\\udce9/copy\\udcff.png"
        assert "bad\\udcfe.png" in (gallery.root / "rejected.csv").read_text(encoding="utf-8")
        assert is_clean(gallery, store)
        other = "color_histogram:grid=4,bins=2"
        reencode.reencode(gallery, encoder(other), spec=other, store=store)
        assert is_clean(gallery, store)
        assert gallery.count() == 4


def test_a_lost_or_cut_thumbnail_is_reported_and_made_again(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    ids = gallery.table()["id"].tolist()
    gallery.thumbnail(ids[0]).unlink()
    gallery.thumbnail(ids[1]).write_bytes(b"")
    assert integrity.check_files(gallery)[0].startswith("2 thumbnails are missing or damaged")
    assert fill(folder)[1].known == 3
    assert integrity.check_files(gallery) == []


def test_a_row_that_no_store_takes_is_rejected_and_does_not_stop_the_others(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3, labels=("cup",))
    table = tmp_path / "list.csv"
    long = "x" * 2000
    table.write_text(f"path,label,note\ncup/000.png,a,b\ncup/001.png,{long},b\ncup/002.png,c,{'y' * 70_000}\n")
    with lite() as store:
        gallery, report = fill(f"table:file={table},root={folder}", store)
        assert report.added == 1
        assert report.index == ""
        reasons = dict(report.rejected)
        assert "label takes 2,000 bytes" in reasons["cup/001.png"]
        assert "metadata takes" in reasons["cup/002.png"]
        assert is_clean(gallery, store)


def test_an_embedding_that_is_not_finite_is_rejected_with_the_reason(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)

    class Broken:
        dim, fingerprint = encoder().dim, encoder().fingerprint

        def preprocess(self, image):
            return encoder().preprocess(image)

        def encode(self, batch):
            made = encoder().encode(batch)
            made[1] = np.nan
            return made

    gallery = create_gallery("small", Settings())
    dataset = plugins.build("datasets", f"folder:root={folder}")
    report = ingestion.ingest(gallery, dataset, Broken(), spec="color_histogram", store=exact(), engine=Threads(1))
    assert report.added == 2
    assert "NaN" in report.rejected[0][1]
    assert integrity.check_files(gallery) == []


def test_another_encoder_than_the_gallerys_is_refused_with_the_remedy(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 2)
    fill(folder)
    with pytest.raises(GalleryError, match="reencode small --encoder color_histogram:grid=4"):
        fill(folder, spec="color_histogram:grid=4")


def test_a_torn_last_line_of_merged_csv_is_dropped_and_the_next_run_writes_it_whole(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    for name in ("x.png", "y.png"):
        shutil.copy(folder / "cup" / "000.png", folder / name)
    gallery, _ = fill(folder)
    file = gallery.root / "merged.csv"
    whole = file.read_text()
    for torn in (whole[:-3], whole[: whole.rindex(",shoe") if ",shoe" in whole else -9], whole + 'abc,"open', "id,pa"):
        file.write_text(torn)
        gallery.info()
        fill(folder)
        assert sorted(file.read_text().splitlines()) == sorted(whole.splitlines())


def test_a_dataset_without_pictures_leaves_no_encoder_behind(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no pictures found"):
        fill(tmp_path / "empty")
    assert create_gallery("small", Settings()).current == ""


def test_the_dataset_of_a_gallery_is_found_from_every_working_directory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path / "photos", 2)
    monkeypatch.chdir(tmp_path)
    gallery, _ = fill("folder:root=photos")
    monkeypatch.chdir("/")
    row = gallery.table().iloc[0]
    assert read_original(row["path"], row["id"], roots(gallery), "small")


def test_all_parts_are_read_a_fixed_number_of_times_however_many_are_committed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 24)
    monkeypatch.setattr(ingestion, "CHUNK", 2)
    reads = []
    real = parts._read
    monkeypatch.setattr(
        parts, "_read", lambda path, *more, **named: (reads.append(path), real(path, *more, **named))[1]
    )
    monkeypatch.setattr(ingest_run, "PART_ROWS", 4)
    fill(folder, exact())
    assert len(parts.files(create_gallery("small", Settings()).folder())) == 6
    assert len(reads) <= 3 * 6  # known paths, calibration, the last comparison


def test_records_outside_the_root_are_rejected(home: Path, tmp_path: Path) -> None:
    draw(tmp_path / "secret.png", 1)
    folder = photos(tmp_path / "photos", 1)

    class Escaping:
        root = folder

        def prepare(self, progress: object = None) -> None: ...

        def records(self):
            return iter([ImageRecord("../secret.png"), ImageRecord("cup/000.png")])

    report = ingestion.ingest(create_gallery("small", Settings()), Escaping(), encoder(), spec="x", store=None)
    assert report.added == 1
    assert "outside" in report.rejected[0][1]
