"""How good a gallery's encoder is at finding pictures of the same label: exact, repeatable, with intervals.

Reads the embeddings on disk and never Milvus. The report is kept beside the gallery (pipeline/gallery/reports.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import filters
from pipeline.errors import GalleryError, UsageError
from pipeline.filters import Filter
from pipeline.gallery import reports
from pipeline.gallery.gallery import Gallery
from pipeline.records import Progress, Rows, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

KIND = "evaluation"
BINS = 80  # of the score histograms
PAIRS = 50_000  # of each kind
FALSE_ACCEPTS = (0.1, 0.01, 0.001)


def parse_queries(texts: Sequence[str]) -> tuple[Filter, str]:
    """`split=test` and `gallery=OTHER` as typed: which pictures ask, and the gallery they are in, '' for this one."""
    parsed = filters.parse(texts).clauses
    named = [clause for clause in parsed if clause.field == "gallery"]
    if len(named) > 1 or any(clause.negate or len(clause.values) != 1 for clause in named):
        raise UsageError("queries come from one gallery; write gallery=NAME once")
    rest = tuple(clause for clause in parsed if clause.field != "gallery")
    return Filter(rest), named[0].values[0] if named else ""


def evaluate(
    gallery: Gallery,
    *,
    queries: Filter = Filter(),
    against: Filter = Filter(),
    asking: Gallery | None = None,
    fingerprint8: str = "",
    metrics: Sequence[str] = (),
    grade_by: Sequence[str] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> str:
    """Ask `gallery` and keep a report; returns its name.

    queries: which pictures ask; none = all, each one asking all others. against: which are searched; none = those that
    do not ask. asking: the gallery whose pictures ask; none = this one. fingerprint8: which of the gallery's encoders;
    empty = the current one. grade_by: metadata fields; two pictures of a label have the grade 1 + the fields in which
    they agree, for ndcg. A picture never finds itself; pictures without a label take no part, and are counted.
    Raises UsageError and GalleryError.
    """
    import numpy as np

    from pipeline.metrics import protocol

    metrics = list(metrics) or list(protocol.USUAL)
    protocol.check(metrics)
    entry = gallery.encoder(fingerprint8)
    asking = None if asking is None or asking.name == gallery.name else asking
    asks, searched = _sides(gallery, asking, queries, against, entry)
    asked, held = _labelled(asks), _labelled(searched)
    _check_labels(asked, held, gallery)
    if unknown := [name for name in grade_by if name not in gallery.manifest()["metadata_keys"]]:
        raise UsageError(f"no metadata field {unknown[0]!r} to grade by; this gallery has {_listed(gallery)}")
    place = {picture: row for row, picture in enumerate(held.table["id"])}
    own = np.array([place.get(picture, -1) for picture in asked.table["id"]])
    found = protocol.ask(
        asked.embeddings, asked.table["label"].to_numpy(str), held.embeddings, held.table["label"].to_numpy(str),
        exclude=own, metrics=metrics, fields=[(_field(asked, name).to_numpy(str), _field(held, name).to_numpy(str)) for name in grade_by],
        progress=progress,
    )  # fmt: skip
    if not (found.counts > 0).any():
        raise UsageError("no picture that asks has another of its label to find; choose sides that share labels")
    table = _table(asked, held, found)
    apart = asks is not searched
    progress("intervals", 0, 0)
    report: dict[str, Any] = {
        "encoder": entry["spec"],
        "fingerprint": entry["fingerprint"],
        "dim": entry["dim"],
        "protocol": {"queries": str(queries), "against": str(against), "asking": asking.name if asking else ""}
        | {"grade_by": list(grade_by)},
        "seed": seed,
        "n_queries": int((found.counts > 0).sum()),
        "n_skipped": int((found.counts == 0).sum()),
        "n_unlabelled": len(asks) - len(asked),
        "n_unlabelled_searched": len(searched) - len(held) if apart else 0,
        "n_gallery": len(held),
        "searched": hashlib.sha256("".join(sorted(held.table["id"])).encode()).hexdigest()[:16],
        "pictures": len(gallery.ids(entry["fingerprint"][:8]) - gallery.removed()),
        "metrics": {name: _interval(values, seed) for name, values in found.values.items()},
        "per_label": _per_label(table, metrics),
        "curves": {"recall": _rounded(found.recall), "precision": _rounded(found.precision)},
    }
    progress("pairs", 0, 0)
    report["scores"] = _where_possible(
        lambda: _pairs(asked, held, own, seed) if apart else _pairs(held, None, own, seed)
    )
    progress("clusters", 0, 0)
    report["clusters"] = _where_possible(lambda: _clusters(asked, seed))
    return reports.write(gallery, KIND, report, table)


def _sides(
    gallery: Gallery, asking: Gallery | None, queries: Filter, against: Filter, entry: dict[str, Any]
) -> tuple[Rows, Rows]:
    """Rows that ask and rows that are searched, labelled or not."""
    short = entry["fingerprint"][:8]
    if asking is not None and short not in asking.manifest()["encoders"]:
        raise GalleryError(
            f"gallery {asking.name} was made with {asking.encoder()['spec']} and {gallery.name} with {entry['spec']}, whose "
            f"embeddings do not compare; run: python -m pipeline reencode {asking.name} --encoder {entry['spec']}"
        )
    held = _finite(gallery, short)
    if asking is not None:
        return _kept(_finite(asking, short), queries, asking), _kept(held, against, gallery)
    if not queries and not against:
        return held, held
    if not queries:
        return _rest(held, against, gallery), _kept(held, against, gallery)
    return _kept(held, queries, gallery), _kept(held, against, gallery) if against else _rest(held, queries, gallery)


def _finite(gallery: Gallery, fingerprint8: str) -> Rows:
    import numpy as np

    rows = gallery.rows(fingerprint8)
    if not len(rows):
        raise GalleryError(f"gallery {gallery.name} holds no pictures; ingest some first")
    bad = ~np.isfinite(rows.embeddings).all(axis=1)
    if bad.any():
        raise GalleryError(
            f"{int(bad.sum()):,} embeddings of {gallery.name} are not finite, first that of {rows.table['id'][int(bad.argmax())]}; "
            f"see python -m pipeline verify {gallery.name}, then move {gallery.folder(fingerprint8)} away and ingest again"
        )
    return rows


def _kept(rows: Rows, where: Filter, gallery: Gallery) -> Rows:
    """Rows that pass the filter; UsageError with what there is when none does."""
    filters.check(where, gallery.manifest()["metadata_keys"])
    return _part(rows, filters.mask(where, rows.table).to_numpy(), f"matches {where}", where, gallery)


def _rest(rows: Rows, where: Filter, gallery: Gallery) -> Rows:
    filters.check(where, gallery.manifest()["metadata_keys"])
    return _part(rows, ~filters.mask(where, rows.table).to_numpy(), f"is left beside {where}", where, gallery)


def _part(rows: Rows, keep: np.ndarray, said: str, where: Filter, gallery: Gallery) -> Rows:
    if keep.any():
        return Rows(rows.table[keep].reset_index(drop=True), rows.embeddings[keep])
    name = where.clauses[0].field
    counts = _field(rows, name).value_counts() if name not in ("path", "id") else {}
    there = ", ".join(f"{value or '(empty)'} ({n:,})" for value, n in list(counts.items())[:12])
    raise UsageError(f"no picture of {gallery.name} {said}" + (f"; {name} is one of: {there}" if there else ""))


def _labelled(rows: Rows) -> Rows:
    keep = (rows.table["label"] != "").to_numpy()
    return Rows(rows.table[keep].reset_index(drop=True), rows.embeddings[keep])


def _check_labels(asked: Rows, held: Rows, gallery: Gallery) -> None:
    if not len(asked) or not len(held):
        raise UsageError(
            f"{'no picture that asks' if not len(asked) else 'no picture searched'} in {gallery.name} has a label, so nothing says "
            "which hits are right; ingest a folder with a subfolder a label, or a table with a label column"
        )
    labels = set(held.table["label"])
    if len(labels) == 1:
        raise UsageError(
            f"every picture searched has the label {labels.pop()!r}, so every hit would be right; two labels are needed"
        )


def _field(rows: Rows, name: str) -> pd.Series:
    if name in filters.COLUMNS:
        return rows.table[name]
    return rows.table["metadata"].map(lambda row: row.get(name, ""))


def _listed(gallery: Gallery) -> str:
    return ", ".join(gallery.manifest()["metadata_keys"]) or "none"


def _interval(values: np.ndarray, seed: int) -> dict[str, float]:
    from pipeline.metrics.retrieval import bootstrap

    return {
        name: round(value, 6)
        for name, value in zip(("value", "low", "high"), bootstrap(values, seed=seed), strict=True)
    }


def _table(asked: Rows, held: Rows, found: Any) -> pd.DataFrame:
    """A row a query: id, path, label, relevant (R), each metric, and its first hits."""
    import pandas as pd

    table = asked.table[["id", "path", "label"]].copy()
    table["relevant"] = found.counts
    for name, values in found.values.items():
        table[name] = values
    ids, labels = held.table["id"].to_numpy(), held.table["label"].to_numpy()
    table["hits"] = pd.Series(ids[found.hits].tolist(), dtype=object)
    table["hit_labels"] = pd.Series(labels[found.hits].tolist(), dtype=object)
    table["hit_scores"] = pd.Series(found.scores.tolist(), dtype=object)
    return table


def _per_label(table: pd.DataFrame, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """One entry a label that asks, in order: how many ask, and each metric's mean over those with something to find."""
    entries = []
    for label, rows in table.groupby("label", sort=True):
        means = {name: round(float(rows[name].mean()), 6) if rows[name].notna().any() else None for name in metrics}
        entries.append(
            {
                "label": str(label),
                "n_queries": int((rows["relevant"] > 0).sum()),
                "n_skipped": int((rows["relevant"] == 0).sum()),
            }
            | means
        )
    return entries


