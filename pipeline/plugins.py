"""One file adds one thing: a folder is the registry and a file's name is the plugin's name.

A plugin file defines `CARD` and `build(*, option=default, ...)`. The options of a spec such as
`torchvision:arch=resnet50,layer=logits` are `build`'s own keyword parameters, read from its signature.

A kind is a folder of pipeline/, such as encoders, or by its whole name a package beside it, such as training.losses.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pipeline import ROOT
from pipeline.errors import UsageError

DEFAULT_ENCODER = "deep_ranking"
"""Of the demo and of a new gallery: what `ingest` takes when nothing is said, and the app offers first."""

KINDS = ("encoders", "datasets", "stores", "indexes", "projections", "detectors", "rerank")
_ONE = {"indexes": "index", "losses": "loss", "rerank": "re-ranker"}
_FOLDERS = {kind: Path(__file__).parent / kind for kind in KINDS}


class PathText(str):
    """The type of an option that names a file or a folder as typed: `absolute` changes it, `build` gets text."""


@dataclass(frozen=True)
class Card:
    """What a list of plugins says about one: a line of text, its terms, and what must be installed."""

    summary: str
    licence: str = "MIT"
    source: str = ""
    requires: tuple[str, ...] = ()  # importable module names
    install: str = ""  # what to type when one is missing
    words: bool = False  # of an encoder: what it builds is a records.TextEncoder
    nested: bool = False  # of an encoder: the first numbers of what it gives by default are an embedding by themselves
    weak: bool = True  # of an encoder: whether a score no higher than random pairs' means that a match is weak


@dataclass(frozen=True)
class Option:
    """One keyword parameter of a plugin's `build`."""

    name: str
    type: type
    default: Any
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


def available(kind: str) -> list[str]:
    """Names of the plugins in a folder, sorted; nothing is imported."""
    folder = _FOLDERS.get(kind) or ROOT / _package(kind).replace(".", "/")
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def split(kind: str, texts: Sequence[str]) -> list[str]:
    """`a,b:x=1,y=2,c` to a, b:x=1,y=2 and c: a comma begins a new spec where a plugin's name follows it.

    So it does after a bare name, which has no options that could go on. Each spec once, in order. Raises UsageError.
    """
    known, specs = available(kind), list[str]()
    for text in texts:
        begun = ""
        for piece in text.split(","):
            if not piece.strip():
                raise UsageError(f"--{kind} {text!r} has nothing between two commas or at an end; write a,b,c")
            if begun and ":" in begun and piece.partition(":")[0].strip() not in known:
                begun += f",{piece}"
                continue
            specs += [begun.strip()] if begun else []
            begun = piece
        specs.append(begun.strip())
    return list(dict.fromkeys(specs))


def parse(spec: str) -> tuple[str, dict[str, str]]:
    """`name:key=value,key=value` to (name, {key: value}). A comma splits only before `key=`."""
    name, _, rest = spec.strip().partition(":")
    options: dict[str, str] = {}
    for part in re.split(r",(?=\s*[A-Za-z_][\w-]*\s*=)", rest) if rest else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"cannot read option {part!r} in {spec!r}; write {name}:key=value,key=value")
        key = key.strip().replace("-", "_")
        if key in options:
            raise UsageError(f"option {key!r} is given twice in {spec!r}; keep one")
        options[key] = value.strip()
    return name, options


def card(kind: str, name: str) -> Card:
    return typing.cast(Card, _module(kind, name).CARD)


def card_of(kind: str, spec: str) -> Card:
    """The card of the plugin that `spec` names; nothing is built, no weights are loaded."""
    return card(kind, parse(spec)[0])


def missing(kind: str, name: str) -> str:
    """What to install before this plugin works; empty when nothing is missing."""
    about = card(kind, name)
    lacking = [module for module in about.requires if importlib.util.find_spec(module) is None]
    if lacking:
        return about.install or f"pip install {' '.join(lacking)}"
    more = getattr(_module(kind, name), "lacking", None)  # a plugin that needs more than a module, such as a GPU
    return more() if more else ""


