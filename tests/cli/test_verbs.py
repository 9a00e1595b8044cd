"""A stranger who looks for a verb finds it in the file of its name, or of its family."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pipeline import ROOT
from pipeline.__main__ import app

FAMILIES = {  # a file named after what its verbs have in common, and those that are not named as it is
    "backup": {"restore-backup"},
    "detect": {"detectors"},
    "export": {"import"},
    "galleries": {"drop"},
    "identities": {"identity"},
    "oddities": {"outliers", "label-errors"},
    "pairs": {"same", "identify"},
    "plugins": {"encoders", "datasets", "indexes"},
    "remove": {"restore", "compact"},
}


def homes(application: typer.Typer, group: str = "") -> list[tuple[str, str]]:
    """(verb, the file that defines it); a verb of a group is looked for by the group's name."""
    found = []
    for command in application.registered_commands:
        assert command.callback is not None
        name = group or command.name or command.callback.__name__.replace("_", "-")
        found.append((name, command.callback.__module__.rpartition(".")[2]))
    for inner in application.registered_groups:
        assert inner.typer_instance is not None
        found += homes(inner.typer_instance, inner.name or "")
    return found


def is_found(verb: str, file: str) -> bool:
    own = verb.replace("-", "_")
    return file == own or file.startswith(f"{own}_") or verb in FAMILIES.get(file, ())


@pytest.mark.parametrize(("verb", "file"), sorted(set(homes(app))))
def test_a_verb_is_in_the_file_of_its_name_or_family(verb: str, file: str) -> None:
    assert is_found(verb, file), f"{verb} is in {file}.py; move it to {verb.replace('-', '_')}.py"


def test_a_verb_in_another_file_is_noticed() -> None:
    assert is_found("search", "search")
    assert is_found("hard-cases", "hard_cases_rounds")
    assert not is_found("try-encoders", "search")
    assert not is_found("sync", "galleries")


def test_every_file_holds_a_verb_and_every_family_is_there() -> None:
    files = {path.stem for path in Path(ROOT, "pipeline", "cli", "commands").glob("[!_]*.py")}
    assert files == {file for _, file in homes(app)}
    assert {(verb, file) for file, verbs in FAMILIES.items() for verb in verbs} <= set(homes(app))


def test_help_answers_in_under_a_second_of_work() -> None:
    """Its processor's time: what a person waits for on a machine that has nothing else to do."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "pipeline", "--help"], cwd=ROOT, capture_output=True, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert 0 < spent < 1
