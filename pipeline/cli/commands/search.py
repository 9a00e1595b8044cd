"""search: the nearest pictures of a gallery."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import AsJson, Device, Name

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.records import VectorStore
    from pipeline.settings import Settings


def register(app: typer.Typer) -> None:
    app.command()(search)


def search(
    name: Name,
    pictures: Annotated[list[Path] | None, typer.Argument(help="Picture files; several are combined")] = None,
    id: Annotated[list[str] | None, typer.Option(help="Ask with a picture of the gallery")] = None,
    region: Annotated[str, typer.Option(help="Only this part of the one picture: x,y,w,h in pixels")] = "",
    like: Annotated[list[str] | None, typer.Option(help="More like this id")] = None,
    unlike: Annotated[list[str] | None, typer.Option(help="Less like this id")] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="What hits show, in English; any words where the encoder takes them")
    ] = None,
    not_text: Annotated[list[str] | None, typer.Option(help="Words that hits should not show")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="label=shoes, width>=1000, taken=2024-05..2024-08, tag~beach, a=b or not c<5; repeated = AND"
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="How many hits, 1 to 1,000")] = 10,
    collapse: Annotated[float | None, typer.Option(help="Hide near-duplicates from this score up, e.g. 0.97")] = None,
    by_picture: Annotated[
        bool, typer.Option(help="Of parts of one picture, or frames of one film, only the nearest")
    ] = False,
    keep_query: Annotated[bool, typer.Option(help="The query's own file may be a hit")] = False,
    rerank: Annotated[
        str,
        typer.Option(
            help="none, query_expansion, k_reciprocal, patches, geometric, diverse, …; default: what did best here"
        ),
    ] = "",
    max_wrong: Annotated[
        float | None, typer.Option(help="Only hits of which at most this share is wrong, e.g. 0.1; needs labels")
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Only hits from this score up, -1 to 1")] = None,
    aspects: Annotated[
        str, typer.Option(help="Weights from -1 to 1 of colour, texture and meaning: colour=1,meaning=-0.5")
    ] = "",
    sort: Annotated[str, typer.Option(help="Show the hits in the order of a field: taken, -price (last first)")] = "",
    encoder: Annotated[str, typer.Option(help="Must be the gallery's; refused otherwise")] = "",
    device: Device = "",
    montage: Annotated[Path | None, typer.Option(help="Write query and hits as one PNG")] = None,
    as_json: AsJson = False,
) -> None:
    """The nearest pictures of a gallery."""
    from pipeline import filters
    from pipeline.errors import UsageError, display_name
    from pipeline.gallery import asked
    from pipeline.gallery.opening import open_gallery
    from pipeline.images.opening import open_file
    from pipeline.records import place
    from pipeline.search import by_aspect, sorting
    from pipeline.search import search as searching
    from pipeline.search import text as words
    from pipeline.settings import Settings

    settings = Settings()
    gallery = open_gallery(name, settings)
    box = searching.parse_box(region) if region else None
    if box and len(pictures or []) != 1:
        raise UsageError("--region takes a part of exactly one picture; give one file")
    if montage and not montage.parent.is_dir():
        raise UsageError(f"no folder {montage.parent}; make it first")
    query_pictures = [searching.QueryPicture(open_file(path)[0], box) for path in pictures or []]
    query = searching.Query(
        *(tuple(query_pictures), tuple(id or []), tuple(like or []), tuple(unlike or [])),
        texts=tuple(text or []),
        not_texts=tuple(not_text or []),
    )
    searching.check(query, k, collapse, rerank, max_wrong, min_score, aspects)
    if query.has_words:
        words.require(gallery, (*query.texts, *query.not_texts))
    chosen = filters.parse(where or [])
    sorting.check(sort, gallery.manifest()["metadata_keys"])
    asked.settled(chosen, gallery)  # what cannot be asked is refused before an encoder is loaded
    encoding = None
    if searching.needs_encoder(gallery, query, rerank) or encoder:
        encoding = searching.load_encoder(gallery, device=device or settings.device, spec=encoder)
    appearances = None
    if by_aspect.looks_wanted(by_aspect.parse(aspects)):
        from pipeline.gallery.appearances import of_gallery
        from pipeline.progress import shown

        with shown("auto") as progress:
            appearances = of_gallery(gallery, progress=progress)
    with store_of(gallery, settings) as store:
        result = searching.search(
            gallery,
            store,
            encoding,
            query,
            k=k,
            where=chosen,
            collapse=collapse,
            by_picture=by_picture,
            exclude_query=not keep_query,
            rerank=rerank,
            max_wrong=max_wrong,
            min_score=min_score,
            aspects=aspects,
            appearances=appearances,
        )
    result = sorting.in_order(result, sort)
    if montage:
        from pipeline.files import atomic
        from pipeline.search.montage import montage as draw

        with atomic.replacing(montage) as temporary:
            draw(gallery, [picture.data for picture in query_pictures], result).save(temporary, "PNG")
    if as_json:
        query_text = [str(path) for path in pictures or []] + [f"id:{i}" for i in id or []]
        query_text += [f"text:{one}" for one in query.texts] + [f"not:{one}" for one in query.not_texts]
        print(json.dumps(searching.as_json(gallery, query_text, result), ensure_ascii=False))
        return
    if result.understood:
        print(display_name(result.understood), file=sys.stderr)
        if "strong" not in result.bands:
            print("no strong match; these are the nearest", file=sys.stderr)
    for rank, (hit, percentile) in enumerate(zip(result.hits, result.percentiles, strict=True), 1):
        if result.bands:
            weak = f"  {result.bands[rank - 1]} match ({result.confidences[rank - 1]:.0%})"
        else:
            weak = "  weak match" if hit.score < result.weak_below else ""
        share = f"{percentile:5.1f} %  " if percentile == percentile else ""  # nan: nothing is known of words
        if result.alike:
            weak = "  " + ", ".join(f"{name} {cosine:.2f}" for name, (cosine, _) in result.alike[rank - 1].items())
        print(
            f"{rank:4d}  {hit.score:.4f}  {share}{hit.id}  {display_name(f'{hit.label:16s}  {place(hit.path, hit.box)}')}{weak}"
        )
    if sort:
        print(f"in the order of {sort}; which hits there are is decided by likeness", file=sys.stderr)
    elif result.rerank != "none":
        print(f"in the order of {result.rerank}; --rerank none is that of the scores", file=sys.stderr)
    if result.unmatched:
        print(display_name(result.unmatched), file=sys.stderr)
    if result.aspects:
        print(f"in the order of {result.aspects}; scores are those of meaning", file=sys.stderr)
    if result.unseen:
        print(f"{result.unseen:,} pictures have neither thumbnail nor file and are no hits", file=sys.stderr)
    if result.left_out:
        print(f"{result.left_out} of the nearest are left out as too unsure", file=sys.stderr)
    elif not result.hits:
        print("no other picture of this gallery passes the filter", file=sys.stderr)


@contextlib.contextmanager
def store_of(gallery: Gallery, settings: Settings) -> Iterator[VectorStore]:
    """Milvus, or the exact answer from the gallery's parts when it cannot be had, and a line that says so."""
    from pipeline.errors import StoreError
    from pipeline.ingest import sync

    with contextlib.ExitStack() as stack:
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
            behind = "" if sync.is_filled(gallery, store) else f"it is behind; python -m pipeline sync {gallery.name}"
        except StoreError as error:
            behind = str(error)
        if behind:
            print(f"answered exactly from the gallery's files, not by Milvus: {behind}", file=sys.stderr)
            store = sync.exact_store(gallery)
        yield store
