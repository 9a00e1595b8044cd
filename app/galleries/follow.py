"""A gallery and its files: what would change, shown before it is brought in, and the pictures whose files are gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.server import jobs, store
from app.server.exposure import opened, shown
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal, told_apart
from pipeline import plugins
from pipeline.errors import SemblanceError, display_name
from pipeline.gallery.gallery import Gallery
from pipeline.ingest.follow import CHANGES
from pipeline.plugins import Option
from pipeline.settings import exposed

AT_ONCE = 200  # gone files that are listed


def follow_room(gallery: Gallery) -> None:
    st.markdown(
        "Looks for files that are new or were moved, edited, deleted or labelled anew since they were brought in. "
        "Looking changes nothing."
    )
    datasets = [spec for spec in gallery.manifest()["datasets"] if _is_open(spec)]
    if datasets:
        numbered = told_apart({str(n): shown(spec) for n, spec in enumerate(datasets, 1)})  # a spec has paths
        called = dict(zip(datasets, numbered.values(), strict=True))
        spec = st.selectbox(
            "Where its pictures come from", datasets, format_func=called.__getitem__, key=f"follow-{gallery.name}"
        )
        _look(gallery, spec)
    else:
        st.info("No folder of this gallery can be looked at from here.")
    _gone(gallery)


def _is_open(spec: str) -> bool:
    """Whether a visitor may look there: every path of the spec is open to visitors."""
    name, given = plugins.parse(spec)
    try:
        paths = [
            given[option.name]
            for option in plugins.options("datasets", name)
            if option.name in given and _is_path(option)
        ]
        for path in paths:
            opened(path)
    except SemblanceError:
        return False
    return bool(paths) or not exposed()


def _is_path(option: Option) -> bool:
    return isinstance(option.type, type) and issubclass(option.type, plugins.PathText | Path)


def _look(gallery: Gallery, spec: str) -> None:
    title = gallery.manifest()["title"]
    busy = jobs.running("pipeline", "ingest", gallery=gallery.name)
    report = _newest_plan(gallery, spec)
    if report:
        st.markdown(_sentence(report))
        if report["rejected"]:
            table = pd.DataFrame(report["rejected"], columns=["File", "Why it would be left out"])
            st.dataframe(table, hide_index=True, height=min(38 + 35 * len(table), 248))
        for place, contradiction in report["contradictions"][:5]:
            st.warning(f"{literal(place)} stands twice: {literal(contradiction)}; the first counts.")
    changes = bool(report and (report["added"] or report["followed"]))
    with st.container(horizontal=True):
        st.button(
            "Look again" if report else "Look for changes",
            icon=":material/difference:",
            type="secondary" if changes else "primary",
            disabled=busy,
            on_click=attempt,
            args=(_start, gallery, spec, f"Changes of {title}", "--plan", "--json"),
            key=f"plan-{gallery.name}",
        )
        if changes:
            st.button(
                "Bring them in",
                icon=":material/sync:",
                type="primary",
                disabled=busy,
                on_click=attempt,
                args=(_start, gallery, spec, f"Bring {title} up to date"),
                key=f"bring-in-{gallery.name}",
            )
    problem()


def _start(gallery: Gallery, spec: str, title: str, *options: str) -> None:
    encoder = ["--encoder", gallery.encoder()["spec"]]
    jobs.start(
        ["pipeline", "ingest", gallery.name, "--dataset", spec, *encoder, *options], title=title, gallery=gallery.name
    )


def _newest_plan(gallery: Gallery, spec: str) -> dict[str, Any] | None:
    """Of the newest ingest of this dataset, when it was a plan: one that was brought in since is out of date."""
    for job in jobs.recent(50):
        if job.gallery == gallery.name and job.command[:2] == ("pipeline", "ingest") and spec in job.command:
            state = jobs.state(job)
            if "--plan" not in job.command or state.exit_code != 0:
                return None
            report: dict[str, Any] = json.loads(state.output.splitlines()[-1])
            return report
    return None


def _sentence(report: dict[str, Any]) -> str:
    counts = [f"**{report['added']:,}** new"] if report["added"] else []
    counts += [
        f"**{report['followed'][name]:,}** {words}" for name, words in CHANGES.items() if report["followed"].get(name)
    ]
    rest = f"{report['known'] + report['merged']:,} files are known"
    return f"{', '.join(counts)}; {rest}." if counts else f"Nothing has changed: {rest}."


def _gone(gallery: Gallery) -> None:
    if not (gone := gallery.gone()):
        return
    st.markdown(
        f"**{len(gone):,} pictures' files are gone.** They stay in the gallery until you take them out, which can be undone "
        "under *Removed*."
    )
    table = pd.DataFrame({"File": [display_name(path) for path in list(gone.values())[:AT_ONCE]]})
    st.dataframe(table, hide_index=True, width="stretch", height=min(38 + 35 * len(table), 248))
    st.button(
        f"Take out these {len(gone):,}" if len(gone) > 1 else "Take it out",
        icon=":material/delete:",
        on_click=store.remove,
        args=(gallery, sorted(gone)),
        key=f"remove-gone-{gallery.name}",
    )
