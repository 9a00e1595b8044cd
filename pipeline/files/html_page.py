"""A page that is one file: a template filled in with every text escaped, and pictures as addresses that need no other file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any


def rendered(template: Path, **values: Any) -> str:
    from jinja2 import Environment

    made = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return made.from_string(template.read_text(encoding="utf-8")).render(**values)


def data_address(jpeg: bytes) -> str:
    """Of a JPEG; '' of no bytes."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() if jpeg else ""
