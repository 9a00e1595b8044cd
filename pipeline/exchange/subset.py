"""A new gallery of some pictures of another, without encoding anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from pipeline.errors import GalleryError, UsageError
from pipeline.exchange import arriving
from pipeline.exchange.backup import rename_encoders
from pipeline.gallery import judgments, tags
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import on_disk
from pipeline.records import Rows
from pipeline.settings import Settings


def subset(source: Gallery, name: str, ids: Collection[str], settings: Settings, *, title: str = "") -> Gallery:
    """Rows, embeddings and thumbnails of these pictures, with corrected labels, tags and what came by upload.

    Files in folders stay where they are, and ingesting their folder again brings the others of it. UsageError for no
    picture or a name that is taken, GalleryError for an id that the gallery has not, SemblanceError on a full disk.
    """
    everything = source.rows(as_ingested=True)
    wanted = set(ids)
    there = everything.table["id"].isin(wanted - source.removed()).to_numpy(bool)
    if not wanted:
        raise UsageError("no picture is chosen; say which ones the new gallery is made of")
    if unknown := wanted - set(everything.table.loc[there, "id"]):
        raise GalleryError(f"gallery {source.name} has no picture {min(unknown)} (and {len(unknown) - 1:,} others)")
    rows, manifest, entry = everything.take(there), source.manifest(), source.encoder()
    own = f"{source.root}{os.sep}"

    def fill(gallery: Gallery) -> None:
        there = gallery.manifest()  # what the source has beyond it was set by somebody: facts, kinds, a table's columns
        gallery.update(**{key: value for key, value in manifest.items() if key not in there})
        _bring(source, gallery, rows)
        for file in source.root.glob("*.safetensors"):  # a fine-tuned or shortened encoder
            shutil.copyfile(file, gallery.root / file.name)
        rename_encoders(gallery.root, source.name, name)
        labels = judgments.labels(source.judgments_file)
        if corrected := {picture: label for picture, label in labels.items() if picture in wanted}:
            gallery.relabel(corrected)
        for tag, tagged in tags.tags(source).items():
            if mine := sorted(tagged & wanted):
                tags.tag(gallery, mine, tag)

    return arriving.made(
        name,
        settings,
        title=title or name,
        encoder=(entry["spec"], entry["fingerprint"], entry["dim"]),
        rows=rows,
        datasets=[spec for spec in manifest["datasets"] if own not in spec],
        fill=fill,
    )


def _bring(source: Gallery, gallery: Gallery, rows: Rows) -> None:
    """Thumbnails, and files that the gallery keeps itself."""
    for picture in rows.table["id"]:
        _take(source.thumbnail(picture), gallery.thumbnail(picture))
    folders = [source.originals, *sorted(source.originals.glob("*/"))]
    for path in set(rows.table["path"]):
        for folder in folders:
            _take(folder / on_disk(path), gallery.originals / folder.relative_to(source.originals) / on_disk(path))


def _take(file: Path, target: Path) -> None:
    """A second name for the same bytes, which nobody changes in place; a copy where the disk gives none."""
    if not file.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
