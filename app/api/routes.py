"""The API as routes: each request gets an id, is checked, read by its types, answered in a thread, and sent with an ETag."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import anyio.to_thread
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import about, changes, galleries, guard, hard_cases, jobs, judging, problems, reports, searching
from app.api.guard import Caller
from app.api.operations import OPERATIONS, Call, Operation, Upload
from app.api.problems import Refused
from app.server import quotas, resources
from pipeline import logs
from pipeline.errors import SemblanceError
from pipeline.gallery import opening
from pipeline.gallery.gallery import Gallery
from pipeline.settings import current

PREFIX = "/api/v1"
ROOMS = (about, galleries, searching, changes, judging, reports, hard_cases, jobs)
"""What fills the table of operations by being imported."""
FORM_FIELD, FORM_FILES = "question", "picture"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_THREADS = anyio.CapacityLimiter(16)
Result = TypeVar("Result")


def mount() -> Mount:
    """What the app, or a server of the API alone, has among its routes."""
    return Mount(PREFIX, app=api())


def bare() -> Route:
    """PREFIX without its slash, which the app would take for a page."""
    return Route(PREFIX, lambda _: RedirectResponse(f"{PREFIX}/"))


def api() -> ASGIApp:
    """Everything below PREFIX; what is no operation is a problem too."""
    by_path: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, {})[one.method] = one
    routes = [
        Route(path, _endpoint(methods), methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        for path, methods in sorted(by_path.items(), key=lambda one: one[0].count("{"))  # words before names
    ]
    made = Starlette(routes=routes)
    made.router.default = (
        _nowhere  # a route of any path would let a line feed through, which no pattern of theirs matches
    )
    made.router.redirect_slashes = False
    return made


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    await (await _endpoint({})(request))(scope, receive, send)


def _endpoint(methods: dict[str, Operation]) -> Any:
    async def answer(request: Request) -> Response:
        given = request.headers.get("x-request-id", "")
        with logs.request(given if _REQUEST_ID.fullmatch(given) else "") as request_id:
            begun = time.perf_counter()
            try:
                response = await _answered(request, methods)
            except ClientDisconnect:
                response = Response(status_code=400)
            except Exception as error:
                address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                response = problems.answer(_of_starlette(error), instance=address[:500], request_id=request_id)
            response.headers["X-Request-Id"] = request_id
            logs.event(
                "api",
                method=request.method,
                path=request.url.path[:500],
                status=response.status_code,
                caller=request.scope.get("semblance.caller", ""),
                ms=round((time.perf_counter() - begun) * 1000, 1),
            )
            return response

    return answer


async def _answered(request: Request, methods: dict[str, Operation]) -> Response:
    operation = methods.get("GET" if request.method == "HEAD" else request.method)
    caller, opened = await _in_thread(_admitted, request, methods, operation)
    assert operation is not None
    query = operation.query.model_validate(_parameters(request, operation.query)) if operation.query else None
    body, files = await _body(request, operation)
    call = Call(request, caller, request.path_params, query, body, files, opened)

    def work() -> Any:
        with quotas.on_behalf_of(f"token {caller.name}"):
            return operation.function(call)

    return _response(request, operation, await _in_thread(work))


async def _in_thread(work: Callable[..., Result], *given: Any) -> Result:
    """In one of a few threads of its own, so that no crowd of programs holds up the pages' pictures."""
    return await anyio.to_thread.run_sync(work, *given, limiter=_THREADS)


def _admitted(
    request: Request, methods: dict[str, Operation], operation: Operation | None
) -> tuple[Caller, Gallery | None]:
    """Who asks, and the gallery that the address names. Refused for whoever may not, and for what is not there."""
    caller = guard.caller(request, operation.scope if operation else "read")
    request.scope["semblance.caller"] = caller.name
    guard.rates.take(caller.name or (request.client.host if request.client else ""), current().api_rate)
    if operation is None and methods:
        raise Refused("method", f"this address takes {', '.join(methods)}", Allow=", ".join(methods))
    if operation is None:
        raise Refused(
            "not-found", "nothing is at this address; the OpenAPI document (openapi.json) lists what there is"
        )
    if request.method == "HEAD" and operation.answer == "text/event-stream":
        raise Refused("method", "a stream has no end that could be told; ask with GET", Allow="GET")
    return caller, _gallery(request.path_params)


def _gallery(path: Mapping[str, str]) -> Gallery | None:
    if "gallery" not in path:
        return None
    settings = current()
    if not opening.exists(path["gallery"], settings):
        raise Refused("not-found", f"no gallery {path['gallery'][:64]!r}; the list of galleries names those there are")
    opened = opening.open_gallery(path["gallery"], settings)
    if "id" in path and not (opened.current and path["id"] in resources.paths(opened)):
        raise Refused("not-found", f"gallery {opened.name} has no picture {path['id'][:64]!r}")
    return opened


def _parameters(request: Request, type_: type[BaseModel]) -> dict[str, Any]:
    """What comes several times is a list where the type has one; else the model says that it is too much."""
    found: dict[str, Any] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        field = type_.model_fields.get(name)
        many = field is not None and "list" in str(field.annotation)
        found[name] = values if many or len(values) > 1 else values[0]
    return found


async def _body(request: Request, operation: Operation) -> tuple[Any, tuple[Upload, ...]]:
    if operation.body is None and not operation.files:
        return None, ()
    request = Request(request.scope, guard.limited(request.receive, request, operation.max_bytes))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and operation.files:
        async with request.form(max_files=operation.files, max_fields=4, max_part_size=1 << 20) as form:
            return await _form(form, operation)
    if kind not in ("application/json", "") or (not kind and operation.files and operation.body is None):
        raise Refused("media-type", f"send application/json{' or multipart/form-data' if operation.files else ''}")
    raw = await request.body()
    if operation.body is None:
        raise Refused("media-type", f"send the pictures as multipart/form-data, each in a part {FORM_FILES!r}")
    return operation.body.model_validate_json(raw or b"{}"), ()


async def _form(form: FormData, operation: Operation) -> tuple[Any, tuple[Upload, ...]]:
    files = []
    for name, part in form.multi_items():
        if isinstance(part, UploadFile) != (name == FORM_FILES) or name not in (FORM_FIELD, FORM_FILES):
            raise Refused(
                "usage", f"a form has the files {FORM_FILES!r} and the JSON text {FORM_FIELD!r}, not {str(name)[:60]!r}"
            )
        if isinstance(part, UploadFile):
            files.append(Upload(part.filename or "", await part.read()))
    texts = form.getlist(FORM_FIELD)
    if len(texts) > 1:
        raise Refused("usage", f"{FORM_FIELD!r} comes {len(texts)} times; send it once")
    body = operation.body.model_validate_json(str(texts[0]) if texts else "{}") if operation.body else None
    return body, tuple(files)


def _response(request: Request, operation: Operation, answer: Any) -> Response:
    """Answers to GET carry a tag of their content, and are 304 for whoever has them already."""
    if isinstance(answer, BaseModel):
        answer = Response(
            answer.model_dump_json(exclude_none=False), status_code=operation.status, media_type="application/json"
        )
    if not isinstance(answer, Response) or operation.method != "GET" or not hasattr(answer, "body") or not answer.body:
        return answer
    tag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    wanted = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if wanted & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _of_starlette(error: Exception) -> Exception:
    """What the form parser says, in words of ours."""
    if isinstance(error, HTTPException | MultiPartException) and not isinstance(error, SemblanceError):
        said = getattr(error, "detail", "") or getattr(error, "message", "") or "the form cannot be read"
        return Refused("usage", f"the form cannot be read: {said}")
    return error
