"""A typed word to the kinds it means: by name or synonym, by what they are of, by their descriptions."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import ROOT
from pipeline.errors import UsageError, display_name
from pipeline.files import checksummed

FILE = ROOT / "models" / "kinds.json"
MAX_KINDS = 400  # a word for more says too little
SHOWN = 2
LIMITS = (
    "English words for 1,000 kinds of things are known: animals, plants, food, objects; no colours, people or actions"
)
_BEFORE = frozenset(("of", "in", "on", "with", "at", "by", "near", "under", "over", "behind", "beside"))
_WITHOUT = frozenset(("no", "not", "without"))
_PICTURE = {"photo", "photos", "picture", "pictures", "image", "images"}
_PASSED_OVER = _BEFORE | _PICTURE | {"a", "an", "the", "my", "some", "and", "or"}


@dataclass(frozen=True)
class Meaning:
    """What a text was taken for. kinds: numbers of kinds, 0 to 999. via: what is said before their names."""

    text: str
    kinds: tuple[int, ...]
    via: str

    def said(self, first: Sequence[int] = ()) -> str:
        """In words, such as `dog: beagle, collie and 116 more`. first: kinds to name before others."""
        order = [*(kind for kind in first if kind in self.kinds), *(kind for kind in self.kinds if kind not in first)]
        names = [names_of_kinds()[kind] for kind in order]
        if len(names) == 1:
            return (
                f"{self.via}: {names[0]}"
                if folded(names[0]) != folded(self.via)
                else f"{names[0]}: {described(order[0])}"
            )
        if len(names) <= SHOWN + 1:
            return f"{self.via}: {', '.join(names[:-1])} and {names[-1]}"
        return f"{self.via}: {', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"


def folded(text: str) -> str:
    """As words are compared: case, hyphens and accents of writing make no difference."""
    return " ".join(text.casefold().replace("-", " ").replace("_", " ").split())


def names_of_kinds() -> list[str]:
    """The 1,000 names, each different."""
    return [name for name, _ in _table()["kinds"]]


def groups() -> list[tuple[str, Sequence[int]]]:
    """What kinds are of, in words that people use, such as dog, and the kinds that are."""
    return [(name, kinds) for name, kinds, usual in _table()["groups"] if usual]


def described(kind: int) -> str:
    return str(_table()["kinds"][kind][1])


def meaning(text: str) -> Meaning:
    """What a text means. UsageError names the nearest words that are known when it means nothing here."""
    every = re.findall(r"\w+(?:[.'’]\w+)*", folded(text))
    tokens = [token for token in every if token not in _PASSED_OVER]
    phrase = " ".join(tokens)
    if not tokens:
        raise UsageError(f"{display_name(text)!r} names nothing; type what pictures show, such as: dog, or grand piano")
    if found := _named(" ".join(every)) or _named(phrase) or _wider(phrase):
        return found
    if len(several := [part for part in re.split(r"\s*(?:,|\band\b|\bor\b)\s*", folded(text)) if part]) > 1:
        parts = [meaning(part) for part in several]
        return Meaning(
            phrase,
            tuple(sorted({kind for part in parts for kind in part.kinds})),
            " or ".join(part.via for part in parts),
        )
    if unwanted := _WITHOUT.intersection(every):
        raise UsageError(
            f"{min(unwanted)!r} is not read here; give what hits should not show apart: in the field Not, or by --not-text"
        )
    if len(tokens) > 1 and (found := _of_parts(every)):
        return found
    if found := _mentioned(phrase):
        return found
    raise UsageError(f"{display_name(text)[:60]!r} is not known here; {_nearest(tokens)}{LIMITS}")


def _named(phrase: str) -> Meaning | None:
    """By a name; of several meanings the usual one, and every kind that is called so itself."""
    table = _table()
    for form in _forms(phrase):
        if senses := table["words"].get(form):
            taken = dict.fromkeys([senses[0], *(sense for sense in senses if sense < len(table["kinds"]))])
            kinds = tuple(sorted({kind for sense in taken for kind in _kinds(sense)}))
            return Meaning(phrase, kinds, form)
    return None


def _wider(phrase: str) -> Meaning | None:
    """By what it is one of: a puppy is a dog."""
    for form in _forms(phrase):
        if (sense := _table()["broader"].get(form)) is not None:
            return Meaning(phrase, _kinds(sense), f"no kind is called {form}; taken as {_name(sense)}")
    return None


def _of_parts(tokens: Sequence[str]) -> Meaning | None:
    """By the known words in it: what all of them mean together, else the last before a preposition, which says what it is."""
    parts, head, unknown, at = list[Meaning](), 0, list[str](), 0
    while at < len(tokens):
        for end in range(len(tokens), at, -1):
            if found := _named(" ".join(tokens[at:end])):
                parts, at = [*parts, found], end
                break
        else:
            if tokens[at] in _BEFORE and parts:
                head = head or len(parts)
            elif tokens[at] not in _PASSED_OVER:
                unknown.append(tokens[at])
            at += 1
    if not parts:
        return None
    common = set(parts[0].kinds).intersection(*(part.kinds for part in parts))
    chosen = parts if common else [parts[(head or len(parts)) - 1]]
    via = " ".join(dict.fromkeys(part.via for part in chosen))
    left_out = list(dict.fromkeys([*unknown, *(part.via for part in parts if part not in chosen)]))
    said = f"{', '.join(left_out)} {'is' if len(left_out) == 1 else 'are'} left out; {via}" if left_out else via
    return Meaning(" ".join(tokens), tuple(sorted(common)) or chosen[0].kinds, said)


def _mentioned(phrase: str) -> Meaning | None:
    """By a word of their names, else of their descriptions."""
    table, words = _table(), [re.compile(rf"\b{re.escape(form)}\b") for form in _forms(phrase)]
    for column, how in ((0, "is part of these names"), (1, "stands in these descriptions")):
        kinds = tuple(
            i for i, kind in enumerate(table["kinds"]) if any(word.search(folded(kind[column])) for word in words)
        )
        if 0 < len(kinds) <= MAX_KINDS:
            return Meaning(phrase, kinds, f"no kind is called {phrase}, which {how}")
    return None


def _nearest(tokens: Sequence[str]) -> str:
    import difflib

    alike = difflib.get_close_matches(" ".join(tokens), [*_table()["words"]], n=3, cutoff=0.7)
    return f"did you mean {' or '.join(alike)}? " if alike else ""


def _forms(phrase: str) -> Iterator[str]:
    """The phrase, then as its last word may be without a plural."""
    yield phrase
    if irregular := _table()["forms"].get(phrase):
        yield irregular
    for ending, singular in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        if phrase.endswith(ending) and len(phrase) > len(ending) + 2:
            yield phrase.removesuffix(ending) + singular


def _kinds(sense: int) -> tuple[int, ...]:
    count = len(_table()["kinds"])
    return (sense,) if sense < count else tuple(_table()["groups"][sense - count][1])


def _name(sense: int) -> str:
    count = len(_table()["kinds"])
    return str(_table()["kinds"][sense][0] if sense < count else _table()["groups"][sense - count][0])


@functools.cache
def _table(file: Path = FILE) -> dict[str, Any]:
    """{"kinds": [[name, description]], "groups": [[name, kinds, whether people use the name]], "words", "broader": word to places in kinds then groups,
    "forms": irregular plural to word}. Made by `python -m training fit-kinds`. UsageError when it is damaged.
    """
    try:
        return checksummed.opened(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); copy it again from the same release") from error
