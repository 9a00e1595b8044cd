"""Weights of named features as one line of text: `colour=0.4,texture=0.4`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors import UsageError


def read(text: str, names: Sequence[str], *, least: float, what: str, example: str) -> dict[str, float]:
    """{name: weight} of those that are not 0, in the order of `names`, from `least` to 1; {} for ''. UsageError."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (side.strip() for side in part.partition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = float("nan")
        if name not in names or name in weights or not least <= weight <= 1:
            raise UsageError(
                f"{what} {text!r} cannot be read at {part!r}; write each of {', '.join(names)} once at most with a weight "
                f"from {least:g} to 1, e.g. {example}"
            )
        weights[name] = weight
    if weights and not max(weights.values()) > 0:
        raise UsageError(f"{what} {text!r} say what counts for nothing or less; give one a weight above 0")
    return {name: weights[name] for name in names if weights.get(name)}


def written(weights: Mapping[str, float], names: Sequence[str]) -> str:
    """What `read` reads, in the order of `names`."""
    return ",".join(f"{name}={weights[name]:g}" for name in names if weights.get(name))
