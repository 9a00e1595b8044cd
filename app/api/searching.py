"""Search by pictures, ids, words and regions, and the nearest of each of many: answered by pipeline.search.search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from app.api.operations import Call, Upload, operation
from app.api.problems import Refused
from app.api.types import ID, OTHER_ID, PictureId, SearchAnswer, SearchAsked, SimilarAnswer, SimilarAsked, asked
from app.server import answers, encoders, explanations, exposure, looks, resources
from pipeline import filters
from pipeline.errors import GalleryError, UsageError
from pipeline.explain import explain as explaining
from pipeline.explain.explain import MAX_GRID
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.gallery import Gallery
from pipeline.images.opening import MAX_BYTES
from pipeline.images.regions import parse_box
from pipeline.search import by_aspect
from pipeline.search import search as searching
from pipeline.search.search import Query, QueryPicture

MAX_FILES = 8


@operation(
    "POST",
    "/galleries/{gallery}/search",
    scope="read",
    tag="search",
    body=SearchAsked,
    answer=SearchAnswer,
    files=MAX_FILES,
    max_bytes=MAX_FILES * MAX_BYTES + (1 << 20),
    problems=("picture", "conflict", "store"),
)
def search(call: Call) -> SearchAnswer:
    """The nearest pictures of a gallery.

    Asked with pictures that are sent, with ids, liked and disliked ones, and words: all together one question, the mean
    of what it is asked with.
    """
    return answered(call.gallery, call.body, call.files)


@operation(
    "POST",
    "/galleries/{gallery}/similar",
    scope="read",
    tag="search",
    body=SimilarAsked,
    answer=SimilarAnswer,
    problems=("conflict", "store"),
)
def similar(call: Call) -> SimilarAnswer:
    """The nearest pictures to each of many.

    To ask with several pictures as one question, give them to `search`.
    """
    options = call.body.model_dump(exclude={"ids"})
    each = {one: SearchAsked(ids=[one], **options) for one in dict.fromkeys(call.body.ids)}
    known(call.gallery, each)
    return SimilarAnswer(answers={one: answered(call.gallery, what) for one, what in each.items()})


class ExplainAsked(BaseModel):
    """The picture asked with comes beside it as the file of a form, or is named."""

    model_config = asked({"query": ID, "hit": OTHER_ID, "grid": 3})

    query: PictureId | None = None
    hit: PictureId
    grid: int = Field(explanations.GRID, ge=1, le=MAX_GRID, description="places a side")


class Explanation(BaseModel):
    score: float
    parts: dict[str, float] = Field(description="cosine of colour, texture and semantic, which is the score")
    percentiles: dict[str, float] = Field(description="share of random pairs that are less alike, in percent")
    usual: dict[str, float] = Field(description="the cosine of a middling random pair")
    heat_query: list[list[float]] = Field(
        description="row by row from the top: the score lost when the place is hidden"
    )
    heat_hit: list[list[float]]


@operation(
    "POST",
    "/galleries/{gallery}/explain",
    scope="read",
    tag="search",
    body=ExplainAsked,
    answer=Explanation,
    files=1,
    max_bytes=MAX_BYTES + (1 << 20),
    problems=("picture", "conflict"),
)
def explain(call: Call) -> Explanation:
    """Why two pictures score as they do: which places carry the score, and how alike colour, texture and meaning are."""
    gallery, what, files = call.gallery, call.body, call.files
    if bool(files) == bool(what.query):
        raise UsageError("explain takes one picture to ask with: send a file, or name it in query")
    known(gallery, filter(None, (what.query, what.hit)))
    first = QueryPicture(files[0].data) if files else what.query
    both = explanations.opened(gallery, first), explanations.opened(gallery, what.hit)
    found = explanations.explained(gallery, encoders.shared(gallery), (first, what.hit), both, grid=what.grid)
    return Explanation(**explaining.as_json(found))


def answered(gallery: Gallery, what: SearchAsked, files: Iterable[Upload] = ()) -> SearchAnswer:
    """By Milvus, or exactly from the gallery's files when it fails, and `note` says so."""
    query, said = _query(gallery, what, list(files))
    exposure.check_plugins(["--rerank", what.rerank], ())
    searching.check(query, what.k, what.collapse, what.rerank, what.max_wrong, what.min_score, what.aspects)
    where = filters.parse(what.where)
    result, note = answers.answered(
        gallery,
        query,
        appearances=_looks(gallery) if by_aspect.looks_wanted(by_aspect.parse(what.aspects)) else None,
        k=what.k,
        where=where,
        collapse=what.collapse,
        by_picture=what.by_picture,
        exclude_query=not what.keep_query,
        rerank=what.rerank,
        max_wrong=what.max_wrong,
        min_score=what.min_score,
        aspects=what.aspects,
    )
    found: dict[str, Any] = searching.as_json(gallery, said, result)
    found["encoder"] = exposure.without_paths(str(found["encoder"]))
    for hit in found["hits"]:
        hit["thumbnail"] = thumbnail(gallery.name, hit["id"])
    return SearchAnswer(**found, note=exposure.without_paths(note))


def known(gallery: Gallery, ids: Iterable[str]) -> None:
    """Refused unless the gallery has each of these pictures."""
    paths = resources.paths(gallery)
    for one in ids:
        if one not in paths:
            raise Refused("not-found", f"gallery {gallery.name} has no picture {one}; a search answers with ids")


def thumbnail(gallery: str, picture_id: str) -> str:
    return f"/api/v1/galleries/{gallery}/pictures/{picture_id}/thumbnail"


def _query(gallery: Gallery, what: SearchAsked, files: list[Upload]) -> tuple[Query, list[str]]:
    """What is asked, and how the answer names it."""
    known(gallery, (*what.ids, *what.like, *what.unlike))
    said = [f"picture:{number}" for number in range(1, len(files) + 1)] + [f"id:{one}" for one in what.ids]
    said += [f"text:{one}" for one in what.texts] + [f"not:{one}" for one in what.not_texts]
    box = parse_box(what.region) if what.region else None
    if box and len(files) + len(what.ids) != 1:
        raise UsageError("region takes a part of exactly one picture; send one, or name one id")
    sent = [QueryPicture(file.data, box) for file in files]
    ids = tuple(what.ids)
    if box and ids:
        data = resources.original(gallery, ids[0])
        if data is None:
            raise GalleryError("the file of this picture is gone, so no part of it can be searched; ask with the whole")
        sent, ids = [QueryPicture(data, box)], ()
    query = Query(
        tuple(sent),
        ids,
        tuple(what.like),
        tuple(what.unlike),
        texts=tuple(what.texts),
        not_texts=tuple(what.not_texts),
    )
    return query, said


def _looks(gallery: Gallery) -> Appearances:
    """Refused where so many pictures were never looked at that an answer would take minutes."""
    if left := looks.missing(gallery):
        raise GalleryError(
            f"colour and texture of {left:,} pictures are not known yet; start the job `aspects` of this gallery first"
        )
    return looks.known(gallery)
