"""What an ingest did, or would do, told on the terminal."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ingest.run import IngestReport

MAX_NOTES = 12


def show(name: str, report: IngestReport, would: str, as_json: bool) -> None:
    """would: '' for what was done, 'would be ' for a plan."""
    from pipeline.errors import display_name
    from pipeline.ingest.follow import said

    if as_json:
        print(json.dumps({"gallery": name, "plan": bool(would)} | dataclasses.asdict(report), ensure_ascii=False))
    else:
        rate = report.added / report.seconds if report.seconds else 0
        print(
            f"{name}: {report.added:,} {would}added, {report.known:,} known, {report.merged:,} merged (same bytes), "
            f"{report.removed:,} removed before, {len(report.rejected):,} rejected in {report.seconds:.1f} s ({rate:,.0f}/s)"
        )
        if report.followed:
            print(f"{name}: {said(report.followed, planned=bool(would))}")
        elif would and not report.added:
            print(f"{name}: nothing would change")
        if report.followed.get("gone") and not would:
            print(f"gone pictures stay until: python -m pipeline remove {name} --gone", file=sys.stderr)
        if report.followed.get("replaced") and not would:
            print("replaced pictures are removed ones: `restore` brings them back", file=sys.stderr)
    for line in report.notes[:MAX_NOTES]:
        print(f"note: {display_name(line)}", file=sys.stderr)
    if len(report.notes) > MAX_NOTES:
        print(f"… and {len(report.notes) - MAX_NOTES:,} notes of other kinds", file=sys.stderr)
    for place, contradiction in report.contradictions[:10]:
        print(f"{display_name(place)} stands twice: {contradiction}; the first counts", file=sys.stderr)
    if len(report.contradictions) > 10:
        print(f"… and {len(report.contradictions) - 10:,} more contradictions", file=sys.stderr)
    for path, reason in report.rejected[:10]:
        print(f"rejected {display_name(path)}: {reason}", file=sys.stderr)
    if len(report.rejected) > 10:
        where = "the plan with --json" if would else "rejected.csv of the gallery"
        print(f"… all {len(report.rejected):,} in {where}", file=sys.stderr)
