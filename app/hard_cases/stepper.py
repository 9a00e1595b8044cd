"""The steps of a round in a row: what is done, what comes next; one is open below."""

from __future__ import annotations

import streamlit as st

from app import COMPONENTS
from app.widgets import states
from pipeline.hard_cases.case import STEPS, Round
from pipeline.hard_cases.steps import Step, next_step, steps_of

CSS = COMPONENTS / "hard_steps.css"
ICONS = {"done": "check_circle", "stale": "sync_problem", "ready": "radio_button_unchecked", "waiting": "lock"}


def stepper(round: Round) -> Step:
    """The step that is open: chosen by a click, that of the address, or the first that is not done."""
    st.html(CSS)
    steps = {step.name: step for step in steps_of(round)}
    key = _key(round)
    if key not in st.session_state:
        wanted = (st.query_params.get("step", ""), next_step(round))
        st.session_state[key] = next((name for name in wanted if name in steps), STEPS[-1])
    with st.container(key="hard-steps"):
        chosen = states.required(
            st.segmented_control,
            "Steps",
            list(steps),
            required=True,
            format_func=lambda name: (
                f":material/{ICONS[steps[name].state]}: {STEPS.index(name) + 1} {steps[name].title}"
            ),
            key=key,
            label_visibility="collapsed",
            width="stretch",
        )
    st.query_params["step"] = chosen
    return steps[chosen]


def onward(round: Round, step: str) -> None:
    """A button to the step after this one, once this one is done."""
    steps = steps_of(round)
    at = STEPS.index(step)
    if steps[at].state == "done" and at + 1 < len(steps):
        following = steps[at + 1]
        st.button(
            f"Next: {following.title}",
            icon=":material/arrow_forward:",
            type="primary" if following.state != "done" else "secondary",
            on_click=go_to,
            args=(round, following.name),
            key=f"hard-next-{step}",
        )


def go_to(round: Round, step: str) -> None:
    st.session_state[_key(round)] = step


def _key(round: Round) -> str:
    return f"hard-step-{round.case.name}-{round.number}"
