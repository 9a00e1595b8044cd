"""Term vectors: what the neighbours of a picture say of it, weighted by how telling that is (TF-IDF).

Kept in the gallery's reports; what pictures have in common and what an upload looks like need no report.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.analysis import carried_terms, visual_words
from pipeline.analysis.carried_terms import KIND, Carried, Term
from pipeline.analysis.telling_terms import Shared, telling
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import reports, whole_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.metrics.retrieval import nearest
from pipeline.records import Neighbours, Progress, SearchHit, silent

K = 20  # neighbours that say something of a picture
WIDTH = 0.05  # a neighbour this much farther than the closest one has 1/e of its say: benchmarks/annotation.py
TOP = 12  # terms that are kept of a picture
MIN_CONFIDENCE = 0.1  # confidence under which a term says nothing of an upload
ROWS_AT_ONCE = 1000
COMPUTED = (carried_terms.CLUSTER, carried_terms.WORD)  # kinds of terms that no person gave
CODEBOOK = 4096  # the most visual words that may be asked for


@dataclass(frozen=True)
class Guess:
    """A term of an unlabelled picture. confidence: 0 to 1, the share of its neighbours' say that the term has."""

    term: Term
    confidence: float


def build(gallery: Gallery, *, k: int = K, words: int = 0, seed: int = 0, progress: Progress = silent) -> str:
    """The name of the report that is kept. words: of the codebook, 0 = by the size of the gallery.

    Its table has a row for each whole picture: id, word (number into the report's `words`), terms (texts, the heaviest
    first, at most TOP) and weights. UsageError for fewer than 2 pictures or numbers that cannot be; GalleryError where
    nothing was ingested.
    """
    if k < 1 or not 0 <= words <= CODEBOOK or not 0 <= seed < 2**32:
        raise UsageError(
            f"k is at least 1, words 0 to {CODEBOOK:,} and seed 0 to {2**32 - 1}; got {k}, {words}, {seed}"
        )
    begun = time.perf_counter()
    pictures = whole_pictures.of_gallery(gallery, purpose="to say what their neighbours have in common")
    ids = pictures.rows.table["id"].tolist()
    carried = carried_terms.carried(gallery, words=False)
    progress("visual words", 0, 1)
    assigned, codebook = visual_words.codebook(pictures, carried, words=words, seed=seed)
    progress("visual words", 1, 1)
    rows = carried.rows(ids, gallery=gallery.name)
    carried = carried_terms.with_words(carried, rows, assigned, [one["name"] for one in codebook])
    neighbours = pictures.neighbours(k, progress=progress)
    weighed = vectors(carried, neighbours, rows, progress=progress)
    texts = np.array([term.text for term in carried.terms], object)
    table = pictures.rows.table[["id"]].assign(
        word=assigned,
        terms=[texts[numbers].tolist() for numbers, _ in weighed],
        weights=[weights.tolist() for _, weights in weighed],
    )
    report: dict[str, Any] = {
        **pictures.about,
        **{"k": neighbours.rows.shape[1], "seed": seed, "terms": len(carried.terms), "words": codebook},
        "kinds": {kind: sum(term.kind == kind for term in carried.terms) for kind in carried_terms.KINDS},
        "without_terms": sum(not len(numbers) for numbers, _ in weighed),
        "seconds": round(time.perf_counter() - begun, 3),
    }
    return reports.write(gallery, KIND, report, table)


