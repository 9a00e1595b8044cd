"""What an agent can do with galleries: each tool answers in few words and at most one picture, by way of the HTTP API.

Survey first, then fetch: `galleries` and `sample` say what there is; lists are cut to a budget and say how to go on. Pictures
are named by the first ten digits of their ids. What deletes tells first what it would do, and wants its word repeated.
"""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.access import hard_cases
from pipeline.access.client import Answer, Hit, Job, Picture, Problem, Semblance, below
from pipeline.access.confirmations import Confirmations
from pipeline.access.contact_sheet import MAX_TILES, contact_sheet
from pipeline.access.questions import decoded, query_of
from pipeline.errors import UsageError

MAX_TEXT = 6_000  # characters of an answer
MAX_LISTED = 50  # pictures in one answer
SHORT = 10  # digits of an id that an answer has
PATIENCE = 240.0  # seconds that a tool waits for a job
Report = Literal["duplicates", "clusters", "label-errors", "outliers"]
_VERBS = {"clusters": "cluster"}


@dataclass(frozen=True)
class Said:
    """Text within the budget, and a contact sheet (JPEG) or b""."""

    text: str
    sheet: bytes = b""


class AgentTools:
    """The tools of one agent: it remembers only what it asked to be confirmed."""

    def __init__(self, semblance: Semblance, *, clock: Any = time.monotonic) -> None:
        self._api, self._clock, self._confirmations = semblance, clock, Confirmations(clock)

    def galleries(self) -> Said:
        """What there is to search. Ask this first."""
        lines = []
        for one in self._api.galleries():
            ways = "pictures and words" if one.words else "pictures only"
            lines.append(
                f"{one.name}: {one.rows:,} pictures, asked with {ways}; filters: {', '.join(one.fields)}; {one.title}"
            )
        return Said(_cut(lines or ["no gallery holds pictures yet"], "ask for one by name"))

    def sample(self, gallery: str, where: Sequence[str] = (), tag: str = "", count: int = 12) -> Said:
        """A few pictures of a gallery that pass a filter, how many do, and their labels. where: label=cup, split!=test."""
        there = list(self._api.pictures(gallery, where=list(where), tag=tag))
        labels = Counter(one.label or "no label" for one in there)
        said = ", ".join(f"{name} {n}" for name, n in labels.most_common(30))
        more = f" and {len(labels) - 30} more labels" if len(labels) > 30 else ""
        shown = random.Random(0).sample(there, min(_bounded(count, MAX_TILES), len(there)))
        return self._listed(gallery, shown, f"{len(there):,} pictures: {said}{more}")

    def search(
        self,
        gallery: str,
        words: str = "",
        ids: Sequence[str] = (),
        where: Sequence[str] = (),
        k: int = 12,
        not_words: str = "",
        picture: str = "",
    ) -> Said:
        """The nearest pictures to words, to pictures of the gallery by id, or to a picture (base64 of its file); together
        they are one question."""
        asked: dict[str, Any] = {"where": list(where), "k": _bounded(k, MAX_LISTED)}
        asked |= {"texts": [words]} if words else {}
        asked |= {"not_texts": [not_words]} if not_words else {}
        asked |= {"ids": self._whole(gallery, ids)} if ids else {}
        return self._hits(gallery, self._api.search(gallery, pictures=decoded(picture), **asked))

    def similar(self, gallery: str, ids: Sequence[str], k: int = 5) -> Said:
        """The nearest of each of several pictures, each by itself."""
        whole = self._whole(gallery, ids[:20])
        found = self._api.similar(gallery, whole, k=_bounded(k, 20))
        lines = [
            f"{one[:SHORT]}: " + ", ".join(f"{hit.id[:SHORT]} {hit.score:.3f}" for hit in answer.hits)
            for one, answer in found.items()
        ]
        seen = {hit.id: hit for answer in found.values() for hit in answer.hits}
        return Said(_cut(lines, "ask with fewer ids or a smaller k"), self._sheet(gallery, list(seen.values())))

    def find(self, gallery: str, what: Report, again: bool = False) -> Said:
        """Duplicates, clusters, label errors or outliers of a whole gallery: those found before, or found now."""
        if again:
            self._wait(self._api.find(gallery, _VERBS.get(what, what)))
        try:
            page = next(self._api.report(gallery, what))
        except Problem as problem:
            if problem.kind != "not-found" or again or "start the job" not in problem.detail:
                raise
            return self.find(gallery, what, True)
        return self._found(gallery, what, page)

    def hard_cases(self, case: str = "", after: str = "") -> Said:
        """Cases in which a detector fails and where each stands; of one its steps and its shortlist: pictures like the failures."""
        lines, gallery, hits = hard_cases.told(self._api, case, after, most=MAX_LISTED, digits=SHORT)
        return Said(_cut(lines, "ask for one case, or go on after the last"), self._sheet(gallery, hits))

    def explain(self, gallery: str, query: str, hit: str) -> Said:
        """Why two pictures score as they do: colour, texture and meaning, and where in the pictures the score comes from."""
        first, second = self._whole(gallery, [query, hit])
        found = self._api.explain(gallery, first, second)
        parts = ", ".join(
            f"{name} {value:.2f}" + (f" (usual {found['usual'][name]:.2f})" if name in found["usual"] else "")
            for name, value in found["parts"].items()
        )
        places = [
            f"most of it is lost when row {row + 1}, column {column + 1} of {len(heat)} is hidden in {name[:SHORT]}"
            for name, heat in ((first, found["heat_query"]), (second, found["heat_hit"]))
            for _, row, column in [max((value, r, c) for r, line in enumerate(heat) for c, value in enumerate(line))]
        ]
        both = [Hit(n, one, "", "", found["score"]) for n, one in enumerate((first, second), 1)]
        return Said(_cut([f"score {found['score']:.3f}: {parts}", *places], ""), self._sheet(gallery, both))

    def tag(self, gallery: str, ids: Sequence[str], tag: str, given: bool = True) -> Said:
        """Give pictures a tag, or take it from them."""
        count = self._api.tag(gallery, self._whole(gallery, ids), tag, given=given)
        return Said(
            f"{_counted(count)} {'given' if given else 'freed of'} the tag {tag!r}; given={not given} takes it back"
        )

    def label(self, gallery: str, ids: Sequence[str], label: str) -> Said:
        """Give pictures a label in place of their dataset's; an empty one gives that back."""
        undo = self._api.label(gallery, dict.fromkeys(self._whole(gallery, ids), label or None))
        back = {one[:SHORT]: before for one, before in undo.items()}
        return Said(
            _cut([f"{len(undo)} labels changed; before they were given:", json.dumps(back, ensure_ascii=False)], "")
        )

    def export(self, gallery: str, where: Sequence[str] = (), tag: str = "", after: str = "") -> Said:
        """Rows as CSV: id, label, split, tags, path; as many as fit, and where to go on."""
        page = self._api.call(
            "GET",
            below(gallery, "pictures") + query_of(where=where, tag=tag, after=after, limit=200),
        )
        out, rows = io.StringIO(), 0
        writer, last = csv.writer(out, lineterminator="\n"), ""
        writer.writerow(["id", "label", "split", "tags", "path"])
        for one in page["pictures"]:
            before = out.tell()
            writer.writerow([one["id"], one["label"], one["split"], "; ".join(one["tags"]), one["path"]])
            if out.tell() > MAX_TEXT - 200:
                out.truncate(before)
                break
            rows, last = rows + 1, one["id"]
        more = rows < len(page["pictures"]) or page["next_after"]
        return Said(
            out.getvalue()[: MAX_TEXT - 100] + (f"# there is more: ask with after={last}\n" if more and last else "")
        )

    def remove(self, gallery: str, ids: Sequence[str], confirm: str = "") -> Said:
        """Take pictures out of every answer. The first call says what would go and gives a word; repeat it in `confirm`."""
        whole = self._whole(gallery, ids)
        if not confirm:
            word = self._confirmations.word("remove", gallery, whole)
            sheet = self._sheet(gallery, [Hit(n, one, "", "", 0.0) for n, one in enumerate(whole, 1)])
            return Said(
                f"{_counted(len(whole))} would be removed and nothing was changed; to do it call again with confirm={word!r}",
                sheet,
            )
        self._confirmations.check(confirm, "remove", gallery, whole)
        count = self._api.remove(gallery, whole)
        return Said(
            f"{_counted(count)} removed; `restore` with their whole ids brings them back: {', '.join(whole)}"[:MAX_TEXT]
        )

    def restore(self, gallery: str, ids: Sequence[str]) -> Said:
        """Bring removed pictures back, by their whole ids."""
        return Said(f"{_counted(self._api.remove(gallery, list(ids), undo=True))} brought back")

    def _found(self, gallery: str, what: Report, page: dict[str, Any]) -> Said:
        if what == "duplicates":
            lines = [
                f"{group['tier']}: keep {group['keep'][:SHORT]}, "
                f"others {', '.join(one['id'][:SHORT] for one in group['members'] if one['id'] != group['keep'])}"
                + (f"; removable {', '.join(one[:SHORT] for one in group['removable'])}" if group["removable"] else "")
                for group in page["groups"]
            ]
            shown = [(one["id"], group["tier"]) for group in page["groups"] for one in group["members"]]
        elif what == "clusters":
            lines = [
                f"{one['name']}: {one['size']} pictures, such as {one['medoid'][:SHORT]}" for one in page["clusters"]
            ]
            lines += [f"{page['in_none']} pictures are in none", *page["notes"]]
            shown = [(one["medoid"], one["name"]) for one in page["clusters"]]
        else:
            rows = page["doubts"] if what == "label-errors" else page["outliers"]
            lines = [
                f"{one['id'][:SHORT]} {one['label'] or 'no label'} {one['score']:.3f}"
                + (f" -> {one['proposed']} {one['proposed_score']:.3f}" if "proposed" in one else "")
                + (" likely" if one.get("likely") or one.get("unusual") else "")
                for one in rows
            ]
            shown = [(one["id"], one["label"]) for one in rows]
        hits = [Hit(n, one, "", text, 0.0) for n, (one, text) in enumerate(dict(shown).items(), 1)]
        head = f"{len(lines)} lines; looked at {page['rows']:,} pictures at {page['made'][:16]}"
        return Said(_cut([head, *lines], "the rest is on the Explore page"), self._sheet(gallery, hits))

    def _hits(self, gallery: str, answer: Answer) -> Said:
        lines = [
            f"{hit.rank}. {hit.id[:SHORT]} {hit.score:.3f} {hit.label or 'no label'}"
            + (f" {hit.band}" if hit.band else " weak" if hit.score < answer.weak_below else "")
            for hit in answer.hits
        ]
        lines = [*([answer.note] if answer.note else []), *(lines or ["no picture passes the filter"])]
        return Said(_cut(lines, "ask for a smaller k"), self._sheet(gallery, answer.hits))

    def _listed(self, gallery: str, shown: Iterable[Picture], head: str) -> Said:
        hits = [Hit(n, one.id, one.path, one.label, 0.0) for n, one in enumerate(shown, 1)]
        lines = [f"{hit.rank}. {hit.id[:SHORT]} {hit.label or 'no label'}" for hit in hits]
        return Said(_cut([head, *lines], ""), self._sheet(gallery, hits))

    def _sheet(self, gallery: str, hits: Sequence[Hit]) -> bytes:
        tiles = [
            (self._thumbnail(gallery, hit.id), f"{hit.rank}. {hit.id[:SHORT]}", hit.label) for hit in hits[:MAX_TILES]
        ]
        return contact_sheet(tiles) if tiles else b""

    def _thumbnail(self, gallery: str, picture: str) -> bytes:
        try:
            return self._api.file(gallery, picture, "thumbnail")
        except Problem:  # none; or it was taken out meanwhile
            return b""

    def _whole(self, gallery: str, ids: Sequence[str]) -> list[str]:
        """Ids as they are, of their beginnings. UsageError for one that names none, or several."""
        if not ids:
            raise UsageError("no ids were given; `sample` and `search` name pictures by them")
        if len(ids) > 200:
            raise UsageError(f"{len(ids)} ids are too many at once; give at most 200")
        return list(dict.fromkeys(self._one(gallery, one.strip().lower()) for one in ids))

    def _one(self, gallery: str, beginning: str) -> str:
        if not 6 <= len(beginning) <= 32 or set(beginning) - set("0123456789abcdef"):
            raise UsageError(f"{beginning[:40]!r} is no id; give at least its first 6 digits (0-9, a-f)")
        if len(beginning) == 32:
            return beginning
        page = self._api.call(
            "GET",
            below(gallery, "pictures") + query_of(after=beginning, limit=2),
        )
        matching = [one["id"] for one in page["pictures"] if one["id"].startswith(beginning)]
        if len(matching) != 1:
            raise UsageError(f"{len(matching) or 'no'} pictures of {gallery} begin with {beginning}; give more digits")
        return str(matching[0])

    def _wait(self, job: Job) -> None:
        until = self._clock() + PATIENCE
        for now in self._api.wait(job):
            job = now
            if self._clock() > until:
                raise UsageError(f"the job {job.verb} is still at work; ask again in a while")
        if job.state != "done":
            raise UsageError(f"the job {job.verb} has {job.state}: {job.errors[-300:]}")


def _counted(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _bounded(count: int, most: int) -> int:
    return max(1, min(int(count), most))


def _cut(lines: Sequence[str], remedy: str) -> str:
    """The lines that fit, and how many do not."""
    kept: list[str] = []
    room = MAX_TEXT - 120
    for line in lines:
        room -= len(line[:1_000]) + 1
        if room < 0:
            break
        kept.append(line[:1_000])
    left = len(lines) - len(kept)
    return "\n".join([*kept, *([f"… and {left} more lines; {remedy}"] if left else [])])
