"""Training: runs side by side, their curves, and what one of them does with triplets."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import streamlit as st

from app import COMPONENTS
from app.server.exposure import shown
from app.training_runs import charts, controls, triplets
from app.training_runs.facts import BEST, STATUS, Snapshot, duration, overview, read, state_of_all
from app.training_runs.measured import golden_weights, measured
from app.training_runs.new_run import new_run
from app.widgets.charts import chart
from app.widgets.faults import problem
from app.widgets.job_list import job_list
from app.widgets.literal import literal
from app.widgets.page import guarded, title_row
from pipeline.errors import SemblanceError
from pipeline.settings import Settings, exposed
from training import runs

CSS = COMPONENTS / "training.css"
NEWEST, PAGE_OF_TRIPLETS = 3, 12


def page() -> None:
    row = title_row("Training")
    st.html(CSS)
    problem()
    names = runs.names(Settings())
    st.session_state["runs_seen"] = state_of_all(names)
    snapshots: dict[str, Snapshot] = {}
    for name in names:
        try:
            snapshots[name] = read(name)
        except SemblanceError as error:
            st.warning(f"Run {literal(name)}: {literal(error)}")
    at_work = [name for name, snapshot in snapshots.items() if snapshot.live]
    learning = [name for name in at_work if snapshots[name].last]  # before it, the job itself says how far it is
    job_list(but={job.id for name in learning if (job := controls.job_of(name))})
    progress(bool(at_work))
    if not snapshots:
        st.markdown(
            "A run teaches an encoder what *similar* means, from pictures with labels. It is shown here as soon as it starts: "
            "curves, the hardest triplets, distances."
        )
    if not exposed():
        new_run(row, names, list(snapshots.values()))
    if not snapshots:
        return
    for snapshot in snapshots.values():
        controls.draw(snapshot)
    side_by_side(list(snapshots.values()))
    if shown := [snapshots[name] for name in choose(list(snapshots))]:
        curves(shown)
        detail([snapshot.name for snapshot in shown])
    else:
        st.info("Choose a run above to see its curves.")


def progress(live: bool) -> None:
    """Goes on by itself; the page around it is drawn anew only when a run comes, goes, starts or ends."""
    st.fragment(_progress, run_every=3.0 if live else 10.0)()


def _progress() -> None:
    names = runs.names(Settings())
    if state_of_all(names) != st.session_state["runs_seen"]:
        st.rerun(scope="app")
    for name in names:
        if markup := _progress_of(name):
            bar, stop = st.columns([6, 1], vertical_alignment="center")
            bar.html(markup)
            with stop:
                controls.stop_button(name)


def _progress_of(name: str) -> str:
    """Markup of a fixed height; empty for a run that is not at work."""
    try:
        snapshot = read(name)
    except SemblanceError:
        return ""  # the page has said it
    if not snapshot.live or (not snapshot.last and controls.job_of(name)):
        return ""
    last, total = snapshot.last, _number(snapshot.about.get("steps"))
    done = _number(last.get("step")) or 0
    facts = [f"step {done:,.0f} of {total:,.0f}" if total else f"step {done:,.0f}"]
    for key, form in (("images_per_second", "{:,.0f} images/s"), ("loss", "loss {:.4g}")):
        value = _number(last.get(key))
        facts.append("" if value is None else form.format(value))
    left = _number(last.get("seconds_left"))
    facts.insert(2, "" if left is None else f"{duration(left)} left")
    stage = html.escape(str(last.get("stage", "starting")))
    side = _number(last.get("side"))
    size = f", {side:.0f} px" if side else ""
    known = f' value="{min(done / total, 1):.4f}"' if total else ""
    return (
        f'<div class="progress"><div class="head"><b>{html.escape(name)}</b><span>{stage}{size}</span></div>'
        f'<progress max="1"{known} aria-label="progress of {html.escape(name)}"></progress>'
        f'<div class="facts">{"".join(f"<span>{fact}</span>" for fact in facts)}</div></div>'
    )


def _number(value: Any) -> float | None:
    """None for what is no number; a file may hold anything."""
    number = pd.to_numeric(value, errors="coerce") if isinstance(value, int | float | str) else None
    return None if number is None or pd.isna(number) else float(number)


def side_by_side(snapshots: list[Snapshot]) -> None:
    help_best = "Of the weights that were kept; while there are none, the best on dev so far."
    best = {name: st.column_config.NumberColumn(name, format="%.3f", help=help_best) for name in BEST}
    plain = {name: name.capitalize() for name in ("run", "status", "loss", "network", "data", "device")}
    st.dataframe(
        overview(snapshots),
        hide_index=True,
        alt="one row for each run, with its recipe and its best figures on dev",
        column_config={
            **plain,
            "dim": st.column_config.NumberColumn("Dim", format="%d"),
            "steps": st.column_config.NumberColumn("Steps", format="localized"),
            "minutes": st.column_config.NumberColumn("Minutes", format="%.1f"),
            **best,
        },
    )


def choose(names: list[str]) -> list[str]:
    """Which runs to compare: those of the address, `?runs=a,b`, else the newest."""
    given = st.query_params.get("runs", "")
    if given and given != st.session_state.get("runs_written"):
        st.session_state["runs_chosen"] = [name for name in given.split(",") if name in names]
    chosen = st.session_state.get("runs_chosen")
    st.session_state["runs-to-compare"] = (
        names[:NEWEST] if chosen is None else [name for name in chosen if name in names]
    )
    _write_address()
    return st.multiselect(
        "Compare",
        names,
        key="runs-to-compare",
        max_selections=len(_palette()),
        on_change=lambda: st.session_state.update(runs_chosen=st.session_state["runs-to-compare"]),
        placeholder="Choose runs to compare",
    )


def _write_address() -> None:
    """A choice goes into the address; without one the address means the newest runs."""
    chosen = st.session_state.get("runs_chosen")
    if chosen is not None:
        st.session_state["runs_written"] = st.query_params["runs"] = ",".join(chosen)


def _palette() -> list[str]:
    return list(st.get_option("theme.chartCategoricalColors"))


def curves(shown: list[Snapshot]) -> None:
    names = [snapshot.name for snapshot in shown]
    st.fragment(_curves, run_every=10.0 if any(snapshot.live for snapshot in shown) else None)(names)


def _curves(names: list[str]) -> None:
    lines = {name: runs.Run(Settings().runs / name).metrics() for name in names}
    tables = {curve: table for curve in charts.CURVES if len(table := charts.curve_table(curve, lines))}
    if not tables:
        st.info("No figures yet: the first come after the first 50 steps.")
        return
    colours = charts.colours_for(names, st.session_state.setdefault("run_colours", {}), _palette())
    for first in range(0, len(tables), 2):  # a row at a time, so that a phone shows them in order
        for place, (curve, table) in zip(st.columns(2, gap="medium"), list(tables.items())[first:], strict=False):
            with place:
                alt = f"{curve.title}, {', '.join(names)}"
                chart(charts.curve_figure(curve, table, colours), table, curve.name, alt)


@st.fragment
def detail(names: list[str]) -> None:
    st.subheader("One run", anchor=False)
    name = st.selectbox("Run", names, key="run-in-detail", label_visibility="collapsed")
    try:
        snapshot = read(name)
    except SemblanceError as error:  # since the page was drawn
        st.warning(literal(error))
        return
    controls.use(snapshot)
    if said := snapshot.about.get("error") or snapshot.about.get("warning"):
        st.warning(f"This run said: {literal(shown(str(said)))}")
    for part in (measured, strips_of, distances_of, command_of):
        try:
            part(snapshot)
        except SemblanceError as error:
            st.warning(literal(error))


def strips_of(snapshot: Snapshot) -> None:
    """Dev triplets, hardest first."""
    found = triplets.strips(snapshot.run.triplets(), snapshot.name)
    if not found:
        st.info("No triplets yet: they are written with the first look at dev.")
        return
    right = sum(strip.right for strip in found)
    st.markdown(
        f"**Triplets, hardest first.** Squared distances to the anchor; {right:,} of these {len(found):,} are right."
    )
    key = f"triplets-{snapshot.name}"
    count = st.session_state.setdefault(key, PAGE_OF_TRIPLETS)
    version = (snapshot.run.root / "triplets.json").stat().st_mtime_ns
    st.html(triplets.as_html(found[:count], snapshot.name, version))
    if count < len(found):
        more = {"on_click": st.session_state.__setitem__, "args": (key, count + PAGE_OF_TRIPLETS)}
        st.button("More", icon=":material/expand_more:", key=f"more-{snapshot.name}", **more)


def distances_of(snapshot: Snapshot) -> None:
    if distances := snapshot.run.distances():
        table = charts.distance_table(distances, snapshot.name)
        chart(
            charts.distance_figure(table, snapshot.name),
            table,
            f"distances-{snapshot.name}",
            f"distances of {snapshot.name}",
        )


def command_of(snapshot: Snapshot) -> None:
    """How to make this run again."""
    st.markdown("**The command that made this run**")
    st.code(shown(str(snapshot.about.get("command", "not recorded"))), language="bash", wrap_lines=True)
    data = snapshot.part("data")
    steps = _number(snapshot.about.get("steps"))
    counts = [f"{data[key]:,} {key}" for key in ("train", "dev", "labels") if isinstance(data.get(key), int)]
    facts = {
        "Status": STATUS.get(snapshot.status, snapshot.status),
        "Data": ", ".join([str(data.get("name", "not recorded")), *counts]),
        "Seed": snapshot.about.get("seed", snapshot.part("recipe").get("seed", "not recorded")),
        "Steps": "not known yet" if steps is None else f"{steps:,.0f}",
        "Loss": snapshot.losses,
        "Golden feature": golden_weights(snapshot),
        "Recipe": _listed(snapshot.part("recipe")),
        "Network": _listed(snapshot.part("network")),
        "Device": snapshot.about.get("device", ""),
        "Versions": _listed(snapshot.part("versions")),
        "Started": str(snapshot.about.get("created", "")).replace("T", " "),
    }
    rows = "".join(
        f"<tr><th>{name}</th><td>{html.escape(shown(str(value)))}</td></tr>" for name, value in facts.items()
    )
    st.html(f'<table class="run-facts">{rows}</table>')


def _listed(part: dict[str, Any]) -> str:
    """Words for a part of run.json; a list in it, as a recipe's phases, is told entry by entry."""
    plain = [f"{key} {value}" for key, value in part.items() if not isinstance(value, list)]
    inner = [entry for value in part.values() if isinstance(value, list) for entry in value]
    told = [", ".join(plain), *(_listed(entry) for entry in inner if isinstance(entry, dict))]
    return "; ".join(filter(None, told)) or "not recorded"


guarded(page)