def _where_possible(measure: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """None where the pictures have no pairs or groups to measure, as when each label is there once."""
    try:
        return measure()
    except UsageError:
        return None


def _pairs(asked: Rows, held: Rows | None, own: np.ndarray, seed: int) -> dict[str, Any]:
    """Scores of random same-label and different-label pairs, and what tells them apart.

    A pair is a picture that asks and one that is searched, or two that ask where all ask all others (no `held`).
    """
    import numpy as np

    from pipeline.metrics import verification

    labels = asked.table["label"].to_numpy(str)
    if held is None:
        pairs = verification.draw_pairs(labels, PAIRS, seed=seed)
    else:
        theirs = held.table["label"].to_numpy(str)
        pairs = verification.draw_pairs_between(labels, theirs, PAIRS, seed=seed, exclude=own)
    others = None if held is None else held.embeddings
    same, different = (verification.pair_scores(asked.embeddings, some, others) for some in pairs)
    curve = verification.roc(same, different)
    rate, threshold = verification.eer(curve)
    edges = np.linspace(min(same.min(), different.min()), max(same.max(), different.max(), same.min() + 1e-6), BINS + 1)
    return {
        "pairs": len(same),
        "between": "queries" if held is None else "queries and gallery",
        "edges": _rounded(edges),
        "same": np.histogram(same, edges)[0].tolist(),
        "different": np.histogram(different, edges)[0].tolist(),
        "auc": round(verification.auc(curve), 6),
        "average_precision": round(verification.average_precision(curve), 6),
        "eer": round(rate, 6),
        "eer_threshold": round(threshold, 6),
        "true_accept_at": [
            {
                "false_accept_rate": rate,
                "threshold": round(at[0], 6) if np.isfinite(at[0]) else None,
                "true_accept_rate": round(at[1], 6),
            }
            for rate in FALSE_ACCEPTS
            for at in [verification.at_false_accept(curve, rate=rate)]
        ],
    }


def _clusters(asked: Rows, seed: int) -> dict[str, float]:
    """Of the pictures that ask: silhouette of the labels, and how well k-means finds them: ami, nmi, ari."""
    from pipeline.metrics import clusters

    labels = asked.table["label"].to_numpy(str)
    found = clusters.kmeans_agreement(asked.embeddings, labels, seed=seed)
    values = {"silhouette": clusters.silhouette(asked.embeddings, labels, seed=seed)}
    values |= {"ami": found.ami, "nmi": found.nmi, "ari": found.ari}
    return {name: round(value, 6) for name, value in values.items()} | {"pictures": found.n}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]
