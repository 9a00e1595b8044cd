"""A gallery on disk: names, parts, the manifest under concurrent change, removal, damage."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import exact, fill, photos

from pipeline.comparison.encoders import try_encoders
from pipeline.errors import GalleryError, SemblanceError, UsageError
from pipeline.exchange import exchange
from pipeline.files import atomic
from pipeline.gallery import integrity, judgments, parts
from pipeline.gallery.opening import check_name, create_gallery, names, open_gallery
from pipeline.ingest import sync
from pipeline.settings import Settings


@pytest.mark.parametrize("name", ["../evil", "", "A", "a b", "a__b", "9a", "a" * 65, "a/b", "å", "a\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="write 1 to 64 of a-z"):
        check_name(name)


def test_a_missing_gallery_lists_those_that_exist(home: Path) -> None:
    with pytest.raises(GalleryError, match=r"there is: none yet"):
        open_gallery("nothing", Settings())
    create_gallery("one", Settings())
    create_gallery("two", Settings())
    (home / "galleries" / "My stray folder").mkdir()
    (home / "galleries" / "My stray folder" / "gallery.json").write_text("{}")
    assert names(Settings()) == ["one", "two"]
    with pytest.raises(GalleryError, match=r"there is: one, two"):
        open_gallery("nothing", Settings())


def test_making_a_gallery_again_keeps_it(home: Path) -> None:
    first = create_gallery("one", Settings(), title="First")
    first.update(current="abcdef01")
    assert create_gallery("one", Settings(), title="Second").manifest()["title"] == "First"
    assert first.current == "abcdef01"


def test_changes_from_many_threads_are_all_kept(home: Path) -> None:
    gallery = create_gallery("one", Settings())
    threads = [
        threading.Thread(target=lambda n=n: [gallery.update(**{f"k{n}_{i}": 1}) for i in range(10)]) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manifest = gallery.manifest()
    assert manifest["generation"] == 60
    assert all(f"k{n}_{i}" in manifest for n in range(6) for i in range(10))


def test_threads_that_replace_one_file_never_collide(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    faults: list[Exception] = []

    def write(number: int) -> None:
        try:
            for _ in range(20):
                atomic.write_json(file, [number] * 500)
                assert len(set(json.loads(file.read_text()))) == 1
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert list(tmp_path.iterdir()) == [file]


def test_replacing_leaves_the_old_file_and_no_other_when_the_writer_fails(tmp_path: Path) -> None:
    file = tmp_path / "one.txt"
    file.write_text("old")

    def fail() -> None:
        with atomic.replacing(file) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_appending_after_a_torn_line_begins_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("whole\nto")
    atomic.append(file, "next\n")
    assert file.read_text() == "whole\nto\nnext\n"


def test_what_killed_runs_left_is_deleted_by_the_next_ingest(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 2)
    gallery, _ = fill(folder)
    thumbnail = gallery.thumbnail(gallery.table()["id"][0])
    left = [gallery.root / ".gallery.json.1-2.tmp", gallery.folder() / ".part-000009.parquet.7-1.tmp"]
    left.append(thumbnail.with_name(".abc.9-8.tmp"))
    for file in left:
        file.write_text("half")
    fill(folder)
    assert not any(file.exists() for file in left)


def test_a_torn_judgment_is_passed_over_and_the_next_one_is_read(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 4))
    ids = gallery.table()["id"].tolist()
    gallery.remove(ids[:1])
    with gallery.judgments_file.open("a") as file:
        file.write('{"when": "2026-01-01", "kind": "removed", "ids": ["' + ids[3])
    assert gallery.removed() == {ids[0]}
    gallery.remove(ids[1:2])
    assert gallery.removed() == set(ids[:2])
    gallery.restore(ids[:1])
    assert gallery.removed() == {ids[1]}
    assert [one["kind"] for one in judgments.read(gallery.judgments_file)] == ["removed"] * 3
    assert gallery.count() == len(gallery.rows()) == len(gallery.table()) == gallery.info().rows == 3


def test_removing_an_unknown_picture_changes_nothing(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 2))
    ids = gallery.table()["id"].tolist()
    with pytest.raises(GalleryError, match="has no picture nonsense; nothing was changed"):
        gallery.remove([ids[0], "nonsense"])
    assert gallery.removed() == set()


def test_pictures_can_be_removed_while_another_process_ingests(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    with gallery.writing():
        with (
            pytest.raises(GalleryError, match="being written by another process"),
            open_gallery("small", Settings()).writing(),
        ):
            pass
        gallery.remove([gallery.table()["id"][0]])
    assert gallery.count() == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '"x"'])
def test_a_damaged_manifest_is_one_sentence(home: Path, content: str) -> None:
    gallery = create_gallery("one", Settings())
    gallery.manifest_file.write_text(content)
    with pytest.raises(GalleryError, match="restore it from a backup"):
        gallery.manifest()


def test_a_gallery_of_a_newer_version_is_not_touched(home: Path) -> None:
    gallery = create_gallery("one", Settings())
    gallery.manifest_file.write_text('{"format": 99}')
    with pytest.raises(GalleryError, match="newer Semblance"):
        gallery.update(title="x")


def test_every_reader_names_a_part_that_was_cut(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 5)
    gallery, _ = fill(folder)
    part = parts.files(gallery.folder())[0]
    whole = part.read_bytes()
    readers = [
        gallery.rows,
        gallery.table,
        gallery.ids,
        gallery.count,
        gallery.info,
        lambda: sync.exact_store(gallery),
        lambda: sync.sync(gallery, exact()),
        lambda: fill(folder),
        gallery.compact,
        lambda: exchange.export_gallery(gallery, tmp_path / "out.parquet"),
        lambda: try_encoders(gallery, ["color_histogram"]),
    ]
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        part.write_bytes(whole[:length])
        for reader in readers:
            if reader == gallery.compact:
                judgments.add(gallery.judgments_file, "removed", ["0" * 32])
            with pytest.raises(GalleryError, match=r"part-000000\.parquet in .* is damaged") as told:
                reader()
            assert "\n" not in str(told.value)
        assert "is damaged" in integrity.check_files(gallery)[0]
    before = gallery.root / "moved-away"
    part.replace(before)  # the remedy that the message names
    judgments.add(gallery.judgments_file, "removed", ["0" * 32], False)
    assert fill(folder)[1].added == 5
    assert integrity.check_files(gallery) == []


def test_a_flipped_byte_is_detected_or_changes_nothing(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 5))
    part = parts.files(gallery.folder())[0]
    whole = part.read_bytes()
    truth = gallery.rows()
    detected, silent = 0, []
    chosen = sorted(np.random.default_rng(0).choice(len(whole), 400, replace=False).tolist())
    for place in chosen:
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = gallery.rows()
        except SemblanceError:
            detected += 1
            continue
        if not (found.table.equals(truth.table) and np.array_equal(found.embeddings, truth.embeddings)):
            silent.append(place)
    assert silent == []
    assert detected > 100
