"""Starting a run from the page: which pictures teach, how long, and what that costs here."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.server import jobs, resources
from app.training_runs.facts import Snapshot
from app.widgets.faults import attempt
from pipeline.errors import SemblanceError
from pipeline.settings import Settings
from training import runs

RENDERED = "catalogue"  # of the datasets, the one that is made here
LOSSES = {
    "deep_ranking": "Deep Ranking: triplets by label, colour and texture",
    "classification": "Classification: labels alone",
    "siam_cat": "Siamese: pairs and labels",
    "multi_similarity": "Multi-similarity: weighted pairs of a batch",
    "proxy_anchor": "Proxy anchor: one learned point a label",
    "reconstruction": "Autoencoder: draws each picture again from its embedding",
}
UNLABELLED = ("reconstruction",)  # all that pictures without labels can teach
LAST_LAYER = ("deep_ranking", "multi_similarity", "proxy_anchor")  # on a CPU it learns these at the end of its time
WHOLE = "classification"  # the stage in which every layer learns; the last one alone is many times as fast
MINUTES = 10


def new_run(row: DeltaGenerator, names: Sequence[str], snapshots: Sequence[Snapshot]) -> None:
    """Its button beside the title, its form below while it is open; open by itself while there is no run."""
    making = st.session_state.setdefault("making_run", not names)
    if row.button("New run", icon=":material/add:", type="primary", disabled=making):
        st.session_state["making_run"] = True
        st.rerun()
    if making:
        with st.container(border=True):
            _form(names, snapshots)


def _form(names: Sequence[str], snapshots: Sequence[Snapshot]) -> None:
    teachers = _teachers()
    spec = st.selectbox(
        "Pictures that teach",
        list(teachers),
        format_func=lambda spec: teachers[spec][0],
        help="What a gallery was made from, with the labels that its folders or table give. A tenth of them is held out to "
        "measure while it learns, and a test split, where there is one, is never looked at. Without labels there is the "
        "autoencoder.",
    )
    losses = list(LOSSES) if teachers[spec][2] else list(UNLABELLED)
    left, middle, right = st.columns([3, 1, 2])
    loss = left.selectbox("How it learns", losses, format_func=LOSSES.__getitem__)
    minutes = middle.number_input("Minutes", 1, 24 * 60, MINUTES, help="Of training; reading the pictures comes before")
    name = right.text_input("Name", _free_name(teachers[spec][1][:60], names), max_chars=64)
    st.caption(_cost(loss, minutes, snapshots))
    start, close = st.columns([5, 1])
    command = ["training", "train", "--dataset", spec, "--recipe", _recipe(), "--loss", loss, "--minutes", str(minutes)]
    command += ["--name", name.strip(), "--threads", str(threads())]
    start.button("Start", type="primary", icon=":material/play_arrow:", on_click=_start, args=(command, name.strip()))
    if close.button("Close", width="stretch"):
        st.session_state["making_run"] = False
        st.rerun()


def _start(command: list[str], name: str) -> None:
    def begun() -> None:
        runs.check_name(name, Settings())
        jobs.start(command, title=f"Train {name}")

    if attempt(begun):
        st.session_state["making_run"] = False


def threads() -> int:
    """All cores but one, which goes on answering searches."""
    return max(1, (os.cpu_count() or 2) - 1)


def _recipe() -> str:
    from pipeline import devices

    return "gpu" if devices.choose("auto").type == "cuda" else "cpu"


def _teachers() -> dict[str, tuple[str, str, bool]]:
    """Spec of a dataset to what is shown, a name for its run, and whether it has two labels or more: those of galleries, with
    such first, and the rendered one."""
    found: dict[str, tuple[str, str, bool]] = {}
    for name in resources.gallery_names():
        try:
            gallery = resources.gallery(name)
            labels, manifest = resources.labels(gallery), gallery.manifest()
        except SemblanceError:
            continue
        labelled = len(labels) > 1
        kinds = f"of {len(labels):,} labels" if labelled else "of one label" if labels else "without labels"
        counted = f"{labels.total() if labelled else gallery.count():,} pictures {kinds}"
        for spec in manifest["datasets"]:
            part = "" if len(manifest["datasets"]) == 1 else f", its part {spec.rpartition('/')[2]}"
            found.setdefault(spec, (f"{manifest['title']}{part} ({counted})", name.replace("_", "-"), labelled))
    if not any(spec.partition(":")[0] == RENDERED for spec in found):
        found[RENDERED] = ("Rendered products (made here)", RENDERED, True)
    return dict(sorted(found.items(), key=lambda one: not one[1][2]))


def _cost(loss: str, minutes: float, snapshots: Sequence[Snapshot]) -> str:
    """What it takes of this machine, and how far earlier runs came in a minute."""
    recipe = _recipe()
    device = "the GPU" if recipe == "gpu" else f"{threads()} of {os.cpu_count()} cores"
    said = (
        f"Takes {device} for {minutes:,.0f} {'minute' if minutes == 1 else 'minutes'} after the pictures are read once"
    )
    if recipe == "cpu" and loss in LAST_LAYER:
        said += ", the end of them for its last layer alone"
    rates = [
        rate
        for snapshot in snapshots
        for line in snapshot.metrics
        if line.get("stage") == WHOLE and isinstance(rate := line.get("images_per_second"), int | float) and rate
    ]
    if rates:
        said += f". At the pace of earlier runs it sees up to {statistics.median(rates) * 60 * minutes:,.0f} pictures"
    return f"{said}. It can be stopped and continued at any time, and goes on without the page."


def _free_name(base: str, taken: Sequence[str]) -> str:
    return next(name for name in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if name not in taken)
