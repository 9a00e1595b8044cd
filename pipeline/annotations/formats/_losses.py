"""What a format cannot hold, as sentences: nothing is lost silently when annotations are written either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.annotations.annotations import Annotations

if TYPE_CHECKING:
    import pandas as pd

_HELD = {
    "mask": lambda boxes: boxes["mask"] != "",
    "crowd": lambda boxes: boxes["crowd"],
    "attributes": lambda boxes: boxes["attributes"] != "",
    "fraction": lambda boxes: (boxes[["x", "y", "width", "height"]] % 1 != 0).any(axis=1),
}
_SAID = {
    "mask": "no such mask: only its box is kept",
    "crowd": "no groups: they are written as single objects",
    "attributes": "no attributes: they are left out",
    "fraction": "whole pixels only: sides are rounded",
}


def losses(format_name: str, annotations: Annotations, *kinds: str) -> list[str]:
    """A sentence for each of these kinds that occurs."""
    boxes: pd.DataFrame = annotations.boxes
    counts = {kind: int(_HELD[kind](boxes).sum()) for kind in kinds} if len(boxes) else {}
    return [f"{format_name} holds {_SAID[kind]} ({n:,} of {len(boxes):,} boxes)" for kind, n in counts.items() if n]
