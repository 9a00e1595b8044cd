"""How much one visitor may ask of the machine when the app is exposed, and what all together may."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.server.job_records import Job
from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.settings import Settings, exposed

MAX_JOBS = 24  # at work and waiting, of all visitors
MIN_FREE = 512 << 20  # bytes of disk that no upload takes; app/server/readiness.py says no below them
LEDGER = "kept_by_visitors.jsonl"  # in the home: who brought which folder or file


_program: ContextVar[str] = ContextVar("program", default="")


@contextlib.contextmanager
def on_behalf_of(program: str) -> Iterator[None]:
    """Inside, whoever asks is a program and no page."""
    token = _program.set(program)
    try:
        yield
    finally:
        _program.reset(token)


def visitor() -> str:
    """Who asks: the signed-in address, else this visit, or a program; 16 hex digits that tell nobody which. "" outside."""
    if program := _program.get():
        return hashlib.sha256(program.encode()).hexdigest()[:16]
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return ""
    address = st.user.get("email") if getattr(st.user, "is_logged_in", False) else None
    return hashlib.sha256(str(address or context.session_id).encode()).hexdigest()[:16]


def check_jobs(unfinished: Sequence[Job]) -> None:
    """UsageError when one more is too many, or when what the visitor keeps leaves no room for what it would make."""
    if len(unfinished) >= MAX_JOBS:
        raise UsageError(f"{len(unfinished)} jobs work or wait already; ask again when some have ended")
    if not exposed():
        return
    mine, limit = sum(job.visitor == visitor() for job in unfinished), Settings().visitor_jobs
    if mine >= limit:
        raise UsageError(
            f"{mine} jobs of yours work or wait, and a visitor may have {limit}; wait for one, or stop one"
        )
    check_disk(0)


def check_disk(coming: int) -> None:
    """UsageError when so many bytes more do not fit, on the disk or into what a visitor may keep."""
    free = shutil.disk_usage(_existing(Settings().home.absolute())).free
    if coming + MIN_FREE > free:
        raise UsageError(
            f"the disk has {free / 1e9:.1f} GB left and {MIN_FREE / 1e9:.1f} GB must stay free; delete a gallery, or ask "
            "whoever runs this app"
        )
    limit = Settings().visitor_disk * 1e9
    if exposed() and (kept := _kept()) + coming > limit:
        raise UsageError(
            f"what you brought takes {kept / 1e9:.2f} GB{f', this {coming / 1e9:.2f} GB more' if coming else ''}, and a "
            f"visitor may keep {limit / 1e9:.1f} GB; delete a gallery of yours first"
        )


@contextlib.contextmanager
def kept(place: Path, coming: int) -> Iterator[None]:
    """Inside, something a visitor brings is put at `place`, of so many bytes; what turns out too large is taken away."""
    check_disk(coming)
    new = not place.exists()
    try:
        yield
        if not place.exists():
            return
        note(place)
        check_disk(0)
    except UsageError:
        if new:
            shutil.rmtree(place, ignore_errors=True)
        raise


def note(place: Path) -> None:
    """What lies at `place` counts as this visitor's from now on, as long as it is there."""
    if exposed() and (who := visitor()):
        home = Settings().home.absolute()
        line = {"visitor": who, "place": os.path.relpath(place.absolute(), home)}
        atomic.append(home / LEDGER, json.dumps(line, ensure_ascii=False) + "\n")


def _kept() -> int:
    """Bytes on disk of what this visitor brought; a place inside another of the same visitor counts once."""
    home, who = Settings().home.absolute(), visitor()
    owners: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in (home / LEDGER).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                owners[row["place"]] = row["visitor"]
    mine = {Path(place) for place, owner in owners.items() if owner == who}
    return sum(_size(home / place) for place in mine if not mine & {*place.parents})


def _size(place: Path) -> int:
    if place.is_file():
        return place.stat().st_size
    total = 0
    for folder, _, files in os.walk(place):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
