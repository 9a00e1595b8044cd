"""The members of a group as a report tells them, and which of them is the best copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.duplicates.judging import Verdict
from pipeline.duplicates.looks import Reader
from pipeline.features import alignment
from pipeline.metrics.verification import pair_scores
from pipeline.records import Rows

_AS_MANY_PIXELS = 0.97  # pixels within 3 % count as as many: a border is found to a pixel of the thumbnail


class Copies:
    """The rows of a gallery as members of groups; reads each file at most once."""

    def __init__(self, rows: Rows, reader: Reader) -> None:
        self._rows, self._reader = rows, reader
        self._table = rows.table.to_dict("records")
        self._row = {row["id"]: number for number, row in enumerate(self._table)}
        self._bytes: dict[int, int | None] = {}

    @property
    def missing(self) -> int:
        """How many members' files are gone or were changed, so that only their thumbnails were judged."""
        return sum(size is None for size in self._bytes.values())

    def row(self, picture: str) -> int:
        return self._row[picture]

    def star(self, tier: str, star: tuple[int, str, dict[int, Verdict]]) -> dict[str, Any]:
        """The kept one first, then the closest to it, each with how far its details agree with the kept one."""
        keep, reason, others = star
        group = self.group(tier, [keep, *others], keep=(keep, reason))
        for member in group["members"]:
            if (row := self._row[member["id"]]) != keep:
                member["agreement"] = others[row].score
        return group

    def variants(self, keep: int, reason: str, others: dict[int, tuple[Verdict, str]]) -> dict[str, Any]:
        """Like `star`; each member says what it is of the kept one."""
        group = self.star("variant", (keep, reason, {row: verdict for row, (verdict, _) in others.items()}))
        for member in group["members"]:
            if (row := self._row[member["id"]]) != keep:
                member["kind"] = others[row][1]
        return group

    def group(self, tier: str, members: list[int], *, keep: tuple[int, str] | None = None) -> dict[str, Any]:
        """The best copy first, then the closest to it."""
        return self._group(tier, members, *(keep or self.best(members)))

    def _group(self, tier: str, members: list[int], keep: int, reason: str) -> dict[str, Any]:
        pairs = np.array([[keep, member] for member in members])
        scores = dict(zip(members, pair_scores(self._rows.embeddings, pairs).tolist(), strict=True))
        ordered = sorted(members, key=lambda row: (row != keep, -scores[row], row))
        return {
            "tier": tier,
            "keep": self._table[keep]["id"],
            "keep_path": self._table[keep]["path"],
            "reason": reason,
            "members": [self._member(row, scores[row]) for row in ordered],
        }

    def _member(self, row: int, score: float) -> dict[str, Any]:
        facts = {name: self._table[row][name] for name in ("id", "path", "label", "split", "width", "height")}
        return facts | {"bytes": self._size(row), "score": round(score, 6)}

    def _size(self, row: int) -> int | None:
        if row not in self._bytes:
            data = self._reader.data(row)
            self._bytes[row] = None if data is None else len(data)
        return self._bytes[row]

    def best(self, members: list[int]) -> tuple[int, str]:
        """One whose file is there; then resolution without a border, bytes, sharpness, and the first that came."""
        there = [row for row in members if self._size(row) is not None]
        if there and len(there) < len(members):
            row, reason = self.best(there)
            return row, f"{reason}; the files of others are gone"
        pixels = {row: self._pixels(row) for row in members}
        best = [row for row in members if pixels[row] >= _AS_MANY_PIXELS * max(pixels.values())]
        shape = "{width:,} × {height:,} px".format(**self._table[max(best, key=lambda row: pixels[row])])
        if len(best) == 1:
            return best[0], f"most pixels: {shape}"
        sizes = {row: self._size(row) or 0 for row in best}
        most = max(sizes.values())
        largest = [row for row in best if sizes[row] == most]
        if len(largest) == 1:
            return largest[0], f"most bytes ({most:,}) of {len(best)} with {shape}"
        sharp = {row: self._sharpness(row) for row in largest}
        sharpest = max(largest, key=lambda row: sharp[row])  # the first of equal ones
        unknown = " whose files are gone" if most == 0 else ""
        if sharp[sharpest] > min(sharp.values()):
            return sharpest, f"sharpest of {len(largest)} with {shape}{unknown}"
        return sharpest, f"came first of {len(largest)} alike with {shape}{unknown}"

    def _pixels(self, row: int) -> float:
        """Of the picture itself: a frame around a copy makes it no better."""
        return self._table[row]["width"] * self._table[row]["height"] * self._reader.inside(row)

    def _sharpness(self, row: int) -> float:
        image = self._reader.picture(row)
        return 0.0 if image is None else round(alignment.sharpness(image), 3)
