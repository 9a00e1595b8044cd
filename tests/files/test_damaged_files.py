"""One wrong bit in any file of a gallery or a model is told, and full disks and crowds of processes do no harm."""

from __future__ import annotations

import json
import random
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_gallery import fill, lite, photos

from benchmarks import byte_flips, full_disk, one_owner
from pipeline import ROOT
from pipeline.errors import GalleryError, UsageError
from pipeline.files import checksummed
from pipeline.gallery import integrity, ledgers, parts
from pipeline.gallery.opening import create_gallery, open_gallery
from pipeline.networks import model_folder
from pipeline.records import Rows
from pipeline.schema import NAMES
from pipeline.settings import Settings


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_flips.small_home(tmp_path_factory.mktemp("flips") / "home", model=False)


@pytest.mark.parametrize("kind", byte_flips.KINDS[:6], ids=lambda kind: kind.name)
def test_no_damage_gives_another_answer_without_a_word(original: Path, kind: byte_flips.Kind) -> None:
    ends, silent = byte_flips.byte_flips(kind, original, cases=12, seed=random.randrange(10**6))
    assert silent == []
    assert ends["refused"] + ends["named"] > 6


@pytest.mark.parametrize("odd", [0, 1])
def test_a_part_whose_columns_read_as_another_type_is_named(tmp_path: Path, odd: int) -> None:
    table = pd.DataFrame({name: ["", ""] for name in NAMES}).assign(width=1, height=1, metadata=[{}, {}])
    rows = Rows(table, np.zeros((2, 4), np.float32))
    for _ in range(2):
        parts.write(tmp_path, rows)
    file = parts.files(tmp_path)[odd]
    held = pq.read_table(file, partitioning=None)
    place = held.schema.get_field_index("label")
    pq.write_table(held.set_column(place, "label", held["label"].cast(pa.large_string())), file)
    for read in (lambda: parts.read(tmp_path, 4), lambda: parts.read_table(tmp_path)):
        with pytest.raises(GalleryError, match=rf"{file.name} .*column label reads as large_string"):
            read()


def test_damage_that_nobody_looks_for_is_called_silent(original: Path) -> None:
    blind = byte_flips.Kind("blind", "galleries/flips/merged.csv", lambda home: _bytes(home), checked=False)
    ends, silent = byte_flips.byte_flips(blind, original, cases=8, seed=0)
    assert ends == {"SILENT": 8}
    assert len(silent) == 8


def _bytes(home: Path) -> bytes:
    return (home / "galleries" / "flips" / "merged.csv").read_bytes()


def test_a_thumbnail_is_a_jpeg_and_its_crc_and_one_without_still_counts(tmp_path: Path) -> None:
    jpeg = b"\xff\xd8 picture \xff\xd9"
    file = tmp_path / "small.jpg"
    assert checksummed.read_jpeg(file) == b""
    file.write_bytes(checksummed.sealed_jpeg(jpeg))
    assert file.read_bytes()[-4:] == zlib.crc32(jpeg).to_bytes(4, "big")
    assert checksummed.read_jpeg(file) == jpeg
    file.write_bytes(jpeg)
    assert checksummed.read_jpeg(file) == jpeg
    for wrong in (b"", jpeg[:-1], checksummed.sealed_jpeg(jpeg)[:-1], jpeg + b"1234"):
        file.write_bytes(wrong)
        assert checksummed.read_jpeg(file) == b""


def test_a_damaged_thumbnail_is_made_anew_by_the_next_ingest(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    file = gallery.thumbnail(sorted(gallery.ids())[1])
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert "1 thumbnails are missing or damaged" in integrity.check_files(gallery)[0]
    fill(tmp_path / "photos")
    assert file.read_bytes() == whole
    assert integrity.check_files(gallery) == []


def test_a_manifest_without_a_checksum_is_taken_and_one_that_was_changed_is_not(home: Path) -> None:
    gallery = create_gallery("small", Settings())
    written = json.loads(gallery.manifest_file.read_text())
    changed = written | {"title": "another"}
    gallery.manifest_file.write_text(json.dumps(changed))
    with pytest.raises(GalleryError, match=r"gallery\.json .*checksum does not fit; if it was changed by hand, delete"):
        open_gallery("small", Settings())
    del changed["checksum"]
    gallery.manifest_file.write_text(json.dumps(changed))
    assert open_gallery("small", Settings()).info().title == "another"


def test_weights_that_are_not_those_of_model_json_are_refused(tmp_path: Path) -> None:
    source = ROOT / "models"
    about = checksummed.opened(json.loads((source / "model.json").read_text()))
    weights = bytearray((source / "model.safetensors").read_bytes())
    weights[-1000] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    checksummed.write(tmp_path / "model.json", about)
    with pytest.raises(UsageError, match=r"model\.safetensors holds other weights than model.json beside it tells of"):
        model_folder.load(tmp_path).encoder("cpu")


def test_rows_of_an_older_list_count_and_changed_ones_do_not(tmp_path: Path) -> None:
    file = tmp_path / "merged.csv"
    rows = [["1" * 32, "a.png", "cup", ""], ["2" * 32, 'b, "2".png', "", "test"]]
    file.write_text("id,path,label,split\n" + f"{'1' * 32},a.png,cup,\n")
    assert (ledgers.read(file), ledgers.damaged(file)) == (rows[:1], False)
    ledgers.write(file, rows)
    assert (ledgers.read(file), ledgers.damaged(file)) == (rows, False)
    file.write_text(file.read_text().replace("a.png", "c.png"))
    assert (ledgers.read(file), ledgers.damaged(file)) == (rows[1:], True)


def test_a_list_that_lost_its_end_between_two_lines_is_named(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    ids = sorted(gallery.ids())
    gallery.remove(ids[:1])
    gallery.judge("tag", ids[1:], ["keep", True])
    assert integrity.check_files(gallery) == []
    lines = gallery.judgments_file.read_text().splitlines(keepends=True)
    gallery.judgments_file.write_text(lines[0])
    assert [problem.split(":")[0] for problem in integrity.check_files(gallery)] == [
        f"judgments.jsonl has {len(lines[0])} bytes and had {len(''.join(lines))}"
    ]
    gallery.judgments_file.write_text("".join(lines).replace("keep", "drop"))
    assert "judgments.jsonl is damaged in line 2" in integrity.check_files(gallery)[0]


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE and no fork")
def test_a_verb_on_a_full_disk_ends_in_words_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    original = full_disk.small_home(tmp_path)
    row = full_disk.full_disk(original, "export .parquet", ladder=[512])
    assert (row.refused, row.faults) == (1, [])


def test_a_collection_whose_making_was_cut_short_in_lite_bars_no_other_try(home: Path) -> None:
    (home / "milvus.db" / "collections" / "small").mkdir(parents=True)
    (home / "milvus.db" / "collections" / "small" / "schema.json.tmp").write_text("{")
    with lite() as store:
        store.create("small", dim=4)
        assert store.count("small") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_of_processes_that_want_one_file_one_gets_it_and_a_killed_owner_damages_nothing(tmp_path: Path) -> None:
    for number, kill in enumerate((True, False)):
        one = one_owner.one_file(tmp_path / "home", number=number, kill=kill, processes=3, batches=4)
        assert (one.owners, one.refusals, one.other, one.killed, one.lost) == (1, 2, [], kill, 0)
