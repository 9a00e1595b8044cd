"""Pairs drawn from a gallery, same and different by what a field says, in two halves that share no picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import verification
from pipeline.records import Rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CHOOSE, MEASURE = "choose", "measure"  # the halves


def groupings(gallery: Gallery) -> list[str]:
    """`label` and the metadata fields by which some pictures are the same and others are not."""
    table = gallery.table()
    fields = []
    for name in ("label", *gallery.manifest()["metadata_keys"]):
        counts = _values(table, name).value_counts().drop("", errors="ignore")
        if len(counts) > 1 and counts.max() > 1:
            fields.append(name)
    return fields


def drawn(gallery: Gallery, rows: Rows, by: str, n: int, seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Pairs of both halves, n of each kind in each at most, and how many pictures and pairs there are. UsageError for none."""
    import numpy as np
    import pandas as pd

    fields = ["label", *gallery.manifest()["metadata_keys"]]
    if by not in fields:
        raise UsageError(
            f"gallery {gallery.name} has no field {by!r} to pair pictures by; choose from {', '.join(fields)}"
        )
    values = _values(rows.table, by).to_numpy(str)
    keep = values != ""
    table, embeddings, values = rows.table[keep], rows.embeddings[keep], values[keep]
    ids = table["id"].to_numpy(str)
    # A picture and its parts are in one half: pixels that chose the threshold do not measure it.
    wholes, whole_of = np.unique(np.where(table["parent"] == "", ids, table["parent"]), return_inverse=True)
    chosen = np.random.default_rng(seed).permutation(len(wholes)) < len(wholes) / 2
    counts: dict[str, Any] = {"pictures": len(ids), "values": len(set(values)), "pairs": {}}
    parts = []
    for half, mine in ((CHOOSE, chosen[whole_of]), (MEASURE, ~chosen[whole_of])):
        rows_of_half = np.flatnonzero(mine)
        try:
            same = verification.draw_pairs(values[rows_of_half], n, seed=seed)[0]
        except UsageError:
            raise UsageError(_no_pairs(gallery, by, values)) from None
        for pairs, alike in ((same, True), (_different(values[rows_of_half], n, seed=seed), False)):
            scores = verification.pair_scores(embeddings[rows_of_half], pairs)
            first, second = ids[rows_of_half[pairs]].T
            parts.append(pd.DataFrame({"first": first, "second": second, "half": half, "same": alike, "score": scores}))
        counts["pairs"][half] = {"pictures": len(rows_of_half), "same": len(parts[-2]), "different": len(parts[-1])}
    return pd.concat(parts, ignore_index=True), counts


def _different(values: np.ndarray, n: int, *, seed: int) -> np.ndarray:
    """(m, 2) rows whose values differ, each pair drawn evenly from all there are, none twice.

    draw_pairs gives no more different pairs than there are same ones, too few for a low rate where same ones are rare.
    """
    import numpy as np

    codes = np.unique(values, return_inverse=True)[1]
    order, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    before = (np.cumsum(sizes) - sizes)[codes[order]]  # (rows,) by value: how many rows have an earlier one
    ends = np.cumsum(before)
    drawn = np.random.default_rng(seed).choice(int(ends[-1]), min(n, int(ends[-1])), replace=False)
    later = np.searchsorted(ends, drawn, side="right")
    return np.stack([order[drawn - (ends - before)[later]], order[later]], axis=1)


def _no_pairs(gallery: Gallery, by: str, values: np.ndarray) -> str:
    others = ", ".join(name for name in groupings(gallery) if name != by)
    return (
        f"{len(values):,} pictures of {gallery.name} have a {by}, {len(set(values)):,} different ones, and half of them make no "
        "same and different pairs; two values are needed, with some pictures each: ingest a folder with a subfolder for each "
        f"label, or a table with a label column{f', or pair by {others}' if others else ''}"
    )


def _values(table: pd.DataFrame, by: str) -> pd.Series:
    return table["label"] if by == "label" else table["metadata"].map(lambda row: row.get(by, ""))
