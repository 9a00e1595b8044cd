"""Groups of one picture, of its variants and of lookalikes, and the best copy of each with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.duplicates.copies import Copies
from pipeline.duplicates.judging import ALTERED, Asked, Verdict, judge
from pipeline.duplicates.looks import Looks, Reader, look_at
from pipeline.duplicates.pairs import Pairs, compare_pairs, nearest_pairs
from pipeline.duplicates.stars import stars
from pipeline.duplicates.variants import variant_pairs, variants
from pipeline.features import simhash
from pipeline.gallery.gallery import Gallery
from pipeline.metrics.verification import pair_scores
from pipeline.records import Progress, Rows

Verdicts = dict[frozenset[str], bool]
_FORCED, _UNSEEN = Verdict(True, 1.0, ""), Verdict(False, -1.0, "there is no picture to look at")


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
    near, note = nearest_pairs(gallery, rows, progress)
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

    def look(asked: Sequence[Asked]) -> list[list[Verdict]]:
        """`judge` of those that there is a picture of; what people judged the same is."""
        seen = [(kept, [row for row in others if looks.known[[kept, row]].all()], kind) for kept, others, kind in asked]
        answers = []
        for (kept, others, kind), (_, there, _), verdicts in zip(asked, seen, judge(reader, seen), strict=True):
            found = dict(zip(there, verdicts, strict=True))
            if not kind:
                found |= {row: _FORCED for row in others if (min(kept, row), max(kept, row)) in forced}
            answers.append([found.get(row, _UNSEEN) for row in others])
        return answers

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
    maybe = [*near_copies, *variant_pairs(near, looks)]
    groups += [copies.variants(*group) for group in variants(maybe, keeper, banned, looks, copies, look)]
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
    } | ({"neighbours": note} if note else {})
    return groups, facts


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
