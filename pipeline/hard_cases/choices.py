"""What a person said in a round: needles left out, pictures taken off the shortlist; every word can be taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.hard_cases.case import Round

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "drop": ("needle", True),
    "keep": ("needle", False),
    "remove": ("picture", True),
    "restore": ("picture", False),
}


def say(turn: Round, word: str, ids: Sequence[str]) -> None:
    """word: drop or keep needles (ids, or a kind for all of it), remove or restore pictures of the shortlist (paths).

    UsageError for unknown ones.
    """
    what, _ = WORDS[word]
    table = turn.table("needles" if what == "needle" else "shortlist")
    known = set(table["needle" if what == "needle" else "path"])
    if what == "needle":
        of_kind = table.groupby("kind")["needle"].agg(list).to_dict()
        ids = [one for given in ids for one in of_kind.get(given, [given])]
    if unknown := [one for one in ids if one not in known]:
        raise UsageError(f"there is no {what} {unknown[0]!r} in the case {turn.case.name}; nothing was changed")
    _write(turn, [*said(turn), {"word": word, "ids": list(ids)}])


def undo(turn: Round) -> dict[str, Any] | None:
    """Take the last word back and return it; None when nothing was said."""
    words = said(turn)
    if not words:
        return None
    _write(turn, words[:-1])
    return words[-1]


def said(turn: Round) -> list[dict[str, Any]]:
    """{word, ids} in order."""
    file = turn.folder / "choices.json"
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return found


def left_out(turn: Round, what: str) -> set[str]:
    """Ids of the needles, or paths of the pictures, that are left out now. what: needle or picture."""
    gone: set[str] = set()
    for one in said(turn):
        of, out = WORDS[one["word"]]
        if of == what:
            (gone.update if out else gone.difference_update)(one["ids"])
    return gone


def kept_needles(turn: Round) -> pd.DataFrame:
    table = turn.table("needles")
    return table[~table["needle"].isin(left_out(turn, "needle"))].reset_index(drop=True)


def shortlisted(turn: Round) -> pd.DataFrame:
    """Rows of the shortlist as it is now: of needles that are kept, without removed pictures and further copies."""
    table = turn.table("shortlist")
    out = table["needle"].isin(left_out(turn, "needle")) | table["path"].isin(left_out(turn, "picture"))
    return table[~out & (table["copy_of"] == "")].reset_index(drop=True)


def _write(turn: Round, words: list[dict[str, Any]]) -> None:
    atomic.write_json(turn.folder / "choices.json", words)
