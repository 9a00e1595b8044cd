"""The steps of a round in a row: what is done, what comes next; one is open below."""

from __future__ import annotations

import streamlit as st

from app import COMPONENTS
from pipeline.hard_cases.case import STEPS, Round
from pipeline.hard_cases.steps import Step, next_step, steps

CSS = COMPONENTS / "hard_steps.css"
ICONS = {"done": "check_circle", "stale": "sync_problem", "ready": "radio_button_unchecked", "waiting": "lock"}


def stepper(turn: Round) -> Step:
    """The step that is open: chosen by a click, that of the address, or the first that is not done."""
    st.html(CSS)
    known = {step.name: step for step in steps(turn)}
    key = _key(turn)
    if key not in st.session_state:
        asked, first = st.query_params.get("step", ""), next_step(turn)
        st.session_state[key] = asked if asked in known else (first if first in known else STEPS[-1])
    with st.container(key="hard-steps"):
        chosen = st.segmented_control(
            "Steps",
            list(known),
            required=True,
            format_func=lambda name: (
                f":material/{ICONS[known[name].state]}: {STEPS.index(name) + 1} {known[name].title}"
            ),
            key=key,
            label_visibility="collapsed",
            width="stretch",
        )
    st.query_params["step"] = chosen
    return known[chosen]


def onward(turn: Round, step: str) -> None:
    """A button to the step after this one, once this one is done."""
    known = {one.name: one for one in steps(turn)}
    after = STEPS.index(step) + 1
    if known[step].state == "done" and after < len(STEPS):
        following = known[STEPS[after]]
        st.button(
            f"Next: {following.title}",
            icon=":material/arrow_forward:",
            type="primary" if following.state != "done" else "secondary",
            on_click=go_to,
            args=(turn, following.name),
            key=f"hard-next-{step}",
        )


def go_to(turn: Round, step: str) -> None:
    st.session_state[_key(turn)] = step


def _key(turn: Round) -> str:
    return f"hard-step-{turn.case.name}-{turn.number}"
