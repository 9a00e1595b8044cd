"""Words for the 1,000 kinds of ImageNet, and what they are of, from WordNet 3.0; which kinds, and their order, from timm."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.kinds.words import MAX_KINDS, folded

OBJECT = "n00002684"  # a thing that can be seen and touched
NATURES = {"n00021939", "n00015388", "n00017222", "n00021265"}  # what people make, animals, plants, food
NEAR = 130  # kinds of a wider word that still says what was meant
KINDS_FROM = (
    "Which 1,000 kinds, in which order: ImageNet's list in timm, Apache-2.0. All else: WordNet 3.0, whose terms are:"
)


@dataclass(frozen=True)
class Synset:
    """A meaning: its names, first the usual one, what it is a kind of, and its definition."""

    names: tuple[str, ...]
    above: tuple[str, ...]
    definition: str


def table(wordnet: Path) -> dict[str, Any]:
    """What `pipeline.kinds.words` reads. wordnet: the folder with data.noun, index.noun, noun.exc and cntlist.rev."""
    listed = pkgutil.get_data("timm.data", "_info/imagenet_synsets.txt")
    assert listed, "timm has the list of ImageNet's kinds"
    ids = listed.decode().split()
    synsets = dict(_synsets(wordnet / "data.noun"))
    if missing := set(ids) - synsets.keys():
        raise UsageError(f"{wordnet} is not WordNet 3.0: it has no {sorted(missing)[0]}")
    covered: dict[str, list[int]] = {}  # synset to the kinds that are of it
    for number, one in enumerate(ids):
        for above in _all_above(one, synsets):
            covered.setdefault(above, []).append(number)
    groups = [one for one, kinds in covered.items() if one not in ids and len(kinds) <= MAX_KINDS]
    things = {one for one in groups if OBJECT in _all_above(one, synsets) and len(covered[one]) <= NEAR}
    place = {one: i for i, one in enumerate([*ids, *groups])}
    meanings = dict(_meanings(wordnet / "index.noun"))
    known = {name: [place[one] for one in senses if one in place] for name, senses in meanings.items()}
    known = {name: senses for name, senses in known.items() if senses}
    usual, kinds, called = (
        _usual(wordnet / "cntlist.rev"),
        set(ids),
        {folded(synsets[one].names[0]): place[one] for one in ids},
    )
    broader = {}
    for name, senses in meanings.items():
        if name in known:
            continue
        same = [
            called[other]
            for one in senses
            for other in map(folded, synsets[one].names)
            if other in called and _of_one_nature(one, ids[called[other]], synsets)
        ]
        if same:
            known[name] = same[:1]  # a television receiver is called tv, and what ImageNet calls television is one
        elif (above := _nearest(senses[0], synsets, kinds, things)) and (name in usual or above in kinds):
            broader[name] = place[above]
    forms = {}
    for line in _lines(wordnet / "noun.exc"):
        form, base = (folded(word.replace("_", " ")) for word in line.split()[:2])
        if form not in known and (base in known or base in broader):
            forms[form] = base
    return {
        "terms": f"{KINDS_FROM} {_terms(wordnet / 'data.noun')}",
        "kinds": [[name, synsets[one].definition] for name, one in zip(_apart(ids, synsets), ids, strict=True)],
        "groups": [[synsets[one].names[0], covered[one], folded(synsets[one].names[0]) in usual] for one in groups],
        "words": known,
        "broader": broader,
        "forms": forms,
    }


def _synsets(file: Path) -> Iterator[tuple[str, Synset]]:
    for line in _lines(file):
        data, _, gloss = line.partition("|")
        words = data.split()
        count = int(words[3], 16)
        names = tuple(name.replace("_", " ") for name in words[4 : 4 + 2 * count : 2])
        links = words[5 + 2 * count :]
        above = tuple(
            f"n{links[i + 1]}"
            for i in range(0, 4 * int(words[4 + 2 * count]), 4)
            if links[i] in ("@", "@i") and links[i + 2] == "n"
        )
        yield f"n{words[0]}", Synset(names, above, gloss.partition(";")[0].strip())


def _meanings(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Each noun and its synsets, the usual one first."""
    for line in _lines(file):
        words = line.split()
        yield folded(words[0].replace("_", " ")), [f"n{one}" for one in words[-int(words[2]) :]]


def _usual(file: Path) -> set[str]:
    """Nouns that a reader meets: WordNet's readers did."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {folded(line.partition("%1:")[0].replace("_", " ")) for line in lines if "%1:" in line}


def _terms(file: Path) -> str:
    """The licence at the head of each of WordNet's files, which goes with every copy."""
    head = [line for line in file.read_text(encoding="utf-8").splitlines()[:40] if line.startswith(" ")]
    return " ".join(" ".join(line.split()[1:]) for line in head).strip()


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise UsageError(f"no {file}; give WordNet 3.0's folder, in Debian's package wordnet-base usr/share/wordnet")
    return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith(" ")]


def _all_above(one: str, synsets: dict[str, Synset]) -> set[str]:
    reached, waiting = set(), [one]
    while waiting:
        if (here := waiting.pop()) not in reached:
            reached.add(here)
            waiting += synsets[here].above
    return reached


def _nearest(one: str, synsets: dict[str, Synset], kinds: set[str], things: set[str]) -> str | None:
    """The kind that a synset is of, however far; else the group that it is of at once. None where there is neither."""
    if finer := sorted(kinds & _all_above(one, synsets)):
        return finer[0]
    return next((above for above in synsets[one].above if above in things), None)


def _of_one_nature(one: str, other: str, synsets: dict[str, Synset]) -> bool:
    """A cock and a rooster are animals; a skunk is a rat only as a person."""
    return bool(NATURES & _all_above(one, synsets) & _all_above(other, synsets))


def _apart(ids: Sequence[str], synsets: dict[str, Synset]) -> list[str]:
    """The usual name of each kind; two that are called alike with what they are of."""
    names = [synsets[one].names[0] for one in ids]
    lower = [folded(name) for name in names]
    return [
        f"{name} ({synsets[synsets[one].above[0]].names[0]})" if lower.count(folded(name)) > 1 else name
        for name, one in zip(names, ids, strict=True)
    ]
