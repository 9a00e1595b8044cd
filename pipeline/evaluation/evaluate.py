"""How good a gallery's encoder is at finding pictures of the same label: exact, repeatable, with intervals.

Reads the embeddings on disk and never Milvus. The report is kept beside the gallery (pipeline/gallery/reports.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import filters
from pipeline.errors import GalleryError, UsageError
from pipeline.filters.clauses import Clause, Filter
from pipeline.gallery import asked, reports
from pipeline.gallery.gallery import Gallery
from pipeline.records import Progress, Rows, silent

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.metrics.protocol import Measurement

KIND = "evaluation"
BINS = 80  # of the score histograms
PAIRS = 50_000  # of each kind
FALSE_ACCEPTS = (0.1, 0.01, 0.001)


def parse_queries(texts: Sequence[str]) -> tuple[Filter, str]:
    """`split=test` and `gallery=OTHER` as typed: which pictures ask, and the gallery they are in, '' for this one."""
    clauses = filters.parse(texts).clauses
    galleries = [one for one in clauses if isinstance(one, Clause) and one.field == "gallery"]
    plain = [one for one in galleries if one.operator == "=" and not one.negate and len(one.values) == 1]
    rest = Filter(tuple(one for one in clauses if one not in galleries))
    if len(galleries) > 1 or plain != galleries or any(one.field == "gallery" for one in rest.leaves()):
        raise UsageError("queries come from one gallery; write gallery=NAME once")
    return rest, galleries[0].values[0] if galleries else ""


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

    from pipeline.metrics import protocol, registry
    from pipeline.metrics.intervals import interval

    metrics = list(metrics) or registry.usual()
    for name in metrics:
        registry.find(name)
    entry = gallery.encoder(fingerprint8)
    asking = None if asking is None or asking.name == gallery.name else asking
    every_query, every_row = _sides(gallery, asking, queries, against, entry)
    query_rows, gallery_rows = _labelled(every_query), _labelled(every_row)
    _check_labels(query_rows, gallery_rows, gallery)
    if unknown := [name for name in grade_by if name not in gallery.manifest()["metadata_keys"]]:
        there = ", ".join(gallery.manifest()["metadata_keys"]) or "none"
        raise UsageError(f"no metadata field {unknown[0]!r} to grade by; this gallery has {there}")
    place = {picture: row for row, picture in enumerate(gallery_rows.table["id"])}
    own = np.array([place.get(picture, -1) for picture in query_rows.table["id"]])
    sides = (query_rows, gallery_rows)
    labels, other_labels = (_field(rows, "label").to_numpy(str) for rows in sides)
    fields = [(_field(query_rows, name).to_numpy(str), _field(gallery_rows, name).to_numpy(str)) for name in grade_by]
    measured = protocol.measure(
        query_rows.embeddings, labels, gallery_rows.embeddings, other_labels,
        exclude=own, metrics=metrics, fields=fields, progress=progress,
    )  # fmt: skip
    if not (measured.counts > 0).any():
        raise UsageError("no picture that asks has another of its label to find; choose sides that share labels")
    table = _table(query_rows, gallery_rows, measured)
    apart = every_query is not every_row
    progress("intervals", 0, 0)
    report: dict[str, Any] = {
        "encoder": entry["spec"],
        "fingerprint": entry["fingerprint"],
        "dim": entry["dim"],
        "protocol": {"queries": str(queries), "against": str(against), "asking": asking.name if asking else ""}
        | {"grade_by": list(grade_by)},
        "seed": seed,
        "n_queries": int((measured.counts > 0).sum()),
        "n_skipped": int((measured.counts == 0).sum()),
        "n_unlabelled": len(every_query) - len(query_rows),
        "n_unlabelled_searched": len(every_row) - len(gallery_rows) if apart else 0,
        "n_gallery": len(gallery_rows),
        "searched": hashlib.sha256("".join(sorted(gallery_rows.table["id"])).encode()).hexdigest()[:16],
        "pictures": len(gallery.ids(entry["fingerprint"][:8]) - gallery.removed()),
        "metrics": {name: interval(values, seed=seed).rounded() for name, values in measured.values.items()},
        "per_label": _per_label(table, metrics),
        "curves": {"recall": _rounded(measured.recall), "precision": _rounded(measured.precision)},
    }
    progress("pairs", 0, 0)
    report["scores"] = _where_possible(
        lambda: _pairs(query_rows, gallery_rows, own, seed) if apart else _pairs(gallery_rows, None, own, seed)
    )
    progress("clusters", 0, 0)
    report["clusters"] = _where_possible(lambda: _clusters(query_rows, seed))
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
    rows = _finite(gallery, short)
    if asking is not None:
        return _kept(_finite(asking, short), queries, asking), _kept(rows, against, gallery)
    if not queries and not against:
        return rows, rows
    if not queries:
        return _rest(rows, against, gallery), _kept(rows, against, gallery)
    return _kept(rows, queries, gallery), _kept(rows, against, gallery) if against else _rest(rows, queries, gallery)


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
    return _part(rows, _passes(where, rows, gallery), f"matches {where}", where, gallery)


def _rest(rows: Rows, where: Filter, gallery: Gallery) -> Rows:
    return _part(rows, ~_passes(where, rows, gallery), f"is left beside {where}", where, gallery)


def _passes(where: Filter, rows: Rows, gallery: Gallery) -> np.ndarray:
    return filters.mask(asked.settled(where, gallery, lambda: rows.table), rows.table).to_numpy()


def _part(rows: Rows, keep: np.ndarray, what: str, where: Filter, gallery: Gallery) -> Rows:
    if keep.any():
        return rows.take(keep)
    name = where.leaves()[0].field
    counts = _field(rows, name).value_counts() if name not in ("path", *filters.FIELDS[4:], asked.TAG) else {}
    there = ", ".join(f"{value or '(empty)'} ({n:,})" for value, n in list(counts.items())[:12])
    raise UsageError(f"no picture of {gallery.name} {what}" + (f"; {name} is one of: {there}" if there else ""))


def _labelled(rows: Rows) -> Rows:
    return rows.take((rows.table["label"] != "").to_numpy())


def _check_labels(query_rows: Rows, gallery_rows: Rows, gallery: Gallery) -> None:
    if not len(query_rows) or not len(gallery_rows):
        raise UsageError(
            f"{'no picture that asks' if not len(query_rows) else 'no picture searched'} in {gallery.name} has a label, so nothing says "
            "which hits are right; ingest a folder with a subfolder a label, or a table with a label column"
        )
    labels = set(gallery_rows.table["label"])
    if len(labels) == 1:
        raise UsageError(
            f"every picture searched has the label {labels.pop()!r}, so every hit would be right; two labels are needed"
        )


def _field(rows: Rows, name: str) -> pd.Series:
    if name in filters.COLUMNS:
        return rows.table[name]
    return rows.table["metadata"].map(lambda row: row.get(name, ""))


def _table(query_rows: Rows, gallery_rows: Rows, measured: Measurement) -> pd.DataFrame:
    """A row a query: id, path, label, relevant (R), each metric, and its first hits."""
    import pandas as pd

    table = query_rows.table[["id", "path", "label"]].copy()
    table["relevant"] = measured.counts
    for name, values in measured.values.items():
        table[name] = values
    ids, labels = gallery_rows.table["id"].to_numpy(), gallery_rows.table["label"].to_numpy()
    table["hits"] = pd.Series(ids[measured.hits].tolist(), dtype=object)
    table["hit_labels"] = pd.Series(labels[measured.hits].tolist(), dtype=object)
    table["hit_scores"] = pd.Series(measured.scores.tolist(), dtype=object)
    return table


def answered(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Of a report's table: queries with something to find, the worst by this metric first; equal ones by id."""
    from pipeline.metrics import registry

    rows = table[table["relevant"] > 0]
    return rows.sort_values([metric, "id"], ascending=[registry.sign(metric) > 0, True], ignore_index=True)


