"""A new case: from the demo, from files on this machine, or from an upload."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

from app.server import jobs, quotas
from app.server.exposure import opened
from app.widgets import states
from app.widgets.literal import literal
from app.widgets.upload import data_of, let_go
from pipeline.errors import SemblanceError, UsageError
from pipeline.hard_cases.case import MAX_NAME, case_folder, case_names
from pipeline.images import uploads
from pipeline.settings import Settings

WAYS = {"demo": "The demo", "files": "Files on this machine", "upload": "An upload"}
FILES = ["json", "csv", "xml"]


def new_case(*, first: bool) -> None:
    """first: there is none yet, so it says what a case is for."""
    if first:
        st.markdown(
            "**Which pictures does your detector get wrong?** Its failures on a few labelled pictures are the queries; the "
            "pictures most like them in the unlabelled pool are the shortlist, to be annotated next. mAP with and without "
            "them says whether they were the ones. Nothing is changed in your files."
        )
    way = states.required(
        st.segmented_control,
        "Begin with",
        list(WAYS),
        default="demo",
        required=True,
        format_func=WAYS.__getitem__,
        key="hard-way",
    )
    {"demo": _demo, "files": _files, "upload": _upload}[way]()


def _demo() -> None:
    with st.container(border=True):
        st.markdown(
            "**Street scenes**: 600 rendered pictures with exact boxes, and a simulated detector that is right nearly "
            "everywhere and mostly wrong, and sure of it, on stripes. Rendering and encoding take some minutes; no download."
        )
        if st.button("Make the demo case", type="primary", icon=":material/play_arrow:"):
            _start(["demo"], name="street", title="Hard cases of the street scenes", gallery="street_objects")


def _files() -> None:
    with st.form("hard-files", border=True):
        folder = st.text_input("Folder of pictures", placeholder="/home/me/pictures")
        left, right = st.columns(2)
        truth = left.text_input(
            "Ground truth", placeholder="/home/me/annotations.json", help="COCO, VOC, YOLO, VIA, CVAT or CSV"
        )
        predictions = right.text_input(
            "Predictions", placeholder="/home/me/predictions.json", help="Of the same pictures, with scores"
        )
        title, share, seed = _options()
        if st.form_submit_button("Begin", type="primary"):
            try:
                texts = [text.strip() for text in (folder, truth, predictions) if text.strip()]
                if len(texts) < 3:
                    raise UsageError("the folder, the ground truth and the predictions are all needed")
                _begin(title or Path(texts[0]).name, *map(opened, texts), share=share, seed=seed)
            except SemblanceError as error:
                st.error(literal(error))


def _upload() -> None:
    with st.form("hard-upload", border=True):
        pictures = st.file_uploader("Pictures as a zip (up to 200 MB)", type=["zip"], max_upload_size=200)
        left, right = st.columns(2)
        truth = left.file_uploader("Ground truth, JSON, XML or CSV", type=FILES, max_upload_size=200)
        predictions = right.file_uploader("Predictions, JSON, XML or CSV", type=FILES, max_upload_size=200)
        title, share, seed = _options()
        if st.form_submit_button("Begin", type="primary"):
            try:
                if not (pictures and truth and predictions):
                    raise UsageError("the zip, the ground truth and the predictions are all needed")
                folder = uploads.new_folder(case_folder(Settings()) / "_uploads")
                jobs.check([])
                files = [pictures, truth, predictions]
                with quotas.kept(folder, sum(file.size for file in files)):
                    uploads.unpack(data_of(pictures), folder / "pictures")
                    saved = [
                        _save(folder, name, file)
                        for name, file in zip(("truth", "predictions"), files[1:], strict=True)
                    ]
                let_go(files)
                _begin(title or Path(pictures.name).stem, folder / "pictures", *saved, share=share, seed=seed)
            except SemblanceError as error:
                st.error(literal(error))


def _options() -> tuple[str, float, int]:
    left, middle, right = st.columns([2, 1, 1])
    title = left.text_input("Title", placeholder="My detector")
    share = middle.number_input(
        "Reference, % of pictures", 1, 50, 10, help="To look for failures in; the rest is searched"
    )
    return title, share / 100, right.number_input("Seed", 0, 2**31, 0, help="Of the split and of all draws")


def _save(folder: Path, name: str, file: Any) -> Path:
    """Under a name of ours; only the ending is the visitor's, one of FILES."""
    ending = next((one for one in FILES if file.name.lower().endswith(f".{one}")), FILES[0])
    path = folder / f"{name}.{ending}"
    path.write_bytes(data_of(file))
    return path


def _begin(title: str, folder: Path, truth: Path, predictions: Path, *, share: float, seed: int) -> None:
    name = _free_name(title)
    quotas.note(case_folder(Settings()) / name)
    options = {"pictures": folder, "truth": truth, "predictions": predictions, "reference": f"{share:g}", "seed": seed}
    given = [text for option, value in (options | {"title": title}).items() for text in (f"--{option}", str(value))]
    _start(["start", name, *given], name=name, title=f"Begin the case {title}")


def _start(command: list[str], *, name: str, title: str, gallery: str = "") -> None:
    jobs.start(["pipeline", "hard-cases", *command], title=title, gallery=gallery)
    st.session_state["hard-wanted"] = name
    st.rerun()


def _free_name(title: str) -> str:
    """A case name made of the title, with a number when it is taken."""
    base = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[: MAX_NAME - 5].strip("_")
    base = base if base[:1].isalpha() else f"case_{base}".rstrip("_")
    taken = set(case_names(Settings()))
    return next(name for name in (base, *(f"{base}_{n}" for n in range(2, 1000))) if name not in taken)
