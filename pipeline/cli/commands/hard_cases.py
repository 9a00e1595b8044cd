"""The verbs `hard-cases start, encode, needles, review, shortlist, compare, demo`: from annotations to what hurts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import ProgressKind
from pipeline.plugins import DEFAULT_ENCODER

if TYPE_CHECKING:
    from pipeline.hard_cases.case import Round

CaseName = Annotated[str, typer.Argument(help="Case: a-z, 0-9, _", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout")]
Ids = Annotated[
    list[str] | None, typer.Option(help="Ids, or a kind such as background; repeated or separated by commas")
]

cases = typer.Typer(no_args_is_help=True, help="Find pictures on which a detector fails, and more of the same.")


def register(app: typer.Typer) -> None:
    app.add_typer(cases, name="hard-cases")


@cases.command()
def start(
    name: CaseName,
    pictures: Annotated[Path, typer.Option(help="The pictures' folder; paths in the files are relative to it")],
    truth: Annotated[Path, typer.Option(help="Ground truth: COCO, VOC, YOLO, VIA or CSV")],
    predictions: Annotated[Path, typer.Option(help="What the detector says of the same pictures, with scores")],
    format: Annotated[str, typer.Option(help="auto, or the format of the ground truth")] = "auto",
    reference: Annotated[
        float, typer.Option(help="Share of pictures to look for failures in; the rest is searched")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the split and of all draws")] = 0,
    title: Annotated[str, typer.Option(help="What people read instead of the name")] = "",
    progress: ProgressKind = "auto",
) -> None:
    """Begin a case: read the annotations, copy them in, and split the pictures."""
    from pipeline.hard_cases.start import start_case
    from pipeline.settings import Settings

    case = start_case(
        name, Settings(), pictures=pictures, truth=truth, predictions=predictions, format=format, reference=reference,
        seed=seed, title=title,
    )  # fmt: skip
    for note in case.about["notes"]:
        print(f"note: {note}", file=sys.stderr)
    if case.about["missing"]:
        print(
            f"note: {case.about['missing']:,} pictures are missing: {', '.join(case.about['first_missing'])}",
            file=sys.stderr,
        )
    round = case.round()
    print(f"{name}: {sizes(round)}, seed {seed}")
    print_next(round)


@cases.command()
def encode(
    name: CaseName,
    objects: Annotated[bool, typer.Option("--objects/--pictures", help="Compare objects, or whole pictures")] = True,
    encoder: Annotated[
        str, typer.Option(help="e.g. torchvision:arch=resnet50; `encoders` lists them")
    ] = DEFAULT_ENCODER,
    margin: Annotated[float, typer.Option(help="Added around a box on each side, as a share of it")] = 0.1,
    score: Annotated[float, typer.Option(help="The least score of a predicted box")] = 0.3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "",
    progress: ProgressKind = "auto",
) -> None:
    """Make a gallery of the round's objects or pictures; again, it encodes only what is new."""
    import contextlib

    from pipeline import plugins
    from pipeline.errors import StoreError
    from pipeline.hard_cases.encode import encode_round
    from pipeline.ingest import sync
    from pipeline.progress import shown
    from pipeline.settings import Settings

    round, settings = round_of(name), Settings()
    spec = plugins.absolute("encoders", encoder)
    built = plugins.build("encoders", spec, device=device or settings.device)
    with contextlib.ExitStack() as stack:
        store = None
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreError as error:  # the steps read the gallery's parts; its index is for the other pages
            print(f"the gallery's index waits for sync: {error}", file=sys.stderr)
        show = stack.enter_context(shown(progress))
        result = encode_round(
            round, settings, built, spec=spec, objects=objects, margin=margin, score=score, store=store, progress=show
        )
    for path, reason in result["first_rejected"]:
        print(f"rejected {path}: {reason}", file=sys.stderr)
    print(f"{name}: gallery {result['gallery']}, {result['encoded']:,} encoded, {result['added']:,} of them new")
    print_next(round)


