"""Pictures that are another one mirrored, turned by a quarter, without its colours, or altered in places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.duplicates.copies import Copies
from pipeline.duplicates.judging import Asking, Look, Verdict, answered
from pipeline.duplicates.looks import GREY, Looks, orientation
from pipeline.duplicates.pairs import HASH_BITS
from pipeline.duplicates.stars import components
from pipeline.features import alignment, simhash
from pipeline.features.perceptual_hash import ORIENTATIONS, in_orientation

Between = dict[tuple[int, int], list[str]]  # rows i < j, and as what j may be i
Variants = tuple[int, str, dict[int, tuple[Verdict, str]]]  # the kept row, why it, and the others with their kinds
_INVERSE = {"turned 90°": "turned 270°", "turned 270°": "turned 90°"}  # a mirror undoes itself
_TURNED = 0.85  # coarse agreement of neighbours once one is turned or mirrored
_MAX_TURNED = 30_000  # pictures up to which every pair of hashes is compared in every orientation too


def variants(
    pairs: Iterable[tuple[int, int, str]],
    keeper: dict[int, int],
    banned: set[tuple[int, int]],
    looks: Looks,
    copies: Copies,
    look: Look,
) -> list[Variants]:
    """A picture and its variants, each named; of grey and coloured ones a coloured one is kept.

    keeper: row to the kept row of its group; only kept rows are compared.
    """
    between: Between = {}
    for i, j, kind in pairs:
        a, b = sorted((keeper.get(i, i), keeper.get(j, j)))
        if a != b and (a, b) not in banned and kind not in between.setdefault((a, b), []):
            between[a, b].append(kind)
    near: dict[int, list[int]] = {}
    for a, b in between:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    askers = (_variants_of(rows, near, between, looks, copies) for rows in components(near))
    found = [group for groups in answered(askers, look) for group in groups]
    return sorted(found, key=lambda group: (-len(group[2]), group[0]))


def _variants_of(
    rows: list[int], near: dict[int, list[int]], between: Between, looks: Looks, copies: Copies
) -> Asking[list[Variants]]:
    free, groups = set(rows), []
    for seed in sorted(rows, key=lambda row: (-len(near[row]), row)):
        others = sorted(free.intersection(near[seed]) - {seed})
        if seed not in free or not others:
            continue
        coloured = [row for row in (seed, *others) if not looks.grey[row]]
        kept, reason = copies.best(coloured or [seed, *others])
        ways = _ways(kept, sorted(free.intersection(near[kept]) - {kept}), between, looks)
        verdicts = yield [(kept, rows, kind) for kind, rows in ways.items()]
        members: dict[int, tuple[Verdict, str]] = {}
        for (kind, seen), some in zip(ways.items(), verdicts, strict=True):
            for row, verdict in zip(seen, some, strict=True):
                if verdict.same and (row not in members or verdict.score > members[row][0].score):
                    members[row] = verdict, kind
        if members:
            free -= {kept, *members}
            groups.append((kept, reason, members))
    return groups


def _ways(kept: int, others: Sequence[int], between: Between, looks: Looks) -> dict[str, list[int]]:
    """Each kind of variant, with the rows that may be it of the kept one."""
    found: dict[str, list[int]] = {}
    for row in others:
        for kind in between[min(kept, row), max(kept, row)]:
            seen_as = _INVERSE.get(kind, kind) if row < kept else kind
            if looks.grey[row] != looks.grey[kept] and orientation(kind):
                seen_as = f"{GREY}, {seen_as}"
            found.setdefault(seen_as, []).append(row)
    return found


def variant_pairs(near: np.ndarray, looks: Looks) -> list[tuple[int, int, str]]:
    """(i, j, kind): rows i < j of which j, seen as the kind says, may be i. Kinds: `grey` and the ORIENTATIONS.

    Neighbours by embedding and, in galleries of up to 30,000 pictures, pairs with close hashes.
    """
    fit = looks.known & ~looks.flat
    near = near[fit[near].all(axis=1)]
    as_they_are = alignment.coarse_agreement(looks.coarse[near[:, 0]], looks.coarse[near[:, 1]])
    found: dict[tuple[int, int, str], None] = {}
    mixed = near[looks.grey[near[:, 0]] != looks.grey[near[:, 1]]]
    found.update(((int(i), int(j), GREY), None) for i, j in mixed)
    rows = np.flatnonzero(fit)
    small = len(rows) <= _MAX_TURNED
    if small:
        for pairs in simhash.near_pairs(looks.hashes[rows], most=HASH_BITS):
            i, j = rows[pairs[:, 0]], rows[pairs[:, 1]]
            mixed = looks.grey[i] != looks.grey[j]
            found.update(((int(a), int(b), GREY), None) for a, b in zip(i[mixed], j[mixed], strict=True))
    for number, kind in enumerate(ORIENTATIONS):
        if len(near):
            seen = np.stack([in_orientation(picture, kind) for picture in looks.coarse[near[:, 1]]])
            alike = alignment.coarse_agreement(looks.coarse[near[:, 0]], seen)
            chosen = near[(alike >= _TURNED) & (alike > as_they_are)]
            found.update(((int(i), int(j), kind), None) for i, j in chosen)
        if small:
            for i, j in _close(looks.hashes[rows, 0], looks.turned[rows, number]):
                found[int(rows[i]), int(rows[j]), kind] = None
    return list(found)


def _close(hashes: np.ndarray, turned: np.ndarray) -> list[tuple[int, int]]:
    """(i, j), i < j, where hash i and the turned hash j differ in few bits."""
    n, found = len(hashes), []
    step = max(1, (1 << 22) // max(1, n))
    for start in range(0, n, step):
        block = np.bitwise_count(hashes[start : start + step, None] ^ turned[None, start:])  # (rows, n - start)
        i, j = np.nonzero(block <= HASH_BITS)
        found += [(int(a) + start, int(b) + start) for a, b in zip(i, j, strict=True) if a < b]
    return found
