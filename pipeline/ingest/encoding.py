"""A chunk of pictures the whole way: read, hash, open, thumbnail, encode. Any thread or process can do it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline import schema
from pipeline.errors import PictureError, UsageError
from pipeline.files.remote import RemoteFolder
from pipeline.images import decoding, facts, opening
from pipeline.images.regions import OpenedFile, box_text, parse_box
from pipeline.records import Encoder, ImageRecord, place
from pipeline.schema import Row

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


@dataclass
class Chunk:
    """What a task brings back, in the order of its records."""

    rows: list[Row] = field(default_factory=list)
    embeddings: np.ndarray | None = None  # (len(rows), dim)
    repeated: list[tuple[str, ImageRecord]] = field(default_factory=list)  # (id, record) whose id was there before
    accepted: list[tuple[str, ImageRecord]] = field(default_factory=list)  # (id, record) of these and of the rows
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (place, reason)
    size: int = 0  # records it was made of


class Existing(Protocol):
    """What the gallery holds already, as far as a task must know it, and where its thumbnails go."""

    def knows(self, picture_id: str) -> bool:
        """Whether the picture has a row, or was removed."""

    def is_whole(self, picture_id: str) -> bool:
        """Of a known picture: whether its thumbnail is there too, or not wanted any more."""

    def keep(self, picture_id: str, thumbnail: bytes) -> None:
        """Take a JPEG. Its row is returned later, so a committed row never lacks one."""


@dataclass(frozen=True)
class Work:
    """What an engine is given: records of a dataset under `root`, in chunks of at most `size`."""

    root: Path | RemoteFolder
    records: Sequence[ImageRecord]
    encoder: Encoder
    existing: Existing
    known: Callable[[], Collection[str]]  # every id that `existing` knew before the first chunk, for who cannot ask it
    size: int
    facts: tuple[str, ...] = facts.USUAL


def encode_chunk(
    root: Path | RemoteFolder,
    records: Iterable[ImageRecord],
    encoder: Encoder,
    existing: Existing,
    kinds_of_facts: Collection[str] = facts.USUAL,
) -> Chunk:
    """kinds_of_facts: of images.facts.KINDS, what rows take over from the files; what the dataset says goes before."""
    import numpy as np

    chunk = Chunk()
    inputs = []
    opened: tuple[str, OpenedFile] | None = None  # parts of one picture follow each other
    for named in records:
        chunk.size += 1
        record = readable(named)
        try:
            if opened is None or opened[0] != named.path:
                opened = None  # before the next: one decoded picture at a time
                opened = named.path, OpenedFile(opening.read_inside(root, named.path))
            file = opened[1]
            picture_id = file.id(record.box)
            repeated = existing.knows(picture_id)
            if repeated:
                record = _with_facts(record, facts.of_file(file.data, kinds_of_facts))
                chunk.repeated.append((picture_id, record))
                chunk.accepted.append((picture_id, record))
                if existing.is_whole(picture_id):
                    continue
            image = file.view(record.box)
            if not repeated:  # first it was opened, by who refuses what is too large or damaged
                record = _with_facts(record, facts.of_file(file.data, kinds_of_facts))
        except (PictureError, UsageError) as error:  # UsageError: of a box
            chunk.rejected.append((record.place, str(error)))
            continue
        existing.keep(picture_id, decoding.thumbnail(image))
        if repeated:
            continue
        inputs.append(encoder.preprocess(image))
        chunk.rows.append(_row(picture_id, record, file))
        chunk.accepted.append((picture_id, record))
    if inputs:
        chunk.embeddings = encoder.encode(np.stack(inputs))
        _reject_unstorable(chunk)
    return chunk


class NoEncoder:
    """In place of an encoder, to learn what an ingest would do: its embeddings mean nothing."""

    dim, fingerprint = 1, ""

    def preprocess(self, image: Image) -> np.ndarray:
        import numpy as np

        return np.ones(1, np.float32)

    def encode(self, batch: np.ndarray) -> np.ndarray:
        return batch


def _row(picture_id: str, record: ImageRecord, file: OpenedFile) -> Row:
    whole = file.picture()
    parent, box, width, height = record.parent, "", whole.width, whole.height
    if record.box:
        sides = parse_box(record.box)
        parent, box, (width, height) = file.id(""), box_text(sides), sides[2:]
    own = {"id": picture_id, "parent": parent, "box": box, "width": width, "height": height}
    return Row(**(vars(record) | own))


def _reject_unstorable(chunk: Chunk) -> None:
    """Move rows that no store takes to `rejected`, before they are in a part."""
    assert chunk.embeddings is not None
    faults = [
        schema.fault(vars(row)) or (wrong and f"its embedding {wrong}")
        for row, wrong in zip(chunk.rows, schema.embedding_faults(chunk.embeddings), strict=True)
    ]
    chunk.rejected += [
        (place(row.path, row.box), fault) for row, fault in zip(chunk.rows, faults, strict=True) if fault
    ]
    left_out = {place for place, _ in chunk.rejected}
    chunk.accepted = [(picture, record) for picture, record in chunk.accepted if record.place not in left_out]
    good = [i for i, fault in enumerate(faults) if not fault]
    chunk.rows, chunk.embeddings = [chunk.rows[i] for i in good], chunk.embeddings[good]


def _with_facts(record: ImageRecord, said: dict[str, str]) -> ImageRecord:
    """What the file says fills what the dataset leaves empty, where a row has room for it."""
    metadata = record.metadata | {key: text for key, text in said.items() if not record.metadata.get(key)}
    return record if schema.fault_of("metadata", metadata) else replace(record, metadata=metadata)


def readable(record: ImageRecord) -> ImageRecord:
    """The record with all its text as UTF-8: bytes of a file name that are no UTF-8 become `\\udcXX`."""
    metadata = {_text(key): _text(value) for key, value in record.metadata.items()}
    return replace(
        record, path=_text(record.path), label=_text(record.label), split=_text(record.split), metadata=metadata
    )


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
