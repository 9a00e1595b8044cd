"""Long work: asked for, looked at, followed event by event, stopped. The app's pages show the same jobs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app.api.operations import Call, operation
from app.api.problems import Refused
from app.api.types import asked
from app.server import exposure, job_records
from app.server import jobs as running

SHOWN = 4_000  # characters of what a job said
STEP_SECONDS = 0.5
LONGEST_SECONDS = 600.0  # then the stream ends and the client asks again, as browsers do by themselves
MAX_STREAMS = 32  # of all callers
QUIET_SECONDS = 15.0  # a proxy ends what says nothing for a minute


class Job(BaseModel):
    id: str
    title: str
    gallery: str
    verb: str
    started: float = Field(description="when it was asked for, seconds since 1970")
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    place: int = Field(description="in the queue, from 1; 0 once it was begun")
    progress: dict[str, Any] = Field(description="stage, done, total, rate, seconds_left; as far as known")
    exit_code: int | None
    output: str = Field(description="the end of what it said")
    errors: str
    events: str = Field(description="the address of its progress as server-sent events")


class Jobs(BaseModel):
    jobs: list[Job] = Field(description="those at work, those that wait, then the newest that ended")


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FindDuplicates(Asked):
    verb: Literal["duplicates"]
    tier: list[Literal["identical", "same", "variant", "lookalike"]] = Field(
        default_factory=list, description="none: all"
    )
    threshold: float | None = Field(None, ge=-1, le=1)
    seed: int = Field(0, ge=0, lt=2**32)


class FindClusters(Asked):
    verb: Literal["cluster"]
    method: Literal["hdbscan", "kmeans"] = "hdbscan"
    clusters: int = Field(0, ge=0, le=10_000, description="of kmeans; 0: the number with the best silhouette")
    smallest: int = Field(0, ge=0, le=1_000_000, description="pictures that make a cluster of hdbscan; 0: by the size")
    seed: int = Field(0, ge=0, lt=2**32)


class FindOddities(Asked):
    verb: Literal["label-errors", "outliers"]
    k: int = Field(0, ge=0, le=1_000, description="nearest others that are asked; 0: as many as proved best")


class LookAtAspects(Asked):
    verb: Literal["aspects"]


class JobAsked(
    RootModel[Annotated[FindDuplicates | FindClusters | FindOddities | LookAtAspects, Field(discriminator="verb")]]
):
    model_config = ConfigDict(json_schema_extra=asked({"verb": "duplicates"}, {"verb": "cluster"})["json_schema_extra"])


class JobsAsked(BaseModel):
    model_config = asked({"limit": 2})

    limit: int = Field(20, ge=1, le=50)


_open_streams = 0
_TITLES = {
    "duplicates": "Find duplicates in",
    "cluster": "Find clusters in",
    "label-errors": "Look for label errors in",
    "outliers": "Look for outliers in",
    "aspects": "Look at",
}


@operation(
    "POST",
    "/galleries/{gallery}/jobs",
    scope="write",
    tag="jobs",
    body=JobAsked,
    answer=Job,
    status=202,
    problems=("conflict",),
)
def start_job(call: Call) -> Job:
    """Look through a whole gallery; what is found is a report, which an address of its name gives."""
    options = call.body.root.model_dump(exclude_none=True)
    verb = options.pop("verb")
    words = [
        f"--{name}={','.join(value) if isinstance(value, list) else value}" for name, value in options.items() if value
    ]
    words = [word.replace("--k=", "-k") for word in words]
    title = f"{_TITLES[verb]} {call.gallery.manifest()['title']}"
    return told(running.start(["pipeline", verb, call.gallery.name, *words], title=title, gallery=call.gallery.name))


@operation("GET", "/jobs", scope="read", tag="jobs", query=JobsAsked, answer=Jobs)
def list_jobs(call: Call) -> Jobs:
    """Jobs of this Semblance, those of its pages too."""
    return Jobs(jobs=[told(job) for job in running.recent(call.query.limit)])


@operation("GET", "/jobs/{job}", scope="read", tag="jobs", answer=Job)
def get_job(call: Call) -> Job:
    """How far a job is."""
    return told(_job(call))


@operation("DELETE", "/jobs/{job}", scope="write", tag="jobs", answer=Job)
def stop_job(call: Call) -> Job:
    """Ask a job to end as Ctrl-C does: what it has committed is kept."""
    job = _job(call)
    running.stop(job)
    return told(job)


@operation("GET", "/jobs/{job}/events", scope="read", tag="jobs", answer="text/event-stream")
def follow_job(call: Call) -> Response:
    """A job's progress as server-sent events: `progress` whenever something changes, `end` when it has ended."""
    if _open_streams >= MAX_STREAMS:
        raise Refused(
            "rate", f"{MAX_STREAMS} streams are open already; ask for the job itself now and then", Retry_After="5"
        )
    return StreamingResponse(_events(_job(call)), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def told(job: running.Job) -> Job:
    state = running.state(job)
    ended: Literal["done", "failed", "stopped"] = "failed"
    if state.exit_code in (0, 130):
        ended = "stopped" if state.exit_code else "done"
    return Job(
        **{name: getattr(job, name) for name in ("id", "title", "gallery", "started")},
        verb=" ".join(job.command[1:2]),
        state=("waiting" if state.place else "running") if state.running else ended,
        place=state.place,
        progress={key: value for key, value in state.progress.items() if isinstance(value, str | int | float)},
        exit_code=state.exit_code,
        output=exposure.without_paths(state.output[-SHOWN:]),
        errors=exposure.without_paths(state.errors[-SHOWN:]),
        events=f"/api/v1/jobs/{job.id}/events",
    )


def _job(call: Call) -> running.Job:
    name = call.path["job"]
    job = job_records.read(job_records.home(), name) if job_records.is_id(name) else None
    if job is None:
        raise Refused("not-found", f"no job {name[:64]!r}; the list of jobs names the newest")
    return job


async def _events(job: running.Job) -> AsyncIterator[str]:
    global _open_streams
    _open_streams += 1
    try:
        async for text in _told_as_it_changes(job):
            yield text
    finally:
        _open_streams -= 1


async def _told_as_it_changes(job: running.Job) -> AsyncIterator[str]:
    begun, last, said = time.monotonic(), "", time.monotonic()
    while time.monotonic() - begun < LONGEST_SECONDS:
        now = await run_in_threadpool(told, job)
        text = now.model_dump_json()
        over = now.state not in ("waiting", "running")
        if text != last or over:
            yield f"event: {'end' if over else 'progress'}\ndata: {text}\n\n"
            last, said = text, time.monotonic()
        elif time.monotonic() - said > QUIET_SECONDS:
            yield ": still at work\n\n"
            said = time.monotonic()
        if over:
            return
        await asyncio.sleep(STEP_SECONDS)
    yield f"event: later\ndata: {json.dumps({'id': job.id})}\n\n"
