"""Verbs that tell whether pictures show the same: pairs, same, identify."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.recognition.verification import Curve
    from pipeline.records import Encoder

By = Annotated[
    str,
    typer.Option(
        help="label, a metadata field such as item, or pairs:NAME of a file: what makes two pictures the same"
    ),
]
Rate = Annotated[float, typer.Option(help="Share of different pairs that may be taken as the same: 0.001, 0.01, 0.05")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]
Picture = Annotated[str, typer.Argument(help="A picture file, or the id of a picture of the gallery")]
_ID = re.compile(r"[0-9a-f]{32}")


def register(app: typer.Typer) -> None:
    for verb in (pairs, same, identify):
        app.command()(verb)


def pairs(
    name: Name,
    by: By = "label",
    n: Annotated[int, typer.Option("-n", "--n", min=1, help="Pairs of each kind in each half, at most")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the halves and of the draws")] = 0,
    file: Annotated[
        str, typer.Option(help="Pairs that people judged: a CSV with first, second, same; or LFW's pairs.txt")
    ] = "",
    write: Annotated[str, typer.Option(help="A new CSV with every pair, its half and its score")] = "",
    progress: ProgressKind = "auto",
    as_json: AsJson = False,
) -> None:
    """How well scores tell same pairs from different ones, and the threshold of each false accept rate; kept."""
    from pipeline.errors import UsageError
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.recognition import pair_files, verification
    from pipeline.settings import Settings

    if file and by != "label":
        raise UsageError("--file says which pairs are the same, so --by cannot")
    if write and not Path(write).absolute().parent.is_dir():
        raise UsageError(f"no folder {Path(write).parent}; make it first")
    gallery = open_gallery(name, Settings())
    with shown(progress) as show:
        if file:
            curve, notes = verification.curve_of_file(gallery, Path(file), seed=seed)
            for note in notes:
                print(note, file=sys.stderr)
        else:
            curve = verification.curve(gallery, by=by, n=n, seed=seed, progress=show)
    report, by = curve.report, curve.report["by"]
    if write:
        pair_files.write(Path(write), gallery, curve.pairs)
        print(f"{len(curve.pairs):,} pairs written to {write}", file=sys.stderr)
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return
    for point in report["points"]:
        few = "" if point["enough"] else f"  too few different pairs: this rate needs {1 / point['rate']:,.0f}"
        print(
            f"false accepts {point['rate']:6.1%}  threshold {point['threshold']:.4f}  of same pairs accepted {_share(point['true_accept'])}, "
            f"of different ones {_share(point['false_accept'])}{few}"
        )
    counts = report["pairs"]["measure"]
    print(
        f"{name}: auc {report['auc']:.4f}, equal error rate {report['eer']:.4f} at score {report['eer_threshold']:.4f}; "
        f"{counts['same']:,} same and {counts['different']:,} different pairs by {by}, seed {seed}"
    )


def same(
    name: Name,
    first: Picture,
    second: Picture,
    false_accept: Rate = 0.01,
    by: By = "label",
    device: Device = "",
    as_json: AsJson = False,
) -> None:
    """Do two pictures show the same? Their score, the gallery's threshold at a false accept rate, and what it is worth."""
    from pipeline.gallery import calibration
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync
    from pipeline.recognition.identification import picture_embedding
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    pictures = [_picture(picture) for picture in (first, second)]
    curve = _curve(gallery, by)
    encoder, store = _encoder(gallery, pictures, device), sync.exact_store(gallery)
    left, right = (picture_embedding(gallery, store, encoder, picture)[0] for picture in pictures)
    score = float(left @ right)
    percentile = calibration.percentile(score, gallery.encoder()["calibration"])
    decision = _decision(curve, score, false_accept)
    if as_json:
        known_percentile = percentile if percentile == percentile else None
        result = {
            "gallery": name,
            "pictures": [first, second],
            "score": round(score, 6),
            "percentile": known_percentile,
        }
        print(json.dumps(result | {"by": by} | decision, ensure_ascii=False))
        return
    verdict = "no decision" if decision["same"] is None else "same" if decision["same"] else "different"
    print(f"{verdict}: score {score:.4f}, higher than {percentile:.1f} % of random pairs of {name}")
    if curve:
        print(_worth(curve, decision))


