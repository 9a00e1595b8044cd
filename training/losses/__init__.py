"""What training minimises. The folder is the registry: a file's name is its loss's name, its `build` has the options.

A loss is a module: forward(embeddings (n, dim) float32 of unit length, labels (n,) int64 in [0, n_labels)) to a
scalar. Call it outside autocast: bf16 is too coarse for distances. One with parameters goes to the optimiser, too.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from torch import nn


def available() -> list[str]:
    """Names of the losses, sorted; nothing is imported."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def build(name: str, *, dim: int, n_labels: int, **options: Any) -> nn.Module:
    """An option given as text, as a command line does, becomes what `build` of that loss declares.

    Raises UsageError for an unknown loss or option, or a value of the wrong type.
    """
    if name not in available():
        raise UsageError(
            f"unknown loss {name!r}; choose from {', '.join(available())}, or add training/losses/{name}.py"
        )
    make = importlib.import_module(f"training.losses.{name}").build
    hints = typing.get_type_hints(make)
    known = [key for key in inspect.signature(make).parameters if key not in ("dim", "n_labels")]
    for key, value in options.items():
        if key not in known:
            raise UsageError(f"{name} has no option {key!r}; its options are {', '.join(known) or '(none)'}")
        options[key] = _value(name, key, hints[key], value)
    return make(dim=dim, n_labels=n_labels, **options)


def _value(name: str, key: str, hint: Any, value: Any) -> Any:
    choices = typing.get_args(hint)  # of a Literal
    if choices and value not in choices:
        raise UsageError(f"{name}: {key}={value!r} is not one of {', '.join(choices)}")
    try:
        return value if choices or not isinstance(value, str) else hint(value)
    except ValueError:
        raise UsageError(f"{name}: {key} is {hint.__name__}, not {value!r}") from None
