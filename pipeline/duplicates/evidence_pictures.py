"""What a group's members were judged on, to look at: the kept picture, the other, and where they differ."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from pipeline.duplicates.judging import difference
from pipeline.duplicates.looks import Reader
from pipeline.gallery.gallery import Gallery

_GAP = 4  # pixels between the three


def evidence_pictures(gallery: Gallery, group: dict[str, Any], *, limit: int = 12) -> Iterator[tuple[str, bytes]]:
    """(id, PNG) of each other member of a group `same` or `variant` of a report, at most so many.

    From left to right: the kept picture laid over the member, the member, and their difference, dark where they differ.
    """
    members = group["members"][: limit + 1]
    reader = Reader(gallery, [member["id"] for member in members], [member["path"] for member in members])
    kept = next((row for row, member in enumerate(members) if member["id"] == group["keep"]), None)
    for row, member in enumerate(members):
        if kept is None or row == kept or reader.picture(row) is None or reader.picture(kept) is None:
            continue
        squares = difference(reader, kept, row, kind=member.get("kind", ""))
        gap = np.full((len(squares[0]), _GAP, 3), 255, np.uint8)
        strip = np.concatenate([squares[0], gap, squares[1], gap, squares[2]], axis=1)
        file = io.BytesIO()
        Image.fromarray(strip).save(file, "PNG")
        yield member["id"], file.getvalue()
