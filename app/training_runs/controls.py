"""What can be done with one run: stop it, continue it, give what it learned to a gallery."""

from __future__ import annotations

import streamlit as st

from app.server import jobs, resources
from app.server.jobs import Job
from app.training_runs.facts import Snapshot
from app.training_runs.new_run import threads
from app.widgets.faults import attempt
from app.widgets.literal import literal, told_apart
from pipeline.settings import exposed

TRAIN = ("training", "train")


def draw(snapshot: Snapshot) -> None:
    """For a run that was cut off: that it was, and a button that continues it. Nothing for any other."""
    if snapshot.status == "silent":
        st.warning(
            f"Run {literal(snapshot.name)} was running and has written nothing for a while; its process is probably gone. What "
            "it had saved is kept."
        )
    ended = snapshot.status in ("silent", "stopped", "failed")
    if exposed() or not ended or job_of(snapshot.name):
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"unfinished-{snapshot.name}"):
        step, steps = snapshot.last.get("step"), snapshot.about.get("steps")
        at = f" at step {step:,} of {steps:,}" if isinstance(step, int) and isinstance(steps, int) else ""
        st.markdown(f"**{literal(snapshot.name)}** ended early{at}.")
        st.button(
            "Continue",
            icon=":material/play_arrow:",
            key=f"continue-{snapshot.name}",
            on_click=attempt,
            args=(_continue, snapshot.name),
        )


def stop_button(name: str) -> None:
    if exposed():
        return
    job = job_of(name)
    told = (
        "It keeps what it has learned and can be continued" if job else "Begun in a terminal; stop it there with Ctrl-C"
    )
    st.button(
        "Stop",
        icon=":material/stop:",
        key=f"stop-run-{name}",
        help=told,
        disabled=job is None,
        on_click=jobs.stop,
        args=(job,),
        width="stretch",
    )


def _continue(name: str) -> None:
    jobs.start([*TRAIN, "--resume", name, "--threads", str(threads())], title=f"Train {name}")


def job_of(name: str) -> Job | None:
    """The job that trains this run, at work or waiting; None for a run that was begun in a terminal."""
    return next(
        (
            job
            for job in jobs.recent(50)
            if job.command[:2] == TRAIN and name in job.command and jobs.state(job).running
        ),
        None,
    )


def use(snapshot: Snapshot) -> None:
    """The gallery that is to be searched with what this run learned."""
    if exposed() or not snapshot.run.best.exists():
        return
    titles = told_apart(resources.gallery_titles())
    if not titles:
        return
    with st.popover("Search a gallery with it", icon=":material/image_search:"):
        name = st.selectbox(
            "Gallery",
            list(titles),
            format_func=titles.__getitem__,
            key=f"use-{snapshot.name}",
        )
        gallery = resources.gallery(name)
        st.caption(
            f"Its {len(gallery.ids()):,} pictures are encoded anew from their files; until that is done the encoder that it has now "
            "answers. *Galleries › Manage › Re-encode* has the way back."
        )
        spec = f"checkpoint:run={snapshot.name}"
        title = f"{gallery.manifest()['title']} with run {snapshot.name}"
        command = ["pipeline", "reencode", name, "--encoder", spec]
        st.button(
            "Encode",
            type="primary",
            key=f"encode-{snapshot.name}",
            on_click=attempt,
            args=(lambda: jobs.start(command, title=title, gallery=name),),
        )
