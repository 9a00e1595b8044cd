"""What is answered in place of an answer: problem details (RFC 9457), one kind for each thing that a caller can do."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, Response

from app.server import exposure
from pipeline.errors import GalleryError, PictureError, SemblanceError, StoreError, UsageError

BASE = "/api/v1/problems/"
MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 20  # fields of one question that are named
KINDS: dict[str, tuple[int, str, str]] = {
    "usage": (400, "The question cannot be answered as it is", "change what `detail` names"),
    "invalid": (422, "The question has fields that cannot be read", "change the fields that `errors` names"),
    "picture": (422, "The picture was refused", "send another file, as `detail` says"),
    "no-token": (401, "A token is needed", "send Authorization: Bearer TOKEN"),
    "scope": (403, "The token may not do this", "use a token with the scope that `detail` names"),
    "off": (404, "The API is off", "ask whoever runs this Semblance"),
    "not-found": (404, "There is no such thing", "list what there is; `detail` says where"),
    "method": (405, "The address does not take this method", "see the OpenAPI document"),
    "conflict": (409, "The gallery does not allow it now", "do what `detail` says"),
    "too-large": (413, "The body is too large", "send less at a time"),
    "media-type": (415, "The body is of a type that is not taken", "send application/json or multipart/form-data"),
    "rate": (429, "Too many requests", "wait as long as Retry-After says"),
    "fault": (500, "Something went wrong here", "tell whoever runs this Semblance the request_id"),
    "store": (503, "Milvus does not answer", "ask again in a while"),
}
"""Status, title, what to do. A kind is the last part of its `type`, and is never renamed."""


class Fault(BaseModel):
    field: str = Field(examples=["k"])
    detail: str


class Problem(BaseModel):
    """Problem details of RFC 9457."""

    type: str = Field(examples=["/api/v1/problems/not-found"])
    title: str
    status: int
    detail: str = Field(description="what is wrong, what was expected, what to do; for a person")
    instance: str = Field(description="the address that was asked")
    request_id: str = Field(description="also in the header X-Request-Id and in the log")
    errors: list[Fault] = Field(default_factory=list, description="the fields, when they are what is wrong")


class Refused(SemblanceError):
    """A problem of a kind of its own."""

    def __init__(self, kind: str, detail: str, **headers: str) -> None:
        assert kind in KINDS, kind
        super().__init__(detail)
        self.kind, self.headers = kind, {name.replace("_", "-"): value for name, value in headers.items()}


def answer(error: Exception, *, instance: str, request_id: str) -> Response:
    """What went wrong as problem details. Without any path of this machine, exposed or not; a fault of ours is logged."""
    kind, detail, faults = _read(error)
    status, title, _ = KINDS[kind]
    if kind == "fault":
        logging.getLogger("semblance").error("failed", exc_info=error)
    problem = Problem(
        type=BASE + kind,
        title=title,
        status=status,
        detail=exposure.without_paths(detail),
        instance=instance,
        request_id=request_id,
        errors=faults,
    )
    headers = getattr(error, "headers", {}) | ({"WWW-Authenticate": "Bearer"} if kind == "no-token" else {})
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def meaning(kind: str) -> dict[str, Any]:
    """What the address that is a problem's `type` says."""
    if kind not in KINDS:
        raise Refused("not-found", f"no problem {kind!r}; there are {', '.join(KINDS)}")
    status, title, remedy = KINDS[kind]
    return {"type": BASE + kind, "status": status, "title": title, "remedy": remedy}


def _read(error: Exception) -> tuple[str, str, list[Fault]]:
    if isinstance(error, ValidationError):
        faults = [
            Fault(field=".".join(map(str, one["loc"])) or "body", detail=one["msg"])
            for one in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
        ]
        return "invalid", "; ".join(f"{one.field}: {one.detail}" for one in faults), faults
    if isinstance(error, Refused):
        return error.kind, str(error), []
    for of, kind in (
        (PictureError, "picture"),
        (UsageError, "usage"),
        (StoreError, "store"),
        (GalleryError, "conflict"),
    ):
        if isinstance(error, of):
            return kind, str(error), []
    if isinstance(error, SemblanceError):
        return "conflict", str(error), []
    return "fault", "it is our fault, and nothing of a gallery was lost; the log of this Semblance says more", []
