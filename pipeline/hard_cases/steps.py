"""Where a case stands: each step of a round with what came of it, and the command that comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import SemblanceError
from pipeline.hard_cases import review
from pipeline.hard_cases.case import STEPS, Case, Round
from pipeline.hard_cases.compare import is_stale

NEEDS = {
    "shortlist": ("encode", "needles"),
    "compare": ("shortlist",),
    "export": ("shortlist",),
    "import": ("shortlist",),
}
_OPTIONS = {"export": " DIR --format zip", "import": " --truth FILE --predictions FILE"}


@dataclass(frozen=True)
class Step:
    """state: done, stale (something before it has changed), ready or waiting. outcome: of the step, or what it waits for."""

    name: str
    state: str
    outcome: str

    @property
    def title(self) -> str:
        return self.name.capitalize()


def steps_of(round: Round) -> list[Step]:
    results: dict[str, dict[str, Any] | None] = {}
    steps = []
    for name in STEPS:
        try:
            result = results[name] = round.result(name)
        except SemblanceError as error:  # damaged: doing it again mends it
            steps.append(Step(name, "ready", str(error)))
            continue
        lacking = [need for need in NEEDS.get(name, ()) if results.get(need) is None]
        if lacking:
            steps.append(Step(name, "waiting", f"needs {' and '.join(lacking)}"))
        elif result is None:
            steps.append(Step(name, "ready", ""))
        elif name == "compare" and is_stale(round, result):
            steps.append(Step(name, "stale", "the shortlist has changed since: compare again"))
        else:
            steps.append(Step(name, "done", _OUTCOMES[name](round, result)))
    return steps


def next_step(round: Round) -> str:
    """The first that is not done; `next` when the round is over. What was imported need not be exported any more."""
    steps = steps_of(round)
    imported = steps[-1].state == "done"
    return next((s.name for s in steps if s.state != "done" and not (s.name == "export" and imported)), "next")


def next_command(round: Round) -> str:
    step = next_step(round)
    return f"python -m pipeline hard-cases {step} {round.case.name}{_OPTIONS.get(step, '')}"


def summary(case: Case) -> dict[str, Any]:
    """What `show --json` prints."""
    rounds = []
    for number in case.numbers:
        round = case.round(number)
        split = {part: len(paths) for part, paths in round.split.items()}
        states = {step.name: step.state for step in steps_of(round)}
        results = {name: round.needed(name) for name, state in states.items() if state in ("done", "stale")}
        for result in results.values():
            for key in ("detections", "of"):  # curves and paths: in the files, and too long here
                result.pop(key, None)
        rounds.append({"round": number, **split, "steps": states, "results": results})
    about = {
        key: case.about[key]
        for key in ("name", "title", "pictures", "created", "seed", "reference", "missing", "notes")
    }
    return about | {"rounds": rounds, "next": next_command(case.round())}


def _encoded(_: Round, result: dict[str, Any]) -> str:
    what = "objects and boxes" if result["objects"] else "pictures"
    rest = result["records"] - result["encoded"]
    return f"{result['encoded']:,} {what} by {result['encoder']}" + (f", {rest:,} could not be read" if rest else "")


def _failures(round: Round, result: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in result["kinds"].items())
    out = result["needles"] - len(review.kept_failures(round))
    text = f"{result['needles']:,} on {result['pictures']:,} of {result['reference']:,} reference pictures: {kinds}"
    return text + (f"; {out:,} left out" if out else "")


def _shortlisted(round: Round, result: dict[str, Any]) -> str:
    now = int(review.shortlisted(round)["path"].nunique())
    text = f"{now:,} of {result['haystack']:,} pictures, k {result['k']}, score from {result['min_score']:.3f}"
    text += f"; {result['copies']:,} copies left out" if result["copies"] else ""
    return text + (f"; {result['not_encoded']:,} needles not encoded" if result["not_encoded"] else "")


def _exported(_: Round, result: dict[str, Any]) -> str:
    gone = f"; {len(result['missing']):,} pictures are gone" if result["missing"] else ""
    files = ", ".join(result["files"])
    return f"{result['pictures']:,} pictures as {result['format']}: {files} in {result['folder']}{gone}"


_OUTCOMES: dict[str, Callable[[Round, dict[str, Any]], str]] = {
    "encode": _encoded,
    "needles": _failures,
    "shortlist": _shortlisted,
    "compare": lambda _, result: str(result["sentence"]),
    "export": _exported,
    "import": lambda _, result: f"{result['corrected']:,} pictures have other annotations. {result['sentence']}",
}
