"""Two evaluations of the same queries: paired differences, and the queries on which they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def differences(one: pd.DataFrame, other: pd.DataFrame, metrics: Sequence[str], *, seed: int) -> pd.DataFrame:
    """metric, one, other, difference (other - one), low, high: over queries that both could answer.

    The interval is 95 %, paired: a bootstrap over the queries' own differences (metrics.intervals).
    """
    import pandas as pd

    from pipeline.metrics.intervals import interval

    both = _joined(one, other)
    rows = []
    for metric in metrics:
        values = both[f"{metric}_other"] - both[f"{metric}_one"]
        rise = interval(values.to_numpy(float), seed=seed)
        kept = both[values.notna()]
        means = kept[f"{metric}_one"].mean(), kept[f"{metric}_other"].mean()
        rows.append((metric, *means, rise.value, rise.low, rise.high))
    return pd.DataFrame(rows, columns=["metric", "one", "other", "difference", "low", "high"])


def most_apart(one: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Queries on which `other` is better than `one` by this metric, the most so first, equal ones by id.

    Columns: id, path, label, and all others twice, as NAME_one and NAME_other.
    """
    from pipeline.metrics import registry

    both = _joined(one, other)
    both = both.assign(apart=registry.sign(metric) * (both[f"{metric}_other"] - both[f"{metric}_one"]))
    return both[both["apart"] > 0].sort_values(["apart", "id"], ascending=[False, True], ignore_index=True)


def _joined(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    queries = one[one["relevant"] > 0]
    return queries.merge(other.drop(columns=["path", "label"]), on="id", suffixes=("_one", "_other"), validate="1:1")
