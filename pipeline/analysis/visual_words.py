"""Visual words: a codebook of k-means over a gallery's embeddings. A word is a look that several pictures share."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.analysis import carried_terms, cluster_facts, grouping
from pipeline.analysis.carried_terms import Carried
from pipeline.analysis.telling_terms import telling
from pipeline.gallery.whole_pictures import WholePictures

MIN_WORDS, MAX_WORDS = 64, 256
PICTURES_A_WORD = 8  # at least, on average: in a small gallery fewer words are asked for


def count_for(n: int) -> int:
    """Words for n pictures: 64 up to 4,096 pictures, then the square root as a power of 2, at most 256."""
    wanted = 2 ** round(np.log2(max(n, 1) ** 0.5))
    return max(1, min(int(np.clip(wanted, MIN_WORDS, MAX_WORDS)), n // PICTURES_A_WORD))


def codebook(
    pictures: WholePictures, terms: Carried, *, words: int = 0, seed: int = 0
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """(n,) int32 word of each picture, 0 the most frequent, and of each word: word, name, size, medoid, like.

    words: 0 = by the size of the gallery; fewer come out where fewer embeddings differ. like: the term that tells its
    pictures from the others best, '' when none does.
    """
    embeddings, ids = pictures.rows.embeddings, pictures.rows.table["id"].tolist()
    groups = grouping.k_means(embeddings, clusters=words or count_for(len(ids)), seed=seed)
    sizes = np.bincount(groups)
    first = np.unique(groups, return_index=True)[1]
    order = np.lexsort((first, -sizes))  # the most frequent first, of equal ones that which comes first in the gallery
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    groups = places[groups]
    rows = terms.rows(ids, gallery=pictures.gallery.name)
    about = []
    for word in range(len(order)):
        members = np.flatnonzero(groups == word)
        medoid = ids[int(cluster_facts.typical(embeddings, members, count=1)[0])]
        best = [
            one
            for one in telling(terms, rows[members])
            if one.term.kind in (carried_terms.LABEL, carried_terms.METADATA)
        ]
        like = best[0].term.text if best else ""
        name = f"visual word {word + 1}" + (f" (like {like})" if like else "")
        about.append({"word": word, "name": name, "size": len(members), "medoid": medoid, "like": like})
    return groups, about
