"""Where a case stands: each step of a round with what came of it, and the command that comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import SemblanceError
from pipeline.hard_cases import choices, compare
from pipeline.hard_cases.case import STEPS, Case, Round

TITLES = {
    "encode": "Encode", "needles": "Needles", "shortlist": "Shortlist", "compare": "Compare", "export": "Export",
    "import": "Import",
}  # fmt: skip
NEEDS = {
    "shortlist": ("encode", "needles"),
    "compare": ("shortlist",),
    "export": ("shortlist",),
    "import": ("shortlist",),
}
_OPTIONS = {"export": " DIR --format zip", "import": " --truth FILE --predictions FILE"}


@dataclass(frozen=True)
class Step:
    """state: done, stale (something before it has changed), ready or waiting. said: what came of it, or what it waits for."""

    name: str
    state: str
    said: str

    @property
    def title(self) -> str:
        return TITLES[self.name]


def steps(turn: Round) -> list[Step]:
    results: dict[str, dict[str, Any] | None] = {}
    told = []
    for name in STEPS:
        try:
            results[name] = turn.result(name)
        except SemblanceError as error:  # damaged: doing it again mends it
            results[name] = None
            told.append(Step(name, "ready", str(error)))
            continue
        lacking = [need for need in NEEDS.get(name, ()) if results.get(need) is None]
        result = results[name]
        if lacking:
            told.append(Step(name, "waiting", f"needs {' and '.join(lacking)}"))
        elif result is None:
            told.append(Step(name, "ready", ""))
        elif name == "compare" and compare.is_stale(turn, result):
            told.append(Step(name, "stale", "the shortlist has changed since: compare again"))
        else:
            told.append(Step(name, "done", _SAID[name](turn, result)))
    return told


def next_step(turn: Round) -> str:
    """The first that is not done; `next` when the round is over. What was imported need not be exported any more."""
    told = steps(turn)
    left = [step.name for step in told if step.state != "done" and (step.name != "export" or told[-1].state != "done")]
    return left[0] if left else "next"


def next_command(turn: Round) -> str:
    step = next_step(turn)
    return f"python -m pipeline hard-cases {step} {turn.case.name}{_OPTIONS.get(step, '')}"


def summary(case: Case) -> dict[str, Any]:
    """What `show --json` prints."""
    rounds = []
    for number in case.numbers:
        turn = case.round(number)
        split = {part: len(paths) for part, paths in turn.split.items()}
        results = {step.name: turn.result(step.name) for step in steps(turn) if step.state in ("done", "stale")}
        for result in results.values():
            for key in ("detections", "of"):  # curves and paths: in the files, and too long here
                (result or {}).pop(key, None)
        state = {step.name: step.state for step in steps(turn)}
        rounds.append({"round": number, **split, "steps": state, "results": results})
    about = {
        key: case.about[key]
        for key in ("name", "title", "pictures", "created", "seed", "reference", "missing", "notes")
    }
    return about | {"rounds": rounds, "next": next_command(case.round())}


def _encoded(_: Round, one: dict[str, Any]) -> str:
    what = "objects and boxes" if one["objects"] else "pictures"
    rest = one["records"] - one["encoded"]
    return f"{one['encoded']:,} {what} by {one['encoder']}" + (f", {rest:,} could not be read" if rest else "")


def _needled(turn: Round, one: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in one["kinds"].items())
    out = one["needles"] - len(choices.kept_needles(turn))
    said = f"{one['needles']:,} on {one['pictures']:,} of {one['reference']:,} reference pictures: {kinds}"
    return said + (f"; {out:,} left out" if out else "")


def _listed(turn: Round, one: dict[str, Any]) -> str:
    now = int(choices.shortlisted(turn)["path"].nunique())
    said = f"{now:,} of {one['haystack']:,} pictures, k {one['k']}, score from {one['min_score']:.3f}"
    said += f"; {one['copies']:,} copies left out" if one["copies"] else ""
    return said + (f"; {one['not_encoded']:,} needles not encoded" if one["not_encoded"] else "")


def _compared(_: Round, one: dict[str, Any]) -> str:
    return str(one["sentence"])


def _exported(_: Round, one: dict[str, Any]) -> str:
    gone = f"; {len(one['missing']):,} pictures are gone" if one["missing"] else ""
    return f"{one['pictures']:,} pictures as {one['format']}: {', '.join(one['files'])} in {one['folder']}{gone}"


def _imported(_: Round, one: dict[str, Any]) -> str:
    return f"{one['corrected']:,} pictures have other annotations. {one['sentence']}"


_SAID: dict[str, Callable[[Round, dict[str, Any]], str]] = {
    "encode": _encoded, "needles": _needled, "shortlist": _listed, "compare": _compared, "export": _exported,
    "import": _imported,
}  # fmt: skip
