"""preferences: which of two answers people found better on the Search page."""

from __future__ import annotations

import json

import typer

from pipeline.cli.console import AsJson, Name


def register(app: typer.Typer) -> None:
    app.command()(preferences)


def preferences(name: Name, as_json: AsJson = False) -> None:
    """Count what was said of answers side by side, by what gave them."""
    from pipeline.errors import display_name
    from pipeline.gallery import preferences as kept
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    tallies = kept.tallies(open_gallery(name, Settings()))
    if as_json:
        rows = [
            {"ways": one.ways, "first": one.first, "second": one.second, "alike": one.alike}
            | {"share": dict(zip(("value", "low", "high"), one.share, strict=True)) if one.first + one.second else None}
            for one in tallies
        ]
        print(json.dumps({"gallery": name, "preferences": rows}, ensure_ascii=False))
        return
    if not tallies:
        print(f"{name}: nobody said which of two answers is better; Search, Options, Beside it shows two")
    for one in tallies:
        queries = one.first + one.second + one.alike
        print(f"{queries:,} queries: {display_name(one.ways[0])} against {display_name(one.ways[1])}")
        share, low, high = one.share
        sure = (
            f"; {share:.0%} of those that decide for the first (95 %: {low:.0%} to {high:.0%})"
            if share == share
            else ""
        )
        print(f"  first better {one.first:,}, second better {one.second:,}, alike {one.alike:,}{sure}")
