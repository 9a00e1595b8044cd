"""A filter as one gallery understands it: its tags are ids, its facts have kinds (filters.kinds) that can be corrected at any
time, and what no store can compare is put into other words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline import filters
from pipeline.errors import UsageError, listed
from pipeline.filters import kinds, values
from pipeline.filters.clauses import Clause, Filter
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

KINDS = "fact_kinds"  # in the manifest: key of metadata to its kind, where somebody or a table said so
OF_FILES = {"taken_at": "place"}  # what images/facts.py writes
TAG = "tag"  # a field that is a judgment and no part of a row


def kinds_of(gallery: Gallery) -> dict[str, str]:
    """Key to kind; what is not in it is read as its text looks."""
    manifest = gallery.manifest()
    return {key: kind for key, kind in OF_FILES.items() if key in manifest["metadata_keys"]} | manifest.get(KINDS, {})


def choose_kinds(gallery: Gallery, chosen: Mapping[str, str]) -> None:
    """Keep these kinds; '' = as its text looks. No row changes. UsageError for a kind or a key that there is not."""
    keys = gallery.manifest()["metadata_keys"]
    if unknown := [key for key in chosen if key not in keys]:
        raise UsageError(f"gallery {gallery.name} has no facts {unknown[0]!r}; it has {listed(keys) or 'none'}")
    checked = {key: kinds.check(kind) if kind else "" for key, kind in chosen.items()}
    kept = gallery.manifest().get(KINDS, {}) | checked
    gallery.update(**{KINDS: {key: kind for key, kind in kept.items() if kind}})


def settled(where: Filter, gallery: Gallery, table: Callable[[], pd.DataFrame] | None = None) -> Filter:
    """The filter to ask a store or a table of this gallery's rows with.

    table: the gallery's, where the caller has it already. UsageError for what the gallery cannot be asked.
    """
    keys = gallery.manifest()["metadata_keys"]
    tagged = where if TAG in keys else where.replaced(lambda clause: _as_ids(clause, gallery))
    rows = functools.cache(table or gallery.table)
    known, checked = kinds_of(gallery), filters.check(tagged, keys, fields=(*filters.FIELDS, TAG))

    def meant(clause: Clause) -> Clause:
        kind = known.get(clause.field, "") if filters.is_metadata(clause) else ""
        return kinds.meant(clause, kind, rows) if kind else clause

    return values.containing(checked.replaced(meant), rows)


def _as_ids(clause: Clause, gallery: Gallery) -> Clause:
    """A clause about tags as one about ids; any other as it is. An empty value means pictures without a tag."""
    if clause.field != TAG:
        return clause
    known = tags.tags(gallery)
    if clause.operator == "~":
        parts = [value.casefold() for value in clause.spelt]
        names = [name for name in known if any(part in name.casefold() for part in parts)]
    elif clause.operator == "=":
        names = [name for name in clause.spelt if name in known]
    else:
        raise UsageError(f"a tag has no order; write {TAG}=name or {TAG}~part")
    chosen = set().union(*(known[name] for name in names))
    if clause.operator == "=" and "" in clause.values:
        untagged = values.among(sorted(set().union(*known.values()) - chosen), negate=True)
        return replace(untagged, negate=not clause.negate)
    return values.among(sorted(chosen), clause.negate)
