"""Whether a gallery's own files are whole and consistent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline import parallel
from pipeline.errors import GalleryError, display_name
from pipeline.gallery import judgments, ledgers, parts, saved_views
from pipeline.gallery.gallery import IMPORTED, Gallery
from pipeline.gallery.originals import Roots, is_there, on_disk, read_original, roots
from pipeline.records import Progress, silent
from pipeline.schema import whole_of

_AGAIN = "ingest the pictures' folders again: it writes the list anew"
_BACKUP = "bring the file back from a backup"


def check_files(gallery: Gallery) -> list[str]:
    """One sentence for each thing wrong; empty when nothing is."""
    import numpy as np

    manifest = gallery.manifest()
    problems = []
    lost: set[str] = set()
    for fingerprint8, entry in manifest["encoders"].items():
        problems += _foreign(gallery, fingerprint8, manifest.get("birth", ""))
        try:
            rows = gallery.rows(fingerprint8, as_ingested=True)
        except GalleryError as error:
            problems.append(str(error))
            continue
        repeated = int(rows.table["id"].duplicated().sum())
        if repeated:
            problems.append(f"{repeated:,} ids stand twice in the parts of {entry['spec']}")
        if len(rows):
            norms = np.linalg.norm(rows.embeddings, axis=1)
            if bad := int((~np.isfinite(norms) | (abs(norms - 1) > 1e-3)).sum()):
                problems.append(f"{bad:,} embeddings of {entry['spec']} are not of unit length")
        lost.update(picture for picture in rows.table["id"] if not _thumbnail_is_fine(gallery, picture, manifest))
    if lost:
        problems.append(
            f"{len(lost):,} thumbnails are missing or damaged; ingest the pictures' folder again: it makes them anew"
        )
    return problems + _lists(gallery) + saved_views.damaged(gallery)


def _thumbnail_is_fine(gallery: Gallery, picture: str, manifest: dict[str, Any]) -> bool:
    """Whole, or known not to be there: an export holds none."""
    return gallery.has_thumbnail(picture) or (bool(manifest.get(IMPORTED)) and not gallery.thumbnail(picture).exists())


def _foreign(gallery: Gallery, fingerprint8: str, birth: str) -> list[str]:
    """One sentence for parts that were written for another gallery, such as one deleted since, and copied or moved here."""
    try:
        said = parts.births(gallery.folder(fingerprint8))
    except GalleryError:
        return []  # damaged; reading its rows says so
    foreign = [name for name, written_for in said.items() if written_for != birth]
    if not foreign:
        return []
    return [
        f"{', '.join(foreign[:10])} in {gallery.folder(fingerprint8)} {'belong' if len(foreign) > 1 else 'belongs'} to another "
        "gallery; put this gallery's own in their place from a backup, or move them away and ingest again"
    ]


def check_originals(gallery: Gallery, *, progress: Progress = silent) -> list[str]:
    """One sentence for pictures whose own files are gone, and one for those that were changed; every file is read."""
    if not gallery.current:
        return []
    table, folders = gallery.table(), roots(gallery)
    rows = table[["id", "parent", "box", "path"]].to_dict("records")

    def look(some: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
        return [(where, row["path"]) for row in some if (where := _state(row, folders, gallery.name))]

    found: dict[str, list[str]] = {"gone": [], "changed": []}
    done = 0
    for block in parallel.in_order(rows, look, chunk=32):
        for state, path in block:
            found[state].append(path)
        done = min(done + 32, len(rows))
        progress("reading", done, len(rows))
    meaning = {"gone": "are gone or were moved", "changed": "have other bytes than at their ingest"}
    return [
        f"{len(paths):,} pictures' files {meaning[state]}, such as {display_name(paths[0])}; ingest their dataset again, and "
        f"the gallery follows (first: python -m pipeline ingest {gallery.name} --dataset … --plan)"
        for state, paths in found.items()
        if paths
    ]


def _state(row: dict[str, str], folders: Roots, name: str) -> str:
    """gone or changed; '' for a file that is as it was."""
    try:
        read_original(row["path"], row["id"], folders, name, parent=whole_of(row))
    except GalleryError:
        names = {row["path"], on_disk(row["path"])}
        return "changed" if any(is_there(root, part) for root in folders for part in names) else "gone"
    return ""


def _lists(gallery: Gallery) -> list[str]:
    """Of the files that lines are added to: lines that were changed, and an end that is lost."""
    problems = []
    sizes = gallery.manifest().get("sizes", {})
    remedies = dict.fromkeys(ledgers.NAMES, _AGAIN) | {gallery.judgments_file.name: _BACKUP}
    for name, remedy in remedies.items():
        file = gallery.root / name
        size = file.stat().st_size if file.exists() else 0
        if size < (had := sizes.get(name, 0)):
            problems.append(f"{name} has {size:,} bytes and had {had:,}: its end is lost; {remedy}")
        elif name in ledgers.NAMES and ledgers.damaged(file):
            problems.append(f"{name} holds rows that are damaged, and passed over; {remedy}")
    if lines := judgments.damaged(gallery.judgments_file):
        shown = ", ".join(map(str, lines[:10]))
        problems.append(
            f"{gallery.judgments_file.name} is damaged in line {shown}, which is passed over; {_BACKUP}, or judge again "
            "and delete the line"
        )
    return problems
