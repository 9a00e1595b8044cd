"""A new gallery, or more pictures for one: from the demo, a folder, or an upload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.galleries.choice import choose, measure_here
from app.galleries.look import draw_look
from app.server import jobs, quotas
from app.server.exposure import dataset_at, opened
from app.server.pictures import in_turn
from app.widgets import states
from app.widgets.literal import literal
from app.widgets.upload import data_of, files_field, files_taken, let_go, take_each
from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError, display_name
from pipeline.gallery import opening as galleries
from pipeline.gallery.gallery import Gallery
from pipeline.images import uploads
from pipeline.ingest.ingest import look
from pipeline.settings import Settings, exposed

TAKEN = {  # what is taken from a folder: dataset, and its options after the folder
    "Pictures": ("folder", ""),
    "Films: a frame a second": ("video", ""),
    "Films: a frame a shot": ("video", ",shots=true"),
}
TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xlsm")
WAYS = {"demo": "The demo", "folder": "A folder on this machine", "upload": "An upload"}


def new_gallery(way: str) -> None:
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        chosen = states.required(
            left.segmented_control,
            "Make a gallery from",
            list(WAYS),
            default=way,
            required=True,
            format_func=WAYS.__getitem__,
            key=f"way-{way}",
        )
        if right.button("Close", key="close-new", width="stretch"):
            st.session_state.pop("making", None)
            st.rerun()
        {"demo": _demo, "folder": _folder, "upload": _upload}[chosen]()
        if chosen != "demo":
            measure_here(chosen)


def _demo() -> None:
    st.markdown("2,000 rendered product pictures with exact graded similarity. Nothing is downloaded.")
    if st.button("Make the demo gallery", type="primary", icon=":material/play_arrow:"):
        _started(["pipeline", "demo", "--no-app"], title="Rendered catalogue", gallery="catalogue")


def _folder() -> None:
    with st.form("from-folder", border=False):
        folder = st.text_input(
            "Folder, or a table of pictures",
            placeholder="/home/me/pictures",
            help="Pictures stay there; they are not copied. A table (.csv, .xlsx, .parquet) has columns path and label. Object "
            "storage is s3://BUCKET/FOLDER or gs://BUCKET/FOLDER",
        )
        taken = st.selectbox(
            "Take from it", list(TAKEN), help="Of films, frames that are blurred or repeat the one before stay out"
        )
        title = st.text_input("Title", placeholder="My pictures")
        spec = choose("folder")
        make, look_first = st.columns([1, 5])
        made = make.form_submit_button("Make gallery", type="primary")
        if look_first.form_submit_button("Look first") or made:
            try:
                dataset = _dataset(folder.strip(), taken)
                if made:
                    _ingest(title or _title(folder.strip()), dataset, spec)
                else:
                    draw_look(look(plugins.build("datasets", dataset)))
            except SemblanceError as error:
                st.error(literal(error))


def _title(place: str) -> str:
    """A folder's name, or a file's without its suffix."""
    path = Path(place)
    return path.stem if path.suffix.lower() in TABLES or path.is_file() else path.name


def _dataset(place: str, taken: str) -> str:
    """The spec of a folder, a table or films on this machine, checked. Raises UsageError, or what building it raises."""
    if not place:
        raise UsageError("no folder given; write the path of a folder, or of a table, on this machine")
    if "://" in place:
        return _bucket(place)
    path = opened(place)
    is_table = path.suffix.lower() in TABLES and not path.is_dir()
    name, options = ("table", "") if is_table else TAKEN[taken]
    dataset = dataset_at(path, f"{name}:{'file' if is_table else 'root'}") + options
    plugins.build("datasets", dataset)
    return dataset


def _bucket(url: str) -> str:
    """The spec of a folder in object storage, which is read with what this app's environment says."""
    if exposed():
        raise UsageError("object storage is not open to visitors; upload the pictures")
    dataset = f"bucket:url={url}"
    if plugins.parse(dataset)[1] != {"url": url}:
        raise UsageError("what has a comma and an equals sign in its address cannot be ingested; rename it")
    plugins.build("datasets", dataset)
    return dataset


