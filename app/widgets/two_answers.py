"""Two answers to one query beside each other; what both have is joined by a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.widgets import component


def two_answers(
    sides: Sequence[tuple[str, Sequence[dict[str, Any]]]], *, key: str, query: str, on_action: Callable[[], None]
) -> None:
    """sides: title and tiles of `results_grid.tile`, of the left and the right one. query: the address of the picture asked
    with. A click opens a picture; `.action` is {kind, id} as of the grid."""
    component("two_answers", ("viewer.js", "two_answers.js"), ("results_grid.css", "two_answers.css"))(
        data={"sides": [{"title": title, "tiles": list(tiles)} for title, tiles in sides], "query": query},
        key=key,
        on_action_change=on_action,
    )