def _per_label(table: pd.DataFrame, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """One entry a label that asks, in order: how many ask, and each metric's mean over those with something to find."""
    groups = table.assign(asks=table["relevant"] > 0).groupby("label", sort=True)
    counts, means = groups["asks"].agg(["sum", "count"]), groups[list(metrics)].mean().round(6)
    return [
        {"label": str(label), "n_queries": int(asks), "n_skipped": int(count - asks)}
        | {name: None if value != value else value for name, value in zip(metrics, values, strict=True)}
        for label, asks, count, values in zip(
            counts.index, counts["sum"], counts["count"], means.values.tolist(), strict=True
        )
    ]


def _where_possible(measure: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """None where the pictures have no pairs or groups to measure, as when each label is there once."""
    try:
        return measure()
    except UsageError:
        return None


def _pairs(query_rows: Rows, gallery_rows: Rows | None, own: np.ndarray, seed: int) -> dict[str, Any]:
    """Scores of random same-label and different-label pairs, and what tells them apart.

    A pair is a query and a gallery row, or two queries where all ask all others (no `gallery_rows`).
    """
    import numpy as np

    from pipeline.metrics import verification

    labels = query_rows.table["label"].to_numpy(str)
    if gallery_rows is None:
        pairs, others = verification.draw_pairs(labels, PAIRS, seed=seed), None
    else:
        other_labels, others = gallery_rows.table["label"].to_numpy(str), gallery_rows.embeddings
        pairs = verification.draw_pairs_between(labels, other_labels, PAIRS, seed=seed, exclude=own)
    same, different = (verification.pair_scores(query_rows.embeddings, some, others) for some in pairs)
    curve = verification.roc(same, different)
    rate, threshold = verification.eer(curve)
    edges = np.linspace(min(same.min(), different.min()), max(same.max(), different.max(), same.min() + 1e-6), BINS + 1)
    return {
        "pairs": len(same),
        "between": "queries" if gallery_rows is None else "queries and gallery",
        "edges": _rounded(edges),
        "same": np.histogram(same, edges)[0].tolist(),
        "different": np.histogram(different, edges)[0].tolist(),
        "auc": round(curve.auc, 6),
        "average_precision": round(curve.average_precision, 6),
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


def _clusters(query_rows: Rows, seed: int) -> dict[str, float]:
    """Of the pictures that ask: silhouette of the labels, and how well k-means finds them: ami, nmi, ari."""
    from pipeline.metrics import clusters

    labels = query_rows.table["label"].to_numpy(str)
    agreement = clusters.kmeans_agreement(query_rows.embeddings, labels, seed=seed)
    values = {"silhouette": clusters.silhouette(query_rows.embeddings, labels, seed=seed)}
    values |= {"ami": agreement.ami, "nmi": agreement.nmi, "ari": agreement.ari}
    return {name: round(value, 6) for name, value in values.items()} | {"pictures": agreement.n}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]
