"""What an ingest finds changed: files that were moved, edited, deleted or labelled anew, worked out without a change.

A row belongs to a dataset's root and a path there, and to bytes; where a path and bytes part, the bytes decide. The
rules are in docs/architecture.md, and benchmarks/reconcile.py holds them to a plain model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline import schema
from pipeline.gallery.judgments import REPLACED
from pipeline.images.ocr import WORDS
from pipeline.kinds import tags
from pipeline.records import ImageRecord

CHANGES = {  # how each change of rows is told
    "moved": "moved or renamed",
    "label": "with another label",
    "split": "in another split",
    "metadata": "with other metadata",
    "replaced": "replaced by new bytes",
    "back": "back, as they were before",
    "gone": "gone from the disk",
    "unlisted": "no longer named by the dataset",
}


class Files(Protocol):
    """The files under the roots of a gallery's datasets, which are told apart by number."""

    def holders(self, path: str, file: str) -> list[str]:
        """Numbers of the datasets whose root has that path with the bytes of this id."""

    def at(self, dataset: str, path: str) -> str:
        """What two paths have in common when overlapping roots make them one file."""


FIELDS = ("path", "label", "split", "metadata")
_OURS = {*tags.KEYS, WORDS}  # keys of metadata that are told from the picture: a record that says nothing leaves them


@dataclass
class Known:
    """What a gallery holds before the run is settled, its new rows included."""

    rows: dict[str, dict[str, Any]]  # id to parent, box and FIELDS
    merged: list[tuple[str, str, str, str]]  # id, path, label, split
    owners: dict[str, str]  # id to the number of its dataset; missing = nobody knows
    gone: set[str]
    removals: Mapping[str, Any]  # id to the last word on its removal (judgments.removals)
    added: set[str] = field(default_factory=set)  # ids that this run has added
    brought: frozenset[str] = frozenset()  # keys of metadata that somebody's table brought: no dataset changes them


@dataclass
class Seen:
    """What a dataset says now: records with the ids of their bytes, in order."""

    dataset: str  # its number
    complete: bool  # False: only the first so many
    records: list[tuple[str, ImageRecord]]  # accepted ones


