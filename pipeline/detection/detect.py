"""A detector over all pictures of a dataset: predictions as COCO's JSON. Kill it at any instant: the same call goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.annotations import annotations as annotation_files
from pipeline.errors import PictureError, UsageError
from pipeline.files import atomic
from pipeline.images import opening
from pipeline.ingest.encoding import readable
from pipeline.records import Dataset, Detector, Progress, silent


@dataclass
class DetectReport:
    pictures: int = 0
    boxes: int = 0
    resumed: int = 0  # pictures that an earlier, interrupted call had done
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (path, reason)


def detect_pictures(
    dataset: Dataset, detector: Detector, target: Path, *, limit: int = 0, progress: Progress = silent
) -> DetectReport:
    """Write the predictions to `target`; what is done so far is kept beside it until then.

    limit: only the first so many pictures; 0 = all. A picture that cannot be opened is left out and told.
    """
    if not target.absolute().parent.is_dir():
        raise UsageError(f"no folder {target.parent}; make it first")
    dataset.prepare(progress)
    # a dataset of parts names a file several times
    files = {readable(record).path: record.path for record in dataset.records()}
    files = dict(islice(files.items(), limit or None))
    partial = target.with_name(f"{target.name}.partial")
    header = {"detector": detector.fingerprint, "root": str(dataset.root)}
    done = _read_partial(partial, header)
    report = DetectReport(len(files), resumed=len(files.keys() & done))
    if not done:
        partial.unlink(missing_ok=True)
        _append(partial, header)
    for number, (name, path) in enumerate(files.items(), 1):
        if name not in done:
            done[name] = {"path": name} | _detections(dataset.root, path, detector)
            _append(partial, done[name])
        progress("detect", number, len(files))
    rows = [done[name] for name in files]
    pictures = [{key: row[key] for key in ("path", "width", "height")} for row in rows if "fault" not in row]
    boxes = [{"path": row["path"]} | box for row in rows for box in row.get("boxes", ())]
    annotation_files.write(annotation_files.of(pictures, boxes), target)
    partial.unlink()
    report.boxes, report.rejected = len(boxes), [(row["path"], row["fault"]) for row in rows if "fault" in row]
    return report


def _detections(root: Path, path: str, detector: Detector) -> dict[str, Any]:
    """Of one picture: width, height, boxes; or why it cannot be opened."""
    try:
        picture = opening.open_image(opening.read_file(opening.inside(root, path)), full=True)
    except PictureError as error:
        return {"fault": str(error)}
    boxes = []
    for detection in detector.detect(picture):
        sides = dict(zip(("x", "y", "width", "height"), detection.box, strict=True))
        boxes.append({key: value for key, value in asdict(detection).items() if key != "box"} | sides)
    return {"width": picture.width, "height": picture.height, "boxes": boxes}


def _append(partial: Path, line: dict[str, Any]) -> None:
    atomic.append(partial, json.dumps(line) + "\n")


def _read_partial(partial: Path, header: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What an interrupted call with the same detector and folder did, by path; a torn line is done again."""
    if not partial.is_file():
        return {}
    lines = []
    for text in partial.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return {row["path"]: row for row in lines[1:] if "path" in row} if lines[:1] == [header] else {}
