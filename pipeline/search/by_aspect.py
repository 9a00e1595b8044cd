"""Hits in the order of weighted aspects: colour and texture of the pictures, and meaning, which is the encoder's score.

As in the golden feature each cosine is counted from the mean of random pairs in their standard deviations, so that a
weight of 1 means as much of each. A weight below 0 asks for the unlike: `colour=1,meaning=-0.5` is the same colour on
another thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline import filters
from pipeline.errors import GalleryError, UsageError
from pipeline.features.relevance import read_weights, written_weights
from pipeline.filters import Filter
from pipeline.records import SearchHit
from pipeline.search import folding
from pipeline.search.query import Query, QueryPicture, moved, open_query

if TYPE_CHECKING:
    import numpy as np

    from pipeline.gallery.appearances import Appearances

LOOKS = ("colour", "texture")
MEANING = "meaning"
ASPECTS = (*LOOKS, MEANING)

Looks = dict[str, "np.ndarray"]
"""Of LOOKS: (n, dim) of unit length."""
LooksOfPictures = Callable[[Sequence[QueryPicture]], Looks]
"""`looks_of`, or what gives the same and keeps what it gave."""


def parse(text: str) -> dict[str, float]:
    """`colour=1,texture=-0.5` to the weights that are not 0; {} for ''. UsageError for another text."""
    return read_weights(text, ASPECTS, least=-1, what="aspects", example="colour=1,meaning=-0.5")


def written(weights: Mapping[str, float]) -> str:
    """What `parse` reads, in the order of ASPECTS."""
    return written_weights(weights, ASPECTS)


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


def hits(
    appearances: Appearances,
    direction: np.ndarray,
    looks: Looks,
    weights: Mapping[str, float],
    meant: Sequence[float],
    *,
    where: Filter,
    without: set[str],
    whole: set[str],
    collapse: float | None,
    by_picture: bool,
    k: int,
) -> tuple[list[SearchHit], list[dict[str, float]]]:
    """The k best of all rows and of each the cosine of every aspect. All are compared in memory: an index knows the nearest
    of meaning alone.

    direction: (dim,) of the query; looks: what `asked` gave. meant: quantiles of the scores of random pairs. without: ids
    that are no hits; whole: pictures whose parts are none either.
    """
    import numpy as np

    from pipeline.features import relevance

    table, embeddings = appearances.rows.table, appearances.rows.embeddings
    cosines: Looks = {MEANING: embeddings @ direction}  # (n,) each
    total = weights.get(MEANING, 0.0) * _counted(cosines[MEANING], meant)
    for name in LOOKS:
        if name in weights:
            cosines[name] = appearances.cosines(name, looks[name])
            total = total + weights[name] * _counted(cosines[name], appearances.quantiles[name])
    out = table["id"].isin(without).to_numpy(bool) | table["parent"].isin(whole).to_numpy(bool)
    rows = np.flatnonzero(filters.mask(where, table).to_numpy(bool) & ~out)
    ids = table["id"].to_numpy(object)
    rows = rows[np.lexsort((ids[rows], -total[rows]))]
    enough, limit = (k + 1, 4 * k) if collapse else (k, 4 * k if by_picture else k)
    while True:  # until k are left after folding
        best = rows[:limit]
        scores = cosines[MEANING][best].tolist()
        found = [
            SearchHit(score=score, **row)
            for score, row in zip(scores, table.iloc[best].to_dict("records"), strict=True)
        ]
        if by_picture:
            found = folding.one_a_picture(found)
        if collapse:
            found = folding.fold(found, dict(zip(ids[best], embeddings[best], strict=True)), collapse, enough)
        if len(found) >= enough or limit >= len(rows):
            break
        limit *= 4
    found = found[:k]
    at = [appearances.rows_of[hit.id] for hit in found]
    told = {
        name: cosines[name][at]
        if name in cosines
        else relevance.cosines(appearances.features(name, at), looks[name][None])[:, 0]
        for name in ASPECTS
    }
    return found, [{name: float(told[name][i]) for name in ASPECTS} for i in range(len(found))]


def _counted(cosines: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """In standard deviations of random pairs from their mean; 0 where those hardly differ, as it is where none is known."""
    import numpy as np

    from pipeline.features.relevance import NOISE

    mean, sd = (float(np.mean(quantiles)), float(np.std(quantiles))) if len(quantiles) else (0.0, 1.0)
    return (cosines - mean) * (1 / sd if sd > NOISE else 0.0)
