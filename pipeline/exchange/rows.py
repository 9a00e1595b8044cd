"""What every exchange format carries: a gallery's rows, and the facts without which its embeddings mean nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.records import Rows

_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Facts:
    """Encoder, length of its embeddings, and the gallery's title and dataset specs."""

    spec: str
    fingerprint: str
    dim: int
    title: str
    datasets: tuple[str, ...] = ()


def of_gallery(source: Gallery) -> tuple[Facts, Rows]:
    """Facts, and all rows that are not removed. GalleryError before the first ingest."""
    manifest, entry = source.manifest(), source.encoder()
    facts = Facts(
        entry["spec"], entry["fingerprint"], entry["dim"], manifest["title"], tuple(map(str, manifest["datasets"]))
    )
    return facts, source.rows(entry["fingerprint"][:8])


def check(rows: Rows, source: Path | str) -> None:
    """UsageError when somebody has changed the file's rows into what no gallery holds."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(rows.embeddings, axis=1)
    if not np.allclose(lengths, 1, atol=1e-3):
        raise UsageError(f"{source} holds embeddings that are not of unit length; export it again")
    if rows.table["id"].duplicated().any() or not all(map(_ID.fullmatch, rows.table["id"])):
        raise UsageError(f"{source} holds ids that are repeated or not 32 hex digits; export it again")
    if not all(map(_is_text, rows.table["metadata"])):
        raise UsageError(f"{source} holds metadata that is not text; export it again")


def _is_text(metadata: object) -> bool:
    return isinstance(metadata, dict) and all(isinstance(part, str) for pair in metadata.items() for part in pair)


def unreadable(source: Path | str, error: Exception) -> UsageError:
    """For a file that is damaged, missing or of another kind."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UsageError(f"cannot read {source}: {reason}")


def foreign(source: Path | str, lacking: str) -> UsageError:
    """For a file of the right kind that `export` has not written."""
    return UsageError(f"{source} is no export of a gallery: {lacking}; export it again")
