"""Identity by content: of a file, of a region, of an encoder, of a gallery row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.schema import COLUMNS, TEXTS

if TYPE_CHECKING:
    import numpy as np


FORMER_DEFAULT = "deep_ranking:weights=models/small"  # what `deep_ranking` meant before another model took its name
OLD_BASE = "6f38f74821def37037a78a3a5de7269d7f95c2d07ed1207f4a334ab9301dfc61"  # its fingerprint: every PCA file was made over it, before files noted their base


def spec_today(spec: str, fingerprint: str) -> str:
    """The spec that builds the encoder of this fingerprint, when another model has taken the name since."""
    return FORMER_DEFAULT if (spec, fingerprint) == ("deep_ranking", OLD_BASE) else spec


def file_id(data: bytes) -> str:
    """First 32 hex digits of the SHA-256 of a file's bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def region_id(data: bytes, box: tuple[int, int, int, int]) -> str:
    """Like `file_id`, of the bytes plus `#x,y,w,h`."""
    return file_id(data + ("#" + ",".join(map(str, box))).encode())


def encoder_fingerprint(weights: Mapping[str, np.ndarray] | None = None, **facts: Any) -> str:
    """64 hex digits over the weights' names, types, shapes and bytes and over `facts`.

    `facts` name what changes an embedding: architecture, options, preprocessing. Not the device, not versions.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for name, tensor in sorted((weights or {}).items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def row_digest(row: Mapping[str, Any], embedding: np.ndarray) -> str:
    """16 hex digits over everything a store keeps of a row: tells a stale row from a current one.

    row: the fields of schema.Row.
    """
    facts = [sorted(row[one.name].items()) if one.type is TEXTS else str(row[one.name]) for one in COLUMNS]
    text = json.dumps(facts, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass") + embedding.astype("<f4").tobytes()).hexdigest()[:16]
