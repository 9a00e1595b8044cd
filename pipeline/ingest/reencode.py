"""Change a gallery's encoder without downtime: fill a new collection, verify it, move the alias; and back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline import plugins
from pipeline.errors import GalleryError, UsageError
from pipeline.features import pca
from pipeline.files import atomic
from pipeline.fingerprints import file_id
from pipeline.gallery import calibration, parts, ranking
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images.regions import OpenedFile
from pipeline.ingest import sync
from pipeline.parallel import in_order
from pipeline.records import Encoder, Progress, Rows, VectorStore, joined, silent

if TYPE_CHECKING:
    import numpy as np

CHUNK = 32
PART_ROWS, PART_SECONDS = 1000, 10.0
MIN_NESTED = 32  # numbers that still tell pictures apart


def reencode(
    gallery: Gallery, encoder: Encoder, *, spec: str, store: VectorStore | None, progress: Progress = silent
) -> str:
    """Encode every picture again from its file; returns the spec that is now current.

    Resumable: what a killed run committed is kept. Raises GalleryError naming the first picture whose file is gone;
    the gallery then stays with its present encoder. A removed picture whose file is gone is left behind.
    """
    with gallery.writing():
        return _switch(gallery, _fill(gallery, encoder, spec, progress), store, progress, encoder)


def encode_beside(gallery: Gallery, encoder: Encoder, *, spec: str, progress: Progress = silent) -> str:
    """Encode what this encoder has not yet, for evaluation: the gallery's current encoder stays. Returns fingerprint8."""
    fingerprint8 = encoder.fingerprint[:8]
    encoded = gallery.ids(fingerprint8) if fingerprint8 in gallery.manifest()["encoders"] else set()
    if gallery.current and gallery.ids() <= encoded:
        return fingerprint8
    with gallery.writing():
        fingerprint8 = _fill(gallery, encoder, spec, progress)
        calibration.refresh(gallery, fingerprint8)
        ranking.refresh(gallery, fingerprint8, encoder=encoder)
        return fingerprint8


def _fill(gallery: Gallery, encoder: Encoder, spec: str, progress: Progress) -> str:
    """Commit embeddings of the pictures that have none of this encoder. Needs the lock."""
    import numpy as np

    gallery.clean()
    old = gallery.rows(as_ingested=True).table
    fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
    gone = gallery.removed()
    table = old[~old["id"].isin(parts.ids(gallery.folder(fingerprint8)))].reset_index(drop=True)
    folders = roots(gallery)

    def work(indices: Sequence[int]) -> Rows:
        kept, inputs = [], []
        opened: tuple[str, OpenedFile] | None = None  # regions of one picture follow each other
        for i in indices:
            picture_id, parent = table["id"][i], table["parent"][i] if table["box"][i] else ""
            if opened is None or opened[0] != (parent or picture_id):
                opened = None
                try:
                    data = read_original(table["path"][i], picture_id, folders, gallery.name, parent=parent)
                except GalleryError:
                    if picture_id not in gone:
                        raise
                    continue
                opened = parent or picture_id, OpenedFile(data)
            kept.append(i)
            inputs.append(encoder.preprocess(opened[1].view(table["box"][i])))
        encoded = encoder.encode(np.stack(inputs)) if inputs else np.zeros((0, encoder.dim), np.float32)
        return Rows(table.iloc[kept].reset_index(drop=True), encoded)

    waiting: list[Rows] = []
    done, committed_at = 0, time.monotonic()
    try:
        for rows in in_order(range(len(table)), work, chunk=CHUNK):
            waiting.append(rows)
            if len(waiting) * CHUNK >= PART_ROWS or time.monotonic() - committed_at > PART_SECONDS:
                full, waiting = waiting, []
                gallery.commit(fingerprint8, joined(full))
                committed_at = time.monotonic()
            done = min(done + CHUNK, len(table))
            progress("encode", done, len(table))
    finally:
        if waiting:  # Ctrl-C and a lost file too keep what was encoded
            gallery.commit(fingerprint8, joined(waiting))
    return fingerprint8


def shorten(gallery: Gallery, dim: int, *, store: VectorStore | None, progress: Progress = silent) -> str:
    """PCA of the current embeddings to `dim` dimensions; no picture is read. Returns the new spec."""
    with gallery.writing():
        gallery.clean()
        rows = gallery.rows(as_ingested=True)
        most = min(gallery.encoder()["dim"], len(rows)) - 1
        if most < 2:
            raise UsageError(f"gallery {gallery.name} is too small to be shortened; it needs 4 pictures")
        if not 2 <= dim <= most:
            raise UsageError(f"--pca {dim}: choose 2 to {most} for this gallery")
        mean, axes, _ = pca.fit(rows.embeddings)
        return _put_axes(gallery, rows, mean, axes[:dim], store, progress)


