"""Maps of a gallery: made once, kept in its `projections/`, and read without the library that made them.

The same settings and the same pictures are the same map (map_files).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import plugins
from pipeline.analysis import map_files
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import artifacts, neighbours
from pipeline.gallery.gallery import Gallery
from pipeline.metrics import map_placing, map_trust
from pipeline.records import Progress, Projection, Projector, Rows, SearchHit, silent

if TYPE_CHECKING:
    import pandas as pd

MIN_PICTURES = 10  # pictures; of fewer a grid shows more than a map
PLACED_AT_ONCE = 1000
MAX_FITTED = 100_000  # pictures that a map is computed from: the time for exact neighbours grows with the square
_LIBRARIES = ("umap-learn", "openTSNE", "cuml-cu12", "cuml-cu13", "scipy")


@dataclass(frozen=True)
class Map:
    """A map, and how it fits the gallery as it is now.

    points: columns id, x, y (and z), float32, and placed (bool), one row for each picture that is in the gallery now;
    those that are new since the map was made have placed = True and a point by map_placing.
    """

    name: str
    about: dict[str, Any]  # method, spec, dimensions, seed, fingerprint, versions, seconds, trust, caption, notes, …
    points: pd.DataFrame
    stale: str  # one sentence on what changed and how to make it again; '' when nothing did
    new: int = 0
    gone: int = 0

    @property
    def axes(self) -> tuple[str, ...]:
        return map_files.AXES[: self.about["dimensions"]]


def project(gallery: Gallery, spec: str, *, dimensions: int = 2, seed: int = 0, progress: Progress = silent) -> str:
    """The name of the map, which is made unless the same was made of the same pictures; it replaces its older one.

    spec: a plugin of projections/ with options, such as `umap:n_neighbors=30`. UsageError for what cannot be mapped.
    """
    if dimensions not in (2, 3) or not 0 <= seed < 2**32:
        raise UsageError(f"a map has 2 or 3 dimensions and a seed from 0 to {2**32 - 1}, not {dimensions} and {seed}")
    projector: Projector = plugins.build("projections", spec)
    method, options = _settings(spec)
    generation, entry = gallery.generation, gallery.encoder()
    rows = gallery.rows(entry["fingerprint"][:8])
    _check(gallery, rows)
    fingerprint8 = entry["fingerprint"][:8]
    settings = json.dumps([method, options, dimensions, seed, entry["fingerprint"]], sort_keys=True)
    series = f"{method}-{dimensions}d-{neighbours.digest([settings])}"
    name = f"{series}-{neighbours.digest(sorted(rows.table['id']))}"
    if map_files.whole(gallery, name):
        return name
    begun = time.perf_counter()
    chosen = _sample(len(rows), seed)
    fitted, nearest = rows.embeddings[chosen], None  # a copy only where it is a sample
    if projector.wanted:
        k = min(projector.wanted, len(fitted) - 1)
        if len(fitted) == len(rows):
            nearest = neighbours.for_a_map(gallery, rows, k=k, fingerprint8=fingerprint8, seed=seed, progress=progress)
        else:
            nearest = neighbours.nearly(fitted, k=k, seed=seed, progress=progress)
    searched = time.perf_counter()
    made = projector.fit(fitted, neighbours=nearest, dimensions=dimensions, seed=seed, progress=progress)
    points, notes = made.points, [*made.notes]
    if nearest is not None and nearest.note:
        notes.insert(0, nearest.note)
    if len(fitted) < len(rows):
        points = _spread(made, chosen, rows.embeddings, progress)
        notes.append(
            f"computed from {len(fitted):,} of {len(rows):,} pictures; the others stand where those they are closest to do"
        )
    mapped = time.perf_counter()
    progress("trust", 0, 1)
    trust = map_trust.measure(rows.embeddings, points, seed=seed)
    progress("trust", 1, 1)
    seconds = {"neighbours": searched - begun, "map": mapped - searched, "trust": time.perf_counter() - mapped}
    about = {
        **{"name": name, "method": method, "spec": _spec(method, options), "options": options},
        **{"dimensions": dimensions, "seed": seed, "gallery": gallery.name, "generation": generation},
        **{"encoder": entry["spec"], "fingerprint": entry["fingerprint"], "n": len(rows)},
        **{
            "made_by": made.made_by,
            "notes": notes,
            "seconds": {part: round(taken, 3) for part, taken in seconds.items()},
        },
        **{"trust": asdict(trust), "caption": map_trust.caption(method, trust)},
        **artifacts.circumstances(_LIBRARIES),
    }
    if made.axes is not None and made.mean is not None:
        about["linear"] = {"mean": made.mean.tolist(), "axes": made.axes.tolist()}
    map_files.write(gallery, about, rows.table["id"].tolist(), points)
    return name


def saved_maps(gallery: Gallery) -> list[dict[str, Any]]:
    """`Map.about` of each map, newest first; damaged ones are passed over. Reads no picture's row."""
    saved = []
    for name in map_files.names(gallery):
        with contextlib.suppress(GalleryError):
            saved.append(map_files.read(gallery, name))
    return sorted(saved, key=lambda about: about["made"], reverse=True)


