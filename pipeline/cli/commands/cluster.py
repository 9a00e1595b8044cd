"""The verb that finds clusters: cluster."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery


def register(app: typer.Typer) -> None:
    app.command()(cluster)


def cluster(
    name: Name,
    method: Annotated[
        str, typer.Option(help="hdbscan: dense groups, the rest in none; kmeans: every picture in one")
    ] = "hdbscan",
    clusters: Annotated[int, typer.Option(min=0, help="Of kmeans; 0 = the number with the best silhouette")] = 0,
    smallest: Annotated[
        int, typer.Option(min=0, help="Pictures that make a cluster of hdbscan; 0 = by the gallery's size")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same clusters")] = 0,
    montage: Annotated[Path | None, typer.Option(help="A folder for one picture of each cluster's pictures")] = None,
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Groups of pictures that look alike, with names, sizes, purity and silhouette; kept in the gallery's reports."""
    from pipeline.analysis import clustering
    from pipeline.errors import UsageError
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    if montage and montage.exists() and not montage.is_dir():
        raise UsageError(f"{montage} is a file; --montage takes a folder")
    with shown(progress) as show:
        report_name = clustering.cluster(
            gallery, method=method, clusters=clusters, smallest=smallest, seed=seed, progress=show
        )
    report = reports.read(gallery, report_name)
    if as_json:
        print(json.dumps(report | {"report": report_name}, ensure_ascii=False))
    else:
        _print_report(name, report_name, report)
    if montage:
        _montages(gallery, report["clusters"], montage)


def _print_report(name: str, report_name: str, report: dict[str, Any]) -> None:
    for cluster in report["clusters"]:
        print(
            f"{cluster['size']:6,}  purity {_share(cluster['purity'])}  silhouette {_share(cluster['silhouette'])}  {cluster['name']}"
        )
    for note in report["notes"]:
        print(note, file=sys.stderr)
    print(
        f"{name}: {len(report['clusters']):,} clusters of {report['rows']:,} pictures, {report['in_none']:,} in none, "
        f"purity {_share(report['purity'])}, silhouette {_share(report['silhouette'])}; {report['method']}, "
        f"seed {report['seed']}, {report['seconds']:.1f} s; kept as {report_name}"
    )


def _share(value: float | None) -> str:
    return f"{value:5.2f}" if value is not None else "    -"


def _montages(gallery: Gallery, clusters: list[dict[str, Any]], folder: Path) -> None:
    import re

    from pipeline.records import SearchHit
    from pipeline.search.montage import montage
    from pipeline.search.search import SearchResult

    folder.mkdir(parents=True, exist_ok=True)
    labels = gallery.table().set_index("id")["label"]
    for cluster in clusters:
        shown = [picture for picture in cluster["typical"] if picture in labels.index]
        hits = [
            SearchHit(id=picture, score=score, label=labels[picture])
            for picture, score in zip(shown, cluster["typical_scores"], strict=False)
        ]
        safe = re.sub(r"\W+", "-", cluster["name"]).strip("-") or "cluster"
        file = folder / f"{cluster['cluster']:03d}-{safe[:40]}.png"
        montage(gallery, [], SearchResult(hits, [], weak_below=-1)).save(file)
    print(f"{len(clusters):,} montages in {folder}", file=sys.stderr)
