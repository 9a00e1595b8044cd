"""The step `shortlist`: pictures of the pool that are near a failure, copies of one picture taken once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.gallery import calibration
from pipeline.hard_cases.case import Round
from pipeline.hard_cases.encode import embeddings_of
from pipeline.images import opening
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.settings import Settings

K = 10  # more pictures a failure find more, and a smaller share of them hurts
_AT_ONCE = 256  # failures compared with the pool at a time
COLUMNS = ["needle", "rank", "path", "box", "id", "score", "copy_of"]


def make_shortlist(
    round: Round,
    settings: Settings,
    *,
    k: int = K,
    min_score: float | None = None,
    most: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """For each failure its k nearest pictures of the pool, by score; with objects a picture counts by its nearest.

    min_score: None = what one random pair in a hundred of the gallery reaches. most: keep only so many pictures, those
    with the highest score; 0 = all. Exact, from the gallery's parts. Raises SemblanceError when nothing is near enough.
    """
    if k < 1 or most < 0:
        raise UsageError(f"-k is {k} and --most {most}; choose -k from 1 and --most from 0 (all)")
    failures = round.table("needles")
    gallery, crops, embeddings = embeddings_of(round, settings)
    encoded = round.needed("encode")
    calibrated = min_score is None
    if min_score is None:
        min_score = calibration.weak_below(gallery.encoder(encoded["fingerprint"][:8])["calibration"])
    queries, query_rows = encoded_failures(failures, crops, objects=encoded["objects"])
    if queries.empty:
        raise SemblanceError(
            f"none of the {len(failures):,} needles was encoded: their scores may be below {encoded['score']:g}, which was "
            f"encoded; run: python -m pipeline hard-cases encode {round.case.name} --score {failures['score'].min():.2f}"
        )
    in_pool = crops["part"].to_numpy() == "haystack"
    rows, best = nearest(
        queries,
        embeddings[query_rows],
        crops[in_pool],
        embeddings[in_pool],
        k=k,
        min_score=min_score,
        progress=progress,
    )
    if rows.empty:
        raise SemblanceError(
            f"no picture of the haystack reaches the score {min_score:.3f}; the nearest has {best:.3f}. Take a lower one: "
            f"--min-score {max(best - 0.02, -1):.2f}"
        )
    order = rows.groupby("path")["score"].max().sort_values(ascending=False, kind="stable")
    copies = copies_among(round.case.root, order.index.tolist(), progress)
    rows["copy_of"] = [copies.get(path, "") for path in rows["path"]]
    if most:
        kept = [path for path in order.index if path not in copies][:most]
        rows = rows[rows["path"].isin(kept)].reset_index(drop=True)
    pictures = int(rows.loc[rows["copy_of"] == "", "path"].nunique())
    result = {"k": k, "min_score": min_score, "min_score_from": "calibration" if calibrated else "given", "most": most}
    result |= {"needles": len(queries), "not_encoded": len(failures) - len(queries), "copies": len(copies)}
    return round.keep("shortlist", result | {"pictures": pictures, "haystack": len(round.pool)}, rows)


def encoded_failures(failures: pd.DataFrame, crops: pd.DataFrame, *, objects: bool) -> tuple[pd.DataFrame, list[int]]:
    """The failures that were encoded, and the row of `crops` that each asks with."""
    keys = ["source", "number"] if objects else ["path"]
    row_of = {key: row for row, key in enumerate(crops[keys].itertuples(index=False, name=None))}
    rows = [row_of.get(key, -1) for key in failures[keys].itertuples(index=False, name=None)]
    encoded = [row >= 0 for row in rows]
    return failures[encoded].reset_index(drop=True), [row for row in rows if row >= 0]


def nearest(
    failures: pd.DataFrame,
    queries: np.ndarray,
    crops: pd.DataFrame,
    embeddings: np.ndarray,
    *,
    k: int,
    min_score: float,
    progress: Progress,
) -> tuple[pd.DataFrame, float]:
    """Rows of COLUMNS, and the highest score of all. queries: (failures, dim); embeddings: (crops, dim)."""
    import numpy as np
    import pandas as pd

    if crops.empty:
        return pd.DataFrame(columns=COLUMNS), -1.0
    paths, boxes, ids = (crops[name].to_numpy() for name in ("path", "box", "id"))
    best, rows = -1.0, []
    for start in range(0, len(queries), _AT_ONCE):
        scores = queries[start : start + _AT_ONCE] @ embeddings.T  # (failures, crops), cosine
        best = max(best, float(scores.max()))
        for failure, row in zip(failures["needle"].iloc[start : start + _AT_ONCE], scores, strict=True):
            near = np.flatnonzero(row >= min_score)
            nearest_crop: dict[str, int] = {}  # of each picture
            for at in near[np.argsort(-row[near], kind="stable")]:
                nearest_crop.setdefault(paths[at], int(at))
                if len(nearest_crop) == k:
                    break
            for rank, (path, at) in enumerate(nearest_crop.items(), 1):
                rows.append((failure, rank, path, boxes[at], ids[at], float(row[at]), ""))
        progress("comparing", min(start + _AT_ONCE, len(queries)), len(queries))
    return pd.DataFrame(rows, columns=COLUMNS), best


def copies_among(root: Path, paths: Sequence[str], progress: Progress = silent) -> dict[str, str]:
    """Pictures that are one picture with an earlier one of `paths`, to that one; judged as the Duplicates page does."""
    import numpy as np

    from pipeline.duplicates.pairs import HASH_BITS, one_picture
    from pipeline.features import alignment, simhash
    from pipeline.features.perceptual_hash import perceptual_hash

    seen, hashes, squares = [], [], []
    for done, path in enumerate(paths, 1):
        try:
            image = opening.open_image(opening.read_file(opening.inside(root, path))).image
        except SemblanceError:  # gone since it was encoded: `export` says so
            continue
        inner = alignment.without_border(image)
        seen.append(path)
        hashes.append(perceptual_hash(inner))
        squares.append(alignment.squeezed(inner))
        progress("looking for copies", done, len(paths))
    copies: dict[str, str] = {}
    if len(seen) < 2:
        return copies
    for pairs in simhash.near_pairs(np.array(hashes, np.uint64)[:, None], most=HASH_BITS):
        if not len(pairs):
            continue
        left, right = (np.stack([squares[row] for row in side]) for side in pairs.T)
        same, _ = one_picture(left, right)
        for first, later in np.sort(pairs[same], axis=1):
            copies[seen[later]] = copies.get(seen[first], seen[first])
    return copies
