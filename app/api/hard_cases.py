"""Hard cases: where a detector fails, and the pictures that are like its failures. They are begun and worked on elsewhere."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api.operations import Call, operation
from app.api.problems import Refused
from app.api.types import Page, Paging
from app.server import exposure
from pipeline.errors import SemblanceError
from pipeline.hard_cases import case as cases
from pipeline.hard_cases import review, steps
from pipeline.settings import current


class Step(BaseModel):
    name: str = Field(description="encode, needles, shortlist, compare, export or import")
    state: str = Field(description="done, stale (something before it has changed), ready or waiting")
    outcome: str = Field(description="in words")


class HardCase(BaseModel):
    name: str
    title: str
    rounds: int
    gallery: str | None = Field(description="the gallery that its newest round was encoded into")
    steps: list[Step] = Field(description="of the newest round")
    next: str = Field(description="the first step that is not done; `next` when the round is over")


class HardCases(Page):
    cases: list[HardCase]


class Candidate(BaseModel):
    rank: int
    id: str = Field(description="in the gallery of the case; of an object its part of the picture")
    path: str
    score: float = Field(description="cosine to the nearest failure")
    needles: list[str] = Field(description="failures that it is near, the nearest first")


class Shortlist(Page):
    gallery: str
    pictures: int = Field(description="on the whole shortlist, as it was reviewed")
    candidates: list[Candidate]


@operation("GET", "/hard-cases", scope="read", tag="hard cases", query=Paging, answer=HardCases)
def list_hard_cases(call: Call) -> HardCases:
    """Cases by name, each with where its newest round stands."""
    names = [name for name in cases.case_names(current()) if name > call.query.after]
    shown = names[: call.query.limit]
    return HardCases(
        cases=[_described(_case(name)) for name in shown], next_after=shown[-1] if len(names) > len(shown) else None
    )


@operation("GET", "/hard-cases/{case}", scope="read", tag="hard cases", answer=HardCase)
def get_hard_case(call: Call) -> HardCase:
    """Where one case stands."""
    return _described(_case(call.path["case"]))


@operation(
    "GET", "/hard-cases/{case}/shortlist", scope="read", tag="hard cases", query=Paging, answer=Shortlist,
    problems=("conflict",),
)  # fmt: skip
def get_shortlist(call: Call) -> Shortlist:
    """Pictures like the failures, the likeliest to hurt first, as they were reviewed in the newest round."""
    round = _case(call.path["case"]).round()
    if call.query.after and not (call.query.after.isascii() and call.query.after.isdecimal()):
        raise Refused("usage", "`after` is none of this list; take the `next_after` of the page before")
    try:
        rows, gallery = review.shortlisted(round), round.needed("encode")["gallery"]
    except SemblanceError as error:
        raise Refused("conflict", str(error)) from None
    rows = rows.sort_values(["score", "path"], ascending=[False, True], kind="stable")
    pictures = [(str(path), near) for path, near in rows.groupby("path", sort=False)]
    start = int(call.query.after[:12] or 0)
    shown = pictures[start : start + call.query.limit]
    return Shortlist(
        gallery=gallery,
        pictures=len(pictures),
        candidates=[
            Candidate(
                rank=start + number,
                id=str(near["id"].iloc[0]),
                path=path,
                score=float(near["score"].iloc[0]),
                needles=near["needle"].astype(str).tolist(),
            )
            for number, (path, near) in enumerate(shown, 1)
        ],
        next_after=str(start + len(shown)) if start + len(shown) < len(pictures) else None,
    )


def _case(name: str) -> cases.Case:
    try:
        return cases.open_case(name, current())
    except SemblanceError:
        raise Refused("not-found", f"no case {name[:64]!r}; the list of hard cases names those there are") from None


def _described(case: cases.Case) -> HardCase:
    newest = case.round()
    try:
        encoded = newest.result("encode")
    except SemblanceError:
        encoded = None
    return HardCase(
        name=case.name,
        title=str(case.about["title"]),
        rounds=len(case.numbers),
        gallery=encoded["gallery"] if encoded else None,
        steps=[
            Step(name=one.name, state=one.state, outcome=exposure.without_paths(one.outcome))
            for one in steps.steps_of(newest)
        ],
        next=steps.next_step(newest),
    )
