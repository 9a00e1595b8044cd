"""A page that is one file: a template filled in with every text escaped, and pictures as addresses that need no other file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from pipeline.errors import display_name

BASE = Path(__file__).with_name("html_page.html")  # what a template may extend


def rendered(template: Path, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader

    places = FileSystemLoader([template.parent, BASE.parent])
    made = Environment(loader=places, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return made.get_template(template.name).render(**values)


def fault(title: str, message: str) -> str:
    """A page that says why there is none."""
    return rendered(BASE, title=title, gallery="It cannot be shown", note=message)


def data_address(jpeg: bytes) -> str:
    """Of a JPEG; '' of no bytes."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() if jpeg else ""


def figure(jpeg: bytes, *, place: str, said: str, score: str = "") -> dict[str, str]:
    """A picture as the macro `figures` draws it. place: its path, shown where a pointer rests on it."""
    return {
        "src": data_address(jpeg),
        "path": display_name(place),
        "said": display_name(said or place.rpartition("/")[2]),
        "score": score,
    }
