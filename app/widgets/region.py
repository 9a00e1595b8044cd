"""Choosing a part of the query picture: a box drawn with pointer, finger or keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.server.pictures import Preview
from app.widgets import component, states
from pipeline.images.decoding import MIN_SIDE
from pipeline.images.regions import Box

Share = tuple[float, float, float, float]  # x, y, w, h as shares of the picture


def region(picture: Preview, *, key: str, alt: str, box: Box | None, on_change: Callable[[], None]) -> None:
    """Show the picture with `box` on it; in the callback `drawn` gives what the visitor drew."""
    share = box and _to_share(box, picture)
    data = {"src": picture.source, "alt": alt, "width": picture.width, "height": picture.height, "box": share}
    component("region")(data=data, key=key, default={"box": share}, on_box_change=on_change)


def drawn(key: str, picture: Preview) -> Box | None:
    """The box in whole pixels, at least 8 × 8 and inside the picture; None for the whole."""
    share = states.sent(key, "box")
    return _to_pixels(states.numbers(share, 4), picture) if share else None


def _to_pixels(share: Sequence[float], picture: Preview) -> Box:
    x, y, w, h = (min(max(one, 0.0), 1.0) for one in share)
    left, top = round(x * picture.width), round(y * picture.height)
    width = min(max(round(w * picture.width), MIN_SIDE), picture.width)
    height = min(max(round(h * picture.height), MIN_SIDE), picture.height)
    return min(left, picture.width - width), min(top, picture.height - height), width, height


def _to_share(box: Box, picture: Preview) -> Share:
    x, y, w, h = box
    return x / picture.width, y / picture.height, w / picture.width, h / picture.height
