"""From a measured index to the setting of a gallery: `milvus:index=HNSW,ef=64` to `hnsw:ef=64`."""

from __future__ import annotations

from pipeline import plugins
from pipeline.errors import UsageError

KINDS = ("flat", "hnsw", "hnsw_sq", "ivf_flat", "ivf_sq8")  # that Lite and servers of today have
_SETTINGS = ("ef", "m", "ef_construction", "nprobe", "cells")


def of_spec(spec: str) -> str:
    """What `sync.choose_index` takes; '' for an index that a gallery cannot have."""
    name, options = plugins.parse(spec)
    kind = options.get("index", "HNSW").lower()
    if name != "milvus" or kind not in KINDS:
        return ""
    said = ",".join(f"{key}={options[key]}" for key in _SETTINGS if options.get(key, "0") != "0")
    return kind + (f":{said}" if said else "")


def checked(text: str) -> str:
    """The setting itself, lower case; UsageError for a kind that a gallery cannot have. '' and auto: the store decides."""
    text = text.strip().lower()
    if text in ("", "auto"):
        return ""
    if text.partition(":")[0] not in KINDS:
        raise UsageError(f"unknown index {text!r}; choose from auto, {', '.join(KINDS)}, such as hnsw:ef=128")
    return text
