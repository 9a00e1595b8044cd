"""The index that a collection is to have, as text: `flat`, `hnsw:ef=128`, `ivf_flat:nprobe=32`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.errors import StoreError

# Of each kind: what its settings are called, and what they are when nothing is said. 0 = by the number of hits wanted.
KINDS: dict[str, dict[str, int]] = {
    "flat": {},
    "autoindex": {},
    "hnsw": {"ef": 0, "m": 16, "ef_construction": 200},
    "hnsw_sq": {"ef": 0, "m": 16, "ef_construction": 200},
    "ivf_flat": {"nprobe": 32, "cells": 128},
    "ivf_sq8": {"nprobe": 32, "cells": 128},
    "ivf_rabitq": {"nprobe": 32, "cells": 128, "refine": 2},  # refine: so many times the hits are compared again by SQ8
    "diskann": {"ef": 0},  # its list of rows in view, `search_list`
}
ON_A_SERVER = ("ivf_rabitq", "diskann")  # Lite takes any name and compares every row of one that it does not know
_NAMES = {"m": "M", "ef_construction": "efConstruction", "cells": "nlist"}  # as Milvus calls them
_MIN_EF, _MAX_EF = 64, 32_768
_FILTERED_EF = (
    768  # under a filter, where most of what is met does not pass: 0.99 found, with 256 0.975 (benchmarks.filtered)
)


@dataclass(frozen=True)
class IndexSpec:
    """A kind and its settings."""

    kind: str
    settings: dict[str, int]

    @property
    def text(self) -> str:
        changed = ",".join(f"{key}={value}" for key, value in self.settings.items() if value != KINDS[self.kind][key])
        return self.kind + (f":{changed}" if changed else "")

    @property
    def built_with(self) -> dict[str, Any]:
        refined = {"refine": True, "refine_type": "SQ8"} if self.settings.get("refine") else {}
        return {name: self.settings[key] for key, name in _NAMES.items() if key in self.settings} | refined

    def searched_with(self, k: int, *, filtered: bool = False) -> dict[str, int]:
        """ef of at least 4 k, or HNSW misses hits that are there; under a filter more, unless somebody chose one."""
        if "ef" in self.settings:
            usual = _FILTERED_EF if filtered else _MIN_EF
            ef = min(max(4 * k, self.settings["ef"] or usual), _MAX_EF)
            return {"search_list" if self.kind == "diskann" else "ef": ef}
        named = {"nprobe": "nprobe", "refine": "refine_k"}
        return {name: self.settings[key] for key, name in named.items() if self.settings.get(key)}


def read(text: str, *, otherwise: str = "flat") -> IndexSpec:
    """'' is `otherwise`. StoreError for a kind or a setting that is none, with those that are."""
    kind, _, rest = (text or otherwise).lower().partition(":")
    if kind not in KINDS:
        raise StoreError(f"unknown index {kind!r}; choose from {', '.join(KINDS)}")
    settings: dict[str, Any] = dict(KINDS[kind])
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key.strip() not in settings or not value.strip().isdecimal():
            valid = ", ".join(f"{name}=NUMBER" for name in settings) or "none"
            raise StoreError(f"cannot read {part!r} of the index {text!r}; {kind} has these settings: {valid}")
        settings[key.strip()] = int(value)
    return IndexSpec(kind, settings)


def check_on_lite(spec: IndexSpec, gallery: str) -> None:
    """StoreError for a kind that a server alone has: Lite would take its name and compare every row."""
    if spec.kind in ON_A_SERVER:
        have = ", ".join(kind for kind in KINDS if kind not in ON_A_SERVER)
        raise StoreError(
            f"the embedded Milvus has no index {spec.kind}; it has {have}. A server may have it (SEMBLANCE_MILVUS_URI); "
            f"`python -m pipeline set-index {gallery} auto` lets the store choose"
        )
