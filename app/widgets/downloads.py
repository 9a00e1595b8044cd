"""Results to take away: CSV that no spreadsheet runs as a formula, and a montage."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.server import pictures
from pipeline.errors import SemblanceError, spreadsheet_cell
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.originals import read_shown, roots
from pipeline.search.montage import montage
from pipeline.search.search import Query, SearchResult

if TYPE_CHECKING:
    import pandas as pd

MAX_ZIP_BYTES = 256 << 20  # more is a job for the folder itself
MIMES = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "png": "image/png",
    "zip": "application/zip",
    "parquet": "application/vnd.apache.parquet",
}


def button(
    label: str, file_name: str, make: Callable[[], str | bytes], *, icon: str = "download", **options: Any
) -> None:
    """A file that is made when it is asked for, not on every run."""
    mime = MIMES[file_name.rpartition(".")[2]]
    icon = f":material/{icon}:"
    st.download_button(label, data=make, file_name=file_name, mime=mime, icon=icon, on_click="ignore", **options)


def result_buttons(gallery: Gallery, query: Query, result: SearchResult) -> None:
    with st.popover("Export", icon=":material/download:"):
        button("CSV", f"{gallery.name}-hits.csv", lambda: as_csv(result))
        button("Montage", f"{gallery.name}-hits.png", lambda: as_png(gallery, query, result), icon="grid_view")


def as_csv(result: SearchResult) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    keys = sorted({key for hit in result.hits for key in hit.metadata})
    header = ["rank", "id", "path", "label", "split", "box", "score", "percentile"]
    writer.writerow([*header, *map(spreadsheet_cell, keys)])
    for rank, (hit, percentile) in enumerate(zip(result.hits, result.percentiles, strict=True), 1):
        share = f"{percentile:.1f}" if percentile == percentile else ""
        texts = map(spreadsheet_cell, (hit.id, hit.path, hit.label, hit.split, hit.box))
        metadata = (spreadsheet_cell(hit.metadata.get(key, "")) for key in keys)
        writer.writerow([rank, *texts, f"{hit.score:.6f}", share, *metadata])
    return out.getvalue()


def as_png(gallery: Gallery, query: Query, result: SearchResult) -> bytes:
    out = io.BytesIO()
    montage(gallery, [pictures.preview(picture).jpeg for picture in query.pictures], result).save(out, "PNG")
    return out.getvalue()


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """A gallery's rows with their metadata as columns, where no column has the name already; numbered anew."""
    import pandas as pd

    facts = table.drop(columns="metadata").reset_index(drop=True)
    metadata = pd.DataFrame(table["metadata"].tolist())
    return pd.concat([facts, metadata.drop(columns=metadata.columns.intersection(facts.columns))], axis=1)


def as_zip(gallery: Gallery, table: pd.DataFrame) -> bytes:
    """LABEL/NAME of each row's file, its thumbnail where the file is gone; up to MAX_ZIP_BYTES, what is not in is listed."""
    out, missing, folders = io.BytesIO(), [], roots(gallery)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for row, name in zip(table.itertuples(), _zip_names(table), strict=True):
            try:
                shown = {"id": row.id, "parent": row.parent, "box": row.box, "path": row.path}
                data = pictures.in_turn(lambda shown=shown: read_shown(shown, folders, gallery.name))
                name = _of_part(name, row.box) if row.box else name
            except SemblanceError:
                data = gallery.thumbnail_data(row.id)
                name = name.rpartition(".")[0] + "-thumbnail.jpg"
            if not data or out.tell() + len(data) > MAX_ZIP_BYTES:
                missing.append(row.path)
            else:
                archive.writestr(name, data)
        if missing:
            archive.writestr("NOT_IN_THIS_ZIP.txt", "\n".join(missing))
    return out.getvalue()


def _of_part(name: str, box: str) -> str:
    return f"{name.rpartition('.')[0]}-{box.replace(',', '_')}.png"


def _zip_names(table: pd.DataFrame) -> Iterator[str]:
    """Safe in any file system, and no two alike."""
    taken: set[str] = set()
    for row in table.itertuples():
        safe = [re.sub(r"[^\w.-]+", "_", part).strip("._") for part in (row.label, row.path.rpartition("/")[2])]
        name = f"{safe[0] or 'no_label'}/{safe[1] or row.id}"
        if name.lower() in taken:
            stem, dot, ending = name.rpartition(".")
            name = f"{stem}-{row.id[:8]}{dot}{ending}"
        taken.add(name.lower())
        yield name
