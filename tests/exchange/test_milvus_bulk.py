"""Files for Milvus' bulk import: what pymilvus' own writer would have written of the same rows, for the same collection."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymilvus import MilvusClient
from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter
from tiny_gallery import fill, lite, photos, run

from pipeline.errors import UsageError
from pipeline.exchange import exchange
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings


def filled(tmp_path: Path, count: int = 7) -> Gallery:
    folder = photos(tmp_path / "photos", count, labels=("cup", "tea 'pot'"))
    table = tmp_path / "list.csv"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    table.write_text("path,label,note\n" + "".join(f"{name},é,{'red' if i else ''}\n" for i, name in enumerate(names)))
    gallery, _ = fill(f"table:file={table},root={folder}")
    return gallery


def test_the_files_have_the_columns_and_values_that_pymilvus_own_writer_gives_them(home: Path, tmp_path: Path) -> None:
    gallery = filled(tmp_path)
    [file] = exchange.write_bulk(gallery, tmp_path / "out")
    with lite() as store:
        store.create(gallery.collection(), dim=gallery.encoder()["dim"], metadata_keys=["note"])
        store.upsert(gallery.collection(), gallery.rows())
        sent = store.digests(gallery.collection())
        store.close()
    client = MilvusClient(Settings().uri)
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for one in client.describe_collection(gallery.collection())["fields"]:
        schema.add_field(one["name"], one["type"], is_primary=one.get("is_primary", False), **one["params"])
    client.close()
    ours = pq.read_table(file)
    writer = LocalBulkWriter(schema, str(tmp_path / "theirs"), file_type=BulkFileType.PARQUET)
    for row in ours.to_pylist():
        writer.append_row(row | {"metadata": json.loads(row["metadata"])})  # checks each value
    writer.commit()
    theirs = pq.read_table(writer.batch_files[0][0])
    assert set(ours.column_names) == set(theirs.column_names)
    for name in theirs.column_names:
        assert ours.schema.field(name).type == theirs.schema.field(name).type, name
        if name != "metadata":
            assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    assert dict(zip(ours["id"].to_pylist(), ours["digest"].to_pylist(), strict=True)) == sent


def test_removed_rows_are_left_out_and_large_galleries_come_as_several_files(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.ingest import ingest
    from pipeline.ingest import run as ingest_run

    monkeypatch.setattr(ingest_run, "PART_ROWS", 2)
    monkeypatch.setattr(ingest, "CHUNK", 2)
    gallery = filled(tmp_path, 9)
    gone = gallery.table()["id"][4]
    gallery.remove([gone])
    monkeypatch.setattr(exchange, "ROWS_A_FILE", 3)
    files = exchange.write_bulk(gallery, tmp_path / "out")
    assert len(files) > 1
    tables = [pq.read_table(file) for file in files]
    rows = gallery.rows()
    together = pa.concat_tables(tables)
    assert together["id"].to_pylist() == rows.table["id"].tolist()
    np.testing.assert_array_equal(np.array(together["embedding"].to_pylist(), np.float32), rows.embeddings)


def test_the_verb_names_the_collection_and_refuses_a_folder_that_is_there(home: Path, tmp_path: Path) -> None:
    gallery = filled(tmp_path)
    done = run("export", "small", tmp_path / "out", "--milvus-import", "--progress", "none")
    assert done.stdout == f"1 files in {tmp_path / 'out'} for the collection {gallery.collection()}\n"
    again = run("export", "small", tmp_path / "out", "--milvus-import")
    assert (again.returncode, again.stderr) == (2, f"error: {tmp_path / 'out'} exists; name a new folder\n")
    with pytest.raises(UsageError, match="make it first"):
        exchange.write_bulk(gallery, tmp_path / "no" / "out")
