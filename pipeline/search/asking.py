"""Which pictures to ask somebody about, so that a few answers improve a search: doubtful ones, then a comparison."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.filters import Filter
from pipeline.gallery import asked as fields
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder, SearchHit, VectorStore
from pipeline.search import query as queries
from pipeline.search import refining
from pipeline.search.query import Query

if TYPE_CHECKING:
    import numpy as np

EACH = 5  # pictures that are asked about together
ANSWERS = 20  # the last EACH of them compare
LEARNED, BEFORE = "learned", "before"


@dataclass(frozen=True)
class Question:
    """only: LEARNED or BEFORE, for a picture that only this order has among its first; '' for one that is doubtful."""

    hit: SearchHit
    only: str = ""


@dataclass(frozen=True)
class Verdict:
    """Of the pictures that only one order has among its first, how many are right, and how many somebody answered."""

    learned: tuple[int, int]
    before: tuple[int, int]

    @property
    def better(self) -> bool:
        """Or as good: where both have the same first pictures, what was learned orders the others."""
        return self._lead >= 0

    @property
    def above(self) -> bool:
        return self._lead > 0

    @property
    def _lead(self) -> float:
        (right, of), (was, was_of) = self.learned, self.before
        return right / max(of, 1) - was / max(was_of, 1) if of and was_of else float(right > 0) - float(was > 0)


def verdict(answers: dict[str, bool], only: dict[str, str]) -> Verdict:
    """answers, only: by id of a picture, what somebody said and `Question.only`."""

    def count(which: str) -> tuple[int, int]:
        said = [answer for picture, answer in answers.items() if only.get(picture) == which]
        return sum(said), len(said)

    return Verdict(count(LEARNED), count(BEFORE))


def questions(
    gallery: Gallery,
    store: VectorStore,
    encoder: Encoder | None,
    query: Query,
    *,
    like: Sequence[str] = (),
    unlike: Sequence[str] = (),
    seen: Collection[str] = (),
    where: Filter = Filter(),
    compare: bool = False,
    seed: int = 0,
    encode: queries.EncodePictures = queries.embeddings,
) -> list[Question]:
    """At most EACH; fewer, or none, where no other picture passes `where`.

    query: pictures or ids, as the search has it. like, unlike: answers since then; seen: those that were asked about and
    not answered. compare: pictures that one of both orders alone has first, not doubtful ones. Raises as `search` does.
    """
    import numpy as np

    entry = gallery.encoder()
    collection = gallery.collection(gallery.current)
    where = fields.settled(where, gallery, None)
    since = replace(query, like=(*query.like, *like), unlike=(*query.unlike, *unlike))
    now = queries.asked(gallery, store, collection, entry, encoder, since, encode)
    without = gallery.removed() | now.own | {*since.like, *since.unlike, *seen}

    def nearest(direction: np.ndarray, k: int) -> list[SearchHit]:
        [answer] = store.search(collection, direction[None], k=k + len(without), where=where)
        return [hit for hit in answer if hit.id not in without and hit.parent not in now.own][:k]

    if compare:
        before = queries.asked(gallery, store, collection, entry, encoder, query, encode)
        first, other = (nearest(of.direction(), refining.FIRST) for of in (now, before))
        hits = {hit.id: hit for hit in (*first, *other)}
        ids = [np.array([hit.id for hit in order], object) for order in (first, other)]
        drawn = refining.to_compare(ids[0], ids[1], EACH, seed=seed)
        made = [Question(hits[i], which) for which, some in zip((LEARNED, BEFORE), drawn, strict=True) for i in some]
        return [made[i] for i in np.random.default_rng(seed).permutation(len(made))]  # nothing tells which is which
    sought = refining.learn(np.concatenate([now.asked, now.like]), now.unlike, now.mean) if len(now.unlike) else None
    found = nearest(sought.along if sought else now.direction(), refining.DEPTH)
    stored = store.embeddings(collection, [hit.id for hit in found])
    found = [hit for hit in found if hit.id in stored]  # not what was taken out between the two questions
    rows = np.array([stored[hit.id] for hit in found], np.float32).reshape(-1, entry["dim"])
    return [Question(found[i]) for i in refining.next_to_ask(rows, sought, EACH, liked=len(now.like))]
