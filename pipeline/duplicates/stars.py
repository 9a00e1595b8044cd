"""Groups of one picture: a kept one, and around it those that were themselves judged the same as it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipeline.duplicates.judging import Asking, Look, Verdict, answered
from pipeline.records import Progress

Star = tuple[int, str, dict[int, Verdict]]  # the kept row, why it is kept, and the others with what was seen
Near = dict[int, list[int]]
_TRIED = 3  # rows around which a star is tried
_AT_MOST = 200  # rows that one kept picture is compared with


def stars(
    edges: Iterable[tuple[int, int]],
    banned: set[tuple[int, int]],
    best: Callable[[Sequence[int]], tuple[int, str]],
    look: Look,
    progress: Progress,
) -> list[Star]:
    """Rows around the best of them, each of which was itself judged the same as that one; the largest first.

    A chain leads from a picture to one that shares nothing with it, so what two edges join is looked at anew.
    """
    near: Near = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    found, done = [], 0
    joined = components(near)
    for rows, some in answered((_stars_of(rows, near, banned, best) for rows in joined), look):
        found += some
        progress("judging", done := done + rows, len(near))
    return sorted(found, key=lambda star: (-len(star[2]), star[0]))


def components(near: dict[int, list[int]]) -> list[list[int]]:
    """Rows that edges join, however far, each list sorted; by their first row."""
    found, seen = [], set[int]()
    for seed in sorted(near):
        if seed not in seen:
            seen.add(seed)
            rows = [seed]
            for row in rows:
                rows += (new := dict.fromkeys(other for other in near[row] if other not in seen))
                seen.update(new)
            found.append(sorted(rows))
    return found


def _stars_of(
    rows: list[int], near: Near, banned: set[tuple[int, int]], best: Callable[[Sequence[int]], tuple[int, str]]
) -> Asking[tuple[int, list[Star]]]:
    """The number of rows, and their stars."""
    found, free = [], set(rows)
    for seed in rows:
        while seed in free:
            kept, reason, members = yield from _largest(_reached(seed, near, free), near, free, banned, best)
            free.difference_update((kept, *members))
            if members:
                found.append((kept, reason, members))
            else:
                free.discard(seed)
    return len(rows), found


def _largest(
    component: list[int],
    near: Near,
    free: set[int],
    banned: set[tuple[int, int]],
    best: Callable[[Sequence[int]], tuple[int, str]],
) -> Asking[Star]:
    """The star around the best row; of the next best two where more gather around them: a watermark is no original."""
    tried: list[Star] = []
    left = list(component)
    while left and len(tried) < _TRIED:
        kept, reason = best(left)
        left.remove(kept)
        wanted = list(dict.fromkeys(row for row in [*near[kept], *_beyond(kept, near)] if row in free and row != kept))
        wanted = wanted[:_AT_MOST]
        [verdicts] = yield [(kept, wanted, "")]
        members: dict[int, Verdict] = {}
        for row, verdict in sorted(zip(wanted, verdicts, strict=True), key=lambda one: (-one[1].score, one[0])):
            apart = any((min(row, other), max(row, other)) in banned for other in (kept, *members))
            if verdict.same and not apart:
                members[row] = verdict
        tried.append((kept, reason, members))
        if len(members) >= len(component) - 1:
            break
    return max(tried, key=lambda star: len(star[2]))


def _beyond(kept: int, near: Near) -> Iterable[int]:
    """Two edges away."""
    return (row for between in near[kept] for row in near[between] if row != kept)


def _reached(seed: int, near: Near, free: set[int]) -> list[int]:
    """Free rows within two edges of the seed, itself among them."""
    close = [row for row in near[seed] if row in free]
    return list(dict.fromkeys([seed, *close, *(row for between in close for row in near[between] if row in free)]))
