"""Hits in the order of weighted aspects: colour and texture of the pictures, and meaning, which is the encoder's score.

As in the golden feature each cosine is counted from the mean of random pairs in their standard deviations, so that a
weight of 1 means as much of each. A weight below 0 asks for the unlike: `colour=1,meaning=-0.5` is the same colour on
another thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import filters
from pipeline.errors import GalleryError, UsageError
from pipeline.filters import Filter
from pipeline.records import SearchHit, VectorStore
from pipeline.search.query import Query, QueryPicture, moved, open_query

if TYPE_CHECKING:
    import numpy as np

    from pipeline.gallery.appearances import Appearances

LOOKS = ("colour", "texture")
MEANING = "meaning"
ASPECTS = (*LOOKS, MEANING)
CANDIDATES = 1000  # the best by colour and texture and as many by meaning, of which the best together are found

Looks = dict[str, "np.ndarray"]
"""Of LOOKS: (n, dim) of unit length."""
LooksOfPictures = Callable[[Sequence[QueryPicture]], Looks]
"""`looks_of`, or what gives the same and keeps what it gave."""


def parse(text: str) -> dict[str, float]:
    """`colour=1,texture=-0.5` to the weights that are not 0; {} for ''. UsageError for another text."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (side.strip() for side in part.partition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = float("nan")
        if name not in ASPECTS or name in weights or not -1 <= weight <= 1:
            raise UsageError(
                f"aspects {text!r} cannot be read at {part!r}; write each of {', '.join(ASPECTS)} once at most with a weight "
                "from -1 to 1, e.g. colour=1,meaning=-0.5"
            )
        weights[name] = weight
    if weights and not max(weights.values()) > 0:
        raise UsageError(f"aspects {text!r} say only what hits should not be like; give one a weight above 0")
    return {name: weights[name] for name in ASPECTS if weights.get(name)}


def written(weights: Mapping[str, float]) -> str:
    """What `parse` reads, in the order of ASPECTS."""
    return ",".join(f"{name}={weights[name]:g}" for name in ASPECTS if weights.get(name))


def looks_wanted(weights: Mapping[str, float]) -> bool:
    """Whether colour or texture counts: meaning alone is the order of the scores."""
    return any(name in weights for name in LOOKS)


def check(query: Query, aspects: str, rerank: str) -> None:
    """UsageError for aspects that cannot be asked for; costs nothing."""
    weights = parse(aspects)
    if weights and rerank not in ("", "none"):
        raise UsageError(f"aspects are an order of their own and {rerank} is another; give one of the two")
    if looks_wanted(weights) and not (query.pictures or query.ids or query.like):
        raise UsageError("words have neither colour nor texture; ask with a picture too, or by meaning alone")


def looks_of(pictures: Sequence[QueryPicture]) -> Looks:
    """Colour and texture of one picture or more. PictureError, UsageError for a box."""
    import numpy as np

    from pipeline.features import relevance
    from pipeline.gallery.appearances import square

    return relevance.features(np.stack([square(open_query(picture)) for picture in pictures]))


def asked(appearances: Appearances, gallery: str, query: Query, looks: LooksOfPictures = looks_of) -> Looks:
    """(dim,) of each of LOOKS: of all pictures and ids together, moved by likes as the embedding is. GalleryError for an
    id whose look is not known."""
    import numpy as np

    rows_of = appearances.rows_of
    for picture in (*query.ids, *query.like, *query.unlike):
        if picture not in rows_of:
            raise GalleryError(
                f"gallery {gallery} has neither thumbnail nor file of picture {picture}, so its colour and texture are "
                "not known; search without aspects"
            )
    own = looks(query.pictures) if query.pictures else {}
    made: Looks = {}
    for name in LOOKS:
        ids, like, unlike = (
            appearances.features(name, [rows_of[picture] for picture in of])
            for of in (query.ids, query.like, query.unlike)
        )
        made[name] = moved(np.concatenate([*([own[name]] if own else []), ids]), like, unlike)
    return made


@dataclass(frozen=True)
class Found:
    """Candidates, best first; their embeddings and the cosine of each aspect, by id."""

    hits: list[SearchHit]
    embeddings: dict[str, np.ndarray]
    figures: dict[str, dict[str, float]]


def hits(
    appearances: Appearances,
    store: VectorStore,
    collection: str,
    asked: tuple[np.ndarray, Looks],
    weights: Mapping[str, float],
    meant: Sequence[float],
    nearest: Callable[..., list[SearchHit]],
    *,
    where: Filter,
    without: set[str],
    whole: set[str],
) -> Found:
    """All rows are compared by colour and texture; of more than CANDIDATES the best of these and of meaning are put in order.

    asked: (dim,) of the query and what `asked` gave. meant: quantiles of the scores of random pairs. nearest: the hits
    nearest to a direction. without: ids that are no hits; whole: pictures whose parts are none either.
    """
    import numpy as np

    (direction, looks), table = asked, appearances.table
    out = table["id"].isin(without).to_numpy(bool) | table["parent"].isin(whole).to_numpy(bool)
    wanted = filters.mask(where, table).to_numpy(bool) & ~out
    cosines = {name: appearances.cosines(name, looks[name]) for name in LOOKS}  # (n,) each
    sums = np.zeros(len(table))
    for name in LOOKS:
        sums += weights.get(name, 0.0) * _counted(cosines[name], appearances.quantiles[name])
    rows = np.flatnonzero(wanted)
    if len(rows) > CANDIDATES:
        rows = rows[np.argpartition(-sums[rows], CANDIDATES)[:CANDIDATES]]
        if weights.get(MEANING, 0.0) > 0:
            near = nearest(direction, k=CANDIDATES, collapse=None, by_picture=False)
            rows_of = appearances.rows_of
            rows = np.union1d(rows, np.array([rows_of[hit.id] for hit in near if hit.id in rows_of], int))
    names = table["id"].to_numpy(object)
    stored = store.embeddings(collection, names[rows].tolist())
    rows = np.array([row for row in rows if names[row] in stored], int)  # not what was taken out between the questions
    ids = names[rows]
    meaning = np.array([stored[picture] for picture in ids], np.float32).reshape(-1, len(direction)) @ direction
    total = sums[rows] + weights.get(MEANING, 0.0) * _counted(meaning, meant)
    order = np.lexsort((ids, -total))
    records = table.iloc[rows[order]].to_dict("records")
    figures = {name: of[rows[order]].tolist() for name, of in cosines.items()} | {MEANING: meaning[order].tolist()}
    return Found(
        [SearchHit(score=score, **row) for score, row in zip(figures[MEANING], records, strict=True)],
        stored,
        {row["id"]: {name: figures[name][at] for name in ASPECTS} for at, row in enumerate(records)},
    )


def _counted(cosines: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """In standard deviations of random pairs from their mean; 0 where those hardly differ, as it is where none is known."""
    import numpy as np

    from pipeline.features.relevance import NOISE

    mean, sd = (float(np.mean(quantiles)), float(np.std(quantiles))) if len(quantiles) else (0.0, 1.0)
    return (cosines - mean) * (1 / sd if sd > NOISE else 0.0)
