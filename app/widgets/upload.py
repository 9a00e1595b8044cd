"""Files that come from a browser: one intake for uploader, chat field, camera and form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.server import encoders, intake, kept_uploads, pictures
from app.server.pictures import Upload
from pipeline.errors import PictureError, UsageError, display_name
from pipeline.gallery.gallery import Gallery

PICTURES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"]
MAX_MB, MAX_ZIP_MB = 20, 200

Kept = TypeVar("Kept")


def picture_field(
    label: str, *, key: str, on_change: Callable[..., None], args: tuple[Any, ...], **options: Any
) -> None:
    """A place to drop pictures; the callback takes them with `uploads`."""
    st.file_uploader(label, type=PICTURES, max_upload_size=MAX_MB, key=key, on_change=on_change, args=args, **options)


def files_field(key: str) -> tuple[list[UploadedFile], DeltaGenerator]:
    """A place for pictures or a zip of them, and the place below it for what is wrong with them. It stands outside of forms:
    what was said of other files goes as soon as these change."""
    files = st.file_uploader(
        f"Pictures, or a zip of them (up to {MAX_ZIP_MB} MB)",
        type=[*PICTURES, "zip"],
        accept_multiple_files=True,
        max_upload_size=MAX_ZIP_MB,
        key=f"{key}-{st.session_state.get('files-taken', 0)}",  # a new key empties it
    )
    return files, st.container()


def files_taken() -> None:
    """The fields are empty from the next run on."""
    st.session_state["files-taken"] = st.session_state.get("files-taken", 0) + 1


def uploads(key: str, gallery: Gallery, *, most: int = 1) -> tuple[list[Upload], list[str]]:
    """Of the widget `key`: the pictures that can be opened, and a sentence for each that cannot or is too many.

    Each is opened once, for its preview and for the gallery's encoder where that is loaded, and is there for a while after
    the page is loaded anew.
    """
    came = st.session_state.get(key)
    came = came if isinstance(came, list) else getattr(came, "files", [came])
    files = [file for file in came if isinstance(file, UploadedFile)]  # a second run may ask for what the first let go
    encoder = encoders.ready(gallery) if files else None

    def opened(name: str, data: bytes) -> Upload:
        upload = Upload(data, name=display_name(name))
        pictures.preview(upload, encoder)
        kept_uploads.keep(upload)
        return upload

    taken, refused = take_each(files[:most], opened)
    let_go(files)
    if len(files) > most:
        refused.append(f"{len(files)} pictures came; the first {most} are used")
    return taken, refused


def take_each(files: Sequence[UploadedFile], keep: Callable[[str, bytes], Kept]) -> tuple[list[Kept], list[str]]:
    """keep(name, bytes) of each file; one that cannot be taken becomes a sentence that names it."""
    kept, refused = [], []
    for file in files:
        try:
            kept.append(keep(file.name, data_of(file)))
        except (PictureError, UsageError) as error:
            refused.append(f"{display_name(file.name)}: {error}")
    return kept, refused


def data_of(file: UploadedFile) -> bytes:
    """Its bytes; UsageError when they were too much to hold."""
    if intake.was_refused(file.file_id):
        raise UsageError(intake.refusal())
    return file.getvalue()


def let_go(files: Sequence[UploadedFile]) -> None:
    """Streamlit would hold every file until its session ends, beside whoever keeps what it needs of it."""
    if context := get_script_run_ctx():
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
