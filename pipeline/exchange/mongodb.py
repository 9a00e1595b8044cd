"""A gallery into a MongoDB collection: the documents of the .bson file, replaced or added by `_id`.

Running it again changes nothing. Pictures that were removed from the gallery since are left in the collection: what
else is in there is not ours to delete.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.exchange.bson_file import check_installed, documents
from pipeline.exchange.rows import Facts
from pipeline.records import Progress, Rows, silent
from pipeline.settings import Settings

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
    check_installed("a mongodb:// address")
    import pymongo
    from bson.errors import BSONError
    from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

    shown = without_password(url)
    try:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=CONNECT_MS, connectTimeoutMS=CONNECT_MS, socketTimeoutMS=ANSWER_MS
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise UsageError(
            f"cannot read the address {shown} ({_short(error)}); write mongodb://HOST:27017/DATABASE, or put USER:PASSWORD@ before HOST in SEMBLANCE_MONGODB"
        ) from None
    waiting = documents(facts, rows)
    sent = 0
    try:
        with client:
            client.admin.command("ping")
            target = client.get_default_database(DATABASE)[collection]
            while batch := list(islice(waiting, CALL_DOCUMENTS)):
                progress("documents", sent, len(rows))
                target.bulk_write(
                    [pymongo.ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in batch], ordered=False
                )
                sent += len(batch)
            progress("documents", sent, len(rows))
    except (PyMongoError, BSONError, OverflowError) as error:
        raise SemblanceError(
            f"MongoDB at {shown} did not take the documents ({_short(error)}); {sent:,} of {len(rows):,} were sent. See that "
            "it runs and may be written to, then run the same command again"
        ) from None  # the error's text may hold the address with its password


def _short(error: Exception) -> str:
    """The first part of the message: what follows repeats the topology of every server."""
    return re.sub(r"//[^/?\s]*@", "//", " ".join(str(error).split()).partition(", Timeout:")[0])[:200]
