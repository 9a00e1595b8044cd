"""Choosing a part of the query picture: a box drawn with pointer, finger or keys."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import streamlit as st

from app import COMPONENTS
from pipeline.images.regions import Box
from pipeline.records import Picture

Share = tuple[float, float, float, float]  # x, y, w, h as shares of the picture


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component(
        "semblance_region",
        html='<div class="root"></div>',
        css=(COMPONENTS / "region.css").read_text(encoding="utf-8"),
        js=(COMPONENTS / "region.js").read_text(encoding="utf-8"),
    )


def region(picture: Picture, *, key: str, alt: str, box: Share | None, on_change: Callable[[], None]) -> None:
    """Show the picture with `box` on it; `session_state[key].box` is what the visitor draws, None for the whole."""
    data = {"src": preview(picture), "alt": alt, "width": picture.width, "height": picture.height, "box": box}
    _component()(data=data, key=key, default={"box": box}, on_box_change=on_change)


def preview(picture: Picture) -> str:
    """A small JPEG as data address, made from pixels, so nothing of EXIF travels."""
    small = picture.image.copy()
    small.thumbnail((680, 680))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def to_pixels(share: Share, picture: Picture) -> tuple[int, int, int, int]:
    """A box as shares to whole pixels of the full-size picture, at least 8 × 8 and inside it."""
    x, y, w, h = share
    left, top = round(x * picture.width), round(y * picture.height)
    width = min(max(round(w * picture.width), 8), picture.width)
    height = min(max(round(h * picture.height), 8), picture.height)
    return min(left, picture.width - width), min(top, picture.height - height), width, height


def to_share(box: Box, picture: Picture) -> Share:
    x, y, w, h = box
    return x / picture.width, y / picture.height, w / picture.width, h / picture.height
