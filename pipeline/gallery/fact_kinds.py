"""Which kind each key of a gallery's metadata is (filters.kinds), as its manifest keeps it: it can be corrected at any time."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import UsageError, listed
from pipeline.filters import kinds
from pipeline.gallery.gallery import Gallery

KEY = "fact_kinds"  # in the manifest: key of metadata to its kind, where somebody or a table said so
OF_FILES = {"taken_at": "place"}  # what images/facts.py writes


def of(gallery: Gallery) -> dict[str, str]:
    """Key to kind; what is not in it is read as its text looks."""
    manifest = gallery.manifest()
    return {key: kind for key, kind in OF_FILES.items() if key in manifest["metadata_keys"]} | manifest.get(KEY, {})


def choose(gallery: Gallery, chosen: Mapping[str, str]) -> None:
    """Keep these kinds; '' = as its text looks. No row changes. UsageError for a kind or a key that there is not."""
    keys = gallery.manifest()["metadata_keys"]
    if unknown := [key for key in chosen if key not in keys]:
        raise UsageError(f"gallery {gallery.name} has no facts {unknown[0]!r}; it has {listed(keys) or 'none'}")
    checked = {key: kinds.check(kind) if kind else "" for key, kind in chosen.items()}
    kept = gallery.manifest().get(KEY, {}) | checked
    gallery.update(**{KEY: {key: kind for key, kind in kept.items() if kind}})
