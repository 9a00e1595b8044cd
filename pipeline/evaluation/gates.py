"""Gates: figures below which a result is not good enough, such as recall_at_1=0.6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.errors import UsageError


def parse(texts: Sequence[str]) -> dict[str, float]:
    """metric to the least value. UsageError for what is no METRIC=NUMBER between 0 and 1."""
    from pipeline.metrics import protocol

    found = {}
    for text in texts:
        metric, _, number = text.partition("=")
        try:
            found[metric.strip()] = float(number)
        except ValueError:
            raise UsageError(f"cannot read the gate {text!r}; write METRIC=NUMBER, such as recall_at_1=0.6") from None
        if not 0 <= found[metric.strip()] <= 1:
            raise UsageError(f"the gate {text!r} asks for a figure that is not between 0 and 1")
    protocol.check(list(found))
    return found


def with_metrics(gates: dict[str, float], metrics: Sequence[str]) -> list[str]:
    """The metrics that must be measured: those named, or the usual ones, and those of the gates."""
    from pipeline.metrics import protocol

    named = list(metrics) or list(protocol.USUAL)
    return named + [metric for metric in gates if metric not in named]


def judge(gates: dict[str, float], report: dict[str, Any]) -> list[dict[str, Any]]:
    """{metric, required, value, passed} of each gate; a figure counts as it is, not its interval."""
    values = {metric: report["metrics"][metric]["value"] for metric in gates}
    return [
        {"metric": metric, "required": least, "value": values[metric], "passed": values[metric] >= least}
        for metric, least in gates.items()
    ]
