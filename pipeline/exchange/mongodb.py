"""A gallery into a MongoDB collection, and out of it again: the documents of the .bson file, replaced or added by `_id`.

The collection has the gallery's name, or the one behind a dot: mongodb://HOST/DATABASE.COLLECTION.

Writing again changes nothing. Pictures that were removed from the gallery since are left in the collection: what
else is in there is not ours to delete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError, listed
from pipeline.exchange.bson_file import check_installed, documents, taken
from pipeline.exchange.rows import Facts, foreign
from pipeline.records import Progress, Rows, silent
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pymongo.collection import Collection

CALL_DOCUMENTS = 500  # documents a call: 500 embeddings of 512 doubles are 4 MB of the 48 that a message may have
CONNECT_MS = 4_000  # ms until a server must have been found
ANSWER_MS = 30_000  # ms until it must have answered
DATABASE = "semblance"  # when the URL names none


def is_url(text: str) -> bool:
    return text.startswith(("mongodb://", "mongodb+srv://"))


def configured(target: str, settings: Settings) -> str:
    """`target`; for mongodb:// alone the address of SEMBLANCE_MONGODB, which no list of processes shows."""
    if target != "mongodb://":
        return target
    if not is_url(settings.mongodb):
        raise UsageError(
            "mongodb:// alone stands for SEMBLANCE_MONGODB; set it to mongodb://USER:PASSWORD@HOST:27017/DATABASE"
        )
    return settings.mongodb


def without_password(url: str) -> str:
    """The URL as it may be shown: its user and password, and its options, are left out."""
    return re.sub(r"//[^/?]*@", "//", url).partition("?")[0]


def write(url: str, collection: str, facts: Facts, rows: Rows, *, progress: Progress = silent) -> None:
    """SemblanceError when no server is reached within 4 s, or it refuses; what was sent before stays, and can be sent again."""
    waiting = documents(facts, rows)
    sent = 0
    with _opened(url, collection, lambda: f"did not take the documents; {sent:,} of {len(rows):,} were sent") as target:
        import pymongo

        while batch := list(islice(waiting, CALL_DOCUMENTS)):
            progress("documents", sent, len(rows))
            target.bulk_write(
                [pymongo.ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in batch], ordered=False
            )
            sent += len(batch)
        progress("documents", sent, len(rows))


def read(url: str, collection: str) -> tuple[Facts, Rows]:
    """What `write` wrote, with the collection's name as title. SemblanceError as there; UsageError for a collection that is
    not there, or that holds documents of another kind or of several encoders."""
    encoders: set[tuple[str, str, int]] = set()
    with _opened(url, collection, lambda: "did not give the documents") as source:
        place = f"the collection {source.name} of MongoDB's database {source.database.name}"
        found = taken(source.find(batch_size=CALL_DOCUMENTS), place, encoders)
        if found is None:
            there = sorted(source.database.list_collection_names())
            raise foreign(place, f"it holds no documents; that database has {listed(there) or 'no collections'}")
        [(spec, fingerprint, dim)] = encoders
        return Facts(spec, fingerprint, dim, source.name), found


@contextmanager
def _opened(url: str, collection: str, happened: Callable[[], str]) -> Iterator[Collection[dict[str, Any]]]:
    """The collection, of a server that answers. happened: what to say of a server that fails inside."""
    check_installed("a mongodb:// address")
    import pymongo
    from bson.errors import BSONError
    from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
    from pymongo.uri_parser import parse_uri

    shown = without_password(url)
    try:
        named = parse_uri(url)["collection"] or collection if not url.startswith("mongodb+srv:") else collection
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=CONNECT_MS, connectTimeoutMS=CONNECT_MS, socketTimeoutMS=ANSWER_MS
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise UsageError(
            f"cannot read the address {shown} ({_short(error)}); write mongodb://HOST:27017/DATABASE, or put USER:PASSWORD@ before HOST in SEMBLANCE_MONGODB"
        ) from None
    try:
        with client:
            client.admin.command("ping")
            yield client.get_default_database(DATABASE)[named]
    except (PyMongoError, BSONError, OverflowError) as error:
        raise SemblanceError(
            f"MongoDB at {shown} {happened()} ({_short(error)}). See that it runs and lets you in, then run the same "
            "command again"
        ) from None  # the error's text may hold the address with its password


def _short(error: Exception) -> str:
    """The first part of the message: what follows repeats the topology of every server."""
    return re.sub(r"//[^/?\s]*@", "//", " ".join(str(error).split()).partition(", Timeout:")[0])[:200]
