"""What people said about a gallery's pictures: an append-only file, one JSON object a line."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline import atomic

KINDS = ("removed", "tag", "same", "not_same", "like", "unlike", "identity", "label_right")


def add(file: Path, kind: str, ids: Sequence[str], value: Any = True) -> None:
    """Append one judgment; it is on the disk when this returns."""
    assert kind in KINDS, kind
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    line = json.dumps({"when": when, "kind": kind, "ids": list(ids), "value": value}, ensure_ascii=False)
    atomic.append(file, line + "\n")


def read(file: Path) -> Iterator[dict[str, Any]]:
    """Judgments in the order they were made. A line torn by a crash is passed over: it was never acknowledged."""
    if not file.exists():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                judgment = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(judgment, dict):
                yield judgment


def removed(file: Path) -> set[str]:
    """Ids that are removed now: a later `restore` (value false) takes the removal back."""
    gone: set[str] = set()
    for judgment in read(file):
        if judgment["kind"] == "removed":
            (gone.update if judgment["value"] else gone.difference_update)(judgment["ids"])
    return gone