def _upload() -> None:
    files, below = files_field("files-new")
    with st.form("from-upload", border=False):
        title = st.text_input("Title", placeholder="My pictures")
        spec = choose("upload")
        if st.form_submit_button("Make gallery", type="primary"):
            try:
                if not files:
                    raise UsageError("No file chosen: drop pictures or a zip first.")
                _ingest(title or Path(files[0].name).stem, "", spec, files)
            except SemblanceError as error:
                below.error(literal(error))


def add_pictures(gallery: Gallery) -> None:
    """More pictures for a gallery that exists."""
    files, below = files_field(f"files-{gallery.name}")
    with st.form(f"add-{gallery.name}", border=False):
        folder = st.text_input("Or a folder on this machine")
        taken = st.selectbox("Take from it", list(TAKEN), key=f"taken-{gallery.name}")
        if st.form_submit_button("Add", type="primary"):
            try:
                dataset = _dataset(folder.strip(), taken) if folder.strip() else ""
                if dataset and plugins.absolute("datasets", dataset) in gallery.manifest()["datasets"]:
                    raise UsageError(
                        "this folder is in the gallery already; *Follow files* shows what has changed there and brings it in"
                    )
                if not dataset and not files:
                    raise UsageError("nothing to add; drop pictures or write a folder")
                _fill(gallery, dataset, gallery.encoder()["spec"], files or [])
            except SemblanceError as error:
                below.error(literal(error))


def _ingest(title: str, dataset: str, spec: str, files: Sequence[Any] = ()) -> None:
    settings = Settings()
    name = galleries.free_name(title, settings)
    plugins.options("encoders", plugins.parse(spec)[0])
    jobs.check(["--encoder", spec])  # before anything is made for it
    gallery = galleries.create_gallery(name, settings, title=title)
    quotas.note(gallery.root)
    try:
        _fill(gallery, dataset, spec, files)
    except SemblanceError:
        gallery.discard_if_empty()  # what could not be taken leaves no empty gallery behind
        raise


def _fill(gallery: Gallery, dataset: str, spec: str, files: Sequence[Any]) -> None:
    """Keep the uploads among the gallery's originals, then ingest in a child process."""
    jobs.check(["--encoder", spec], gallery.name)
    source = dataset or f"folder:root={_keep(gallery, files)}"
    command = ["pipeline", "ingest", gallery.name, "--dataset", source, "--encoder", spec, "--map"]
    _started(command, title=f"Ingest into {gallery.manifest()['title']}", gallery=gallery.name)


def _keep(gallery: Gallery, files: Sequence[Any]) -> Path:
    """The uploads as one folder. A single zip is the folder itself, so that its own folders are labels and splits."""
    folder = uploads.new_folder(gallery.originals)
    zips = [file for file in files if file.name.lower().endswith(".zip")]
    single = [file for file in files if file not in zips]
    with quotas.kept(folder, sum(file.size for file in files)):
        for number, file in enumerate(zips, 1):
            _unpack(file, folder if len(zips) == 1 else folder / f"zip{number}")
        _, refused = take_each(single, lambda name, data: in_turn(lambda: uploads.save_upload(name, data, folder)))
        if len(refused) == len(files):
            raise UsageError("; ".join(refused))
    let_go(files)
    st.session_state["refused_uploads"] = refused
    return folder


def _unpack(file: Any, folder: Path) -> None:
    try:
        uploads.unpack(data_of(file), folder)
    except UsageError as error:
        raise UsageError(f"{display_name(file.name)}: {error}") from None


def _started(command: list[str], *, title: str, gallery: str) -> None:
    jobs.start(command, title=title, gallery=gallery)
    st.session_state.pop("making", None)
    files_taken()
    st.rerun()
