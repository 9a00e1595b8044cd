"""The step `shortlist`: pictures of the haystack that are near a needle, copies of one picture taken once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.gallery import calibration
from pipeline.hard_cases import encode
from pipeline.hard_cases.case import Round
from pipeline.images import opening
from pipeline.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.settings import Settings

K = 10  # more pictures a needle find more, and a smaller share of them hurts
_AT_ONCE = 256  # needles compared with the haystack at a time
COLUMNS = ["needle", "rank", "path", "box", "id", "score", "copy_of"]


def make(
    turn: Round,
    settings: Settings,
    *,
    k: int = K,
    min_score: float | None = None,
    most: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """For each needle its k nearest pictures of the haystack, by score; with objects a picture counts by its nearest.

    min_score: None = what one random pair in a hundred of the gallery reaches. most: keep only so many pictures, those
    with the highest score; 0 = all. Exact, from the gallery's parts. Raises SemblanceError when nothing is near enough.
    """
    if k < 1 or most < 0:
        raise UsageError(f"-k is {k} and --most {most}; choose -k from 1 and --most from 0 (all)")
    needles = turn.table("needles")
    gallery, crops, embeddings = encode.embeddings_of(turn, settings)
    encoded = turn.needed("encode")
    least = calibration.weak_below(gallery.encoder(encoded["fingerprint"][:8])["calibration"])
    least = least if min_score is None else min_score
    asking, rows_asked = queries(needles, crops, objects=encoded["objects"])
    if asking.empty:
        raise SemblanceError(
            f"none of the {len(needles):,} needles was encoded: their scores may be below {encoded['score']:g}, which was "
            f"encoded; run: python -m pipeline hard-cases encode {turn.case.name} --score {needles['score'].min():.2f}"
        )
    hay = crops["part"].to_numpy() == "haystack"
    rows, best = nearest(
        asking, embeddings[rows_asked], crops[hay], embeddings[hay], k=k, least=least, progress=progress
    )
    if rows.empty:
        raise SemblanceError(
            f"no picture of the haystack reaches the score {least:.3f}; the nearest has {best:.3f}. Take a lower one: "
            f"--min-score {max(best - 0.02, -1):.2f}"
        )
    order = rows.groupby("path")["score"].max().sort_values(ascending=False, kind="stable")
    copies = copies_among(turn.case.root, order.index.tolist(), progress)
    rows["copy_of"] = [copies.get(path, "") for path in rows["path"]]
    if most:
        kept = [path for path in order.index if path not in copies][:most]
        rows = rows[rows["path"].isin(kept)].reset_index(drop=True)
    pictures = int(rows.loc[rows["copy_of"] == "", "path"].nunique())
    result = {
        "k": k,
        "min_score": least,
        "min_score_from": "calibration" if min_score is None else "given",
        "most": most,
    }
    result |= {"needles": len(asking), "not_encoded": len(needles) - len(asking), "copies": len(copies)}
    return turn.keep("shortlist", result | {"pictures": pictures, "haystack": len(turn.split["haystack"])}, rows)


def queries(needles: pd.DataFrame, crops: pd.DataFrame, *, objects: bool) -> tuple[pd.DataFrame, list[int]]:
    """The needles that were encoded, and the row of `crops` that each asks with."""
    if objects:
        keys = zip(crops["source"], crops["number"], strict=True)
        row_of: dict[Any, int] = {key: row for row, key in enumerate(keys)}
        wanted: list[Any] = list(zip(needles["source"], needles["number"], strict=True))
    else:
        row_of = {path: row for row, path in enumerate(crops["path"])}
        wanted = needles["path"].tolist()
    rows = [row_of.get(key, -1) for key in wanted]
    known = [row >= 0 for row in rows]
    return needles[known].reset_index(drop=True), [row for row in rows if row >= 0]


def nearest(
    needles: pd.DataFrame,
    asked: np.ndarray,
    crops: pd.DataFrame,
    embeddings: np.ndarray,
    *,
    k: int,
    least: float,
    progress: Progress,
) -> tuple[pd.DataFrame, float]:
    """Rows of COLUMNS, and the highest score of all. asked: (needles, dim); embeddings: (crops, dim)."""
    import numpy as np
    import pandas as pd

    if crops.empty:
        return pd.DataFrame(columns=COLUMNS), -1.0
    paths, boxes, ids = (crops[name].to_numpy() for name in ("path", "box", "id"))
    best, rows = -1.0, []
    for start in range(0, len(asked), _AT_ONCE):
        scores = asked[start : start + _AT_ONCE] @ embeddings.T  # (needles, crops), cosine
        best = max(best, float(scores.max()))
        for needle, row in zip(needles["needle"].iloc[start : start + _AT_ONCE], scores, strict=True):
            near = np.flatnonzero(row >= least)
            taken: dict[str, int] = {}
            for at in near[np.argsort(-row[near], kind="stable")]:
                taken.setdefault(paths[at], int(at))
                if len(taken) == k:
                    break
            for rank, (path, at) in enumerate(taken.items(), 1):
                rows.append((needle, rank, path, boxes[at], ids[at], float(row[at]), ""))
        progress("comparing", min(start + _AT_ONCE, len(asked)), len(asked))
    return pd.DataFrame(rows, columns=COLUMNS), best


def copies_among(root: Path, paths: Sequence[str], progress: Progress = silent) -> dict[str, str]:
    """Pictures that are one picture with an earlier one of `paths`, to that one; judged as the Duplicates page does."""
    import numpy as np

    from pipeline.duplicates.pairs import COLOURS, DETAILS, HASH_BITS
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
        colours, details = alignment.agreement(left, right)
        for one, other in pairs[(colours >= COLOURS) & (details >= DETAILS)]:
            copies[seen[max(one, other)]] = copies.get(seen[min(one, other)], seen[min(one, other)])
    return copies
