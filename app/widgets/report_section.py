"""What the sections of a page share that show the newest report of a kind and start the job that makes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.server import jobs
from app.widgets.literal import literal
from pipeline.errors import GalleryError, SemblanceError
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery


def is_filled(gallery: Gallery) -> bool:
    """False, with a sentence on the page, before the first ingest."""
    try:
        gallery.encoder()
    except SemblanceError as error:
        st.info(literal(error))
        return False
    return True


def newest(gallery: Gallery, kind: str) -> tuple[str, dict[str, Any]] | None:
    """Name and report; a damaged one is a warning, and the one before it is taken."""
    for name in reports.names(gallery, kind):
        try:
            return name, reports.read(gallery, name)
        except GalleryError as error:
            st.warning(literal(error))
    return None


def find_button(
    gallery: Gallery, name: str, command: Sequence[str], *, title: str, icon: str, primary: bool, running: str
) -> None:
    """command: after `pipeline`, its verb first; while one of this verb runs the button says `running` and waits."""
    busy = jobs.running("pipeline", command[0], gallery=gallery.name)
    if st.button(
        running if busy else name,
        type="primary" if primary else "secondary",
        icon=icon,
        disabled=busy,
        key=f"{command[0]}-find-{gallery.name}",
    ):
        titled = f"{title} {gallery.manifest()['title']}"
        jobs.start(["pipeline", *command], title=titled, gallery=gallery.name)
        st.rerun()


def on_what(gallery: Gallery, report: dict[str, Any], way: str) -> str:
    """One line: when, among how many, by which way and encoder, and whether the gallery has changed since."""
    said = f"Found {report['made'][:16].replace('T', ' ')} UTC among {report['rows']:,} pictures; {way}, {report['encoder']}."
    if report.get("neighbours"):
        said += f" {report['neighbours']}"
    if report["fingerprint"][:8] != gallery.current:
        return f"{said} The gallery has another encoder since: find again."
    return said + (" The gallery has changed since." if report["generation"] != gallery.generation else "")
