"""Hard cases: where a detector fails, more pictures of the same kind, and the proof that they were the ones that hurt."""

from __future__ import annotations

import streamlit as st

from app.hard_cases.export_import import export_step, import_step, rounds_side_by_side
from app.hard_cases.figures import compare_step
from app.hard_cases.needles import encode_step, needles_step
from app.hard_cases.shortlist import shortlist_step
from app.hard_cases.start import new_case
from app.hard_cases.stepper import stepper
from app.search.tray import tray
from app.server import resources
from app.server.exposure import shown
from app.widgets import states
from app.widgets.job_list import job_list
from app.widgets.literal import literal, told_apart
from app.widgets.page import guarded, title_row
from pipeline.hard_cases.case import Case, Round, case_names, open_case
from pipeline.settings import Settings

STEPS = {
    "encode": encode_step, "needles": needles_step, "shortlist": shortlist_step, "compare": compare_step,
    "export": export_step, "import": import_step,
}  # fmt: skip


def page() -> None:
    names = case_names(Settings())
    row = title_row("Hard cases")
    job_list()
    if not names:
        new_case(first=True)
        return
    case = chosen(names, row)
    with st.expander("New case", icon=":material/add:"):
        new_case(first=False)
    round = chosen_round(case)
    facts(round)
    step = stepper(round)
    if problem := st.session_state.pop("hard-problem", ""):
        st.error(literal(problem))
    if step.outcome and (step.state == "stale" or step.name not in ("compare", "import")):  # those say it larger
        st.caption(literal(shown(step.outcome)))
    if step.state == "waiting":
        st.info(f"{step.title} {literal(step.outcome)}; go there first.")
    else:
        STEPS[step.name](round)
    rounds_side_by_side(case)
    if encoded := round.result("encode"):
        tray(resources.gallery(encoded["gallery"]))


def chosen(names: list[str], place: st.delta_generator.DeltaGenerator) -> Case:
    """The case of the address, the one that was just begun, else the first."""
    wanted = st.session_state.get("hard-wanted", "")
    if wanted in names:
        del st.session_state["hard-wanted"]
        st.query_params["case"] = wanted
    linked = st.query_params.get("case", "")
    settings = Settings()
    titles = told_apart({name: open_case(name, settings).about["title"] for name in names})
    name = place.selectbox(
        "Case",
        names,
        index=names.index(linked) if linked in names else 0,
        format_func=titles.__getitem__,
        label_visibility="collapsed",
        width=260,
    )
    if name != linked:
        if linked:  # another case has other rounds and steps
            st.query_params.clear()
        st.query_params["case"] = name
    return open_case(name, settings)


def chosen_round(case: Case) -> Round:
    numbers = case.numbers
    linked = st.query_params.get("round", "")
    number = int(linked) if linked.isdecimal() and int(linked) in numbers else numbers[-1]

    if len(numbers) > 1:
        number = states.required(st.segmented_control, 
            "Round", numbers, default=number, required=True, format_func=lambda number: f"Round {number}",
            label_visibility="collapsed",
        )  # fmt: skip
        st.query_params["round"] = str(number)
    round = case.round(number)
    return _opened(str(round.folder), (round.folder / "truth.json").stat().st_mtime_ns, round)


@st.cache_resource(max_entries=3, show_spinner="Reading the annotations …")
def _opened(folder: str, changed: int, _turn: Round) -> Round:
    """A round whose annotations are read once, not on every run."""
    return _turn


def facts(round: Round) -> None:
    about = round.case.about
    sizes = f"**{len(round.pool):,}** pictures to search · **{len(round.reference):,}** reference pictures"
    st.markdown(f"{sizes} · seed {literal(about['seed'])}")
    if about["missing"]:
        first = ", ".join(about["first_missing"][:3])
        st.warning(
            f"{about['missing']:,} pictures of the ground truth are not in the folder (first: {literal(first)}); they are left out."
        )
    if about["notes"]:
        with st.expander(f"What was noticed in the files: {len(about['notes'])}", icon=":material/info:"):
            for note in about["notes"]:
                st.text(note)


guarded(page)
