"""The verb that finds duplicates and, asked twice, removes all but the best copies: duplicates."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery


def register(app: typer.Typer) -> None:
    app.command()(duplicates)


def duplicates(
    name: Name,
    tier: Annotated[
        str, typer.Option(help="identical (bytes), same (picture), variant, lookalike; separated by commas")
    ] = "identical,same,variant,lookalike",
    threshold: Annotated[
        float | None, typer.Option(help="Lowest score of lookalikes; default: what 1 random pair in 10,000 reaches")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Say what goes when only the best copy of each picture stays")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --remove: remove it; `restore` undoes that")] = False,
    evidence: Annotated[
        Path | None, typer.Option(help="A folder for pictures of each copy beside the kept one, and their difference")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random pairs that the threshold comes from")] = 0,
    progress: ProgressKind = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout")] = False,
) -> None:
    """Pictures that the gallery holds more than once, in groups with the best copy; kept in its reports."""
    from pipeline.cli.commands.remove import remove as remove_pictures
    from pipeline.duplicates.find import KIND, find_duplicates, removable
    from pipeline.errors import UsageError
    from pipeline.gallery import reports
    from pipeline.gallery.opening import open_gallery
    from pipeline.progress import shown
    from pipeline.settings import Settings

    if yes and not remove:
        raise UsageError("--yes confirms --remove; write both, or neither to only look")
    gallery = open_gallery(name, Settings())
    tiers = [part.strip() for part in tier.split(",") if part.strip()]
    with shown(progress) as show:
        report = find_duplicates(gallery, tiers=tiers, threshold=threshold, seed=seed, progress=show)
    report_name = reports.write(gallery, KIND, report)
    to_remove = removable(gallery, report["groups"]) if remove else []
    if threshold is not None and "lookalike" not in tiers:
        print("--threshold is the lowest score of lookalikes, and --tier leaves them out: not used", file=sys.stderr)
    if as_json:
        kept = reports.read(gallery, report_name)
        print(json.dumps(kept | {"report": report_name, "to_remove": to_remove}, ensure_ascii=False))

    else:
        _print_groups(name, report, report_name)
    if evidence:
        _write_evidence(gallery, report["groups"], evidence)
    if remove:
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            _dry_run(report["groups"], to_remove)
            if to_remove and yes:
                remove_pictures(name, to_remove)
            elif to_remove:
                print("dry run, nothing was removed; to remove them add --yes (`restore` undoes it)")


def _write_evidence(gallery: Gallery, groups: list[dict[str, Any]], folder: Path) -> None:
    from pipeline.duplicates.judging import evidence_pictures
    from pipeline.files import atomic

    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for group in groups:
            if any("agreement" in member for member in group["members"]):
                for picture, strip in evidence_pictures(gallery, group, limit=len(group["members"])):
                    (folder / f"{picture}-of-{group['keep']}.png").write_bytes(strip)
                    count += 1
    except OSError as error:
        raise atomic.disk_error(error, folder) from error
    print(f"{count:,} comparisons in {folder}: the kept picture, the copy, their difference", file=sys.stderr)


def _print_groups(name: str, report: dict[str, Any], report_name: str) -> None:
    for group in report["groups"]:
        print(f"{group['tier']}, keep {group['keep']}: {group['reason']}")
        for member in group["members"]:
            seen = f"  {member.get('kind', 'aligned')} {member['agreement']:.3f}" if "agreement" in member else ""
            print(f"  {member['score']:.4f}  {member['id']}  {member['path']}{seen}")
    counts = {tier: sum(group["tier"] == tier for group in report["groups"]) for tier in report["tiers"]}
    print(f"{name}: {', '.join(f'{count:,} {tier}' for tier, count in counts.items())}; kept as {report_name}")
    for key, text in (("leakage", "in different splits"), ("label_conflicts", "with different labels")):
        if crossing := report[key]:
            print(f"{len(crossing):,} groups have members {text}, such as {', '.join(crossing[0]['paths'].values())}")
    if "lookalike" in report["tiers"] and report.get("threshold") is not None:
        print(f"lookalikes score {report['threshold']:.4f} and more ({report['threshold_from']})", file=sys.stderr)
    if note := report.get("neighbours"):
        print(note, file=sys.stderr)
    if missing := report.get("files_missing"):
        print(f"{missing:,} files are gone or changed: judged by their thumbnails, bytes unknown", file=sys.stderr)
    if unseen := report.get("not_seen"):
        print(f"{unseen:,} pictures have neither thumbnail nor file and were not compared", file=sys.stderr)


def _dry_run(groups: list[dict[str, Any]], to_remove: list[str]) -> None:
    paths = {member["id"]: member["path"] for group in groups for member in group["members"]}
    print(f"{len(to_remove):,} pictures to remove, the best copy of each stays; files on disk are left alone")
    evidence = {
        member["id"]: f"  details agree {member['agreement']:.3f} with {group['keep_path']}"
        for group in groups
        if group["tier"] == "same"
        for member in group["members"]
        if "agreement" in member
    }
    for picture in to_remove:
        print(f"  {picture}  {paths[picture]}{evidence.get(picture, '')}")
    if any(group["tier"] == "identical" for group in groups):
        print("identical files are one record of the gallery already, so nothing is removed for them")