def vectors(
    carried: Carried, neighbours: Neighbours, rows: np.ndarray, *, progress: Progress = silent
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of n pictures its TOP terms: numbers and weights (float32), the heaviest first, equal ones by number.

    neighbours: (n, k), numbers into `rows` (n,), which are rows of `carried`. Weight = tf × idf: tf is the share of
    the neighbours' say that carry the term, idf = log((1 + N) / (1 + pictures that carry it)) of all N. What every
    picture carries weighs 0 and is left out.
    """
    count, vectors = len(carried.terms), list[tuple[np.ndarray, np.ndarray]]()
    idf = np.log((1 + len(carried.ids)) / (1 + carried.counts))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        progress("terms", start, len(rows))
        here = slice(start, start + ROWS_AT_ONCE)
        say = _say(neighbours.scores[here])  # (b, k)
        b, k = say.shape
        places, numbers = carried.pairs(rows[neighbours.rows[here]].ravel())
        cells, inverse = np.unique(places // k * count + numbers, return_inverse=True)
        weights = np.bincount(inverse, say.ravel()[places], minlength=len(cells)) * idf[cells % max(count, 1)]
        cells, weights = cells[weights > 0], weights[weights > 0]
        order = np.lexsort((cells, -weights, cells // max(count, 1)))
        bounds = np.searchsorted(cells[order] // max(count, 1), np.arange(b + 1))
        for row in range(b):
            best = order[bounds[row] : min(bounds[row + 1], bounds[row] + TOP)]
            vectors.append((cells[best] % count, weights[best].astype(np.float32)))
    progress("terms", len(rows), len(rows))
    return vectors


def of_pictures(gallery: Gallery, ids: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    """Terms and weights of these pictures by the newest report, the heaviest first; [] for one that came after it.

    GalleryError when there is no report, or no such picture in the gallery.
    """
    name = carried_terms.newest(gallery)
    if name is None:
        raise GalleryError(f"gallery {gallery.name} has no terms yet; run: python -m pipeline terms {gallery.name}")
    if unknown := sorted(set(ids) - gallery.ids()):
        raise GalleryError(f"gallery {gallery.name} has no picture {unknown[0]}")
    table = reports.table(gallery, name)
    table = table[table["id"].isin(list(ids))]
    weighted = {
        picture: list(zip(terms.tolist(), weights.tolist(), strict=True))
        for picture, terms, weights in zip(table["id"], table["terms"], table["weights"], strict=True)
    }
    return {picture: weighted.get(picture, []) for picture in ids}


def in_common(gallery: Gallery, ids: Iterable[str], *, carried: Carried | None = None) -> list[Shared]:
    """Terms that tell these pictures from the gallery, the most telling first. carried: those of the gallery, when it is at hand.

    GalleryError for an id that is not in the gallery.
    """
    carried = carried or carried_terms.carried(gallery)
    return telling(carried, carried.rows(dict.fromkeys(ids), gallery=gallery.name))


def annotate(
    gallery: Gallery, picture: np.ndarray | Sequence[SearchHit], *, k: int = K, carried: Carried | None = None
) -> list[Guess]:
    """Terms of a picture that has none: what people said first, then clusters and visual words, each by confidence, then text.

    picture: its embedding (dim,), whose k exact nearest are asked, or hits of a search, of which the first k are. A term
    must have MIN_CONFIDENCE of their say and more than its share of the gallery.
    """
    carried = carried or carried_terms.carried(gallery)
    ids, scores = _nearest(gallery, picture, k) if isinstance(picture, np.ndarray) else _of_hits(picture[:k])
    there = np.array([carrier in carried.places for carrier in ids], bool)  # not taken out since
    if not there.any():
        return []
    rows = carried.rows(np.array(ids, object)[there], gallery=gallery.name)
    say = _say(scores[there][None])[0]
    places, numbers = carried.pairs(rows)
    shares = np.bincount(numbers, say[places], minlength=len(carried.terms))
    everywhere = len(carried.ids)
    telling_here = (shares >= MIN_CONFIDENCE) & (shares > carried.counts / everywhere) & (carried.counts < everywhere)
    guesses = [Guess(carried.terms[i], min(float(shares[i]), 1.0)) for i in np.flatnonzero(telling_here)]
    return sorted(guesses, key=lambda guess: (guess.term.kind in COMPUTED, -guess.confidence, guess.term.text))


def pictures_with(gallery: Gallery, term: str, *, carried: Carried | None = None) -> list[str]:
    """Ids of pictures that carry the term, or that the newest report gives it by their neighbours.

    Those that their neighbours give it come first, by weight, the others in the order of their ingest. UsageError for a
    term that no picture carries; it names some that read alike.
    """
    carried = carried or carried_terms.carried(gallery)
    carriers = carried.ids[carried.with_term(carried_terms.find(carried, term))].tolist()
    weights: dict[str, float] = {}
    if name := carried_terms.newest(gallery):
        table = reports.table(gallery, name)
        sizes = table["terms"].map(len).to_numpy()
        here = np.flatnonzero(np.concatenate([[], *table["terms"]]) == term)
        pictures = np.repeat(table["id"].to_numpy(object), sizes)[here]
        given = np.concatenate([[], *table["weights"]])[here]
        weights = {p: float(w) for p, w in zip(pictures, given, strict=True) if p in carried.places}
    by_weight = sorted(weights, key=lambda picture: (-weights[picture], carried.places[picture]))
    return by_weight + [picture for picture in carriers if picture not in weights]


def _say(scores: np.ndarray) -> np.ndarray:
    """(b, k) scores, the closest first, to shares of the say, each row adds up to 1."""
    weights = np.exp((scores.astype(np.float64) - scores.max(axis=1, keepdims=True)) / WIDTH)
    return weights / weights.sum(axis=1, keepdims=True)


def _nearest(gallery: Gallery, embedding: np.ndarray, k: int) -> tuple[list[str], np.ndarray]:
    rows = gallery.rows()
    if not len(rows):
        return [], np.zeros(0)
    if embedding.shape != rows.embeddings.shape[1:]:
        raise UsageError(
            f"an embedding of shape {embedding.shape}; gallery {gallery.name} has {rows.embeddings.shape[1:]}"
        )
    scores, hits = nearest(embedding[None].astype(np.float32), rows.embeddings, k=min(k, len(rows)))
    return rows.table["id"].to_numpy(object)[hits[0]].tolist(), scores[0]


def _of_hits(hits: Sequence[SearchHit]) -> tuple[list[str], np.ndarray]:
    return [hit.id for hit in hits], np.array([hit.score for hit in hits], np.float64)