def usual(kind: str, name: str) -> tuple[str, ...]:
    """The specs that stand for a plugin's bare name where several settings are compared: its USUAL, else its name."""
    return typing.cast(tuple[str, ...], getattr(_module(kind, name), "USUAL", (name,)))


def options(kind: str, name: str) -> list[Option]:
    """The options of a plugin in the order of its signature."""
    return list(_options(_module(kind, name).build))


@functools.lru_cache(maxsize=256)  # a search builds a re-ranker, and reading a signature takes longer than that
def _options(build_function: Callable[..., Any]) -> tuple[Option, ...]:
    hints = typing.get_type_hints(build_function)
    listed = []
    for parameter in inspect.signature(build_function).parameters.values():
        hint = _without_none(hints.get(parameter.name, str))
        values = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
        kind_of_value = type(values[0]) if values else hint
        listed.append(Option(parameter.name, kind_of_value, parameter.default, tuple(map(str, values))))
    return tuple(listed)


def absolute(kind: str, spec: str) -> str:
    """The spec with its paths made absolute, so that it means the same from every working directory."""
    name, texts = parse(spec)
    paths = {option.name for option in options(kind, name) if option.type in (Path, PathText)}
    made = {
        key: str(Path(text).expanduser().absolute()) if key in paths and text else text for key, text in texts.items()
    }
    return name + (":" + ",".join(f"{key}={text}" for key, text in made.items()) if made else "")


def build(kind: str, spec: str, **given: Any) -> Any:
    """Make the plugin that `spec` names; `given` are further options that already have their type.

    Where both say something the spec wins: it was written for this one plugin, `given` is often a default. What has no
    default and is given is the caller's alone, such as the size of the network that a loss belongs to.

    Raises UsageError for an unknown plugin or option, a value of the wrong type, or a missing library.
    """
    name, texts = parse(spec)
    known = {option.name: option for option in options(kind, name)}
    free = [key for key, option in known.items() if not (option.required and key in given)]
    for key in [*texts, *(given.keys() - known.keys())]:
        if key not in free:
            raise UsageError(f"{name} has no option {key!r}; its options are {', '.join(free) or '(none)'}")
    values = {key: value(name, known[key], text) for key, text in texts.items()}
    if lacking := [o.name for o in known.values() if o.required and o.name not in values and o.name not in given]:
        raise UsageError(f"{name} needs {', '.join(lacking)}: write {name}:{lacking[0]}=…")
    if install := missing(kind, name):
        raise UsageError(f"{name} needs a library that is not installed: {install}")
    return _module(kind, name).build(**(given | values))


def _without_none(hint: Any) -> Any:
    """`Path | None` to `Path`: a spec never writes None."""
    kinds = [part for part in typing.get_args(hint) if part is not type(None)]
    return kinds[0] if type(None) in typing.get_args(hint) and len(kinds) == 1 else hint


def _module(kind: str, name: str) -> ModuleType:
    could_be = name.isidentifier() and not name.startswith("_")
    module = f"{_package(kind)}.{name}"
    if not could_be or (module not in sys.modules and name not in available(kind)):  # a search need not list the folder
        folder = kind.rpartition(".")[2]
        raise UsageError(
            f"unknown {_ONE.get(folder, folder[:-1])} {name!r}; choose from {', '.join(available(kind))}, "
            f"or add {_package(kind).replace('.', '/')}/{name}.py"
        )
    return importlib.import_module(module)


def _package(kind: str) -> str:
    return kind if "." in kind else f"pipeline.{kind}"


def value(name: str, option: Option, text: str) -> Any:
    """What an option of the plugin `name` is when it is written as text. Raises UsageError."""
    if option.choices and text not in option.choices:
        raise UsageError(f"{name}: {option.name}={text!r} is not one of {', '.join(option.choices)}")
    if option.type is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise UsageError(f"{name}: {option.name} is true or false, not {text!r}")
        return text.lower() in ("true", "1", "yes")
    try:
        return option.type(text)
    except ValueError:
        raise UsageError(f"{name}: {option.name} is {option.type.__name__}, not {text!r}") from None
