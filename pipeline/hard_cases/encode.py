"""The step `encode`: a round's pictures or objects become a gallery, haystack and reference as its splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.gallery import ledgers
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.hard_cases import crops as hard_cases_crops
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.crops import Crops
from pipeline.ingest import ingest
from pipeline.records import Encoder, Progress, VectorStore, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.settings import Settings

MARGIN, SCORE = 0.1, 0.3


def encode(
    turn: Round,
    settings: Settings,
    encoder: Encoder,
    *,
    spec: str,
    objects: bool = True,
    margin: float = MARGIN,
    score: float = SCORE,
    store: VectorStore | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Fill the round's gallery. objects: compare objects; else whole pictures. score: the least of a predicted box.

    Again it encodes only what is new. Raises UsageError for an option out of range, SemblanceError when nothing could
    be read.
    """
    for option, value, high in (("margin", margin, 2), ("score", score, 1)):
        if not 0 <= value <= high:
            raise UsageError(f"{option} is {value:g}; choose 0 to {high}")
    crops = hard_cases_crops.objects(turn, margin=margin, score=score) if objects else hard_cases_crops.whole(turn)
    gallery = _gallery(turn, settings, encoder, objects)
    report = ingest.ingest(
        gallery,
        Crops(turn.case.root, crops),
        encoder,
        spec=spec,
        store=store,
        dataset_spec=f"folder:root={turn.case.root}",
        progress=progress,
    )
    crops = crops.assign(id=ids_of(gallery, crops))
    found = int((crops["id"] != "").sum())
    if not (crops["id"] != "").any():
        reason = f": {report.rejected[0][0]}: {report.rejected[0][1]}" if report.rejected else ""
        raise SemblanceError(f"none of {len(crops):,} could be encoded{reason}")
    result = {"gallery": gallery.name, "objects": objects, "encoder": spec, "fingerprint": encoder.fingerprint}
    result |= {"margin": margin, "score": score, "records": len(crops), "encoded": found, "added": report.added}
    result |= {"rejected": len(report.rejected), "first_rejected": report.rejected[:5], "seconds": report.seconds}
    return turn.keep("encode", result | {"index": report.index}, crops)


def ids_of(gallery: Gallery, crops: pd.DataFrame) -> list[str]:
    """The gallery's id of each crop; '' for one that is not in it. A second file with the same bytes has the first's."""
    table = gallery.table()
    known = {(row.path, row.box): row.id for row in table.itertuples()}
    box_of = dict(zip(table["id"], table["box"], strict=True))
    for one, path, *_ in ledgers.read(gallery.root / ledgers.MERGED):
        if one in box_of:
            known.setdefault((path, box_of[one]), one)
    return [known.get((row.path, row.box), "") for row in crops.itertuples()]


def embeddings_of(turn: Round, settings: Settings) -> tuple[Gallery, pd.DataFrame, np.ndarray]:
    """The gallery, the crops that are in it, and their embeddings row by row. SemblanceError before `encode`."""
    encoded = turn.needed("encode")
    gallery = galleries.open_gallery(encoded["gallery"], settings)
    rows = gallery.rows(encoded["fingerprint"][:8])
    at = {picture: row for row, picture in enumerate(rows.table["id"])}
    crops = turn.table("encode")
    crops = crops[crops["id"].isin(at)].reset_index(drop=True)
    return gallery, crops, rows.embeddings[[at[one] for one in crops["id"]]]


def _gallery(turn: Round, settings: Settings, encoder: Encoder, objects: bool) -> Gallery:
    """NAME_objects or NAME_pictures; with a number where that was made with another encoder."""
    base = f"{turn.case.name}_{'objects' if objects else 'pictures'}"
    taken = set(galleries.names(settings))
    for name in (base, *(f"{base}_{number}" for number in range(2, 1000))):
        if name not in taken:
            break
        made = galleries.open_gallery(name, settings)
        if not made.current or made.encoder()["fingerprint"] == encoder.fingerprint:
            break
    title = f"{turn.case.about['title']}: {'objects' if objects else 'pictures'}"
    return galleries.create_gallery(name, settings, title=title)
