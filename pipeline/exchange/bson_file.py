"""Exchange as BSON, the file that `mongorestore` takes: one document a picture, and `NAME.metadata.json` beside it.

The embedding is a list of doubles, which holds a float32 exactly, and not Binary: a plain query, an aggregation that
sums products, `$vectorSearch` and every driver can use a list; inside Binary none but the newest can look. It takes about
three times the bytes. Each document says its encoder, because a dump that MongoDB makes of the collection has no other
place for it. Documents are made and read one at a time.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.errors import UsageError
from pipeline.exchange.rows import Facts, foreign, unreadable
from pipeline.files import atomic
from pipeline.records import Rows
from pipeline.schema import NAMES, WHOLE

if TYPE_CHECKING:
    import numpy as np

_FIELDS = {name: name for name in NAMES} | {"id": "_id"}
BLOCK_DOCUMENTS = 1000  # documents whose embeddings are lists at a time
INSTALL = "pip install pymongo"


def check_installed(what: str) -> None:
    """UsageError without pymongo; another package of the name `bson` will not do."""
    if importlib.util.find_spec("pymongo") is None:
        raise UsageError(f"{what} needs pymongo, which is not installed: {INSTALL}; or export to .parquet or .npz")


def documents(facts: Facts, rows: Rows) -> Iterator[dict[str, Any]]:
    """One a picture, in the order of the rows: _id, the columns, metadata as a document, embedding, its encoder."""
    columns = {_FIELDS[name]: rows.table[name].tolist() for name in NAMES}
    for row in range(len(rows)):
        yield {name: values[row] for name, values in columns.items()} | {
            "embedding": rows.embeddings[row].tolist(),
            "encoder": facts.spec,
            "fingerprint": facts.fingerprint,
        }


def write(target: Path, facts: Facts, rows: Rows) -> None:
    check_installed("a .bson file")
    import bson
    from bson.errors import InvalidDocument

    with atomic.replacing(target) as temporary, temporary.open("wb") as out:
        for document in documents(facts, rows):
            try:
                out.write(bson.encode(document))
            except (InvalidDocument, OverflowError) as error:  # a zero character in a metadata key
                raise UsageError(f"BSON cannot hold {document['path']!r} ({error}); export to .parquet") from error
    atomic.write_json(metadata_file(target), _beside(target, facts))


def metadata_file(target: Path) -> Path:
    """Where mongodump writes a collection's indexes, and mongorestore looks for them."""
    return target.with_name(f"{target.name.removesuffix(target.suffix)}.metadata.json")


def _beside(target: Path, facts: Facts) -> dict[str, Any]:
    """As mongodump writes it, in canonical extended JSON; mongorestore passes over the key of ours."""
    index = {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}
    noted = {"spec": facts.spec, "fingerprint": facts.fingerprint, "title": facts.title, "dim": str(facts.dim)}
    return {
        **{"options": {}, "indexes": [index], "collectionName": target.stem, "type": "collection"},
        "semblance": noted | {"datasets": list(facts.datasets)},
    }


def read(source: Path) -> tuple[Facts, Rows]:
    """Also a dump that mongodump made of the collection: then the title is the file's name.

    UsageError when the file is damaged, another thing, or holds embeddings of several encoders.
    """
    check_installed("a .bson file")
    import bson
    from bson.errors import BSONError

    beside = _facts_beside(source)
    encoders = {(str(beside["spec"]), str(beside["fingerprint"]), int(beside["dim"]))} if beside else set()
    try:
        with source.open("rb") as stream:
            found = taken(bson.decode_file_iter(stream), source, encoders)
    except (BSONError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise unreadable(source, error) from error
    if found is None:
        raise foreign(source, f"it holds no documents and {metadata_file(source).name} is not beside it")
    [(spec, fingerprint, dim)] = encoders
    facts = Facts(
        spec, fingerprint, dim, str(beside.get("title") or source.stem), tuple(map(str, beside.get("datasets", ())))
    )
    return facts, found


def taken(
    documents: Iterable[Mapping[str, Any]], source: Path | str, encoders: set[tuple[str, str, int]]
) -> Rows | None:
    """The rows of documents as `documents` makes them, read one at a time; None when there are none and no encoder is known.

    encoders: spec, fingerprint and dim where they are known already; the documents' are added. UsageError for a document
    of another kind or of another encoder.
    """
    import numpy as np

    columns: dict[str, list[Any]] = {name: [] for name in NAMES}
    blocks: list[np.ndarray] = []
    pending: list[list[float]] = []
    with np.errstate(over="ignore"):  # a double too large for float32 becomes infinite, which has no unit length
        for document in documents:
            encoders.add(_take(source, document, columns))
            if len(encoders) > 1:
                raise foreign(source, "its documents are of several encoders")
            pending.append(document["embedding"])
            if len(pending) == BLOCK_DOCUMENTS:
                blocks.append(np.array(pending, np.float32))
                pending = []
        rest = np.array(pending, np.float32)
    if not encoders:
        return None
    [(_, _, dim)] = encoders
    return Rows(schema.table(columns), np.concatenate([*blocks, rest.reshape(-1, dim)]))


def _facts_beside(source: Path) -> dict[str, Any]:
    """Our facts from the file beside; {} when there is none, or none of ours in it."""
    try:
        beside = dict(json.loads(metadata_file(source).read_text(encoding="utf-8"))["semblance"])
        usable = int(beside["dim"]) > 0 and {"spec", "fingerprint"} <= set(beside)
        return beside if usable and isinstance(beside.get("datasets"), list) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _take(source: Path | str, document: Mapping[str, Any], columns: dict[str, list[Any]]) -> tuple[str, str, int]:
    """Put the fields into the columns; returns spec, fingerprint and dim."""
    values: dict[str, Any] = {name: document.get(_FIELDS[name]) for name in NAMES}
    embedding: Any = document.get("embedding")
    encoder = [document.get("encoder"), document.get("fingerprint")]
    lacking = [one.name for one in schema.COLUMNS if type(values[one.name]) is not one.type.python]
    numbers = schema.named(WHOLE)
    if not lacking and not all(0 <= values[name] < 2**31 for name in numbers):
        lacking = [" or ".join(numbers)]
    if not isinstance(embedding, list) or not embedding or any(type(value) is not float for value in embedding):
        lacking.append("embedding")
    if any(not isinstance(fact, str) for fact in encoder):
        lacking.append("encoder")
    if lacking:
        raise foreign(
            source, f"document {str(document.get('_id'))[:40]!r} has no {', '.join(lacking)} of the right type"
        )
    for name, value in values.items():
        columns[name].append(value)
    return str(encoder[0]), str(encoder[1]), len(embedding)