def identify(
    name: Name,
    picture: Picture,
    who: Annotated[str, typer.Option(help="Only this identity or label")] = "",
    labels: Annotated[bool, typer.Option(help="Whether a label counts as an identity, with all its pictures")] = True,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many names")] = 10,
    false_accept: Rate = 0.01,
    by: By = "label",
    device: Device = "",
    as_json: AsJson = False,
) -> None:
    """Which identity a picture shows: the highest score over each one's pictures, ranked and decided."""
    from pipeline.errors import display_name
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync
    from pipeline.recognition.identification import IDENTITY, LABEL, best_match, picture_embedding, ranked_matches
    from pipeline.recognition.identities import identities
    from pipeline.settings import Settings

    gallery = open_gallery(name, Settings())
    query = _picture(picture)
    curve = _curve(gallery, by)
    store = sync.exact_store(gallery)
    vector, own = picture_embedding(gallery, store, _encoder(gallery, [query], device), query)
    if who:
        kind = IDENTITY if who in identities(gallery) else LABEL
        matches = [best_match(gallery, store, vector, who, kind=kind, own=own)]
    else:
        matches = ranked_matches(gallery, store, vector, own=own, labels=labels)[:k]
    decisions = [_decision(curve, match.score, false_accept) for match in matches]
    known = any(decision["same"] for decision in decisions)
    if as_json:
        rows = [
            {"name": match.name, "kind": match.kind, "id": match.id, "score": round(match.score, 6)} | decision
            for match, decision in zip(matches, decisions, strict=True)
        ]
        print(json.dumps({"gallery": name, "picture": picture, "known": known, "matches": rows}, ensure_ascii=False))
        return
    for match, decision in zip(matches, decisions, strict=True):
        verdict = "-" if decision["same"] is None else "same" if decision["same"] else "different"
        print(f"{verdict:9s}  {match.score:.4f}  {match.kind:8s}  {match.id}  {display_name(match.name)}")
    if not known and curve:
        print("nobody known: " + ("no score reaches the threshold" if matches else f"{name} has no identity yet"))
    print(
        "the rate is of one pair; more pictures or names to compare with are more chances to be wrong", file=sys.stderr
    )


def _picture(text: str) -> bytes | str:
    """A file's bytes, or the id."""
    from pipeline import errors
    from pipeline.errors import PictureError
    from pipeline.images import opening

    if _ID.fullmatch(text) and not Path(text).exists():
        return text
    try:
        data = opening.read_file(Path(text))
        opening.open_image(data)
    except PictureError as error:
        raise PictureError(f"{errors.display_name(text)}: {error}") from None
    return data


def _curve(gallery: Gallery, by: str) -> Curve | None:
    """None, and a line that says why, where labels, which nobody asked for, make no pairs."""
    from pipeline.errors import UsageError
    from pipeline.recognition import verification

    try:
        return verification.curve(gallery, by=by)
    except UsageError as error:
        if by != "label":
            raise
        print(f"no decision: {error}", file=sys.stderr)
        return None


def _encoder(gallery: Gallery, pictures: list[bytes | str], device: str) -> Encoder | None:
    """None where every picture is one of the gallery, whose embeddings are there."""
    from pipeline.search.search import load_encoder
    from pipeline.settings import Settings

    if all(isinstance(picture, str) for picture in pictures):
        return None
    return load_encoder(gallery, device=device or Settings().device)


def _decision(curve: Curve | None, score: float, rate: float) -> dict[str, Any]:
    from pipeline.recognition import verification

    if curve is None:
        return {"same": None}
    decision = verification.decide(curve, score, rate=rate)
    return {
        "same": decision.same,
        "threshold": decision.threshold,
        "false_accept": rate,
        "different_pairs_at_least_as_high": decision.higher,
        "different_pairs": decision.n_different,
        "same_pairs_lower": decision.lower,
        "same_pairs": decision.n_same,
    }


def _worth(curve: Curve, decision: dict[str, Any]) -> str:
    from pipeline.recognition import verification

    point = verification.point_of(curve, decision["false_accept"])
    few = "" if point["enough"] else f"; too few different pairs: this rate needs {1 / decision['false_accept']:,.0f}"
    return (
        f"threshold {decision['threshold']:.4f}, which accepts {_share(point['true_accept'])} of same pairs and {_share(point['false_accept'])} of different "
        f"ones, measured on pictures that did not choose it{few}\n"
        f"{decision['different_pairs_at_least_as_high']:,} of {decision['different_pairs']:,} different pairs score as high, "
        f"{decision['same_pairs_lower']:,} of {decision['same_pairs']:,} same pairs score lower"
    )


def _share(figure: dict[str, float]) -> str:
    return f"{figure['value']:.2%} (95 % {figure['low']:.2%} to {figure['high']:.2%})"
