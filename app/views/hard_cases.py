"""Hard cases: where a detector fails, more pictures of the same kind, and the proof that they were the ones that hurt."""

from __future__ import annotations

import streamlit as st

from app.hard_cases.export_import import export_step, import_step, rounds_side_by_side
from app.hard_cases.figures import compare_step
from app.hard_cases.needles import encode_step, needles_step
from app.hard_cases.shortlist import shortlist_step
from app.hard_cases.start import new_case
from app.hard_cases.stepper import stepper
from app.server.exposure import shown
from app.widgets.job_list import job_list
from app.widgets.page import guarded
from pipeline.hard_cases import case as hard_cases
from pipeline.hard_cases.case import Case, Round
from pipeline.settings import Settings

STEPS = {
    "encode": encode_step, "needles": needles_step, "shortlist": shortlist_step, "compare": compare_step,
    "export": export_step, "import": import_step,
}  # fmt: skip


def page() -> None:
    names = hard_cases.names(Settings())
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.title("Hard cases")
    job_list()
    if not names:
        new_case(first=True)
        return
    case = chosen(names, right)
    with st.expander("New case", icon=":material/add:"):
        new_case(first=False)
    turn = chosen_round(case)
    facts(turn)
    step = stepper(turn)
    if problem := st.session_state.pop("hard-problem", ""):
        st.error(problem)
    if step.said and (step.state == "stale" or step.name not in ("compare", "import")):  # those say it larger
        st.caption(shown(step.said))
    if step.state == "waiting":
        st.info(f"{step.title} {step.said}; go there first.")
    else:
        STEPS[step.name](turn)
    rounds_side_by_side(case)


def chosen(names: list[str], place: st.delta_generator.DeltaGenerator) -> Case:
    """The case of the address, the one that was just begun, else the first."""
    wanted = st.session_state.get("hard-wanted", "")
    if wanted in names:
        del st.session_state["hard-wanted"]
        st.query_params["case"] = wanted
    asked = st.query_params.get("case", "")
    settings = Settings()
    name = place.selectbox(
        "Case",
        names,
        index=names.index(asked) if asked in names else 0,
        format_func=lambda name: hard_cases.open_case(name, settings).about["title"],
    )
    if name != asked:
        if asked:  # another case has other rounds and steps
            st.query_params.clear()
        st.query_params["case"] = name
    return hard_cases.open_case(name, settings)


def chosen_round(case: Case) -> Round:
    numbers = case.numbers
    asked = st.query_params.get("round", "")
    number = int(asked) if asked.isdecimal() and int(asked) in numbers else numbers[-1]
    if len(numbers) > 1:
        number = st.segmented_control(
            "Round", numbers, default=number, required=True, format_func=lambda number: f"Round {number}",
            label_visibility="collapsed",
        )  # fmt: skip
        st.query_params["round"] = str(number)
    turn = case.round(number)
    return _opened(str(turn.folder), (turn.folder / "truth.json").stat().st_mtime_ns, turn)


@st.cache_resource(max_entries=3, show_spinner="Reading the annotations …")
def _opened(folder: str, changed: int, _turn: Round) -> Round:
    """A round whose annotations are read once, not on every run."""
    return _turn


def facts(turn: Round) -> None:
    about, split = turn.case.about, turn.split
    said = f"**{len(split['haystack']):,}** pictures to search · **{len(split['reference']):,}** reference pictures · seed {about['seed']}"
    st.markdown(said)
    if about["missing"]:
        first = ", ".join(about["first_missing"][:3])
        st.warning(
            f"{about['missing']:,} pictures of the ground truth are not in the folder (first: {first}); they are left out."
        )
    if about["notes"]:
        with st.expander(f"What was noticed in the files: {len(about['notes'])}", icon=":material/info:"):
            for note in about["notes"]:
                st.text(note)


guarded(page)
