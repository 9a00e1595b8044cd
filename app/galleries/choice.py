"""Which encoder a gallery gets: the few that people want, each with what it is good for and costs here, or any other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.server import jobs
from app.server.exposure import offered_encoders
from app.widgets.literal import literal
from app.widgets.option_form import encoder_choice
from pipeline import plugins
from pipeline.comparison import speeds
from pipeline.fingerprints import FORMER_DEFAULT
from pipeline.plugins import DEFAULT_ENCODER
from pipeline.settings import Settings

OTHER = ""
MEASURE = ("pipeline", "encoders")
MAX_RUNS = 3  # the newest
CLIP = "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K/snapshots/*/*"  # what `open_clip` takes by default, in the hub's cache


@dataclass(frozen=True)
class Choice:
    """spec: of the encoder. told: what it is good for. measured: how well it did where all were measured."""

    spec: str
    title: str
    told: str
    measured: str = ""


# recall_at_1 on clothing's test photos, which taught none of them: docs/experiments.md
READY = (
    Choice(
        DEFAULT_ENCODER, "Photos", "what a photo shows, then its colour and pattern", "first hit right 79 times of 100"
    ),
    Choice(FORMER_DEFAULT, "Small and fast", "colour and pattern first", "62 of 100"),
    Choice("color_histogram", "Colours only", "which colours lie where; no network", "51 of 100"),
)


def choose(key: str) -> str:
    """The choices as one list; returns the spec. Stands in a form."""
    choices = _choices()
    titles = {choice.spec: choice.title for choice in choices}
    spec = st.radio(
        "How pictures are compared",
        [*(choice.spec for choice in choices), OTHER],
        format_func=lambda spec: literal(titles.get(spec, "Another encoder")),
        captions=[*_captions(choices), "the one chosen below"],
        key=f"choice-{key}",
        help="*of 100*: how often the first hit had the right label, on photos of clothes that taught none of the three. "
        "Another one can be tried and taken later: *Care › Try encoders*.",
    )
    with st.expander("Another encoder"):
        other = encoder_choice(key)
    return str(spec) or other


def _choices() -> list[Choice]:
    choices = [*READY, *_runs(), *_clip()]
    offered = set(offered_encoders(choice.spec for choice in choices))
    return [choice for choice in choices if choice.spec in offered]


def measure_here(key: str) -> None:
    """A button that measures the choices that have no speed yet. Stands outside of forms."""
    measured = speeds.kept()
    if not (specs := [choice.spec for choice in _choices() if choice.spec not in measured]):
        return
    busy = jobs.running(*MEASURE)
    if st.button("Measure speeds here", icon=":material/speed:", key=f"measure-{key}", disabled=busy):
        command = [*MEASURE, *(part for spec in specs for part in ("--measure", spec)), "--json"]
        jobs.start(command, title="Measure encoders")
        st.rerun()


def _captions(choices: list[Choice]) -> Iterator[str]:
    measured = speeds.kept()
    for choice in choices:
        facts = [choice.told, choice.measured]
        if speed := measured.get(choice.spec):
            facts += [f"{speed.pictures_per_second:,.0f} pictures/s here", f"{speed.dim} numbers a picture"]
        yield " · ".join(filter(None, facts))


def _runs() -> list[Choice]:
    """The newest training runs that have weights."""
    files = sorted(Settings().runs.glob("*/model.json"), key=lambda file: file.stat().st_mtime)
    return [
        Choice(f"checkpoint:run={file.parent.name}", f"Your run {file.parent.name}", "what you trained it for")
        for file in files[: -MAX_RUNS - 1 : -1]
    ]


def _clip() -> list[Choice]:
    """CLIP, where its weights are on this machine already: choosing it downloads nothing."""
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub")
    if plugins.missing("encoders", "open_clip") or not any(hub.expanduser().glob(CLIP)):
        return []
    return [Choice("open_clip", "Photos and any words", "pictures, and whatever is written in the search box")]
