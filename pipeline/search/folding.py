"""Hits that say the same once: parts behind their picture, near-duplicates behind the better hit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.records import SearchHit

if TYPE_CHECKING:
    import numpy as np


def one_a_picture(hits: list[SearchHit]) -> list[SearchHit]:
    """The best hit of each picture, the others behind it; best first, as `hits` are."""
    groups: dict[str, list[SearchHit]] = {}
    for hit in hits:
        groups.setdefault(hit.parent or hit.id, []).append(hit)
    return [replace(best, folded=tuple(hit.id for hit in others)) for best, *others in groups.values()]


def fold(hits: list[SearchHit], embeddings: dict[str, np.ndarray], collapse: float, enough: int) -> list[SearchHit]:
    """Hide each hit behind the kept hit that it nearly repeats most; stops when `enough` are kept."""
    import numpy as np

    kept: list[SearchHit] = []
    folded: list[list[str]] = []
    vectors = np.empty((min(enough, len(hits)), len(next(iter(embeddings.values()), ()))), np.float32)
    for hit in hits:
        if len(kept) == enough:
            break
        if hit.id not in embeddings:  # taken out between the two questions
            continue
        scores = vectors[: len(kept)] @ embeddings[hit.id]  # (kept,), cosine
        if len(kept) and scores.max() >= collapse:
            folded[int(scores.argmax())] += [hit.id, *hit.folded]
            continue
        vectors[len(kept)] = embeddings[hit.id]
        kept.append(hit)
        folded.append([])
    return [replace(hit, folded=(*hit.folded, *ids)) for hit, ids in zip(kept, folded, strict=True)]