@dataclass
class Changes:
    """How a gallery becomes what its files are."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)  # id to the fields that change
    merged: list[tuple[str, str, str, str]] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    replaced: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # of CHANGES, and known, merged and removed records
    contradictions: list[tuple[str, str]] = field(default_factory=list)  # (place, what it is said to be)
    faults: list[tuple[str, str]] = field(default_factory=list)  # (place, why a new label or metadata cannot be kept)


def said(counts: Mapping[str, int], *, planned: bool = False) -> str:
    """The changes in words, for a line or a page."""
    told = [f"{counts[name]:,} {words}" for name, words in CHANGES.items() if counts.get(name)]
    return ("its rows would follow their files: " if planned else "its rows follow their files: ") + ", ".join(told)


def settle(known: Known, seen: Seen, files: Files) -> Changes:
    """The changes that follow from what was seen."""
    changes = Changes(owners=dict(known.owners), gone=set(known.gone))
    places = _places(seen.records, changes)
    listed = {record.path for _, record in seen.records}
    further: dict[str, list[tuple[str, str, str]]] = {}
    for picture, path, label, split in known.merged:
        further.setdefault(picture, []).append((path, label, split))
    own: dict[str, str] = {}  # id to where its row's file is
    for picture, row in known.rows.items():
        one = _Row(
            picture,
            row,
            known.owners.get(picture, ""),
            places.get(picture, {}),
            further.get(picture, []),
            known.brought,
        )
        _settle_row(one, known.removals.get(picture), seen, listed, files, changes)
        own[picture] = files.at(
            changes.owners.get(picture, ""), changes.rows.get(picture, row).get("path", row["path"])
        )
        _settle_merged(one, own[picture], seen, files, changes)
    changes.merged.sort()
    _count_records(known, seen, own, files, changes)
    changes.owners = {picture: changes.owners[picture] for picture in known.rows if changes.owners.get(picture)}
    changes.gone &= known.rows.keys()
    return changes


@dataclass
class _Row:
    id: str
    row: dict[str, Any]
    owner: str  # number of its dataset; '' = nobody knows
    seen: dict[str, ImageRecord]  # path to record
    further: list[tuple[str, str, str]]  # path, label, split of its merged files
    brought: frozenset[str]

    @property
    def file(self) -> str:
        return schema.whole_of(self.row) or self.id


def _places(records: Iterable[tuple[str, ImageRecord]], changes: Changes) -> dict[str, dict[str, ImageRecord]]:
    """id to its paths and their records; of two records of one place the first counts, and a contradiction is noted."""
    places: dict[str, dict[str, ImageRecord]] = {}
    for picture, record in records:
        first = places.setdefault(picture, {}).setdefault(record.path, record)
        for name in FIELDS[1:]:
            before, now = getattr(first, name), getattr(record, name)
            if before != now:
                changes.contradictions.append((record.place, f"{name} is {_said(before)}, then {_said(now)}"))
    return places


def _said(value: Any) -> str:
    return ", ".join(f"{key}={text}" for key, text in value.items()) if isinstance(value, dict) else repr(value)


def _settle_row(one: _Row, removal: Any, seen: Seen, listed: set[str], files: Files, changes: Changes) -> None:
    """Where its row stands now, and whether it is gone, replaced or back. removal: the last word on it."""
    path, mine = one.row["path"], one.owner == seen.dataset
    if one.seen:
        if path in one.seen and (mine or not one.owner):
            _take(one, one.seen[path], seen.dataset, changes)
        elif not _stays(one, mine and seen.complete, files):
            _take(one, next(iter(one.seen.values())), seen.dataset, changes)
        if removal == REPLACED:
            changes.back.append(one.id)
            changes.counts["back"] += 1
        changes.gone.discard(one.id)
        return
    if (one.owner and not mine) or not seen.complete:
        return  # nothing was learnt about it
    changes.gone.discard(one.id)
    if _stays(one, False, files):
        changes.counts["unlisted"] += mine and not removal
    elif copy := next(
        ((entry, owners[0]) for entry in one.further if (owners := files.holders(entry[0], one.file))), None
    ):
        (copied, label, split), owner = copy
        _take(one, ImageRecord(copied, label, split, one.row["metadata"], one.row["box"]), owner, changes)
    elif removal:
        pass  # by somebody, or replaced before
    elif path in listed and mine and removal is not False:  # False: somebody restored what a newer file had replaced
        changes.replaced.append(one.id)
        changes.counts["replaced"] += 1
    else:
        changes.counts["gone"] += 1
        changes.gone.add(one.id)


def _stays(one: _Row, left_out: bool, files: Files) -> bool:
    """Whether its own file is still what it was. left_out: a whole dataset no longer names it and names a copy."""
    if left_out:
        return False
    holders = files.holders(one.row["path"], one.file)
    return one.owner in holders if one.owner else bool(holders)


def _take(one: _Row, record: ImageRecord, dataset: str, changes: Changes) -> None:
    """The row becomes what the record says."""
    new: dict[str, Any] = {
        "path": record.path,
        "label": record.label,
        "split": record.split,
        "metadata": {key: text for key, text in one.row["metadata"].items() if key in _OURS}
        | record.metadata
        | {key: text for key, text in one.row["metadata"].items() if key in one.brought and text},
    }
    changes.owners[one.id] = dataset
    old = one.row
    if _filled(old["metadata"]) == _filled(new["metadata"]):
        new["metadata"] = old["metadata"]
    different = {name: value for name, value in new.items() if value != old[name]}
    if not different:
        return
    whole = dict.fromkeys(schema.NAMES, "") | old | new | {"id": one.id, "width": 0, "height": 0}
    if fault := schema.fault(whole):
        changes.faults.append((record.place, fault))
        different = {name: value for name, value in different.items() if name == "path"}
        if not different:
            return
    changes.rows[one.id] = different
    changes.counts.update("moved" if name == "path" else name for name in different)


def _filled(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in metadata.items() if text}


def _settle_merged(one: _Row, own: str, seen: Seen, files: Files, changes: Changes) -> None:
    """Its further files: those that were seen, and of the earlier ones those that are still there."""
    taken = {own}
    for path, record in one.seen.items():
        if (where := files.at(seen.dataset, path)) not in taken:
            taken.add(where)
            changes.merged.append((one.id, path, record.label, record.split))
    for path, label, split in one.further:
        if free := {files.at(number, path) for number in files.holders(path, one.file)} - taken:
            taken.add(min(free))
            changes.merged.append((one.id, path, label, split))


def _count_records(known: Known, seen: Seen, own: dict[str, str], files: Files, changes: Changes) -> None:
    """known, merged and removed: every accepted record is one of them, or the first of an added row."""
    first = set(known.added)
    for picture, record in seen.records:
        removal = known.removals.get(picture)
        if picture in first:
            first.discard(picture)
        elif removal and removal != REPLACED:
            changes.counts["removed"] += 1
        else:
            changes.counts["known" if files.at(seen.dataset, record.path) == own.get(picture) else "merged"] += 1
