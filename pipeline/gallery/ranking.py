"""What a gallery teaches about its searches: which re-ranker does best, and how likely a hit is right.

By its own labels; where these are too few the re-ranker is chosen on views of its own pictures (views.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline import plugins
from pipeline.gallery import confidence
from pipeline.gallery.gallery import Gallery
from pipeline.records import Encoder, Rows
from pipeline.rerank import Reranker

if TYPE_CHECKING:
    import numpy as np

NONE = "none"
MIN_LABELLED = 200  # pictures: fewer say too little
MAX_QUERIES, MAX_ROWS = 200, 20_000
GROWN = 0.05  # share of new rows from which it is measured again
BY_LABELS, BY_VIEWS = "labels", "views"  # what it was measured on


@dataclass(frozen=True)
class Measured:
    """One candidate on a gallery's labels. gain: its map_at_r minus that of the scores, query by query, with 95 %."""

    spec: str
    map_at_r: float
    gain: float
    low: float
    high: float


def refresh(gallery: Gallery, fingerprint8: str, *, encoder: Encoder | None = None, seed: int = 0) -> None:
    """Measure the candidates and keep the choice in the manifest, with the embeddings' mean and what `confidence` learned.

    Only when a share of GROWN of the rows is new, or none was measured. encoder: the embeddings' own, without which
    nothing is measured where labels are too few. Needs the lock.
    """
    known = gallery.encoder(fingerprint8).get("rerank", {})
    before = known.get("rows", 0)
    unasked = (
        encoder is not None and "by" not in known and not known.get("measured")
    )  # an older Semblance had labels alone
    if before and not unasked and abs(len(gallery.ids(fingerprint8) - gallery.removed()) - before) <= GROWN * before:
        return
    rows = gallery.rows(fingerprint8)
    entry: dict[str, Any] = {"mean": [], "rerank": {"spec": NONE, "measured": [], "rows": len(rows)}, "confidence": {}}
    if len(rows):
        mean = rows.embeddings.mean(axis=0)
        entry["mean"] = [round(float(value), 6) for value in mean]
        labels = rows.table["label"].to_numpy(str)
        entry["confidence"] = confidence.learn(rows.embeddings, labels, seed=seed)
        measured, by = measure(rows.embeddings, labels, seed=seed), BY_LABELS
        if not measured and encoder is not None and len(rows) >= MIN_LABELLED:
            measured, by = measure_on_views(gallery, rows, encoder, seed=seed), BY_VIEWS
        entry["rerank"] |= {"spec": choose(measured), "measured": [asdict(one) for one in measured], "by": by}
    encoders = gallery.manifest()["encoders"]
    encoders[fingerprint8] |= entry
    gallery.update(encoders=encoders)


def choose(measured: list[Measured]) -> str:
    """The highest map_at_r of those that are better beyond chance."""
    better = [one for one in measured if one.low > 0]
    return max(better, key=lambda one: one.map_at_r).spec if better else NONE


def measure_on_views(gallery: Gallery, rows: Rows, encoder: Encoder, *, seed: int = 0) -> list[Measured]:
    """Views of some pictures ask for the picture and its other views among all rows; empty where too few can be opened."""
    import numpy as np

    from pipeline.gallery import views

    embeddings, names = views.encoded(gallery, rows.table, encoder, seed=seed)
    if not len(names):
        return []
    ids = rows.table["id"].to_numpy(object)
    shown = np.isin(ids, names)
    others = np.random.default_rng(seed).permutation(np.flatnonzero(~shown))[: MAX_ROWS - len(names) - shown.sum()]
    kept = np.concatenate([np.flatnonzero(shown), others])
    labels = np.concatenate([np.where(shown, ids, "")[kept], names]).astype(str)
    return measure(np.concatenate([rows.embeddings[kept], embeddings]), labels, seed=seed)


def measure(embeddings: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> list[Measured]:
    """Each of some labelled rows asks for the others. embeddings: (n, dim), all rows; labels: (n,), "" for none.

    Empty with fewer than MIN_LABELLED labelled rows or two labels. At most MAX_ROWS rows and MAX_QUERIES queries, drawn.
    """
    import numpy as np

    from pipeline.metrics.intervals import interval

    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(embeddings))[:MAX_ROWS])
    embeddings, labels = embeddings[chosen], labels[chosen]
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    able = np.flatnonzero(np.isin(labels, names[counts > 1]))
    if len(able) < MIN_LABELLED or len(names) < 2:
        return []
    asking = random.permutation(able)[:MAX_QUERIES]
    mean = embeddings.mean(axis=0)
    values = {
        spec: _values(plugins.build("rerank", spec), embeddings, labels, asking, mean)
        for name in plugins.available("rerank")
        for spec in plugins.usual("rerank", name)
    }  # (queries,) each
    measured = []
    for spec, value in values.items():
        gain = interval(value - values[NONE], seed=seed)
        measured.append(
            Measured(spec, round(float(value.mean()), 4), round(gain.value, 4), round(gain.low, 4), round(gain.high, 4))
        )
    return measured


def ranked(
    reranker: Reranker, query: np.ndarray, rows: np.ndarray, mean: np.ndarray, *, without: int = -1
) -> np.ndarray:
    """Positions of rows (n, dim), best first, as a search without limit gives them. without: a row that is no hit."""
    import numpy as np

    def sorted_by(direction: np.ndarray) -> np.ndarray:
        order = np.argsort(-(rows @ direction), kind="stable")
        return order[order != without]

    direction = reranker.direction(query, mean, lambda asked, n: rows[sorted_by(asked)[:n]])
    order = sorted_by(direction)
    first = order[: reranker.depth]
    return np.concatenate([first[reranker.order(direction, mean, rows[first])], order[reranker.depth :]])


def _values(
    reranker: Reranker, embeddings: np.ndarray, labels: np.ndarray, asking: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """(queries,) map_at_r of each."""
    import numpy as np

    from pipeline.metrics.retrieval import average_precision_at_r, relevant_counts

    orders = np.stack([ranked(reranker, embeddings[row], embeddings, mean, without=row) for row in asking])
    counts = relevant_counts(labels[asking], labels, exclude=asking)
    return average_precision_at_r(labels[orders], labels[asking], counts)
