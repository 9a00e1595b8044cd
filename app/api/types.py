"""What is asked and answered, as types: the OpenAPI document is written from them. Their examples are run as tests."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.gallery.tags import LONGEST
from pipeline.search.search import MAX_K

MAX_IDS = 1_000  # pictures named in one request
MAX_ASKED = 64  # pictures of a gallery that one search is asked with
MAX_PAGE = 1_000

PictureId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
ID = "0123456789abcdef0123456789abcdef"
"""Stands for an id in examples; tests put a real one in its place."""
OTHER_ID = "fedcba9876543210fedcba9876543210"


def asked(*examples: dict[str, Any]) -> ConfigDict:
    """Of what a client sends: a field that is misspelt is refused, and not passed over."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


class Paging(BaseModel):
    model_config = asked({"limit": 2})

    limit: int = Field(100, ge=1, le=MAX_PAGE, description="the most on one page")
    after: str = Field("", max_length=200, description="where the page before ended: its `next_after`")


class Page(BaseModel):
    next_after: str | None = Field(None, description="`after` of the next page; null on the last one")


class Gallery(BaseModel):
    name: str
    title: str
    created: str
    generation: int = Field(description="grows with every change of its rows")
    encoder: str
    dim: int
    rows: int
    removed: int
    merged: int = Field(description="further files with the bytes of a row")
    rejected: int
    gone: int = Field(description="rows whose file was not there at the last ingest")
    fields: list[str] = Field(description="what `where` may name")
    words: bool = Field(description="whether it can be asked with words")


class Galleries(Page):
    galleries: list[Gallery]


class PicturesAsked(Paging):
    model_config = asked({"limit": 2}, {"where": ["label=cup"], "limit": 1})

    where: list[str] = Field(
        default_factory=list, max_length=50, description="field=value, field!=value, field=a,b; all hold"
    )
    tag: str = Field("", max_length=LONGEST, description="only pictures that have it")
    cluster: int | None = Field(None, ge=-1, description="only those of this cluster of the newest report; -1: in none")


class Picture(BaseModel):
    id: str
    path: str = Field(description="relative to its dataset; the address of a file of this machine is never told")
    label: str
    split: str
    width: int
    height: int
    parent: str = Field(description="of a part, the id of its whole picture; of a film's frame, that of its film")
    box: str = Field(description="of a part, x,y,width,height in the whole picture's pixels")
    metadata: dict[str, str]
    tags: list[str]
    thumbnail: str = Field(description="the address of a JPEG of at most 256 px")
    original: str = Field(description="the address of the file; of a part, a PNG of it")


class Pictures(Page):
    pictures: list[Picture]


class HitsAsked(BaseModel):
    model_config = asked({})

    where: list[str] = Field(
        default_factory=list, max_length=50, description="field=value, field!=value, field=a,b; all hold"
    )
    k: int = Field(10, ge=1, le=MAX_K)
    collapse: float | None = Field(
        None, gt=0, le=1, description="hide near-duplicates from this score up, such as 0.97"
    )
    by_picture: bool = Field(False, description="of parts of one picture only the nearest")
    keep_query: bool = Field(False, description="the pictures asked with may be hits")
    rerank: str = Field("", max_length=100, description='a name of rerank/, or "" for what did best on this gallery')
    max_wrong: float | None = Field(None, gt=0, lt=1, description="only hits of which at most this share is wrong")
    min_score: float | None = Field(None, ge=-1, le=1)
    aspects: str = Field(
        "", max_length=100, description="weights of colour, texture and meaning: colour=1,meaning=-0.5"
    )


class SearchAsked(HitsAsked):
    """Pictures come beside it as files of a form; all that is asked with is one question."""

    model_config = asked(
        {"ids": [ID], "k": 3},
        {"ids": [ID, OTHER_ID], "where": ["label!=bowl"], "collapse": 0.97, "rerank": "none"},
        {"ids": [ID], "region": "0,0,20,20", "k": 2},
        {"like": [ID], "unlike": [OTHER_ID], "aspects": "colour=1"},
    )

    ids: list[PictureId] = Field(default_factory=list, max_length=MAX_ASKED)
    like: list[PictureId] = Field(default_factory=list, max_length=MAX_ASKED)
    unlike: list[PictureId] = Field(default_factory=list, max_length=MAX_ASKED)
    texts: list[Words] = Field(default_factory=list, max_length=16, description="what hits show")
    not_texts: list[Words] = Field(default_factory=list, max_length=16)
    region: str = Field("", max_length=60, description="only this part of the one picture or id: x,y,width,height")


class Hit(BaseModel):
    rank: int
    id: str
    path: str
    label: str
    score: float = Field(description="cosine, -1 to 1, higher is closer")
    percentile: float | None = Field(description="share of random pairs of this gallery that score lower, in percent")
    split: str
    metadata: dict[str, str]
    folded: list[str] = Field(description="ids hidden behind this hit")
    parent: str
    box: str
    confidence: float | None = Field(None, description="how likely it is right, where labels have taught it")
    band: str | None = Field(None, description="strong, possible or weak, with confidence")
    alike: dict[str, float] | None = Field(None, description="with aspects: the cosine of each")
    thumbnail: str


class SearchAnswer(BaseModel):
    gallery: str
    encoder: str
    query: list[str]
    hits: list[Hit] = Field(description="the best first")
    weak_below: float = Field(description="hits that score lower are weak; -1 when nothing is known")
    rerank: str
    unmatched: str = Field("", description="what a re-ranker that compares pictures could not compare")
    aspects: str
    understood: str = Field(description="what words were taken for")
    left_out: int = Field(description="of the nearest, those that max_wrong or min_score took away")
    no_strong_match: bool = Field(description="nothing of the gallery is near enough to be called a match")
    unseen: int = Field(description="with aspects: pictures whose look is not known")
    milliseconds: dict[str, float]
    note: str = Field("", description="why it was answered without Milvus, when it was")


class SimilarAsked(HitsAsked):
    model_config = asked({"ids": [ID, OTHER_ID], "k": 3})

    ids: list[PictureId] = Field(min_length=1, max_length=100, description="each is asked by itself")


class SimilarAnswer(BaseModel):
    answers: dict[str, SearchAnswer] = Field(description="by id")
