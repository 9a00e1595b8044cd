"""What a collection looks like in Milvus: making one, its index, and reading its shape back."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import StoreError
from pipeline.schema import COLUMNS, NAMES, READINGS, TEXT, VERSION
from pipeline.stores import _index_spec
from pipeline.stores._index_spec import IndexSpec

_FIELDS = {*NAMES, *READINGS, "digest", "embedding"}
_VERSION = "semblance.schema"  # property of a collection: VERSION; one made before it was noted has 1
_KEYS = "semblance.metadata_keys"  # property of a collection: JSON list
_INDEX = "semblance.index"  # property of a collection: what `_index_spec.IndexSpec.text` gives
_SHAPE_SECONDS = 10.0  # seconds that a server's collection's shape is taken as known


class OldCollection(StoreError):
    """An older Semblance made it with other fields: it cannot be read, and may be made anew from the gallery."""


@dataclass(frozen=True)
class Shape:
    """A collection as Milvus describes it."""

    name: str  # the collection's own, also when asked by alias
    dim: int
    keys: tuple[str, ...]
    index: str  # as Milvus names its kind; '' before there is one
    spec: IndexSpec
    until: float


def create(client: Any, collection: str, dim: int, keys: Sequence[str], spec: IndexSpec, seconds: float) -> None:
    from pymilvus import DataType

    if client.has_collection(collection, timeout=seconds):  # made by another thread just now
        return
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for column in COLUMNS:
        options: dict[str, Any] = {"is_primary": True} if column.name == "id" else {}
        if column.type is TEXT:
            options["max_length"] = column.max_bytes
        schema.add_field(column.name, DataType[column.type.milvus], **options)
    for name in READINGS:
        schema.add_field(name, DataType.JSON)
    schema.add_field("digest", DataType.VARCHAR, max_length=16)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dim)
    client.create_collection(
        collection,
        schema=schema,
        consistency_level="Strong",  # what a paged query falls back to: see `digests`
        properties={_KEYS: json.dumps(list(keys)), _INDEX: spec.text, _VERSION: str(VERSION)},
        timeout=seconds,
    )


def add_index(client: Any, collection: str, spec: IndexSpec, seconds: float) -> None:
    if client.list_indexes(collection, timeout=seconds):
        return
    index = client.prepare_index_params()
    index.add_index("embedding", index_type=spec.kind.upper(), metric_type="COSINE", params=spec.built_with)
    client.create_index(collection, index, timeout=seconds)


def point(client: Any, alias: str, collection: str, seconds: float) -> None:
    from pymilvus import MilvusException

    try:
        client.create_alias(collection, alias, timeout=seconds)
    except MilvusException:  # it names something already; 2.3 does not list one whose collection is gone
        client.alter_alias(collection, alias, timeout=seconds)


def describe(client: Any, collection: str, seconds: float, *, for_good: bool) -> Shape:
    """OldCollection, or StoreError for one that is not ours to read or to make anew. for_good: nobody else can change it."""
    facts = client.describe_collection(collection, timeout=seconds)
    name, fields = facts["collection_name"], {one["name"]: one for one in facts["fields"]}
    _check(name, set(fields), facts["properties"])
    indexes = client.list_indexes(name, timeout=seconds)
    index = client.describe_index(name, indexes[0], timeout=seconds)["index_type"] if indexes else ""
    kind = index.lower() if index.lower() in _index_spec.KINDS else "autoindex"  # of one made before it was noted
    return Shape(
        name=name,
        dim=int(fields["embedding"]["params"]["dim"]),
        keys=tuple(json.loads(facts["properties"].get(_KEYS, "[]"))),
        index=index,
        spec=_index_spec.read(facts["properties"].get(_INDEX, ""), otherwise=kind),
        until=math.inf if for_good else time.monotonic() + _SHAPE_SECONDS,
    )


def _check(name: str, fields: set[str], properties: dict[str, str]) -> None:
    version, ours = int(properties.get(_VERSION, 1)), _KEYS in properties
    if ours and version > VERSION:
        raise StoreError(f"collection {name!r} was made by a newer Semblance (schema {version}); update this one")
    if ours and (version < VERSION or fields != _FIELDS):
        raise OldCollection(
            f"collection {name!r} was made by an older Semblance (schema {version}, and this one has {VERSION}); "
            f"`python -m pipeline sync {name.partition('__')[0]}` makes it anew"
        )
    if fields != _FIELDS:
        raise StoreError(
            f"collection {name!r} was made by something else (its fields: {', '.join(sorted(fields))}); drop it with "
            f"that, then `python -m pipeline sync {name.partition('__')[0]}`"
        )


def product(version: str) -> str:
    """What a server calls its version, in words."""
    lite = version.removeprefix("milvus_lite-")
    return f"Milvus Lite {lite}" if lite != version else f"Milvus {version.removeprefix('v')}"
