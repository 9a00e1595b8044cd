"""The words inside a gallery's pictures, as metadata: each picture is read once, and what was read is kept in words.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import parallel, schema
from pipeline.errors import SemblanceError
from pipeline.gallery import ledgers
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import Roots, read_original, roots
from pipeline.images import decoding, ocr
from pipeline.images.regions import OpenedFile, parse_box
from pipeline.records import Progress, silent

CHUNK = 4  # pictures a thread takes; what was read of them is on the disk then
TOGETHER = 1000  # pictures after which rows take over what was read: a part has so many


@dataclass
class Read:
    """pictures: of the gallery. worded: of them those with words. read: looked at now. unread: whose file cannot be read now.
    changed: rows that were given words now."""

    pictures: int
    worded: int = 0
    read: int = 0
    unread: int = 0
    changed: int = 0


def read_words(gallery: Gallery, *, progress: Progress = silent) -> Read:
    """Give every picture with readable words ocr.WORDS, now and at later ingests; each is read once, whatever stops a run.

    A value that the dataset has under that name stands. UsageError without the library.
    """
    ocr.check()
    gallery.encoder()  # GalleryError while it holds nothing
    with gallery.writing():
        file = gallery.root / ledgers.WORDS
        known = dict(ledgers.read(file))
        mended = ledgers.write(file, [*known.items()])  # without what a kill has torn: that picture is read again
        if mended or not gallery.manifest().get(ocr.SWITCH):
            gallery.update(**{ocr.SWITCH: True})
        rows, folders = gallery.table().to_dict("records"), roots(gallery)
        left = [row for row in rows if row["id"] not in known and not row["metadata"].get(ocr.WORDS)]
        made = Read(len(rows))
        try:
            reading = parallel.in_order(
                left, lambda some: _read(some, folders, gallery.name), chunk=CHUNK, workers=ocr.workers()
            )
            for words in reading:
                found = {picture: text for picture, text in words.items() if text is not None}
                ledgers.append(file, [*found.items()])
                known |= found
                if made.read // TOGETHER < (made.read + len(found)) // TOGETHER:
                    made.changed += _take_over(gallery, rows, known)
                made.read, made.unread = made.read + len(found), made.unread + len(words) - len(found)
                progress("reading words", made.read + made.unread, len(left))
        finally:
            made.changed += _take_over(gallery, rows, known)  # Ctrl-C too
        made.worded = sum(bool(row["metadata"].get(ocr.WORDS)) for row in rows)
    return made


def forget_words(gallery: Gallery) -> int:
    """Take away what was read, and read nothing at later ingests; how many pictures had words."""
    with gallery.writing():
        file = gallery.root / ledgers.WORDS
        known = dict(ledgers.read(file))
        changes = {
            row["id"]: {"metadata": row["metadata"] | {ocr.WORDS: ""}}
            for row in gallery.rows(as_ingested=True).table.to_dict("records")
            if (text := known.get(row["id"])) and row["metadata"].get(ocr.WORDS) == text
        }
        if changes:
            gallery.change_rows(changes)
        file.unlink(missing_ok=True)  # after the rows: a kill between leaves what takes them away
        gallery.update(**{ocr.SWITCH: False})
    return len(changes)


def _read(rows: Sequence[dict[str, Any]], folders: Roots, name: str) -> dict[str, str | None]:
    """id to its words; None of a picture whose file is gone or cannot be reached."""
    return {row["id"]: _words(row, folders, name) for row in rows}


def _words(row: dict[str, Any], folders: Roots, name: str) -> str | None:
    try:
        data = read_original(row["path"], row["id"], folders, name, parent=schema.whole_of(row))
        picture = OpenedFile(data).picture(full=True)
        return ocr.read(decoding.crop(picture, parse_box(row["box"])) if row["box"] else picture.image)
    except SemblanceError:
        return None


def _take_over(gallery: Gallery, rows: Sequence[dict[str, Any]], known: dict[str, str]) -> int:
    """Give rows what was read of them, where they hold nothing and it fits; how many that were."""
    changes = {}
    for row in rows:
        if (text := known.get(row["id"])) and not row["metadata"].get(ocr.WORDS):
            told = {"metadata": row["metadata"] | {ocr.WORDS: text}}
            if not schema.fault(row | told):
                changes[row["id"]] = told
                row.update(told)
    if changes:
        gallery.change_rows(changes)
        gallery.update()
    return len(changes)
