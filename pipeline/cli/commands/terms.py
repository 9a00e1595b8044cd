"""The verb that says pictures in words: terms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery

MAX_LINES = 20  # rows on a terminal


def register(app: typer.Typer) -> None:
    app.command()(terms)


def terms(
    name: Name,
    id: Annotated[str, typer.Option(help="The terms that its neighbours give this picture")] = "",
    picture: Annotated[Path | None, typer.Option(help="What this picture file looks like")] = None,
    common: Annotated[list[str] | None, typer.Option(help="What these ids have in common; repeated")] = None,
    term: Annotated[str, typer.Option(help="The pictures that have this term")] = "",
    words: Annotated[int, typer.Option(min=0, help="Visual words to make; 0 = by the gallery's size")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the visual words")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …; for --picture")] = "",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """Describe every picture by its neighbours' labels and metadata; with an option, ask what was found."""
    from pipeline.errors import UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    if sum(map(bool, (id, picture, common, term))) > 1:
        raise UsageError("--id, --picture, --common and --term are four questions; ask one at a time")
    if id:
        answer = _of_picture(gallery, id)
    elif picture:
        answer = _of_file(gallery, picture, device)
    elif common:
        answer = _in_common(gallery, common)
    elif term:
        answer = _with_term(gallery, term)
    else:
        answer = _build(gallery, words, seed, progress)
    print(json.dumps(answer[0], ensure_ascii=False) if as_json else "\n".join(answer[1]))


def _build(gallery: Gallery, words: int, seed: int, progress: str) -> tuple[dict[str, Any], list[str]]:
    from pipeline.analysis import terms as telling
    from pipeline.gallery import reports
    from pipeline.progress import shown

    with shown(progress) as show:
        name = telling.build(gallery, words=words, seed=seed, progress=show)
    report = reports.read(gallery, name) | {"report": name}
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report["kinds"].items() if count)
    lines = [f"{one['size']:6,}  {one['medoid']}  {one['name']}" for one in report["words"][:MAX_LINES]]
    if report.get("neighbours"):
        lines.append(report["neighbours"])
    lines.append(
        f"{gallery.name}: {report['rows']:,} pictures by their {report['k']} nearest, {report['terms']:,} terms ({kinds}), "
        f"seed {seed}, {report['seconds']:.1f} s; kept as {name}"
    )
    return report, lines


def _of_picture(gallery: Gallery, picture: str) -> tuple[dict[str, Any], list[str]]:
    from pipeline.analysis import terms as telling

    weights = telling.of_pictures(gallery, [picture])[picture]
    lines = [f"{weight:7.3f}  {text}" for text, weight in weights]
    answer = {"id": picture, "terms": [{"term": text, "weight": weight} for text, weight in weights]}
    return answer, lines or ["no terms: its neighbours say nothing, or it came after the terms were made"]


def _of_file(gallery: Gallery, picture: Path, device: str) -> tuple[dict[str, Any], list[str]]:
    import numpy as np

    from pipeline.analysis import terms as telling
    from pipeline.images.opening import open_file
    from pipeline.search.search import load_encoder
    from pipeline.settings import Settings

    _, opened = open_file(picture)
    encoder = load_encoder(gallery, device=device or Settings().device)
    embedding = encoder.encode(np.stack([encoder.preprocess(opened.image)]))[0]
    annotations = telling.annotate(gallery, embedding)
    rows = [
        {"term": annotation.term.text, "kind": annotation.term.kind, "confidence": annotation.confidence}
        for annotation in annotations
    ]
    lines = [f"{annotation.confidence:.2f}  {annotation.term.text}" for annotation in annotations[:MAX_LINES]]
    return {"picture": str(picture), "terms": rows}, lines or ["its neighbours have no label, metadata or tag to go by"]


def _in_common(gallery: Gallery, ids: list[str]) -> tuple[dict[str, Any], list[str]]:
    from pipeline.analysis import terms as telling

    shared = telling.in_common(gallery, ids)
    rows = [
        {
            "term": common.term.text,
            "kind": common.term.kind,
            "count": common.count,
            "share": common.share,
            "lift": common.lift,
        }
        for common in shared
    ]
    lines = [
        f"{common.term.text} ({common.count} of {common.of}, {common.lift:.1f} × as often as in the gallery)"
        for common in shared[:MAX_LINES]
    ]
    return {"ids": ids, "common": rows}, lines or ["nothing tells these pictures from the gallery's others"]


def _with_term(gallery: Gallery, term: str) -> tuple[dict[str, Any], list[str]]:
    from pipeline import errors
    from pipeline.analysis import terms as telling

    ids = telling.pictures_with(gallery, term)
    paths = dict(zip(*(gallery.table()[column] for column in ("id", "path")), strict=True))
    lines = [f"{picture}  {errors.display_name(paths[picture])}" for picture in ids]
    return {"term": term, "ids": ids}, lines
