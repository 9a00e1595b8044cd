"""An evaluation as one HTML page to print or send: no script, no other file, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import errors
from pipeline.errors import UsageError
from pipeline.evaluation import gates
from pipeline.evaluation.evaluate import KIND, answered
from pipeline.files import atomic, html_page
from pipeline.gallery import reports, saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.saved_views import SavedView
from pipeline.metrics import registry

TEMPLATE = Path(__file__).with_name("report_page.html")
MAX_QUERIES, MAX_HITS, MAX_LABELS = 3, 9, 6
MAX_QUERIES_OF_VIEW = 12
MAX_COLUMNS = 6  # figures of a label


def write(gallery: Gallery, name: str, file: Path, *, gate: dict[str, float] | None = None) -> None:
    """Write the report `name` of this gallery as a page."""
    with atomic.replacing(file) as temporary:
        temporary.write_text(page(gallery, name, gate=gate or {}), encoding="utf-8")


def of_view(gallery: Gallery, view: SavedView) -> str:
    """A saved view of Evaluate: the measurements that it names, as a table, and where the first one fails; those that are gone left out, else the newest one.

    UsageError for another section than Quality and where nothing was measured; GalleryError for a damaged report.
    """
    saved_views.exported_section(view)
    known = reports.names(gallery, KIND)
    wanted = ",".join(view.params.get("reports", ())).split(",")
    names = [name for name in dict.fromkeys(wanted) if name in known] or known[:1]
    if not names:
        raise UsageError(
            f"gallery {gallery.name} has no measurement yet; make one with: python -m pipeline evaluate {gallery.name}"
        )
    return page(gallery, names[0], gate={}, view=view.name, beside=names[1:], queries=MAX_QUERIES_OF_VIEW)


def page(
    gallery: Gallery,
    name: str,
    *,
    gate: dict[str, float],
    view: str = "",
    beside: Sequence[str] = (),
    queries: int = MAX_QUERIES,
) -> str:
    """view: the name of a saved view, whose figures are a table with those of the reports `beside` it."""
    report, table = reports.read(gallery, name), reports.table(gallery, name)
    others = [reports.read(gallery, other) for other in beside]
    main = registry.main(list(report["metrics"]))
    worst = answered(table, main).head(queries)
    asking = Gallery(gallery.root.with_name(report["protocol"]["asking"] or gallery.name))
    labels = [row for row in report["per_label"] if row[main] is not None]
    labels.sort(key=lambda row: registry.sign(main) * row[main])
    return html_page.rendered(
        TEMPLATE,
        title=gallery.manifest()["title"],
        name=name,
        view=view,
        report=report,
        compared=[one | {"encoder": encoder_of(one)} for one in (report, *others)],
        main=main,
        gates=gates.judge(gate, report),
        pairs_of=pairs_of(report),
        unlabelled=unlabelled(report),
        meaning={metric: registry.meaning(metric) for one in (report, *others) for metric in one["metrics"]},
        recall=_line(report["curves"]["recall"]),
        precision=_line(report["curves"]["precision"]),
        ks=len(report["curves"]["recall"]),
        **_histogram(report["scores"]),
        columns=[main, *(metric for metric in report["metrics"] if metric != main)][:MAX_COLUMNS],
        labels=labels[:MAX_LABELS],
        more=max(0, len(labels) - MAX_LABELS),
        worst=[_strip(gallery, asking, row) for row in worst.to_dict("records")],
    )


def encoder_of(report: dict[str, Any]) -> str:
    """Its spec; of a long path only the end."""
    return re.sub(r"=[^,=]*/([^,/]+)", r"=…/\1", str(report["encoder"]))


def pairs_of(report: dict[str, Any]) -> str:
    """Which pictures the pairs of scores are of."""
    if (report["scores"] or {}).get("between") == "queries and gallery":
        return "of a picture that asks and one that is searched"
    return "of the pictures searched"


def unlabelled(report: dict[str, Any]) -> int:
    """Pictures of either side that took no part."""
    return int(report["n_unlabelled"] + report.get("n_unlabelled_searched", 0))


def _strip(gallery: Gallery, asking: Gallery, row: dict[str, Any]) -> dict[str, Any]:
    hits = list(zip(row["hits"], row["hit_labels"], row["hit_scores"], strict=True))[:MAX_HITS]
    return {
        "src": _picture(asking, row["id"]),
        "label": row["label"],
        "path": errors.display_name(row["path"]),
        "hits": [
            {"src": _picture(gallery, picture), "label": label, "score": score, "right": label == row["label"]}
            for picture, label, score in hits
        ],
    }


def _picture(gallery: Gallery, picture_id: str) -> str:
    return html_page.data_address(gallery.thumbnail_data(picture_id))


# charts of 100 × 100 units, y downward, stretched by the template


def _line(values: list[float]) -> str:
    """Points of a curve over k, evenly spaced."""
    last = max(1, len(values) - 1)
    return " ".join(f"{100 * i / last:.2f},{100 * (1 - value):.2f}" for i, value in enumerate(values))


def _histogram(scores: dict[str, Any] | None) -> dict[str, Any]:
    if not scores:
        return {}
    outlines = {name: _steps(scores[name], scores) for name in ("same", "different")}
    return outlines | {"threshold": _across(scores["eer_threshold"], scores)}


def _steps(counts: list[int], scores: dict[str, Any]) -> str:
    """An outline of histogram bars, as a share of the highest of both histograms."""
    most, edges = max(*scores["same"], *scores["different"], 1), scores["edges"]
    points = [f"{_across(edges[0], scores):.2f},100"]
    for i, count in enumerate(counts):
        height = 100 * (1 - count / most)
        points += [f"{_across(edges[i], scores):.2f},{height:.2f}", f"{_across(edges[i + 1], scores):.2f},{height:.2f}"]
    return " ".join([*points, f"{_across(edges[-1], scores):.2f},100"])


def _across(score: float, scores: dict[str, Any]) -> float:
    low, high = scores["edges"][0], scores["edges"][-1]
    return 100 * (score - low) / (high - low)
