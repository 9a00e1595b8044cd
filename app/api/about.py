"""What the API says of itself: where to begin, the OpenAPI document, what its problems mean."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.api import openapi, problems
from app.api.operations import Call, operation
from pipeline import __version__


class About(BaseModel):
    name: str
    version: str
    caller: str = ""
    scope: str
    links: dict[str, str]


class ProblemMeaning(BaseModel):
    type: str
    status: int
    title: str
    remedy: str


@operation("GET", "/", scope="read", tag="about", answer=About)
def get_about(call: Call) -> About:
    """Where to begin, and what this token may do."""
    token = call.caller.token
    return About(
        name="Semblance",
        version=__version__,
        caller=call.caller.name,
        scope=token.scope if token else "admin",
        links={name: f"/api/v1/{name}" for name in ("galleries", "jobs", "openapi.json")},
    )


@operation("GET", "/openapi.json", scope="read", tag="about", answer="application/json")
def get_openapi(call: Call) -> Response:
    """This document."""
    return JSONResponse(openapi.document())


@operation("GET", "/problems/{kind}", scope="read", tag="about", answer=ProblemMeaning)
def get_problem(call: Call) -> ProblemMeaning:
    """What a problem's `type` means and what to do."""
    return ProblemMeaning(**problems.meaning(call.path["kind"]))
