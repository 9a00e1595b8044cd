"""Change a gallery's encoder without downtime: fill a new collection, verify it, move the alias; and back."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import atomic, calibration, parts, plugins, sync
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import Gallery
from pipeline.images import open_image
from pipeline.originals import read_original, roots
from pipeline.parallel import in_order
from pipeline.records import Encoder, Progress, Rows, VectorStore, silent

CHUNK = 32
PART_ROWS = 1000


def reencode(
    gallery: Gallery, encoder: Encoder, *, spec: str, store: VectorStore | None, progress: Progress = silent
) -> str:
    """Encode every picture again from its file; returns the spec that is now current.

    Resumable: what a killed run committed is kept. Raises GalleryError naming the first picture whose file is gone;
    the gallery then stays with its present encoder.
    """
    import numpy as np

    with gallery.writing():
        fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
        old = gallery.rows(with_removed=True)
        there = parts.ids(gallery.folder(fingerprint8))
        table = old.table[~old.table["id"].isin(there)].reset_index(drop=True)
        folders = roots(gallery)

        def work(indices: Sequence[int]) -> Rows:
            piece = table.iloc[list(indices)].reset_index(drop=True)
            originals = (
                read_original(*pair, folders, gallery.name) for pair in zip(piece["path"], piece["id"], strict=True)
            )
            inputs = [encoder.preprocess(open_image(data).image) for data in originals]
            return Rows(piece, encoder.encode(np.stack(inputs)))

        waiting: list[Rows] = []
        done = 0
        for rows in in_order(range(len(table)), work, chunk=CHUNK):
            waiting.append(rows)
            if len(waiting) * CHUNK >= PART_ROWS:
                gallery.commit(fingerprint8, _joined(waiting))
                waiting = []
            done += len(rows)
            progress("encode", done, len(table))
        if waiting:
            gallery.commit(fingerprint8, _joined(waiting))
        return _switch(gallery, fingerprint8, store, progress)


def _joined(pieces: list[Rows]) -> Rows:
    import numpy as np
    import pandas as pd

    table = pd.concat([rows.table for rows in pieces], ignore_index=True)
    return Rows(table, np.concatenate([rows.embeddings for rows in pieces]))


def shorten(gallery: Gallery, dim: int, *, store: VectorStore | None, progress: Progress = silent) -> str:
    """PCA of the current embeddings to `dim` dimensions; no picture is read. Returns the new spec."""
    import numpy as np
    from safetensors.numpy import save_file

    entry = gallery.encoder()
    rows = gallery.rows(with_removed=True)
    most = min(entry["dim"], len(rows)) - 1
    if not 2 <= dim <= most:
        raise UsageError(f"--pca {dim}: choose 2 to {most} for this gallery")
    with gallery.writing():
        mean = rows.embeddings.mean(0, dtype=np.float64)
        centred = rows.embeddings - mean
        _, vectors = np.linalg.eigh(centred.T @ centred)  # eigenvalues ascending
        components = np.ascontiguousarray(vectors[:, ::-1][:, :dim].T)
        file = gallery.root / f"pca-{entry['fingerprint'][:8]}-{dim}.safetensors"
        tensors = {"mean": mean.astype(np.float32), "components": components.astype(np.float32)}
        with atomic.replacing(file) as temporary:
            save_file(tensors, temporary, metadata={"base": entry["spec"]})
        spec = f"pca:file={file.relative_to(gallery.root.parents[1]).as_posix()}"
        encoder = plugins.build("encoders", spec, device="cpu")
        fingerprint8 = gallery.add_encoder(spec, encoder.fingerprint, encoder.dim)
        table = rows.table[~rows.table["id"].isin(parts.ids(gallery.folder(fingerprint8)))]
        if len(table):
            short = encoder.shorten(rows.embeddings[table.index.to_numpy()])
            gallery.commit(fingerprint8, Rows(table.reset_index(drop=True), short))
        return _switch(gallery, fingerprint8, store, progress)


def _switch(gallery: Gallery, fingerprint8: str, store: VectorStore | None, progress: Progress) -> str:
    """Fill and check the collection, then make the encoder the current one and move the alias.

    Without a store (the app holds it) the files go first; the app fills the collection and answers exactly meanwhile.
    """
    calibration.refresh(gallery, fingerprint8)
    if store is not None:
        sync.sync(gallery, store, fingerprint8=fingerprint8, point=False, progress=progress)
        if difference := sync.compare(gallery, store, fingerprint8):
            raise GalleryError(f"the new collection does not verify ({difference}); {gallery.name} stays as it was")
    if fingerprint8 != gallery.current:
        gallery.update(current=fingerprint8, previous=gallery.current)
    if store is not None:
        store.point(gallery.name, gallery.collection())
    return str(gallery.encoder()["spec"])


def go_back(gallery: Gallery, store: VectorStore | None) -> str:
    """Return to the encoder before the last change; what was ingested since must have been in it too."""
    manifest = gallery.manifest()
    if not manifest["previous"]:
        raise UsageError(f"gallery {gallery.name} has had no other encoder; there is nothing to go back to")
    with gallery.writing():
        if lost := gallery.ids() - gallery.ids(manifest["previous"]):
            raise GalleryError(
                f"{len(lost):,} pictures came after the change; encode them too: "
                f"python -m pipeline reencode {gallery.name} --encoder {manifest['encoders'][manifest['previous']]['spec']}"
            )
        return _switch(gallery, manifest["previous"], store, silent)