def maps(gallery: Gallery) -> list[dict[str, Any]]:
    """Like `saved_maps`, with `stale` (bool): whether the gallery's pictures or its encoder are others now."""
    pictures = neighbours.digest(sorted(gallery.ids() - gallery.removed()))

    def same(about: dict[str, Any]) -> bool:
        return about["fingerprint"][:8] == gallery.current and str(about["name"]).endswith(pictures)

    return [about | {"stale": not same(about)} for about in saved_maps(gallery)]


def read_map(gallery: Gallery, name: str) -> Map:
    """The map with the gallery's pictures of now. GalleryError when there is none of this name, or a damaged one."""
    import pandas as pd

    about = map_files.read(gallery, name)
    axes = list(map_files.AXES[: about["dimensions"]])
    points = map_files.points(gallery, about)
    now = gallery.ids() - gallery.removed()
    there = points["id"].isin(now)
    new = now.difference(points["id"])
    kept = points[there].assign(placed=False)
    unplaced = len(new)
    fingerprint8 = about["fingerprint"][:8]
    if new and fingerprint8 in gallery.manifest()["encoders"]:
        added = _placed(gallery.rows(fingerprint8), points, new, about, axes)
        unplaced -= len(added)
        kept = pd.concat([kept, added]) if len(added) else kept
    stale = _changes(gallery, about, new=len(new), unplaced=unplaced, gone=int((~there).sum()))
    return Map(name, about, kept.reset_index(drop=True), stale, new=len(new), gone=int((~there).sum()))


def place(gallery: Gallery, map_: Map, embedding: np.ndarray, *, rows: Rows | None = None) -> np.ndarray:
    """(dim,) to (2 or 3,) float32, or (m, dim) to (m, 2 or 3): an upload's point on this map, by map_placing or exactly.

    rows: gallery.rows() when it is at hand. GalleryError for a map of another encoder: its space is another one.
    """
    queries = np.atleast_2d(np.asarray(embedding, np.float32))
    entry = gallery.encoder()
    if map_.about["fingerprint"] != entry["fingerprint"]:
        raise GalleryError(_of_another_encoder(gallery, map_.about))
    if queries.shape[1] != entry["dim"]:
        raise UsageError(f"an embedding of {queries.shape[1]} dimensions is not of this gallery's {entry['dim']}")
    if not np.isfinite(queries).all():
        raise UsageError("an embedding has a value that is not finite; encode the picture again")
    if linear := map_.about.get("linear"):
        placed = map_placing.linear(queries, np.array(linear["mean"]), np.array(linear["axes"]))
    else:
        fitted, points = _fitted(rows or gallery.rows(), map_.points[~map_.points["placed"]], list(map_.axes))
        placed = map_placing.place(queries, fitted, points)
    return placed if np.ndim(embedding) == 2 else placed[0]


def place_hits(map_: Map, hits: Sequence[SearchHit]) -> np.ndarray:
    """(2 or 3,) float32: like `place` from the hits that a search without a filter gave; reads nothing.

    GalleryError when none of them is on the map.
    """
    points = map_.points.set_index("id")[list(map_.axes)]
    on_map = [hit for hit in hits if hit.id in points.index][: map_placing.NEAREST]
    if not on_map:
        raise GalleryError(f"none of the {len(hits)} hits is on the map; {_again(map_.about)}")
    scores = np.array([[hit.score for hit in on_map]])
    return map_placing.weighted(scores, points.loc[[hit.id for hit in on_map]].to_numpy()[None])[0]


