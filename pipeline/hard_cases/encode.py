"""The step `encode`: a round's pictures or objects become a gallery, pool and reference as its splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.gallery import ledgers, opening
from pipeline.gallery.gallery import Gallery
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.crops import Crops, object_crops, picture_crops
from pipeline.ingest import ingest
from pipeline.records import Encoder, Progress, VectorStore, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.settings import Settings

MARGIN, SCORE = 0.1, 0.3


def encode_round(
    round: Round,
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
    crops = object_crops(round, margin=margin, score=score) if objects else picture_crops(round)
    gallery = _gallery(round, settings, encoder, objects)
    report = ingest.ingest(
        gallery,
        Crops(round.case.root, crops),
        encoder,
        spec=spec,
        store=store,
        dataset_spec=f"folder:root={round.case.root}",
        progress=progress,
    )
    crops = crops.assign(id=ids_of(gallery, crops))
    encoded = int((crops["id"] != "").sum())
    if not encoded:
        reason = f": {report.rejected[0][0]}: {report.rejected[0][1]}" if report.rejected else ""
        raise SemblanceError(f"none of {len(crops):,} could be encoded{reason}")
    result = {"gallery": gallery.name, "objects": objects, "encoder": spec, "fingerprint": encoder.fingerprint}
    result |= {"margin": margin, "score": score, "records": len(crops), "encoded": encoded, "added": report.added}
    result |= {"rejected": len(report.rejected), "first_rejected": report.rejected[:5], "seconds": report.seconds}
    return round.keep("encode", result | {"index": report.index}, crops)


def ids_of(gallery: Gallery, crops: pd.DataFrame) -> list[str]:
    """The gallery's id of each crop; '' for one that is not in it. A second file with the same bytes has the first's."""
    table = gallery.table()
    id_of = {(row.path, row.box): row.id for row in table.itertuples()}
    box_of = dict(zip(table["id"], table["box"], strict=True))
    for picture, path, *_ in ledgers.read(gallery.root / ledgers.MERGED):
        if picture in box_of:
            id_of.setdefault((path, box_of[picture]), picture)
    return [id_of.get((row.path, row.box), "") for row in crops.itertuples()]


def embeddings_of(round: Round, settings: Settings) -> tuple[Gallery, pd.DataFrame, np.ndarray]:
    """The gallery, the crops that are in it, and their embeddings row by row. SemblanceError before `encode`."""
    encoded = round.needed("encode")
    gallery = opening.open_gallery(encoded["gallery"], settings)
    rows = gallery.rows(encoded["fingerprint"][:8])
    row_of = {picture: row for row, picture in enumerate(rows.table["id"])}
    crops = round.table("encode")
    crops = crops[crops["id"].isin(row_of)].reset_index(drop=True)
    return gallery, crops, rows.embeddings[[row_of[picture] for picture in crops["id"]]]


def _gallery(round: Round, settings: Settings, encoder: Encoder, objects: bool) -> Gallery:
    """NAME_objects or NAME_pictures; with a number where that was made with another encoder."""
    base = f"{round.case.name}_{'objects' if objects else 'pictures'}"
    taken = set(opening.names(settings))

    for name in (base, *(f"{base}_{number}" for number in range(2, 1000))):
        if name not in taken:
            break
        gallery = opening.open_gallery(name, settings)
        if not gallery.current or gallery.encoder()["fingerprint"] == encoder.fingerprint:
            break
    title = f"{round.case.about['title']}: {'objects' if objects else 'pictures'}"
    return opening.create_gallery(name, settings, title=title)
