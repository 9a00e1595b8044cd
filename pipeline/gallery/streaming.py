"""A gallery's rows part by part, for what need not hold a large one whole."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.gallery import judgments, parts
from pipeline.gallery.gallery import Gallery
from pipeline.records import Rows
from pipeline.schema import with_every_key


def each(gallery: Gallery, fingerprint8: str = "") -> Iterator[Rows]:
    """`Gallery.rows` in the same order, as people judged before the first part; a part may be empty."""
    dim, keys = gallery.encoder(fingerprint8)["dim"], gallery.manifest()["metadata_keys"]
    gone, given = gallery.removed(), judgments.labels(gallery.judgments_file)
    for rows in parts.each(gallery.folder(fingerprint8), dim):
        table = judgments.labelled(rows.table, given)
        rows = Rows(table.assign(metadata=with_every_key(table["metadata"], keys)), rows.embeddings)
        yield rows.take(~rows.table["id"].isin(gone).to_numpy()) if gone else rows