def _settings(spec: str) -> tuple[str, dict[str, Any]]:
    """Method and every option with its value: what is written out and what is left to its default are one map."""
    method, texts = plugins.parse(spec)
    options = plugins.options("projections", method)
    return method, {o.name: o.type(texts[o.name]) if o.name in texts else o.default for o in options}


def _spec(method: str, options: dict[str, Any]) -> str:
    return method + (":" + ",".join(f"{key}={value}" for key, value in options.items()) if options else "")


def _sample(n: int, seed: int) -> np.ndarray | slice:
    if n <= MAX_FITTED:
        return slice(None)
    return np.sort(np.random.default_rng(seed).choice(n, MAX_FITTED, replace=False))


def _spread(made: Projection, chosen: np.ndarray | slice, embeddings: np.ndarray, progress: Progress) -> np.ndarray:
    """(n, 2 or 3): the points of the sample, and a place for every other row."""
    others = np.setdiff1d(np.arange(len(embeddings)), np.arange(len(embeddings))[chosen])
    points = np.empty((len(embeddings), made.points.shape[1]), np.float32)
    points[chosen] = made.points
    for start in range(0, len(others), PLACED_AT_ONCE):
        progress("places", start, len(others))
        some = others[start : start + PLACED_AT_ONCE]
        points[some] = made.place(embeddings[some])
    progress("places", len(others), len(others))
    return points


def _check(gallery: Gallery, rows: Rows) -> None:
    if len(rows) < MIN_PICTURES:
        raise UsageError(
            f"gallery {gallery.name} has {len(rows)} pictures and a map needs {MIN_PICTURES}; add more with: "
            f"python -m pipeline ingest {gallery.name} …"
        )
    if not np.isfinite(rows.embeddings).all():
        raise UsageError(f"gallery {gallery.name} holds an embedding with a value that is not finite; encode again")
    if float(np.ptp(rows.embeddings, axis=0).max()) < 1e-6:
        raise UsageError(f"all pictures of gallery {gallery.name} have the same embedding; choose another encoder")


def _placed(rows: Rows, points: pd.DataFrame, new: set[str], about: dict[str, Any], axes: list[str]) -> pd.DataFrame:
    """id, axes and placed of those of `new` that this encoder has embedded."""
    import pandas as pd

    here = rows.table["id"].isin(new).to_numpy()
    queries = rows.embeddings[here]
    if linear := about.get("linear"):
        placed = map_placing.linear(queries, np.array(linear["mean"]), np.array(linear["axes"]))
    else:
        fitted, fitted_points = _fitted(rows, points, axes)
        placed = (
            map_placing.place(queries, fitted, fitted_points)
            if len(fitted_points)
            else np.empty((0, len(axes)), np.float32)
        )
        here = here if len(fitted_points) else np.zeros(len(rows), bool)
    table = pd.DataFrame(placed, columns=axes)
    table.insert(0, "id", rows.table["id"][here].to_list())
    return table.assign(placed=True)


def _fitted(rows: Rows, points: pd.DataFrame, axes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and points of the pictures that both have."""
    where = points.reset_index(drop=True).reset_index().set_index("id")["index"]
    at = rows.table["id"].map(where)
    both = at.notna().to_numpy()
    return rows.embeddings[both], points[axes].to_numpy()[at[both].astype(int)]


def _changes(gallery: Gallery, about: dict[str, Any], *, new: int, unplaced: int, gone: int) -> str:
    if about["fingerprint"][:8] != gallery.current:
        return _of_another_encoder(gallery, about)
    changes = []
    if new - unplaced:
        changes.append(f"{new - unplaced:,} new, placed by the pictures they are closest to")
    if unplaced:
        changes.append(f"{unplaced:,} new that are not on it")
    if gone:
        changes.append(f"{gone:,} gone")
    return f"since this map was made: {'; '.join(changes)}; {_again(about)}" if changes else ""


def _of_another_encoder(gallery: Gallery, about: dict[str, Any]) -> str:
    made, now = about["fingerprint"][:8], gallery.current
    return f"this map was made with the encoder {about['encoder']} ({made}), the gallery now has {now}; {_again(about)}"


def _again(about: dict[str, Any]) -> str:
    wanted = f"--method {about['spec']} --dimensions {about['dimensions']} --seed {about['seed']}"
    return f"make it again with: python -m pipeline project {about['gallery']} {wanted}"