def cut(gallery: Gallery, dim: int, *, store: VectorStore | None, progress: Progress = silent) -> str:
    """The first `dim` numbers of the current embeddings, unit length again; no picture is read. Returns the new spec.

    Of an encoder whose card says `nested` alone (Matryoshka): its first numbers are an embedding by themselves.
    """
    import numpy as np

    with gallery.writing():
        gallery.clean()
        entry = gallery.encoder()
        if not plugins.card_of("encoders", entry["spec"]).nested or plugins.parse(entry["spec"])[1]:
            raise UsageError(
                f"the first numbers of {entry['spec']} are no embedding by themselves; --pca {dim} shortens it another way"
            )
        if not MIN_NESTED <= dim < entry["dim"]:
            raise UsageError(f"--dim {dim}: choose {MIN_NESTED} to {entry['dim'] - 1} for this gallery")
        rows = gallery.rows(as_ingested=True)
        return _put_axes(gallery, rows, np.zeros(entry["dim"]), np.eye(dim, entry["dim"]), store, progress)


def _put_axes(
    gallery: Gallery, rows: Rows, mean: np.ndarray, axes: np.ndarray, store: VectorStore | None, progress: Progress
) -> str:
    """mean: (dim,); axes: (shorter dim, dim)."""
    import numpy as np
    from safetensors.numpy import save

    entry = gallery.encoder()
    tensors = {"mean": mean.astype(np.float32), "components": np.ascontiguousarray(axes, np.float32)}
    content = save(tensors, metadata={"base": entry["spec"], "base_fingerprint": entry["fingerprint"]})
    return _put(gallery, rows, f"pca-{entry['fingerprint'][:8]}-{len(axes)}", content, store, progress)


def put_head(
    gallery: Gallery, content: bytes, *, base8: str, store: VectorStore | None, progress: Progress = silent
) -> str:
    """Make a head (networks/head.py) over the encoder base8 the current encoder; no picture is read. Returns its spec."""
    with gallery.writing():
        gallery.clean()
        return _put(gallery, gallery.rows(base8, as_ingested=True), f"head-{base8}", content, store, progress)


def _put(gallery: Gallery, rows: Rows, name: str, content: bytes, store: VectorStore | None, progress: Progress) -> str:
    """Keep an encoder's file, embed the rows of its base through it and switch to it. name: its plugin's, a dash, more."""
    # named by content: made again from more pictures, it must not replace the one that --back needs
    file = gallery.root / f"{name}-{file_id(content)[:8]}.safetensors"
    with atomic.replacing(file) as temporary:
        temporary.write_bytes(content)
    spec = f"{name.partition('-')[0]}:file={file.relative_to(gallery.root.parents[1]).as_posix()}"
    encoder = plugins.build("encoders", spec, device="cpu")
    fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
    new = rows.take(~rows.table["id"].isin(parts.ids(gallery.folder(fingerprint8))).to_numpy())
    if len(new):
        gallery.commit(fingerprint8, Rows(new.table, encoder.of_base(new.embeddings)))
    return _switch(gallery, fingerprint8, store, progress, encoder)


def _switch(
    gallery: Gallery, fingerprint8: str, store: VectorStore | None, progress: Progress, encoder: Encoder | None = None
) -> str:
    """Fill and check the collection, then make the encoder the current one and move the alias.

    Without a store (the app holds it) the files go first; the app fills the collection and answers exactly meanwhile.
    """
    calibration.refresh(gallery, fingerprint8)
    ranking.refresh(gallery, fingerprint8, encoder=encoder)
    if store is not None:
        sync.sync(gallery, store, fingerprint8=fingerprint8, point=False, progress=progress)  # raises unless it agrees
    if fingerprint8 != gallery.current:
        gallery.update(current=fingerprint8, previous=gallery.current)
    if store is not None:
        store.point(gallery.name, gallery.collection())
    return str(gallery.encoder()["spec"])


def go_back(gallery: Gallery, store: VectorStore | None) -> str:
    """Return to the encoder before the last change; what was ingested since must have been in it too."""
    with gallery.writing():
        manifest = gallery.manifest()
        if not manifest["previous"]:
            raise UsageError(f"gallery {gallery.name} has had no other encoder; there is nothing to go back to")
        if lost := gallery.ids() - gallery.ids(manifest["previous"]):
            raise GalleryError(
                f"{len(lost):,} pictures came after the change; encode them too: "
                f"python -m pipeline reencode {gallery.name} --encoder {manifest['encoders'][manifest['previous']]['spec']}"
            )
        return _switch(gallery, manifest["previous"], store, silent)
