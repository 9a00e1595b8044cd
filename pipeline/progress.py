"""Progress for a person (bar, rate, time left) or for a program (one JSON object a line), on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator

from pipeline.records import Progress, silent


@contextlib.contextmanager
def shown(kind: str) -> Iterator[Progress]:
    """kind: `auto` (a bar on a terminal, a line every 5 s in a log), `json`, or `none`."""
    if kind == "none":
        yield silent
    elif kind == "json":
        yield _lines(as_json=True, every=0.2)
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _lines(as_json=False, every=5.0)


def _lines(*, as_json: bool, every: float) -> Progress:
    begun: dict[str, float] = {}
    shown_at: dict[str, float] = {}

    def progress(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        start = begun.setdefault(stage, now)
        if now - shown_at.get(stage, 0) < every and done != total:
            return
        shown_at[stage] = now
        rate = done / (now - start) if now > start else 0.0
        left = (total - done) / rate if rate and total else None
        if as_json:
            event = {"stage": stage, "done": done, "total": total, "rate": rate, "seconds_left": left}
            text = json.dumps(event)
        else:
            text = f"{stage} {done:,} of {total:,}" if total else f"{stage} {done:,}"
            text += f" · {rate:,.0f}/s" + (f" · {left:.0f} s left" if left else "") if rate else ""
        print(text, file=sys.stderr, flush=True)

    return progress


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            task = tasks.get(stage)
            if task is None:
                task = tasks[stage] = bars.add_task(stage, total=total or None, rate="")
            speed = bars.tasks[task].speed
            bars.update(task, completed=done, total=total or None, rate=f"{speed:,.0f}/s" if speed else "")

        yield progress
