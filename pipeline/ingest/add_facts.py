"""A table's columns become metadata of pictures that a gallery has already; what later ingests say leaves them alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.errors import UsageError
from pipeline.gallery import asked, reports
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    from pipeline.ingest.facts_matching import Matched

KIND = "added-facts"
BROUGHT = "brought"  # in the manifest: keys of metadata that tables brought, which an ingest keeps


def add(gallery: Gallery, matched: Matched) -> str:
    """Give the pictures these values, beside what they have; returns the name of the report that `undo` takes back.

    UsageError for a row that no store takes, and when nothing would change; nothing is changed then.
    """
    import pandas as pd

    with gallery.writing():
        rows, changes, before = (
            gallery.rows(as_ingested=True).table,
            dict[str, dict[str, Any]](),
            list[dict[str, str]](),
        )
        for row in rows.to_dict("records"):
            said = matched.values.get(row["id"], {})
            former = {key: row["metadata"].get(key, "") for key in said}
            if former == said:
                continue
            changes[row["id"]] = {"metadata": row["metadata"] | said}
            if fault := schema.fault(row | changes[row["id"]]):
                raise UsageError(f"{row['path']}: {fault}; nothing was changed")
            before.append({"id": row["id"], "before": schema.json_text(former)})
        if not changes:
            raise UsageError(
                f"nothing to add to {gallery.name}: no row of the table matches a picture and says something new"
            )
        keys = sorted({key for said in matched.values.values() for key in said})
        kinds = gallery.manifest().get(asked.KINDS, {})
        before_kinds = {key: kinds.get(key, "") for key in keys}
        brought = gallery.manifest().get(BROUGHT, [])
        kinds |= {key: matched.kinds[key] for key in keys if key in matched.kinds}
        gallery.update(**{BROUGHT: [*brought, *(key for key in keys if key not in brought)], asked.KINDS: kinds})
        gallery.change_rows(changes)
        gallery.update()
        new = [key for key in keys if key not in brought]
        about = {"keys": keys, "new_keys": new, "kinds_before": before_kinds, "pictures": len(changes)}
        return reports.write(gallery, KIND, about, pd.DataFrame(before))


def undo(gallery: Gallery) -> int:
    """Take back what was added last; how many pictures have their former values again. UsageError when nothing was."""
    names = reports.names(gallery, KIND)
    if not names:
        raise UsageError(f"nothing was added to {gallery.name} that could be taken back")
    with gallery.writing():
        report, table = reports.read(gallery, names[0]), reports.table(gallery, names[0])
        former = {picture: json.loads(text) for picture, text in zip(table["id"], table["before"], strict=True)}
        rows = gallery.rows(as_ingested=True).table
        held = dict(zip(rows["id"], rows["metadata"], strict=True))
        changes = {picture: {"metadata": held[picture] | old} for picture, old in former.items() if picture in held}
        gallery.change_rows(changes)
        kept = [key for key in gallery.manifest().get(BROUGHT, []) if key not in report["new_keys"]]
        kinds = gallery.manifest().get(asked.KINDS, {}) | report.get("kinds_before", {})
        gallery.update(**{BROUGHT: kept, asked.KINDS: {key: kind for key, kind in kinds.items() if kind}})
        reports.delete(gallery, names[0])
    return len(changes)
