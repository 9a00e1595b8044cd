"""A gallery as one file, out and in again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_gallery import encoder, exact, fill, photos

from pipeline.errors import UsageError
from pipeline.exchange.exchange import export_gallery, import_gallery
from pipeline.gallery import integrity
from pipeline.ingest import sync
from pipeline.search.search import Query, QueryPicture, search
from pipeline.settings import Settings


@pytest.fixture
def exported(home: Path, tmp_path: Path):
    folder = photos(tmp_path / "photos", 6)
    (tmp_path / "list.csv").write_text(
        "path,label,note\n"
        + "".join(
            f'{p.relative_to(folder)},{p.parent.name},漢字 "{i}\n' for i, p in enumerate(sorted(folder.rglob("*.png")))
        )
    )
    gallery, report = fill(f"table:file={tmp_path / 'list.csv'},root={folder}")
    assert report.added == 6
    file = tmp_path / "out.parquet"
    gallery.remove([gallery.table()["id"][0]])
    assert export_gallery(gallery, file) == 5
    return gallery, file, folder


def test_a_gallery_comes_back_row_by_row(exported) -> None:
    gallery, file, folder = exported
    again = import_gallery("again", file, Settings())
    assert again.rows().table.equals(gallery.rows().table)
    np.testing.assert_array_equal(again.rows().embeddings, gallery.rows().embeddings)
    assert again.encoder()["fingerprint"] == gallery.encoder()["fingerprint"]
    assert len(again.encoder()["calibration"]) == 1001
    store = exact()
    sync.sync(again, store)
    data = (folder / "cup" / "000.png").read_bytes()
    result = search(again, store, encoder(), Query((QueryPicture(data),)), k=1, exclude_query=False)
    assert result.hits[0].path == "cup/000.png"
    assert fill(folder, store, name="again")[1].known == 5  # its thumbnails come with an ingest of the folder
    assert integrity.check_files(again) == []


def test_a_name_that_is_taken_and_a_folder_that_is_missing_are_refused(exported, tmp_path: Path) -> None:
    gallery, file, _ = exported
    with pytest.raises(UsageError, match="gallery small exists; choose another name"):
        import_gallery("small", file, Settings())
    with pytest.raises(UsageError, match="no folder"):
        export_gallery(gallery, tmp_path / "nowhere" / "out.parquet")


def test_a_file_that_is_no_export_is_refused_and_no_gallery_is_made(exported, tmp_path: Path) -> None:
    _, file, _ = exported
    table = pq.read_table(file)
    meta = table.schema.metadata

    def changed(column: str, values: pa.Array) -> pa.Table:
        return table.set_column(table.column_names.index(column), column, values).replace_schema_metadata(meta)

    ids = table["id"].to_pylist()
    embedding = np.stack(table["embedding"].to_pylist())
    lists = pa.array([list(row) for row in embedding], pa.list_(pa.float32()))
    longer = pa.FixedSizeListArray.from_arrays(pa.array((embedding * 3).astype("float32").ravel()), embedding.shape[1])
    foreign = {
        "plain": pa.table({"x": [1]}),
        "no facts": table.replace_schema_metadata({}),
        "lists": changed("embedding", lists),
        "long": changed("embedding", longer),
        "numbers": changed("label", pa.array(range(5))),
        "nulls": changed("label", pa.array([None, "a", "b", "c", "d"], pa.string())),
        "no json": changed("metadata", pa.array(["{"] * 5, pa.string())),
        "twice": changed("id", pa.array([ids[0], *ids[:4]])),
        "outside": changed("id", pa.array(["../../../evil", *ids[1:]])),
    }
    for name, content in foreign.items():
        pq.write_table(content, tmp_path / f"{name}.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    for name in (*foreign, "text", "missing"):
        with pytest.raises(UsageError, match=f"{name}.parquet"):
            import_gallery("other", tmp_path / f"{name}.parquet", Settings())
        assert not (Settings().galleries / "other").exists()
