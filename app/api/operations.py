"""The table of what can be asked: an operation is a method, an address, a scope, types, and a function that answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from app.api.guard import Caller
from pipeline.access.tokens import Scope
from pipeline.gallery.gallery import Gallery

MAX_JSON = 1 << 20  # bytes
TAGS = ("galleries", "pictures", "search", "judgments", "reports", "hard cases", "jobs", "about")

Answering = TypeVar("Answering", bound="Callable[[Call], Any]")


@dataclass(frozen=True)
class Upload:
    """A file of a form. name: as the client says it, of any text."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Call:
    """What was asked, read and checked: `gallery` and the pictures that the address names are there."""

    request: Request
    caller: Caller
    path: Mapping[str, str]
    query: Any = None  # of the operation's type
    body: Any = None
    files: tuple[Upload, ...] = ()
    opened: Gallery | None = None

    @property
    def gallery(self) -> Gallery:
        assert self.opened is not None, "the operation's address names no gallery"
        return self.opened


@dataclass(frozen=True)
class Operation:
    """answer: a type, or the media types, with commas between, of what is no JSON of a type. files: how many pictures a form may bring."""

    method: str
    path: str  # below /api/v1
    scope: Scope
    tag: str
    answer: type[BaseModel] | str
    function: Callable[[Call], Any]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    files: int = 0
    max_bytes: int = MAX_JSON
    status: int = 200
    problems: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """`operationId`: what a generated client calls it."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        return (self.function.__doc__ or "").strip().splitlines()[0]

    @property
    def description(self) -> str:
        lines = (self.function.__doc__ or "").strip().splitlines()[1:]
        return " ".join(line.strip() for line in lines).strip()

    @property
    def parameters(self) -> list[str]:
        """Names in the address."""
        return re.findall(r"{(\w+)}", self.path)


OPERATIONS: list[Operation] = []


def operation(method: str, path: str, *, scope: Scope, tag: str, answer: type[BaseModel] | str, **more: Any) -> Any:
    """Puts the function it decorates into the table."""
    assert tag in TAGS, tag

    def add(function: Answering) -> Answering:
        OPERATIONS.append(Operation(method, path, scope, tag, answer, function, **more))
        return function

    return add
