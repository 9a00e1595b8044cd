"""What the pictures of a gallery show, as metadata: named from the embeddings that it has, or taken away again."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline import schema
from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.kinds import readout, tags
from pipeline.plugins import DEFAULT_ENCODER

CHUNK = 4096  # rows


def name_what_is_shown(gallery: Gallery, *, on: bool = True) -> Counter[str]:
    """Give every row tags.KEYS, labelled ones too, or take them from all; how many pictures show what. No picture is read.

    From then on an ingest gives them to unlabelled pictures, or to none. UsageError for an encoder that has no readout.
    """
    entry = gallery.encoder()
    known = readout.of(entry["fingerprint"]) if on else None
    if on and known is None:
        raise UsageError(
            f"gallery {gallery.name} was made with {entry['spec']}; what pictures show is read from embeddings of "
            f"{DEFAULT_ENCODER}: python -m pipeline reencode {gallery.name} --encoder {DEFAULT_ENCODER}"
        )
    changes: dict[str, dict[str, Any]] = {}
    shown: Counter[str] = Counter()
    with gallery.writing():
        rows = gallery.rows(as_ingested=True)
        for start in range(0, len(rows), CHUNK):
            some = rows.take(slice(start, start + CHUNK))
            made = tags.tags(known, some.embeddings) if known else [{}] * len(some)
            for i, row in enumerate(some.table.to_dict("records")):
                kept = {key: text for key, text in row["metadata"].items() if key not in tags.KEYS}
                tagged = kept | made[i]
                if schema.fault(row | {"metadata": tagged}):
                    tagged = kept
                shown[tagged.get(tags.SHOWS, "")] += 1
                if {key: text for key, text in row["metadata"].items() if text} != {
                    k: t for k, t in tagged.items() if t
                }:
                    changes[row["id"]] = {"metadata": tagged}
        if changes:
            gallery.change_rows(changes)
        gallery.update(**{readout.SWITCH: on})
    return shown
