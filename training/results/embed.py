"""Embeddings as text, one row a picture: `train_embedding.txt` and `test_embedding.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.records import Encoder, Progress, silent
from pipeline.settings import Settings
from training import runs
from training.data.prepared import Prepared
from training.results.evaluate import encode, of_rows


@dataclass(frozen=True)
class EmbeddingFile:
    path: Path
    count: int


def model_of(name: str, settings: Settings) -> tuple[Path, Path | None]:
    """A run by name or folder, or an exported model's folder, to (folder with model.json, the run's prepared pictures).

    The second is None for an exported model. Raises RunError for neither, or a run that has no weights yet.
    """
    folder = Path(name).expanduser()
    if (folder / "model.json").is_file() and not (folder / "run.json").is_file():
        return folder, None
    run = runs.open_run(name, settings)
    if not run.best.is_file():
        raise runs.RunError(f"{run.root} has no weights yet; it writes them when it first measures itself on dev")
    return run.root, Path(run.about()["data"]["folder"])


def embed(
    encoder: Encoder, data: Prepared, *, folder: Path, with_dev: bool = False, progress: Progress = silent
) -> list[EmbeddingFile]:
    """Write both files into `folder`: the train split, to which dev belongs when `with_dev`, and the test split.

    A row: id, label, then `dim` values with 6 digits, a tab between each, because a label may hold spaces and commas;
    a tab or line break within a label becomes a space. No header, the rows in the prepared table's order.
    Raises UsageError when a split has no pictures; then nothing is written.
    """
    splits = data.table["split"].to_numpy()
    parts = {"train": np.isin(splits, ["train", "dev"] if with_dev else ["train"]), "test": splits == "test"}
    for name, inside in parts.items():
        if not inside.any():
            raise UsageError(f"{data.folder} holds no {name} pictures; prepare a larger dataset")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.disk_error(error, folder) from error
    return [
        _write(encoder, data, np.flatnonzero(inside), folder / f"{name}_embedding.txt", f"embed {name}", progress)
        for name, inside in parts.items()
    ]


def _write(
    encoder: Encoder, data: Prepared, rows: np.ndarray, path: Path, stage: str, progress: Progress
) -> EmbeddingFile:
    ids = data.table["id"].to_numpy()[rows].tolist()
    labels = [re.sub(r"[\t\r\n]", " ", label) for label in data.table["label"].to_numpy()[rows].tolist()]

    embeddings = encode(
        encoder, len(rows), of_rows(data, rows), progress=lambda _, done, total: progress(stage, done, total)
    )
    values = "\t%.6g" * encoder.dim + "\n"
    with atomic.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for picture, label, embedding in zip(ids, labels, embeddings.tolist(), strict=True):
            file.write(f"{picture}\t{label}" + values % tuple(embedding))
    return EmbeddingFile(path, len(rows))
