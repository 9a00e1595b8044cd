"""The steps Export and Import: the shortlist goes out to be annotated, and what comes back is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.hard_cases.figures import ink
from app.hard_cases.needles import job_button
from app.hard_cases.stepper import onward
from app.server import quotas
from app.server.exposure import opened
from app.widgets import states
from app.widgets.charts import chart, finished
from app.widgets.literal import literal
from app.widgets.upload import data_of
from pipeline.errors import SemblanceError
from pipeline.hard_cases.case import Case, Round
from pipeline.hard_cases.export import export_shortlist
from pipeline.hard_cases.import_back import NAMES
from pipeline.hard_cases.start import start_next_round

FORMATS = {
    "zip": ("Zip", ":material/folder_zip:", "Pictures, each also with its boxes drawn, COCO and CSV"),
    "coco": ("COCO", ":material/data_object:", "annotations.json of the shortlist, to be corrected"),
    "csv": ("CSV", ":material/table:", "A row a picture and failure, with scores"),
}


def export_step(round: Round) -> None:
    st.markdown(
        "Send the shortlist to be annotated again: wrong labels, missing objects and loose boxes are likeliest here. Keep the "
        "pictures' paths, so that the corrections find their way back."
    )
    with st.container(horizontal=True):
        for format, (name, icon, explanation) in FORMATS.items():
            file = "annotations.json" if format == "coco" else f"{round.case.name}-round-{round.number:02d}.{format}"
            st.download_button(
                name,
                data=lambda format=format, file=file: _exported(round, format, file),
                file_name=file,
                icon=icon,
                help=explanation,
                on_click="ignore",
                type="primary" if format == "zip" else "secondary",
                key=f"hard-export-{format}",
            )
    st.caption(f"Or into a folder: `python -m pipeline hard-cases export {round.case.name} DIR --format zip`")
    onward(round, "export")


def import_step(round: Round) -> None:
    done = round.result("import")
    with st.expander(
        "Import again" if done else "What came back", expanded=done is None, icon=":material/upload_file:"
    ):
        _form(round)
    if done:
        _before_and_after(round, done)
        if round.number == round.case.numbers[-1] and st.button(
            "Begin the next round", type="primary", icon=":material/replay:"
        ):
            try:
                following = start_next_round(round.case)
            except SemblanceError as error:
                st.error(literal(error))
                return
            st.query_params["round"] = str(following.number)
            st.query_params.pop("step", None)
            st.rerun()


def rounds_table(case: Case) -> pd.DataFrame:
    """A row a round that was compared: sizes, mAP of the parts and of the reference before and after."""
    rows = []
    for number in case.numbers:
        round = case.round(number)
        compared, imported = round.result("compare"), round.result("import")
        row: dict[str, Any] = {"round": number, "haystack": len(round.pool)}
        if compared:
            row |= {"shortlist": compared["pictures"]["shortlist"], "mAP H − S": compared["map"]["rest"]["value"]}
            row |= {"mAP H": compared["map"]["haystack"]["value"], "mAP S": compared["map"]["shortlist"]["value"]}
            row |= {"enrichment": compared["failing"]["enrichment"]}
        if imported:
            reference = imported["map"]["reference"]
            row |= {"R before": reference["before"]["value"], "R after": reference["after"]["value"]}
        rows.append(row)
    return pd.DataFrame(rows)


def rounds_side_by_side(case: Case) -> None:
    if len(case.numbers) < 2:
        return
    st.subheader("Rounds", anchor=False)
    table = rounds_table(case)
    figures = {
        name: st.column_config.NumberColumn(format="%.3f") for name in table.columns if name.startswith(("mAP", "R "))
    }
    figures |= {"enrichment": st.column_config.NumberColumn(format="%.1f ×")}
    st.dataframe(table, hide_index=True, column_config=figures, alt="The rounds of this case side by side")


def _exported(round: Round, format: str, file: str) -> bytes:
    folder = round.folder / "exports"
    export_shortlist(round, folder, format=format)
    return (folder / file).read_bytes()


def _form(round: Round) -> None:
    st.markdown("Corrected annotations (of the shortlist alone is enough), what the retrained detector says, or both.")
    way = states.required(
        st.segmented_control,
        "From",
        ["Upload", "Files on this machine"],
        default="Upload",
        required=True,
        key="hard-back",
        label_visibility="collapsed",
    )
    left, right = st.columns(2)
    paths: dict[str, Path] = {}
    for place, name, label in (
        (left, "truth", "Corrected annotations"),
        (right, "predictions", "Predictions of the retrained detector"),
    ):
        if way == "Upload":
            file = place.file_uploader(
                f"{label}, JSON or CSV", type=["json", "csv"], max_upload_size=200, key=f"hard-up-{name}"
            )
            if file is not None:
                paths[name] = Path(file.name)
        elif text := place.text_input(label, placeholder=f"/home/me/{name}.json", key=f"hard-path-{name}").strip():
            paths[name] = Path(text)
    if not paths:
        st.caption("Choose at least one file.")
        return
    try:
        command = _command(round, paths, uploaded=way == "Upload")
    except SemblanceError as error:
        st.error(literal(error))
        return
    job_button(round, "Measure", command, title=f"Measure what came back for {round.case.about['title']}", primary=True)


def _command(round: Round, paths: dict[str, Path], *, uploaded: bool) -> list[str]:
    command = ["import", round.case.name]
    for name, path in paths.items():
        if uploaded:
            file = st.session_state[f"hard-up-{name}"]
            suffix = ".csv" if path.suffix.lower() == ".csv" else ".json"
            path = round.folder / f"returned-{name}-{file.file_id[:12]}{suffix}"
            if not path.exists():
                quotas.check_disk(file.size)
                path.write_bytes(data_of(file))
        else:
            path = opened(path)
        command += [f"--{name}", str(path)]
    return command


def _before_and_after(round: Round, done: dict[str, Any]) -> None:
    gain = done["map"]["reference"]["difference"]["low"]
    (st.success if gain and gain > 0 else st.info)(done["sentence"], icon=":material/trending_up:")
    for note in done["notes"]:
        st.caption(literal(note))
    table = pd.DataFrame(
        [
            (part, when, *(change[when][name] for name in ("value", "low", "high")), change["pictures"])
            for part, change in done["map"].items()
            for when in ("before", "after")
        ],
        columns=["part", "when", "map", "low", "high", "pictures"],
    )
    chart(
        after_figure(table), table, f"{round.case.name}-after", "mAP before and after, of reference, shortlist and rest"
    )
    st.caption(
        f"Both against the corrected annotations; {done['corrected']:,} pictures have other boxes than before. Nobody trains on "
        "the reference, so it is what counts."
    )


def after_figure(table: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    for when, colour in (("before", "#6b7385"), ("after", "#0072b2")):
        rows = table[table["when"] == when]
        figure.add_bar(
            x=[NAMES[name] for name in rows["part"]], y=rows["map"], name=when,
            marker={"color": colour},
            error_y={"array": rows["high"] - rows["map"], "arrayminus": rows["map"] - rows["low"], "thickness": 2, "width": 7, "color": ink()},
            text=[f"{value:.3f}" for value in rows["map"]], textposition="inside", insidetextanchor="start",
            textfont={"color": "#fff"}, hovertemplate=f"%{{x}} {when}: %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
    finished(figure, "Before and after", "with 95 % intervals", x="", y="mAP, IoU .50 to .95")
    return (
        figure.update_layout(barmode="group", margin_b=70).update_yaxes(range=[0, 1.02]).update_xaxes(type="category")
    )
