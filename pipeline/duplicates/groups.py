"""Groups of one picture, of its variants and of lookalikes, and the best copy of each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.duplicates.copies import Copies
from pipeline.duplicates.judging import ALTERED, Verdict, judge
from pipeline.duplicates.looks import GREY, Looks, Reader, look_at, orientation
from pipeline.duplicates.pairs import Pairs, compare_pairs, nearest_pairs, variant_pairs
from pipeline.features import simhash
from pipeline.gallery.gallery import Gallery
from pipeline.metrics.verification import pair_scores
from pipeline.records import Progress, Rows

Verdicts = dict[frozenset[str], bool]
Star = tuple[int, str, dict[int, Verdict]]  # the kept row, why it is kept, and the others with what was seen
_TRIED = 3  # rows around which a star is tried
_INVERSE = {"turned 90°": "turned 270°", "turned 270°": "turned 90°"}  # a mirror undoes itself
_AT_MOST = 200  # rows that one kept picture is compared with


def groups_by_pixels(
    gallery: Gallery,
    rows: Rows,
    verdicts: Verdicts,
    *,
    threshold: float | None,
    rate: float,
    sample: int,
    seed: int,
    progress: Progress,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Groups `same` and `lookalike`, the largest first, and the facts that a report tells about them."""
    n, ids = len(rows), rows.table["id"].tolist()
    reader = Reader(gallery, ids, rows.table["path"].tolist())
    looks = look_at(reader, n, progress)
    near = nearest_pairs(gallery, rows, progress)
    pairs = compare_pairs(near, looks, reader, progress)
    place = {picture: row for row, picture in enumerate(ids)}
    judged_rows = {
        (min(a, b), max(a, b)): same
        for (a, b), same in (
            (tuple(place.get(picture, -1) for picture in pair), same) for pair, same in verdicts.items()
        )
        if min(a, b) >= 0
    }
    banned = {pair for pair, same in judged_rows.items() if not same}
    edges = [pair for pair, same in judged_rows.items() if same]
    order = np.argsort(-pairs.details[pairs.same], kind="stable")
    edges += map(tuple, pairs.rows[pairs.same][order].tolist())  # the surest first
    forced = {pair for pair, same in judged_rows.items() if same}
    copies = Copies(rows, reader)

    def look(kept: int, others: Sequence[int]) -> list[Verdict]:
        return [
            Verdict(True, 1.0, "") if (min(kept, row), max(kept, row)) in forced else seen
            for row, seen in zip(others, _judged_known(reader, looks, kept, others), strict=True)
        ]

    def best(candidates: Sequence[int]) -> tuple[int, str]:
        return copies.best(list(candidates))

    same_stars = stars(edges, banned, best, look, progress)
    same = [sorted([kept, *others]) for kept, _, others in same_stars]

    random = _random_pairs(n, sample, seed)
    known_same = np.array([a * n + b for group in same for a in group for b in group if a < b], np.int64)
    random = random[~np.isin(random[:, 0] * n + random[:, 1], known_same)]
    lowest = lowest_score(pair_scores(rows.embeddings, random), rate=rate) if threshold is None else threshold
    groups = [copies.star("same", star) for star in same_stars]
    keeper = {member: star[0] for star in same_stars for member in star[2]}
    near_copies = [(int(i), int(j), ALTERED) for i, j in pairs.rows[pairs.same]]
    groups += _variants([*near_copies, *variant_pairs(near, looks)], keeper, banned, reader, looks, copies)
    alike = [] if lowest is None else _lookalikes(rows.embeddings, pairs, keeper, banned, lowest)
    groups += [copies.group("lookalike", members) for members in alike]
    facts = {
        "threshold": lowest,
        "threshold_from": "asked for"
        if threshold is not None
        else f"what 1 in {round(1 / rate):,} of {len(random):,} random pairs reaches",
        "compared_pairs": int((pairs.details > -1).sum()),
        "not_seen": int((~looks.known).sum()),
        "from_files": looks.from_files,
        "files_missing": copies.missing,
        "hamming": _histograms(rows.embeddings, looks, pairs, random, seed=seed),
    }
    return groups, facts


