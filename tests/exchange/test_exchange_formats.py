"""A gallery as NPZ and BSON: equal rows on the way back, and nothing made of a file that is damaged or foreign."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
from pathlib import Path

import bson
import numpy as np
import pytest
from tiny_gallery import fill, photos, run

from pipeline.errors import UsageError
from pipeline.exchange import bson_file, npz
from pipeline.exchange.exchange import export_gallery, import_gallery
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.records import Rows
from pipeline.schema import NAMES
from pipeline.settings import Settings

ENDINGS = ("parquet", "npz", "bson")
LABELS = ('漢字 "quoted"', "ümlaut, comma", "", "=1+1", "🙂", "a.b$c")


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """Six pictures with odd labels and metadata, one of them removed, and a title that is not ASCII."""
    folder = photos(tmp_path / "photos", 6)
    lines = ["path,label,split,note,a.b,$c"]
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        label = LABELS[number].replace('"', '""')
        lines.append(f'{file.relative_to(folder)},"{label}",train,"漢 {number}\\n",x{number},')
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    create_gallery("small", Settings(), title="Kleine 🙂 “Sammlung”")
    made, report = fill(f"table:file={tmp_path / 'list.csv'},root={folder}")
    assert report.added == 6
    made.remove([made.table()["id"][2]])
    return made


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_gallery_comes_back_row_by_row_and_bit_for_bit(gallery: Gallery, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"out.{ending}"
    assert export_gallery(gallery, file) == 5
    again = import_gallery("again", file, Settings())
    before, after = gallery.rows(), again.rows()
    for name in NAMES:
        assert before.table[name].tolist() == after.table[name].tolist(), name
        assert before.table[name].dtype == after.table[name].dtype, name
    assert before.embeddings.tobytes() == after.embeddings.tobytes()
    assert after.embeddings.dtype == np.float32
    for key in ("spec", "fingerprint", "dim"):
        assert again.encoder()[key] == gallery.encoder()[key]
    for key in ("title", "datasets"):
        assert again.manifest()[key] == gallery.manifest()[key]
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_gallery_of_one_picture_and_one_whose_pictures_are_all_removed(
    home: Path, tmp_path: Path, ending: str
) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 1))
    export_gallery(gallery, tmp_path / f"one.{ending}")
    assert len(import_gallery("one", tmp_path / f"one.{ending}", Settings()).rows()) == 1
    gallery.remove(list(gallery.ids()))
    assert export_gallery(gallery, tmp_path / f"none.{ending}") == 0
    none = import_gallery("none", tmp_path / f"none.{ending}", Settings())
    assert none.rows().embeddings.shape == (0, gallery.encoder()["dim"])


def test_embeddings_that_are_awkward_come_back_bit_for_bit(gallery: Gallery, tmp_path: Path) -> None:
    facts, rows = _of(gallery)
    embeddings = np.zeros((5, 4), np.float32)
    embeddings[:, 0] = 1
    embeddings[:, 1] = [-0.0, 1e-45, np.float32(1 / 3) * 1e-4, -1e-38, 2**-149]
    odd = Rows(rows.table, embeddings)
    for writer, ending in ((npz, "npz"), (bson_file, "bson")):
        writer.write(tmp_path / f"odd.{ending}", type(facts)(facts.spec, facts.fingerprint, 4, facts.title), odd)
        assert writer.read(tmp_path / f"odd.{ending}")[1].embeddings.tobytes() == embeddings.tobytes()


def _of(gallery: Gallery):
    from pipeline.exchange import rows as exchange_rows

    return exchange_rows.of_gallery(gallery)


def test_an_npz_is_read_by_numpy_without_pickle(gallery: Gallery, tmp_path: Path) -> None:
    export_gallery(gallery, tmp_path / "out.npz")
    rows = gallery.rows()
    with np.load(tmp_path / "out.npz", allow_pickle=False) as held:
        assert held["label"].tolist() == rows.table["label"].tolist()
        assert held["embedding"].tolist() == rows.embeddings.tolist()
        assert [json.loads(text) for text in held["metadata"].tolist()] == rows.table["metadata"].tolist()
        assert json.loads(str(held["facts"]))["title"] == "Kleine 🙂 “Sammlung”"


def test_a_text_that_an_npz_would_lose_is_refused_and_nothing_is_written(gallery: Gallery, tmp_path: Path) -> None:
    facts, rows = _of(gallery)
    for label, said in (("x\0", "zero character"), ("x" * (1 << 26), "too long")):
        rows.table["label"] = [label, "", "", "", ""]
        with pytest.raises(UsageError, match=said):
            npz.write(tmp_path / "out.npz", facts, rows)
        assert not (tmp_path / "out.npz").exists()


def test_a_bson_file_is_one_document_a_picture_and_says_its_index_beside(gallery: Gallery, tmp_path: Path) -> None:
    export_gallery(gallery, tmp_path / "clothes.bson")
    rows = gallery.rows()
    with (tmp_path / "clothes.bson").open("rb") as stream:
        found = list(bson.decode_file_iter(stream))
    assert [one["_id"] for one in found] == rows.table["id"].tolist()
    assert found[0]["embedding"] == [float(value) for value in rows.embeddings[0]]
    assert {type(value) for one in found for value in one["embedding"]} == {float}
    assert found[1]["metadata"] == rows.table["metadata"][1]
    assert {one["fingerprint"] for one in found} == {gallery.encoder()["fingerprint"]}
    beside = json.loads((tmp_path / "clothes.metadata.json").read_text(encoding="utf-8"))
    # mongorestore reads canonical extended JSON: a bare number is refused
    assert beside["indexes"] == [{"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}]
    assert beside["collectionName"] == "clothes"
    assert not [value for value in _leaves(beside) if not isinstance(value, str)]


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in _leaves(one)]
    return [value]


def test_a_dump_without_our_facts_beside_it_is_imported_under_its_own_name(gallery: Gallery, tmp_path: Path) -> None:
    export_gallery(gallery, tmp_path / "clothes.bson")
    (tmp_path / "clothes.metadata.json").write_text('{"options":{},"indexes":[]}')  # as mongodump writes it
    again = import_gallery("again", tmp_path / "clothes.bson", Settings())
    assert again.manifest()["title"] == "clothes"
    assert again.encoder()["spec"] == gallery.encoder()["spec"]
    assert again.rows().embeddings.tobytes() == gallery.rows().embeddings.tobytes()


def test_a_large_bson_file_is_read_in_pieces(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bson_file, "BLOCK_DOCUMENTS", 2)
    export_gallery(gallery, tmp_path / "out.bson")
    assert import_gallery("again", tmp_path / "out.bson", Settings()).rows().embeddings.shape[0] == 5


def refused(file: Path) -> str:
    with pytest.raises(UsageError) as told:
        import_gallery("other", file, Settings())
    assert not (Settings().galleries / "other").exists()
    assert file.name in str(told.value)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_documents_that_export_has_not_written_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    export_gallery(gallery, tmp_path / "out.bson")
    good = list(bson.decode_all((tmp_path / "out.bson").read_bytes()))
    (tmp_path / "out.metadata.json").unlink()
    file = tmp_path / "changed.bson"

    def changed(**changes: object) -> str:
        file.write_bytes(b"".join(map(bson.encode, [good[0] | changes, *good[1:]])))
        return refused(file)

    assert "has no embedding of the right type" in changed(embedding=b"binary")
    assert "has no embedding" in changed(embedding=[1.0, "x"])
    assert "of several encoders" in changed(embedding=[1.0])
    assert "of several encoders" in changed(fingerprint="0" * 64)
    assert "has no encoder" in changed(encoder=None)
    assert "has no label" in changed(label=7)
    assert "has no width or height" in changed(width=-1)
    assert "has no width" in changed(width=True)
    assert "has no metadata" in changed(metadata=[])
    assert "metadata that is not text" in changed(metadata={"a": 1})
    assert "not of unit length" in changed(embedding=[1e300] * len(good[0]["embedding"]))
    assert "repeated or not 32 hex digits" in changed(_id="../../evil")
    assert "repeated" in changed(_id=good[1]["_id"])
    file.write_bytes(b"")
    assert "holds no documents" in refused(file)
    file.write_bytes(bson.encode({"x": 1}))
    assert "has no id" in refused(file)


def test_arrays_that_export_has_not_written_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    export_gallery(gallery, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as held:
        good = {name: held[name] for name in held.files}
    file = tmp_path / "changed.npz"

    def changed(**changes: object) -> str:
        np.savez(file, **(good | changes))
        return refused(file)

    assert "label has another type or length" in changed(label=good["label"][:2])
    assert "width has another type" in changed(width=np.ones(5))
    assert "embedding or facts" in changed(embedding=good["embedding"].astype("float64"))
    assert "embedding or facts" in changed(facts=np.array(3))
    assert "cannot be read" in changed(facts=np.array("{}"))
    assert "cannot be read" in changed(metadata=np.array(["{"] * 5))
    assert "not of unit length" in changed(embedding=good["embedding"] * np.float32(np.inf))
    assert "repeated" in changed(id=good["id"][[0, 0, 1, 2, 3]])
    np.savez(file, x=np.ones(3))
    assert "has no id" in refused(file)
    np.savez(file, **(good | {"label": np.array([{"a": 1}] * 5, object)}))
    assert "cannot read" in refused(file)  # an object array is a pickle, which is never opened
    with file.open("wb") as out:
        np.save(out, np.ones(3))
    assert "no archive of arrays" in refused(file)


@pytest.mark.filterwarnings("ignore::UserWarning")  # numpy's words on a header that was hit
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_damaged_file_is_one_sentence_and_no_gallery(gallery: Gallery, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"out.{ending}"
    export_gallery(gallery, file)
    whole = file.read_bytes()
    for length in (1, len(whole) // 3, len(whole) - 1):
        file.write_bytes(whole[:length])
        refused(file)
    for content in (b"hello", b"\0" * 100, b"\xff" * 100, b"PK\x03\x04" + b"\0" * 50):
        file.write_bytes(content)
        refused(file)
    chance = random.Random(0)
    for number in range(60):
        data = bytearray(whole)
        for _ in range(4):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        # a bit in a label or in the last places of a double has no checksum in BSON: then it is imported
        with contextlib.suppress(UsageError):
            import_gallery(f"other{number}", file, Settings())
            continue
        assert not (Settings().galleries / f"other{number}").exists()


def test_an_unknown_ending_and_a_missing_file_are_said(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown ending of 'out.csv'; choose .parquet, .npz, .bson"):
        export_gallery(gallery, tmp_path / "out.csv")
    for ending in ENDINGS:
        assert "cannot read" in refused(tmp_path / f"missing.{ending}")


def test_without_pymongo_bson_says_what_to_install(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pymongo" else real(name))
    with pytest.raises(UsageError, match="pip install pymongo"):
        export_gallery(gallery, tmp_path / "out.bson")
    (tmp_path / "in.bson").write_bytes(b"")
    with pytest.raises(UsageError, match="pip install pymongo"):
        import_gallery("other", tmp_path / "in.bson", Settings())
    assert not (tmp_path / "out.bson").exists()


def test_the_verbs_take_the_format_from_the_ending(gallery: Gallery, tmp_path: Path) -> None:
    for ending in ("npz", "bson"):
        done = run("export", "small", tmp_path / f"out.{ending}", "--progress", "none")
        assert (done.returncode, done.stdout) == (0, f"5 rows written to {tmp_path / f'out.{ending}'}\n"), done.stderr
    done = run("import", "again", tmp_path / "out.npz", "--progress", "none")
    assert done.returncode == 0, done.stderr
    assert run("import", "third", tmp_path / "out.metadata.json").returncode == 2
