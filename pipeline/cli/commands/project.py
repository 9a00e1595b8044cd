"""The verb that makes a map: project."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind


def register(app: typer.Typer) -> None:
    app.command()(project)


def project(
    name: Name,
    method: Annotated[
        str, typer.Option(help="pca, umap or tsne, with options: umap:n_neighbors=30,min_dist=0.2")
    ] = "umap",
    dimensions: Annotated[int, typer.Option(help="2 or 3")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same map")] = 0,
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a map of the gallery, with figures on how far it can be trusted; kept in the gallery."""
    from pipeline.analysis import projection as projecting
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    with shown(progress) as show:
        map_name = projecting.project(gallery, method, dimensions=dimensions, seed=seed, progress=show)
    about = projecting.read_map(gallery, map_name).about
    if as_json:
        print(json.dumps({key: value for key, value in about.items() if key != "linear"}, ensure_ascii=False))
        return
    for note in about["notes"]:
        print(note, file=sys.stderr)
    seconds = about["seconds"]
    print(f"{name}: {about['n']:,} pictures, {about['dimensions']}-D, {about['spec']}, seed {seed}; {about['made_by']}")
    print(
        f"neighbours {seconds['neighbours']:.1f} s, map {seconds['map']:.1f} s, trust {seconds['trust']:.1f} s; kept as {map_name}"
    )
    for figure in ("trustworthiness", "continuity", "neighbours_kept", "distances_kept"):
        value = about["trust"][figure]
        print(f"{figure:24s} {'-' if value is None else f'{value:.4f}'}")
    print(about["caption"])