def _judged_known(reader: Reader, looks: Looks, kept: int, others: Sequence[int]) -> list[Verdict]:
    """`judge` of those that there is a picture of."""
    seen = [row for row in others if looks.known[[kept, row]].all()]
    verdicts = dict(zip(seen, judge(reader, kept, seen), strict=True)) if seen else {}
    return [verdicts.get(row, Verdict(False, -1.0, "there is no picture to look at")) for row in others]


def stars(
    edges: Iterable[tuple[int, int]],
    banned: set[tuple[int, int]],
    best: Callable[[Sequence[int]], tuple[int, str]],
    look: Callable[[int, Sequence[int]], list[Verdict]],
    progress: Progress,
) -> list[Star]:
    """Rows around the best of them, each of which was itself judged the same as that one; the largest first.

    A chain leads from a picture to one that shares nothing with it, so what two edges join is looked at anew.
    """
    near: dict[int, list[int]] = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    found, free, total = [], set(near), len(near)
    for seed in sorted(near):
        while seed in free:
            kept, reason, members = _largest(_reached(seed, near, free), near, free, banned, best, look)
            free.difference_update((kept, *members))
            if members:
                found.append((kept, reason, members))
            else:
                free.discard(seed)
            progress("judging", total - len(free), total)
    return sorted(found, key=lambda star: (-len(star[2]), star[0]))


def _largest(
    component: list[int],
    near: dict[int, list[int]],
    free: set[int],
    banned: set[tuple[int, int]],
    best: Callable[[Sequence[int]], tuple[int, str]],
    look: Callable[[int, Sequence[int]], list[Verdict]],
) -> Star:
    """The star around the best row; of the next best two where more gather around them: a watermark is no original."""
    stars: list[Star] = []
    left = list(component)
    while left and len(stars) < _TRIED:
        kept, reason = best(left)
        left.remove(kept)
        wanted = list(dict.fromkeys(row for row in [*near[kept], *_beyond(kept, near)] if row in free and row != kept))
        wanted = wanted[:_AT_MOST]
        members: dict[int, Verdict] = {}
        for row, verdict in sorted(
            zip(wanted, look(kept, wanted), strict=True), key=lambda one: (-one[1].score, one[0])
        ):
            apart = any((min(row, other), max(row, other)) in banned for other in (kept, *members))
            if verdict.same and not apart:
                members[row] = verdict
        stars.append((kept, reason, members))
        if len(members) >= len(component) - 1:
            break
    return max(stars, key=lambda star: len(star[2]))


def _beyond(kept: int, near: dict[int, list[int]]) -> Iterable[int]:
    """Two edges away."""
    return (row for between in near[kept] for row in near[between] if row != kept)


def _reached(seed: int, near: dict[int, list[int]], free: set[int]) -> list[int]:
    """Free rows within two edges of the seed, itself among them."""
    close = [row for row in near[seed] if row in free]
    return list(dict.fromkeys([seed, *close, *(row for between in close for row in near[between] if row in free)]))


def _variants(
    pairs: Sequence[tuple[int, int, str]],
    keeper: dict[int, int],
    banned: set[tuple[int, int]],
    reader: Reader,
    looks: Looks,
    copies: Copies,
) -> list[dict[str, Any]]:
    """Groups of a picture and its mirrored, turned, grey and altered variants, each named; of grey and coloured, colour is kept."""
    between: dict[tuple[int, int], list[str]] = {}
    for i, j, kind in pairs:
        a, b = sorted((keeper.get(i, i), keeper.get(j, j)))
        if a != b and (a, b) not in banned and kind not in between.setdefault((a, b), []):
            between[a, b].append(kind)
    near: dict[int, set[int]] = {}
    for a, b in between:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    free, groups = set(near), []
    for seed in sorted(near, key=lambda row: (-len(near[row]), row)):
        others = sorted(near[seed] & free - {seed})
        if seed not in free or not others:
            continue
        coloured = [row for row in (seed, *others) if not looks.grey[row]]
        kept, reason = copies.best(coloured or [seed, *others])
        members: dict[int, tuple[Verdict, str]] = {}
        for seen_as, rows in _ways(kept, sorted(near[kept] & free - {kept}), between, looks).items():
            for row, verdict in zip(rows, judge(reader, kept, rows, kind=seen_as), strict=True):
                if verdict.same and (row not in members or verdict.score > members[row][0].score):
                    members[row] = verdict, seen_as
        if members:
            free -= {kept, *members}
            groups.append(copies.variants(kept, reason, members))
    return groups


