"""What people said about a gallery's pictures: an append-only file, one JSON object a line."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.errors import UsageError
from pipeline.files import atomic, checksummed
from pipeline.files.unchanged import WhileUnchanged

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("removed", "tag", "same", "not_same", "like", "unlike", "identity", "label_right", "label", "better")
REPLACED = "replaced"  # value of a removal that an ingest made: the file has other bytes now
CAME_BACK = ""  # value of one that takes such a removal back, because the bytes are there again
_KEYS = {"when", "kind", "ids", "value"}


def add(file: Path, kind: str, ids: Sequence[str], value: Any = True) -> None:
    """Append one judgment; it is on the disk when this returns."""
    assert kind in KINDS, kind
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    atomic.append(file, checksummed.sealed_line({"when": when, "kind": kind, "ids": list(ids), "value": value}))


def read(file: Path) -> Iterator[dict[str, Any]]:
    """Judgments in the order they were made. A line torn by a crash is passed over: it was never acknowledged."""
    yield from _judgments(file)


def damaged(file: Path) -> list[int]:
    """Numbers of the lines that are not what was written, or are torn."""
    return [number for number, line in enumerate(_lines(file), 1) if not _judgment(line)]


def _lines(file: Path) -> Iterator[str]:
    if file.exists():
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            yield from lines


def _judgment(line: str) -> dict[str, Any]:
    """{} when it is torn or its checksum does not fit; a line of an older Semblance has none."""
    try:
        judgment = checksummed.opened(json.loads(line))
    except (ValueError, AttributeError):  # no JSON, another checksum; no object
        return {}
    return judgment if judgment.keys() == _KEYS else {}


_judgments = WhileUnchanged(lambda file: [judgment for line in _lines(file) if (judgment := _judgment(line))], files=8)


def check_label(text: str) -> None:
    """UsageError for what no row can hold as its label."""
    fault = schema.fault_of("label", text) if text.isprintable() else f"a label is one line of text, not {text[:80]!r}"
    if fault:
        raise UsageError(fault)


def labels(file: Path) -> dict[str, str]:
    """id to the label that somebody gave in place of the dataset's; one that was taken back (value false) is left out."""
    given = {
        picture: judgment["value"]
        for judgment in read(file)
        if judgment["kind"] == "label"
        for picture in judgment["ids"]
    }
    return {picture: label for picture, label in given.items() if isinstance(label, str)}


def labelled(table: pd.DataFrame, given: Mapping[str, str]) -> pd.DataFrame:
    """Rows with these labels, by id, in place of their own."""
    if not given:
        return table
    return table.assign(label=table["id"].map(given).fillna(table["label"]).astype(table["label"].dtype))


def removed(file: Path) -> set[str]:
    """Ids that are removed now: a later `restore` (value false) takes the removal back."""
    return {picture for picture, value in removals(file).items() if value}


def removals(file: Path) -> dict[str, Any]:
    """id to the last word on its removal: True or REPLACED when it is removed, False or CAME_BACK when it is not."""
    return dict(_removals(file))


_removals = WhileUnchanged(
    lambda file: {
        picture: judgment["value"]
        for judgment in read(file)
        if judgment["kind"] == "removed"
        for picture in judgment["ids"]
    }
)
