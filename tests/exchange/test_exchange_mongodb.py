"""A gallery into a MongoDB collection. No real server is at hand: one of a few lines speaks as much of its protocol as
pymongo needs to upsert, and keeps what it is sent."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from pathlib import Path
from typing import Any

import bson
import pymongo
import pytest
from pymongo.errors import AutoReconnect
from tiny_gallery import fill, photos, run

from pipeline.__main__ import main
from pipeline.errors import SemblanceError, UsageError
from pipeline.exchange import mongodb
from pipeline.exchange.exchange import export_gallery
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


class Server(socketserver.ThreadingTCPServer):
    """hello, ping and update of the MongoDB wire protocol; collections: namespace to {_id: document}."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Wire)
        self.collections: dict[str, dict[str, Any]] = {}
        self.updates = 0

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        if "update" in command:
            self.updates += 1
            kept = self.collections.setdefault(f"{command['$db']}.{command['update']}", {})
            fresh = [one["q"]["_id"] for one in command["updates"] if one["upsert"] and one["q"]["_id"] not in kept]
            kept.update({one["q"]["_id"]: one["u"] for one in command["updates"]})
            upserted = [{"index": place, "_id": name} for place, name in enumerate(fresh)]
            return {"ok": 1, "n": len(command["updates"]), "nModified": 0, "upserted": upserted}
        limits = {"maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000}
        return {
            "ok": 1,
            "isWritablePrimary": True,
            "ismaster": True,
            "minWireVersion": 0,
            "maxWireVersion": 21,
        } | limits


class Wire(socketserver.StreamRequestHandler):
    """OP_MSG (2013), and OP_QUERY (2004) for a client's first word."""

    server: Server

    def handle(self) -> None:
        while header := self.rfile.read(16):
            size, number, _, code = struct.unpack("<4i", header)
            body = self.rfile.read(size - 16)
            if code == 2004:
                made = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self.server.answer({}))
                self.wfile.write(struct.pack("<4i", 16 + len(made), 1, number, 1) + made)
                continue
            command, place = {}, 4
            while place < len(body):  # sections: a document, or a list of them under a name
                kind, place = body[place], place + 1
                length = int.from_bytes(body[place : place + 4], "little")
                part, place = body[place : place + length], place + length
                if kind == 0:
                    command |= bson.decode(part)
                else:
                    end = part.index(0, 4)
                    command[part[4:end].decode()] = bson.decode_all(part[end + 1 :])
            made = struct.pack("<iB", 0, 0) + bson.encode(self.server.answer(command))
            self.wfile.write(struct.pack("<4i", 16 + len(made), 1, number, 2013) + made)


def test_a_client_upserts_over_the_wire(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongodb, "CALL_DOCUMENTS", 2)
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        assert export_gallery(gallery, f"mongodb://{address}/shop") == 5
        assert export_gallery(gallery, f"mongodb://{address}") == 5
        first = server.updates
        assert export_gallery(gallery, f"mongodb://{address}/shop") == 5
        server.shutdown()
    assert (first, server.updates) == (6, 9)
    assert set(server.collections) == {"shop.small", "semblance.small"}
    kept = list(server.collections["shop.small"].values())
    rows = gallery.rows()
    assert [one["_id"] for one in kept] == rows.table["id"].tolist()
    assert [one["embedding"] for one in kept] == rows.embeddings.astype(float).tolist()
    assert [one["path"] for one in kept] == rows.table["path"].tolist()


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