def _ways(
    kept: int, others: Sequence[int], between: dict[tuple[int, int], list[str]], looks: Looks
) -> dict[str, list[int]]:
    """Each kind of variant, with the rows that may be it of the kept one."""
    found: dict[str, list[int]] = {}
    for row in others:
        for kind in between[min(kept, row), max(kept, row)]:
            seen_as = _INVERSE.get(kind, kind) if row < kept else kind
            if looks.grey[row] != looks.grey[kept] and orientation(kind):
                seen_as = f"{GREY}, {seen_as}"
            found.setdefault(seen_as, []).append(row)
    return found


def _lookalikes(
    embeddings: np.ndarray, pairs: Pairs, keeper: dict[int, int], banned: set[tuple[int, int]], lowest: float
) -> list[list[int]]:
    """Stars: the picture with the most lookalikes and these, then the next; no chain leads from shirts to shoes."""
    near = pairs.rows[pairs.nearest]
    kept = np.array([[keeper.get(row, row) for row in pair] for pair in near.tolist()], np.int64).reshape(-1, 2)
    kept = np.unique(np.sort(kept[kept[:, 0] != kept[:, 1]], axis=1), axis=0)
    close = kept[pair_scores(embeddings, kept) >= lowest]
    around: dict[int, set[int]] = {}
    for a, b in map(tuple, close.tolist()):
        if (a, b) not in banned:
            around.setdefault(a, set()).add(b)
            around.setdefault(b, set()).add(a)
    free, stars = set(around), []
    for centre in sorted(around, key=lambda row: (-len(around[row]), row)):
        if centre in free and (others := sorted(around[centre] & free)):
            star = [centre]
            for other in others:
                if not any((min(other, member), max(other, member)) in banned for member in star):
                    star.append(other)
            free.difference_update(star)
            stars.append(sorted(star))
    return sorted((star for star in stars if len(star) > 1), key=lambda star: (-len(star), star))


def lowest_score(scores: np.ndarray, *, rate: float) -> float | None:
    """The score that at most this share of random pairs' scores exceeds; with few pairs none does. None without any."""
    if not len(scores):
        return None
    ordered = np.sort(scores)[::-1]
    return float(np.nextafter(ordered[int(rate * len(ordered))], np.float32(2)))


def _random_pairs(n: int, most: int, seed: int) -> np.ndarray:
    """(m, 2) rows i < j: all there are, or so many drawn."""
    if n * (n - 1) // 2 <= most:
        return np.stack(np.triu_indices(n, 1), axis=1)
    random = np.random.default_rng(seed)
    first = random.integers(0, n, most)
    second = (first + random.integers(1, n, most)) % n
    return np.sort(np.stack([first, second], axis=1), axis=1)


def _histograms(
    embeddings: np.ndarray, looks: Looks, pairs: Pairs, random: np.ndarray, *, seed: int
) -> dict[str, dict[str, list[int]]]:
    """Hamming distances of 64-bit hashes of pixels and of embeddings: 65 counts for each kind of pair."""
    kinds = {"random": random, "nearest": pairs.rows[pairs.nearest & ~pairs.same], "same": pairs.rows[pairs.same]}
    known_rows = {kind: rows[looks.known[rows].all(axis=1)] for kind, rows in kinds.items()}
    bits = simhash.signatures(embeddings, seed=seed)
    return {
        "perceptual": {kind: simhash.histogram(looks.hashes, rows) for kind, rows in known_rows.items()},
        "simhash": {kind: simhash.histogram(bits, rows) for kind, rows in kinds.items()},
    }
