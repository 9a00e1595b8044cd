"""compare-indexes: which index suits a gallery."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.cli.console import AsJson, Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.records import Progress, Rows, VectorStore


def register(app: typer.Typer) -> None:
    app.command()(compare_indexes)


def compare_indexes(
    name: Name,
    indexes: Annotated[
        list[str] | None,
        typer.Option(help="a,b:key=value,c or repeated, such as milvus:index=HNSW; default is every one"),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many nearest are asked for")] = 10,
    queries: Annotated[int, typer.Option(min=1, help="Pictures of the gallery that ask, drawn by the seed")] = 1000,
    threads: Annotated[int, typer.Option(min=1, help="Of every index alike; a Milvus server has its own")] = 1,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="For measuring one setting; slow ones get fewer queries")
    ] = 20,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which an index is stopped")] = 900,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    metric: Annotated[
        Literal["cosine", "euclidean", "inner_product"],
        typer.Option(help="Of the indexes that have a choice; simhash and faiss_lsh compare codes by Hamming distance"),
    ] = "cosine",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """How exact, quick, large and slow to build each index is on this gallery's embeddings; kept in its reports."""
    from pipeline import plugins
    from pipeline.comparison import indexes as comparing
    from pipeline.errors import UsageError
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    entry = gallery.encoder()
    rows = gallery.rows(entry["fingerprint"][:8])
    if len(rows) < 2:
        raise UsageError(f"gallery {name} has {len(rows)} pictures, and a comparison needs 2; ingest more")
    with shown(progress) as show:
        comparison = comparing.compare(
            rows.embeddings,
            specs=plugins.split("indexes", indexes or []),
            k=k,
            queries=queries,
            threads=threads,
            seconds=seconds,
            timeout=timeout,
            seed=seed,
            metric=metric,
            progress=show,
        )
        if any(row["index"] == "milvus" for row in comparison["rows"]):
            comparison |= _under_filters(gallery, rows, comparison, show)
    report_name = reports.write(
        gallery, comparing.KIND, comparison | {"encoder": entry["spec"], "fingerprint": entry["fingerprint"]}
    )
    report = reports.read(gallery, report_name)
    if as_json:
        print(json.dumps({"report": report_name} | report, ensure_ascii=False))
    else:
        print_table(report)
        if "filtered" in report:
            print_filtered(report["filtered"])
        print(f"kept as {report_name}")
    if not any(row["ann_recall"] is not None for row in report["rows"]):
        print("error: no index gave figures, each row says why", file=sys.stderr)
        raise typer.Exit(1)


def _under_filters(gallery: Gallery, rows: Rows, comparison: dict[str, Any], show: Progress) -> dict[str, Any]:
    """`filtered` of the report: the gallery's own index, settings and figures; a note where Milvus cannot be asked."""
    from pipeline.comparison import filtered
    from pipeline.errors import StoreError

    asked = filtered.of_facts(rows.table, gallery.manifest()["metadata_keys"], seed=comparison["seed"])
    collection = gallery.collection(gallery.encoder()["fingerprint"][:8])
    most = min(comparison["queries"], filtered.MAX_QUERIES)
    try:
        with _own_index(gallery, show) as store:
            about = store.describe(collection)
            figures = filtered.measure(
                store, collection, rows, asked, k=comparison["k"], queries=most, seed=comparison["seed"], progress=show
            )
    except StoreError as error:
        return {"notes": [*comparison["notes"], f"not measured under filters: {error}"]}
    return {"filtered": {"settings": about["settings"], "backend": about["backend"], "rows": figures}}


@contextlib.contextmanager
def _own_index(gallery: Gallery, show: Progress) -> Iterator[VectorStore]:
    """The gallery's collection on its server; of the embedded Milvus, which another process may hold, a copy of it."""
    from pipeline.errors import StoreError
    from pipeline.ingest import sync
    from pipeline.settings import Settings

    settings = Settings()
    if "://" in settings.uri:
        with contextlib.closing(sync.open_store(settings)) as store:
            if not sync.is_filled(gallery, store):
                raise StoreError(f"its index is behind; python -m pipeline sync {gallery.name}")
            yield store
        return
    with tempfile.TemporaryDirectory(prefix="filtered-") as folder:
        copy = settings.model_copy(update={"milvus_uri": f"{folder}/milvus.db"})
        with contextlib.closing(sync.open_store(copy)) as store:
            sync.sync(gallery, store, point=False, progress=show)
        with contextlib.closing(sync.open_store(copy)) as store:  # an index that was built is used once it is loaded
            yield store


def print_filtered(about: dict[str, Any]) -> None:
    """The gallery's own index under filters, a line each."""
    from pipeline.comparison import filtered

    print(f"\nunder filters, {about['settings']} of {about['backend']}\n      share  ann_recall    p50 ms  filter")
    for row in about["rows"]:
        print(
            f"{100 * row['share']:9.1f} %{row['ann_recall']:12.4f}{row['p50_ms']:10.3f}  {filtered.shown(row['filter']) or 'none'}"
        )
    print(filtered.said(about["rows"]))


def print_table(report: dict[str, Any]) -> None:
    """A table a person reads, rows that are worth having marked with *; `--json` has every digit."""
    wide = max(len(row["spec"]) for row in report["rows"])
    print(
        f"  {'index':{wide}s}  ann_recall   batch/s  single/s    p50 ms    p99 ms   build s   disk MB  memory MB  queries"
    )
    for row in report["rows"]:
        if row["error"]:
            print(f"  {row['spec']:{wide}s}  {row['error']}" + (f": {row['install']}" if row["install"] else ""))
            continue
        disk = f"{row['bytes_on_disk'] / 1e6:10.1f}" if row["bytes_on_disk"] is not None else f"{'-':>10s}"
        memory = f"{row['megabytes']:11.1f}" if row["megabytes"] is not None else f"{'-':>11s}"
        print(
            f"{'*' if row['pareto'] else ' '} {row['spec']:{wide}s}  {row['ann_recall']:10.4f}{row['queries_per_second']:10,.0f}"
            f"{row['single_per_second']:10,.0f}{row['p50_ms']:10.3f}{row['p99_ms']:10.3f}{row['build_seconds']:10.2f}"
            f"{disk}{memory}{row['queries']:9,d}"
        )
    from pipeline.comparison import indexes as comparing

    for note in report["notes"]:
        print(note, file=sys.stderr)
    cost = report["harness"]
    print(
        f"{report['n']:,} x {report['dim']}, k {report['k']}, {report['queries']:,} queries, {report['threads']} thread"
        f"{'s' * (report['threads'] != 1)}, seed {report['seed']}. * no other is both more exact and quicker. The measuring itself "
        f"costs {1000 * cost['p50_ms']:.1f} µs a single query and {1000 * cost['batch_ms']:.2f} µs in a batch."
    )
    for sentence in (comparing.said_of_metrics(report), *report["advice"]):
        print(sentence)
