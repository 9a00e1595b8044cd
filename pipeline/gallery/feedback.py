"""What was liked and disliked while searching, kept as triplets: nearer to the anchor, farther from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from pipeline.errors import UsageError
from pipeline.gallery import judgments
from pipeline.gallery.gallery import Gallery

Triplet = tuple[str, str, str]
"""Ids: the anchor, one that is liked beside it, one that is not."""


def triplets_of(*, ids: Sequence[str], like: Sequence[str], unlike: Sequence[str]) -> list[Triplet]:
    """Of one search. Anchors are the pictures of the gallery that asked; without any, the liked ones among each other."""
    anchors = ids or like
    return [(anchor, near, far) for anchor, near, far in product(anchors, like, unlike) if anchor != near]


def keep(gallery: Gallery, *, ids: Sequence[str], like: Sequence[str], unlike: Sequence[str]) -> int:
    """Keep a search's triplets for good; how many they are. UsageError where it makes none."""
    triplets = triplets_of(ids=ids, like=like, unlike=unlike)
    if not triplets:
        raise UsageError(
            "a judgment needs a picture that is liked, one that is not, and one of this gallery to compare with"
        )
    _judge(gallery, triplets, True)
    return len(triplets)


def take_back(gallery: Gallery, triplets: Sequence[Triplet]) -> None:
    """As if they had not been kept."""
    _judge(gallery, triplets, False)


def _judge(gallery: Gallery, triplets: Sequence[Triplet], value: bool) -> None:
    for kind, place in (("like", 1), ("unlike", 2)):
        for pair in dict.fromkeys((triplet[0], triplet[place]) for triplet in triplets):
            gallery.judge(kind, pair, value)


def kept(gallery: Gallery) -> tuple[list[Triplet], int]:
    """Every triplet, and how many judgments a later one of the same two pictures contradicts: the later one counts."""
    liked: dict[tuple[str, str], bool] = {}
    contradicted = 0
    for judgment in judgments.read(gallery.judgments_file):
        if judgment["kind"] in ("like", "unlike") and len(judgment["ids"]) == 2:
            pair, good = (judgment["ids"][0], judgment["ids"][1]), judgment["kind"] == "like"
            contradicted += liked.pop(pair, good) != good
            if judgment["value"]:
                liked[pair] = good
    near = [pair for pair, good in liked.items() if good]
    far: dict[str, list[str]] = {}
    for (anchor, other), good in liked.items():
        if not good:
            far.setdefault(anchor, []).append(other)
    return [(anchor, close, other) for anchor, close in near for other in far.get(anchor, ())], contradicted
