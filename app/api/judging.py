"""What people and programs say about pictures: tags, labels, same or not, better or worse."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.api.changes import Changed
from app.api.operations import Call, operation
from app.api.searching import known
from app.api.types import ID, MAX_IDS, OTHER_ID, Page, Paging, PictureId, asked
from app.server import store
from pipeline.gallery import feedback, judgments
from pipeline.gallery import tags as tagging


class TagGiven(BaseModel):
    model_config = asked({"tag": "for the catalogue", "ids": [ID]})

    tag: str = Field(min_length=1, max_length=tagging.LONGEST)
    ids: list[PictureId] = Field(min_length=1, max_length=MAX_IDS)
    given: bool = Field(True, description="false takes it back")


class Tags(BaseModel):
    tags: dict[str, int] = Field(description="how many pictures have each")


class LabelsGiven(BaseModel):
    model_config = asked({"labels": {ID: "cup"}}, {"labels": {ID: None}})

    labels: dict[PictureId, str | None] = Field(
        min_length=1, max_length=MAX_IDS, description="by id; null gives back the label of the dataset"
    )


class LabelsChanged(BaseModel):
    changed: int
    undo: dict[str, str | None] = Field(description="`labels` that take it back")


class PairJudged(BaseModel):
    model_config = asked({"kind": "not_same", "ids": [ID, OTHER_ID]})

    kind: Literal["same", "not_same"]
    ids: list[PictureId] = Field(min_length=2, max_length=50, description="every two of them")
    value: bool = Field(True, description="false takes it back")


class Liked(BaseModel):
    model_config = asked({"ids": [ID], "like": [OTHER_ID], "unlike": []})

    ids: list[PictureId] = Field(default_factory=list, max_length=64, description="what was asked with")
    like: list[PictureId] = Field(default_factory=list, max_length=64)
    unlike: list[PictureId] = Field(default_factory=list, max_length=64)


class Judgment(BaseModel):
    when: str
    kind: str
    ids: list[str]
    value: Any


class Judgments(Page):
    judgments: list[Judgment]


@operation("GET", "/galleries/{gallery}/tags", scope="read", tag="judgments", answer=Tags)
def list_tags(call: Call) -> Tags:
    """Tags, and how many pictures have each."""
    return Tags(tags={name: len(ids) for name, ids in tagging.tags(call.gallery).items()})


@operation("POST", "/galleries/{gallery}/tags", scope="write", tag="judgments", body=TagGiven, answer=Changed)
def tag_pictures(call: Call) -> Changed:
    """Give pictures a tag, or take it from them."""
    known(call.gallery, call.body.ids)
    tagging.tag(call.gallery, call.body.ids, call.body.tag, given=call.body.given)
    return Changed(changed=len(call.body.ids), undo="tag_pictures")


@operation(
    "POST", "/galleries/{gallery}/labels", scope="write", tag="judgments", body=LabelsGiven, answer=LabelsChanged
)
def label_pictures(call: Call) -> LabelsChanged:
    """Give pictures other labels; an ingest never undoes that."""
    known(call.gallery, call.body.labels)
    return LabelsChanged(changed=len(call.body.labels), undo=store.relabel(call.gallery, call.body.labels))


@operation("POST", "/galleries/{gallery}/judgments", scope="write", tag="judgments", body=PairJudged, answer=Changed)
def judge_pairs(call: Call) -> Changed:
    """Say that pictures show the same, or not the same; duplicates follow it."""
    known(call.gallery, call.body.ids)
    call.gallery.judge(call.body.kind, call.body.ids, call.body.value)
    return Changed(changed=len(call.body.ids), undo="judge_pairs")


@operation("POST", "/galleries/{gallery}/feedback", scope="write", tag="judgments", body=Liked, answer=Changed)
def keep_feedback(call: Call) -> Changed:
    """Keep what was liked and disliked in a search, for training."""
    what = call.body
    known(call.gallery, (*what.ids, *what.like, *what.unlike))
    return Changed(changed=feedback.keep(call.gallery, ids=what.ids, like=what.like, unlike=what.unlike), undo="")


@operation("GET", "/galleries/{gallery}/judgments", scope="read", tag="judgments", query=Paging, answer=Judgments)
def list_judgments(call: Call) -> Judgments:
    """All that was said, in the order it was said: nothing is ever overwritten."""
    page = call.query
    start = int(page.after) if page.after.isascii() and page.after.isdecimal() and len(page.after) < 12 else 0
    said = list(judgments.read(call.gallery.judgments_file))
    shown = said[start : start + page.limit]
    more = start + len(shown) < len(said) and bool(shown)
    return Judgments(judgments=[Judgment(**one) for one in shown], next_after=str(start + len(shown)) if more else None)
