"""The review of a round: failures left out, pictures taken off the shortlist; every action can be taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.hard_cases.case import Round

if TYPE_CHECKING:
    import pandas as pd

# What each action is about, and whether it leaves that out.
ACTIONS = {
    "drop": ("needle", True),
    "keep": ("needle", False),
    "remove": ("picture", True),
    "restore": ("picture", False),
}


def record(round: Round, action: str, ids: Sequence[str]) -> None:
    """action: drop or keep failures (ids, or a kind for all of it), remove or restore pictures of the shortlist (paths).

    UsageError for unknown ones.
    """
    what, _ = ACTIONS[action]
    table = round.table("needles" if what == "needle" else "shortlist")
    known = set(table["needle" if what == "needle" else "path"])
    if what == "needle":
        of_kind = table.groupby("kind")["needle"].agg(list).to_dict()
        ids = [needle for given in ids for needle in of_kind.get(given, [given])]
    if unknown := [given for given in ids if given not in known]:
        raise UsageError(f"there is no {what} {unknown[0]!r} in the case {round.case.name}; nothing was changed")
    _write(round, [*actions(round), {"word": action, "ids": list(ids)}])


def undo(round: Round) -> dict[str, Any] | None:
    """Take the last action back and return it; None when there is none."""
    recorded = actions(round)
    if not recorded:
        return None
    _write(round, recorded[:-1])
    return recorded[-1]


def actions(round: Round) -> list[dict[str, Any]]:
    """{word, ids} in order."""
    file = round.folder / "choices.json"
    recorded: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return recorded


def left_out(round: Round, what: str) -> set[str]:
    """Ids of the failures, or paths of the pictures, that are left out now. what: needle or picture."""
    out: set[str] = set()
    for action in actions(round):
        about, leaves_out = ACTIONS[action["word"]]
        if about == what:
            (out.update if leaves_out else out.difference_update)(action["ids"])
    return out


def kept_failures(round: Round) -> pd.DataFrame:
    table = round.table("needles")
    return table[~table["needle"].isin(left_out(round, "needle"))].reset_index(drop=True)


def shortlisted(round: Round) -> pd.DataFrame:
    """Rows of the shortlist as it is now: of failures that are kept, without removed pictures and further copies."""
    table = round.table("shortlist")
    out = table["needle"].isin(left_out(round, "needle")) | table["path"].isin(left_out(round, "picture"))
    return table[~out & (table["copy_of"] == "")].reset_index(drop=True)


def _write(round: Round, recorded: list[dict[str, Any]]) -> None:
    atomic.write_json(round.folder / "choices.json", recorded)
