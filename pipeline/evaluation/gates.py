"""Gates: figures that a result must reach to be good enough, such as recall_at_1=0.6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.errors import UsageError


def parse(texts: Sequence[str]) -> dict[str, float]:
    """metric to the value that it must reach. UsageError for what is no METRIC=NUMBER between 0 and 1."""
    from pipeline.metrics import registry

    gates = {}
    for text in texts:
        metric, _, number = text.partition("=")
        try:
            gates[metric.strip()] = float(number)
        except ValueError:
            raise UsageError(f"cannot read the gate {text!r}; write METRIC=NUMBER, such as recall_at_1=0.6") from None
        if not 0 <= gates[metric.strip()] <= 1:
            raise UsageError(f"the gate {text!r} asks for a figure that is not between 0 and 1")
        registry.find(metric.strip())
    return gates


def with_metrics(gates: dict[str, float], metrics: Sequence[str]) -> list[str]:
    """The metrics that must be measured: those named, or the usual ones, and those of the gates."""
    from pipeline.metrics import registry

    return list(dict.fromkeys([*(metrics or registry.usual()), *gates]))


def judge(gates: dict[str, float], report: dict[str, Any]) -> list[dict[str, Any]]:
    """{metric, required, value, passed} of each gate; a figure counts as it is, not its interval."""
    from pipeline.metrics import registry

    verdicts = []
    for metric, required in gates.items():
        value, sign = report["metrics"][metric]["value"], registry.sign(metric)
        passed = sign * value >= sign * required
        verdicts.append({"metric": metric, "required": required, "value": value, "passed": passed})
    return verdicts