@cases.command()
def needles(
    name: CaseName,
    kind: Annotated[str, typer.Option(help="fp, fn, iou (poor boxes) or label=NAME")] = "fp",
    score: Annotated[float, typer.Option(help="The least score of a prediction that counts")] = 0.5,
    iou: Annotated[float, typer.Option(help="From which IoU on a box has found its object")] = 0.5,
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """Find the detector's failures on the reference."""
    from pipeline.hard_cases.needles import find_failures

    round = round_of(name)
    result = find_failures(round, kind=kind, score=score, iou=iou)
    table = round.table("needles")
    if as_json:
        print_json(result | {"rows": json.loads(table.to_json(orient="records"))})
        return
    for row in table.head(20).itertuples():
        of = f" on {row.truth_label}" if row.truth_label and row.truth_label != row.label else ""
        print(f"{row.needle}  {row.kind}: {row.label}{of}  score {row.score:.2f}, IoU {row.iou:.2f}  {row.path}")
    print(f"{name}: {len(table):,} needles on {result['pictures']:,} of {result['reference']:,} reference pictures")
    print_next(round)


@cases.command()
def review(
    name: CaseName,
    drop: Ids = None,
    keep: Ids = None,
    remove: Annotated[list[str] | None, typer.Option(help="Take a picture's path off the shortlist; repeated")] = None,
    restore: Annotated[list[str] | None, typer.Option(help="Put a picture back; repeated")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last word back")] = False,
) -> None:
    """Leave needles out or keep them; take pictures off the shortlist or put them back."""
    from pipeline.errors import UsageError
    from pipeline.hard_cases import review

    round = round_of(name)
    given = {"drop": _split(drop), "keep": _split(keep), "remove": remove or [], "restore": restore or []}
    if not undo and not any(given.values()):
        raise UsageError(
            "nothing said; give --drop or --keep with ids or a kind of needles, --remove or --restore with paths, or --undo"
        )
    if undo:
        last = review.undo(round)
        print(f"taken back: {last['word']} {', '.join(last['ids'])}" if last else "nothing to take back")
    for word, ids in given.items():
        if ids:
            review.record(round, word, ids)
    kept = len(review.kept_failures(round)) if round.result("needles") else 0
    print(f"{name}: {kept:,} needles kept, {len(review.left_out(round, 'picture')):,} pictures removed")


@cases.command()
def shortlist(
    name: CaseName,
    k: Annotated[int, typer.Option("-k", min=1, help="Pictures a needle")] = 10,
    min_score: Annotated[str, typer.Option(help="auto (closer than 99 in 100 random pairs), or a score")] = "auto",
    most: Annotated[int, typer.Option(min=0, help="At most so many pictures, the nearest; 0 = all")] = 0,
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """Find the pictures of the haystack that are near a needle."""
    from pipeline.hard_cases.shortlist import make_shortlist
    from pipeline.progress import shown
    from pipeline.settings import Settings

    round = round_of(name)
    with shown(progress) as show:
        result = make_shortlist(round, Settings(), k=k, min_score=_score(min_score), most=most, progress=show)
    if as_json:
        print_json(result | {"rows": json.loads(round.table("shortlist").to_json(orient="records"))})
        return
    print(
        f"{name}: {result['pictures']:,} of {result['haystack']:,} pictures near {result['needles']:,} needles, score from "
        f"{result['min_score']:.3f} ({result['min_score_from']}); {result['copies']:,} copies left out"
    )
    print_next(round)


@cases.command()
def compare(
    name: CaseName,
    rounds: Annotated[int, typer.Option(help="Draws of the bootstrap")] = 1000,
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """mAP of the haystack without the shortlist, with it, and of it, beside a random shortlist of the same size."""
    from pipeline.hard_cases.compare import PARTS, compare_parts
    from pipeline.progress import shown

    round = round_of(name)
    with shown(progress) as show:
        result = compare_parts(round, rounds=rounds, progress=show)
    if as_json:
        print_json(result)
        return
    pictures, failing = result["pictures"], result["failing"]
    rows = [(title, result["map"][part], pictures[part], failing["shares"][part]) for part, title in PARTS.items()]
    rows.append(("random", result["control"], pictures["shortlist"], failing["control"]["value"]))
    for title, interval, count, share in rows:
        print(f"{title:8} mAP {interval_text(interval)}  {count:>7,} pictures, {share:.1%} failing")
    if failing["enrichment"] is not None:
        print(f"S holds {failing['enrichment']:.1f} × as many failing pictures as a random shortlist")
    print(f"{name}: {result['sentence']}")
    print_next(round)


@cases.command()
def demo(
    name: CaseName = "street",
    scenes: Annotated[int, typer.Option(help="Pictures to render")] = 600,
    objects: Annotated[bool, typer.Option("--objects/--pictures", help="Compare objects, or whole pictures")] = True,
    encoder: Annotated[str, typer.Option(help="e.g. color_histogram")] = DEFAULT_ENCODER,
    progress: ProgressKind = "auto",
) -> None:
    """Rendered street scenes and a detector that fails on stripes, up to the comparison."""
    from pipeline.hard_cases.demo import start_demo
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with shown(progress) as show:
        start_demo(Settings(), name=name, scenes=scenes, progress=show)
    encode(name, objects=objects, encoder=encoder, progress=progress)
    needles(name)
    shortlist(name, progress=progress)
    compare(name, progress=progress)


def round_of(name: str) -> Round:
    from pipeline.hard_cases.case import open_case
    from pipeline.settings import Settings

    return open_case(name, Settings()).round()


def sizes(round: Round) -> str:
    return f"{len(round.pool):,} pictures to search, {len(round.reference):,} reference pictures"


def print_next(round: Round) -> None:
    from pipeline.hard_cases.steps import next_command

    print(f"next: {next_command(round)}", file=sys.stderr)


def interval_text(figure: dict[str, Any]) -> str:
    return "{value:.3f} ({low:.3f} to {high:.3f})".format(**figure) if figure["value"] is not None else f"{'  none':21}"


def _score(text: str) -> float | None:
    from pipeline.errors import UsageError

    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise UsageError(f"cannot read --min-score {text!r}; write auto or a score, such as 0.8") from None


def _split(ids: list[str] | None) -> list[str]:
    return [part for text in ids or [] for part in text.split(",") if part]


def print_json(result: Any) -> None:
    from pipeline.hard_cases.compare import json_ready

    print(json.dumps(json_ready(result), ensure_ascii=False))
