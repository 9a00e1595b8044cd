"""One picture file into a gallery, so that it can be an identity's first: kept among the originals and ingested."""

from __future__ import annotations

from pathlib import Path

from pipeline import errors, plugins
from pipeline.errors import GalleryError, PictureError
from pipeline.fingerprints import file_id
from pipeline.gallery.gallery import Gallery
from pipeline.images import opening, uploads
from pipeline.ingest import ingest
from pipeline.records import Progress, VectorStore, silent
from pipeline.search.search import load_encoder

FOLDER = "identities"  # among the originals; pictures lie at its top, so they have no label


def save_original(gallery: Gallery, name: str, data: bytes) -> Path:
    """The picture's file among the originals. PictureError when it is none."""
    return uploads.save_upload(name, data, gallery.originals / FOLDER)


def enrol(
    gallery: Gallery, file: Path, *, store: VectorStore | None, device: str = "auto", progress: Progress = silent
) -> str:
    """The picture's id; it is ingested unless the gallery has it. With no store the index is left to `sync`.

    Raises PictureError for a file that is none, GalleryError for a picture that was removed from the gallery.
    """
    try:
        data = opening.read_file(file)
        picture = file_id(data)
        if picture in gallery.removed():
            raise GalleryError(
                f"the picture {errors.display_name(file)} was removed from {gallery.name}; bring it back first: "
                f"python -m pipeline restore {gallery.name} --ids {picture}"
            )
        if picture in gallery.ids():
            return picture
        folder = gallery.originals / FOLDER
        if file.absolute().parent != folder.absolute():
            save_original(gallery, file.name, data)
    except PictureError as error:
        raise PictureError(f"{errors.display_name(file)}: {error}") from None
    dataset = plugins.absolute("datasets", f"folder:root={folder}")
    ingest.ingest(
        gallery,
        plugins.build("datasets", dataset),
        load_encoder(gallery, device=device),
        spec=gallery.encoder()["spec"],
        store=store,
        dataset_spec=dataset,
        progress=progress,
    )
    return picture
