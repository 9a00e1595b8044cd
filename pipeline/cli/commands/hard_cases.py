"""Verbs that look for the pictures that hurt a detector: hard-cases start, encode, needles, shortlist, compare …"""

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
    from pipeline.hard_cases import start as hard_cases_start
    from pipeline.settings import Settings

    case = hard_cases_start.start(
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
    split = case.round().split
    print(
        f"{name}: {len(split['haystack']):,} pictures to search, {len(split['reference']):,} reference pictures, seed {seed}"
    )
    say_next(case.round())


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
    from pipeline.hard_cases import encode as hard_cases_encode
    from pipeline.ingest import sync
    from pipeline.progress import shown
    from pipeline.settings import Settings

    turn, settings = round_of(name), Settings()
    spec = plugins.absolute("encoders", encoder)
    made = plugins.build("encoders", spec, device=device or settings.device)
    with contextlib.ExitStack() as stack:
        store = None
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreError as error:  # the steps read the gallery's parts; its index is for the other pages
            print(f"the gallery's index waits for sync: {error}", file=sys.stderr)
        show = stack.enter_context(shown(progress))
        result = hard_cases_encode.encode(
            turn, settings, made, spec=spec, objects=objects, margin=margin, score=score, store=store, progress=show
        )
    for path, reason in result["first_rejected"]:
        print(f"rejected {path}: {reason}", file=sys.stderr)
    print(f"{name}: gallery {result['gallery']}, {result['encoded']:,} encoded, {result['added']:,} of them new")
    say_next(turn)


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
    from pipeline.hard_cases import needles as hard_cases_needles

    turn = round_of(name)
    result = hard_cases_needles.find(turn, kind=kind, score=score, iou=iou)
    table = turn.table("needles")
    if as_json:
        as_json_text(result | {"rows": json.loads(table.to_json(orient="records"))})
        return
    for row in table.head(20).itertuples():
        of = f" on {row.truth_label}" if row.truth_label and row.truth_label != row.label else ""
        print(f"{row.needle}  {row.kind}: {row.label}{of}  score {row.score:.2f}, IoU {row.iou:.2f}  {row.path}")
    print(f"{name}: {len(table):,} needles on {result['pictures']:,} of {result['reference']:,} reference pictures")
    say_next(turn)


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
    from pipeline.hard_cases import choices

    turn = round_of(name)
    given = {"drop": _split(drop), "keep": _split(keep), "remove": remove or [], "restore": restore or []}
    if not undo and not any(given.values()):
        raise UsageError(
            "nothing said; give --drop or --keep with ids or a kind of needles, --remove or --restore with paths, or --undo"
        )
    if undo:
        last = choices.undo(turn)
        print(f"taken back: {last['word']} {', '.join(last['ids'])}" if last else "nothing to take back")
    for word, ids in given.items():
        if ids:
            choices.say(turn, word, ids)
    kept = len(choices.kept_needles(turn)) if turn.result("needles") else 0
    print(f"{name}: {kept:,} needles kept, {len(choices.left_out(turn, 'picture')):,} pictures removed")


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
    from pipeline.hard_cases import shortlist as hard_cases_shortlist
    from pipeline.progress import shown
    from pipeline.settings import Settings

    turn = round_of(name)
    with shown(progress) as show:
        result = hard_cases_shortlist.make(turn, Settings(), k=k, min_score=_score(min_score), most=most, progress=show)
    if as_json:
        as_json_text(result | {"rows": json.loads(turn.table("shortlist").to_json(orient="records"))})
        return
    print(
        f"{name}: {result['pictures']:,} of {result['haystack']:,} pictures near {result['needles']:,} needles, score from "
        f"{result['min_score']:.3f} ({result['min_score_from']}); {result['copies']:,} copies left out"
    )
    say_next(turn)


@cases.command()
def compare(
    name: CaseName,
    rounds: Annotated[int, typer.Option(help="Draws of the bootstrap")] = 1000,
    as_json: AsJson = False,
    progress: ProgressKind = "auto",
) -> None:
    """mAP of the haystack without the shortlist, with it, and of it, beside a random shortlist of the same size."""
    from pipeline.hard_cases import compare as hard_cases_compare
    from pipeline.progress import shown

    turn = round_of(name)
    with shown(progress) as show:
        result = hard_cases_compare.compare(turn, rounds=rounds, progress=show)
    if as_json:
        as_json_text(result)
        return
    for key, called in hard_cases_compare.PARTS.items():
        one, share = result["map"][key], result["failing"]["shares"][key]
        print(f"{called:8} mAP {figure(one)}  {result['pictures'][key]:>7,} pictures, {share:.1%} failing")
    control = result["failing"]["control"]
    print(
        f"random   mAP {figure(result['control'])}  {result['pictures']['shortlist']:>7,} pictures, {control['value']:.1%} failing"
    )
    if result["failing"]["enrichment"] is not None:
        print(f"S holds {result['failing']['enrichment']:.1f} × as many failing pictures as a random shortlist")
    print(f"{name}: {result['sentence']}")
    say_next(turn)


@cases.command()
def demo(
    name: CaseName = "street",
    scenes: Annotated[int, typer.Option(help="Pictures to render")] = 600,
    objects: Annotated[bool, typer.Option("--objects/--pictures", help="Compare objects, or whole pictures")] = True,
    encoder: Annotated[str, typer.Option(help="e.g. color_histogram")] = DEFAULT_ENCODER,
    progress: ProgressKind = "auto",
) -> None:
    """Rendered street scenes and a detector that fails on stripes, up to the comparison."""
    from pipeline.hard_cases import demo as hard_cases_demo
    from pipeline.progress import shown
    from pipeline.settings import Settings

    with shown(progress) as show:
        hard_cases_demo.start(Settings(), name=name, scenes=scenes, progress=show)
    encode(name, objects=objects, encoder=encoder, progress=progress)
    needles(name)
    shortlist(name, progress=progress)
    compare(name, progress=progress)


def round_of(name: str) -> Round:
    from pipeline.hard_cases import case as hard_cases
    from pipeline.settings import Settings

    return hard_cases.open_case(name, Settings()).round()


def say_next(turn: Round) -> None:
    from pipeline.hard_cases import steps

    print(f"next: {steps.next_command(turn)}", file=sys.stderr)


def figure(one: dict[str, Any]) -> str:
    return (
        "  none               "
        if one["value"] is None
        else f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    )


def _score(text: str) -> float | None:
    from pipeline.errors import UsageError

    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise UsageError(f"cannot read --min-score {text!r}; write auto or a score, such as 0.8") from None


def _split(ids: list[str] | None) -> list[str]:
    return [part for text in ids or [] for part in text.split(",") if part]


def as_json_text(value: Any) -> None:
    from pipeline.hard_cases.compare import plain

    print(json.dumps(plain(value), ensure_ascii=False))
