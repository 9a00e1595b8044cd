"""The step `export`: the shortlist as files to annotate again."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import SemblanceError, UsageError, display_name, spreadsheet_cell
from pipeline.files import atomic
from pipeline.hard_cases import review
from pipeline.hard_cases.case import Round
from pipeline.images import opening
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.annotations.annotations import Annotations

FORMATS = ("coco", "csv", "zip")
TRUTH, SURE, UNSURE = "#0072b2", "#d55e00", "#e69f00"


def export_shortlist(
    round: Round, folder: Path, *, format: str = "coco", progress: Progress = silent
) -> dict[str, Any]:
    """Write into a folder, made when missing; returns files (names) and missing (paths of pictures that are gone).

    coco: annotations.json (to correct) and predictions.json of the shortlist. csv: a row a picture and failure. zip: both,
    and every picture with what is annotated (thick) and what was predicted (thin) drawn on a copy.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r} of an export; choose from {', '.join(FORMATS)}")
    rows = review.shortlisted(round)
    if rows.empty:
        raise SemblanceError(
            "the shortlist is empty; take needles or pictures back, or make it again with a lower --min-score"
        )
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.disk_error(error, folder) from error
    name, missing = f"{round.case.name}-round-{round.number:02d}", []
    if format == "coco":
        files = [folder / "annotations.json", folder / "predictions.json"]
        annotation_files.write(round.truth.only(rows["path"]), files[0])
        annotation_files.write(round.predictions.only(rows["path"]), files[1])
    elif format == "csv":
        files = [folder / f"{name}.csv"]
        with atomic.replacing(files[0]) as temporary:
            temporary.write_text(as_csv(round), encoding="utf-8", newline="")
    else:
        files = [folder / f"{name}.zip"]
        with atomic.replacing(files[0]) as temporary, temporary.open("wb") as out:
            missing = _zip(round, rows["path"].unique().tolist(), out, progress)
    result: dict[str, Any] = {"format": format, "folder": str(folder), "files": [file.name for file in files]}
    result |= {"pictures": int(rows["path"].nunique()), "missing": missing}
    return round.keep("export", result)


def as_csv(round: Round) -> str:
    """path, needle, its kind, label and score, rank, score, box: a row for each failure that a picture is near to."""
    rows = review.shortlisted(round).merge(
        round.table("needles")[["needle", "path", "kind", "label", "score"]].rename(
            columns={"path": "needle_path", "score": "needle_score"}
        ),
        on="needle",
    )
    out = io.StringIO()
    writer = csv.writer(out)
    columns = ["path", "score", "rank", "box", "needle", "needle_path", "kind", "label", "needle_score"]
    writer.writerow(columns)
    for row in rows.sort_values(["score"], ascending=False, kind="stable")[columns].itertuples(index=False):
        writer.writerow(map(spreadsheet_cell, row))
    return out.getvalue()


def drawn(picture: Image, truth: Any, predictions: Any, *, score: float) -> Image:
    """A copy with boxes: annotated ones solid, predicted ones from `score` on thin, with label and score."""
    from PIL import ImageDraw

    marked = picture.copy()
    draw = ImageDraw.Draw(marked)
    thick = max(1, round(max(marked.size) / 320))
    for row in truth.itertuples():
        draw.rectangle(_corners(row), outline=TRUTH, width=2 * thick)
    for row in predictions.itertuples():
        if row.score >= score:
            colour = SURE if row.score >= 0.5 else UNSURE
            draw.rectangle(_corners(row), outline=colour, width=thick)
            text = f"{display_name(row.label)} {row.score:.2f}".encode("latin-1", "replace").decode("latin-1")
            place = (row.x + 2 * thick, max(row.y + thick, 0))
            draw.rectangle(draw.textbbox(place, text), fill=colour)
            draw.text(place, text, fill="white")
    return marked


def _zip(round: Round, paths: list[str], out: Any, progress: Progress) -> list[str]:
    truth, predictions = round.truth.only(paths), round.predictions.only(paths)
    true_boxes, predicted_boxes = (dict(list(part.boxes.groupby("path"))) for part in (truth, predictions))
    none = truth.boxes.iloc[:0]
    missing = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for done, path in enumerate(paths, 1):
            try:
                data = opening.read_file(opening.inside(round.case.root, path))
                whole = opening.open_image(data, full=True).image
            except SemblanceError:
                missing.append(path)
                continue
            marked = drawn(whole, true_boxes.get(path, none), predicted_boxes.get(path, none), score=0.3)
            jpeg = io.BytesIO()
            marked.save(jpeg, "JPEG", quality=90)
            archive.writestr(f"pictures/{path}", data)
            archive.writestr(f"marked/{path.rpartition('.')[0] or path}.jpg", jpeg.getvalue())
            progress("packing", done, len(paths))
        archive.writestr("shortlist.csv", as_csv(round))
        for name, annotations in (("annotations.json", truth), ("predictions.json", predictions)):
            archive.writestr(name, _as_coco(round, annotations))
        if missing:
            archive.writestr("NOT_IN_THIS_ZIP.txt", "\n".join(missing))
    return missing


def _as_coco(round: Round, annotations: Annotations) -> bytes:
    file = round.folder / ".export.json"
    try:
        annotation_files.write(annotations, file)

        return file.read_bytes()
    finally:
        file.unlink(missing_ok=True)


def _corners(row: Any) -> tuple[float, float, float, float]:
    return (row.x, row.y, max(row.x + row.width, row.x), max(row.y + row.height, row.y))
