"""Running and ended jobs as a list that updates itself."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from app.server import job_queue, jobs, resources, store
from app.server.jobs import Job, State
from app.server.routes import thumbnail_url
from app.widgets.literal import literal
from pipeline.errors import SemblanceError
from pipeline.gallery import parts

FILLS = (("pipeline", "ingest"), jobs.DEMO)
NEWEST = 8  # thumbnails of a gallery that is being filled
ASIDE = ("note: ", "rejected ")  # what an ingest says of files that did not come in, or not as they were named


def filling(gallery: str = "") -> bool:
    """Whether a job brings pictures into the gallery, "" for any."""
    return any(jobs.running(*words, gallery=gallery) for words in FILLS)


def job_list(*, ended: int = 0, but: Collection[str] = ()) -> bool:
    """Running jobs, drawn anew each second while one runs, and a tray of those that ended. True while one runs.

    ended: how many of these, the newest first, are told outside of the tray. That one has ended is said once by a toast.
    but: ids of running jobs that the page draws itself.
    """
    for said, icon in st.session_state.pop("jobs_ended", []):
        st.toast(literal(said), icon=icon)
    running = jobs.running()
    st.fragment(_jobs, run_every=1.0 if running else None)(ended, but)
    return running


def _jobs(told: int, but: Collection[str]) -> None:
    """Progress with rate and time left, a stop button, and the last line of what ended."""
    shown = jobs.recent()
    states = {job.id: jobs.state(job) for job in shown}
    running = {job.id for job in shown if states[job.id].running}
    before = st.session_state.get("running_jobs", running)
    st.session_state["running_jobs"] = running
    for job in (job for job in shown if states[job.id].running):
        if job.id in but:
            continue
        with st.container(border=True):
            draw = _waiting if states[job.id].place else _running
            draw(job, states[job.id])
        if job.gallery and not states[job.id].place:
            _bring_in(job.gallery)
    over = [job for job in shown if not states[job.id].running]
    for job in over[:told]:
        with st.container(border=True):
            _ended(job, states[job.id])
    if folded := over[told:]:
        failed = sum(states[job.id].exit_code not in (0, 130) for job in folded)
        title = f"Jobs that ended ({len(folded)}{f', {failed} did not finish' if failed else ''})"
        with st.popover(title, icon=":material/history:", type="tertiary", width="content"):
            for job in folded:
                _ended(job, states[job.id])
    if before - running:
        st.session_state["jobs_ended"] = [
            (
                f"{job.title}: {'done' if states[job.id].exit_code == 0 else 'ended, see the list of jobs'}",
                _icon(states[job.id]),
            )
            for job in over
            if job.id in before
        ]
        st.rerun(scope="app")  # a gallery has changed: draw the page around this list anew


def _icon(state: State) -> str:
    return ":material/check_circle:" if state.exit_code == 0 else ":material/error:"


def _waiting(job: Job, state: State) -> None:
    left, right = st.columns([5, 1], vertical_alignment="center")
    place = "next" if state.place == 1 else f"number {state.place}"
    left.markdown(f":material/hourglass_empty: **{literal(job.title)}**: waiting, {place} in line")
    if state.place == 1:
        works = "One works" if (places := job_queue.places()) == 1 else f"{places} work"
        memory = f"{job_queue.memory_limit() / 2**30:.1f} GB of memory"
        left.caption(f"{works} at a time here, with {memory} at most; this goes on without the page.")
    right.button(
        "Cancel", key=f"cancel-{job.id}", icon=":material/close:", on_click=jobs.stop, args=(job,), width="stretch"
    )


def _running(job: Job, state: State) -> None:
    left, right = st.columns([5, 1], vertical_alignment="center")
    done, total = state.progress.get("done", 0), state.progress.get("total", 0)
    text = f"**{literal(job.title)}**: {literal(state.progress.get('stage', 'starting'))}"
    if total:
        text += f" {done:,} of {total:,}"
    if rate := state.progress.get("rate"):
        text += f" · {rate:,.0f}/s"
    if (seconds := state.progress.get("seconds_left")) is not None and total:
        text += f" · {seconds:,.0f} s left"
    left.progress(min(done / total, 1.0) if total else 0.0, text)
    if job.command[:2] in FILLS and job.gallery:
        with left:
            _filled_so_far(job.gallery)
    right.button("Stop", key=f"stop-{job.id}", icon=":material/stop:", on_click=jobs.stop, args=(job,), width="stretch")


def _filled_so_far(name: str) -> None:
    """The pictures that were committed last, once there are any, and the way to search them."""
    try:
        gallery = resources.gallery(name)
        count = gallery.count() if gallery.current else 0
        newest = parts.newest_ids(gallery.folder(), NEWEST) if count else []
    except SemblanceError:
        return
    if not count:
        st.caption("The first pictures can be searched in a moment.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"filled-{name}"):
        pictures = "".join(f'<img src="{thumbnail_url(name, picture)}" alt="">' for picture in newest)
        st.html(
            f'<div class="strip small" role="img" aria-label="the newest pictures">{pictures}</div>', width="content"
        )
        said = f"Search the {count:,} that are there"
        st.page_link("views/search.py", label=said, icon=":material/image_search:", query_params={"gallery": name})


def _ended(job: Job, state: State) -> None:
    left, right = st.columns([5, 1], vertical_alignment="center")
    if state.exit_code == 0:
        left.markdown(f":material/check_circle: **{literal(job.title)}**: done")
        if state.output and not state.output.startswith(("[", "{")):  # a table is drawn where it was asked for
            left.text(_result(state.output.splitlines()[-1]))
        if aside := [line for line in state.errors.splitlines() if line.startswith(ASIDE)]:
            with left.expander(f"Passed over or rejected: {len(aside)} notes"):
                st.text("\n".join(line.removeprefix("note: ") for line in aside))
    elif state.exit_code == 130:
        left.markdown(f":material/stop_circle: **{literal(job.title)}**: stopped; what was committed is kept")
    else:
        left.markdown(f":material/error: **{literal(job.title)}**: did not finish")
        left.text(state.errors.splitlines()[-1] if state.errors else "the app ended before it; run it again to go on")
    right.button("Hide", key=f"hide-{job.id}", on_click=jobs.dismiss, args=(job,), width="stretch")


def _result(line: str) -> str:
    """What a command says last; under which name its report was kept is for the command line."""
    told, kept, _ = line.partition("kept as ")
    return (told.rstrip("; ") or "Saved") if kept else line


def _bring_in(name: str) -> None:
    try:
        store.refresh(resources.gallery(name))
    except SemblanceError:
        return  # its first part is not there yet
