"""Groups of one picture, groups of lookalikes, and the best copy of each with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pipeline.duplicates.pairs import Looks, Pairs, Reader, compare_pairs, look_at, nearest_pairs
from pipeline.features import alignment, simhash
from pipeline.gallery.gallery import Gallery
from pipeline.metrics.verification import pair_scores
from pipeline.records import Progress, Rows

_AS_MANY_PIXELS = 0.97  # pixels within 3 % count as as many: a border is found to a pixel of the thumbnail
Verdicts = dict[frozenset[str], bool]


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
    edges += map(tuple, pairs.rows[pairs.same][order].tolist())  # the surest first: a ban cuts the weakest
    same = joined(edges, banned)

    random = _random_pairs(n, sample, seed)
    known_same = np.array([a * n + b for group in same for a in group for b in group if a < b], np.int64)
    random = random[~np.isin(random[:, 0] * n + random[:, 1], known_same)]
    lowest = lowest_score(pair_scores(rows.embeddings, random), rate=rate) if threshold is None else threshold
    copies = Copies(rows, reader)
    groups = [copies.group("same", members) for members in same]
    keeper = {
        member: copies.row(group["keep"]) for group, members in zip(groups, same, strict=True) for member in members
    }
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


def joined(edges: Iterable[tuple[int, int]], banned: set[tuple[int, int]]) -> list[list[int]]:
    """Connected components of two and more rows, the largest first; an edge that would join a banned pair is left out."""
    group: dict[int, list[int]] = {}
    enemies: dict[int, set[int]] = {}
    for a, b in banned:
        enemies.setdefault(a, set()).add(b)
        enemies.setdefault(b, set()).add(a)
    for a, b in edges:
        left, right = group.setdefault(a, [a]), group.setdefault(b, [b])
        if left is right or any(enemies.get(member, set()).intersection(right) for member in left):
            continue
        small, large = sorted((left, right), key=len)
        large += small
        group.update(dict.fromkeys(small, large))
    components = {id(members): sorted(members) for members in group.values() if len(members) > 1}
    return sorted(components.values(), key=lambda members: (-len(members), members))


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

    def group(self, tier: str, members: list[int]) -> dict[str, Any]:
        """The best copy first, then the closest to it."""
        keep, reason = self._best(members)
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

    def _best(self, members: list[int]) -> tuple[int, str]:
        """Resolution without a border, then bytes, then sharpness, then the first that came."""
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
        size = self._table[row]["width"] * self._table[row]["height"]
        if (image := self._reader.thumbnail(row)) is None:
            return size
        inner = alignment.without_border(image)
        return size * inner.width * inner.height / (image.width * image.height)

    def _sharpness(self, row: int) -> float:
        image = self._reader.picture(row)
        return 0.0 if image is None else round(alignment.sharpness(image), 3)


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
