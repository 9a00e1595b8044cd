"""Each metric that a second library has, recomputed by it: the same to a millionth, on data without ties."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pytorch_metric_learning")
from benchmarks import agreement

EXPECTED = {
    *("recall_at_1", "precision_at_10", "r_precision", "average_precision_at_r", "average_precision, all hits"),
    *("reciprocal_rank", "knn_accuracy", "map_at_r", "map_at_r_between", "recall_at_1, one set"),
    *("ndcg_at_10, linear", "ndcg_at_10, exponential", "ndcg_at_150, linear", "ndcg_at_150, exponential"),
    *("auc", "average_precision, pairs", "eer", "true accepts at 0.01"),
    *("silhouette", "davies_bouldin", "ami", "nmi", "ari"),
}


@pytest.mark.parametrize("seed", range(2))
def test_a_second_library_says_the_same_of_every_metric_it_has(seed: int) -> None:
    rows = agreement.compare(seed=seed)
    assert {row.metric for row in rows} == EXPECTED
    for row in rows:
        assert row.ours == pytest.approx(row.theirs, abs=1e-6), f"{row.metric}, {row.library}"
        assert 0 < row.ours < 3, f"{row.metric} is {row.ours}: nothing is compared at an end"


def test_the_data_have_no_ties_and_one_query_without_relevant_items() -> None:
    data = agreement.tie_free(seed=0)
    scores = np.sort(data.queries.astype(np.float64) @ data.gallery.T.astype(np.float64), axis=1)
    assert np.diff(scores, axis=1).min() > 1e-6
    assert [mark in data.held for mark in data.asked] == [False] + [True] * (len(data.asked) - 1)


def test_a_difference_is_named_and_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    rows = [agreement.Row("good", 0.5, 0.5, "x"), agreement.Row("bad", 0.5, 0.500002, "x")]
    monkeypatch.setattr("sys.argv", ["agreement"])
    monkeypatch.setattr(agreement, "compare", lambda seed: rows)
    assert agreement.main() == 1
    assert capsys.readouterr().out.endswith("apart by more than 1e-06: bad\n")
    monkeypatch.setattr(agreement, "compare", lambda seed: [rows[0], agreement.Row("lost", float("nan"), 0.5, "x")])
    assert agreement.main() == 1
    monkeypatch.setattr(agreement, "compare", lambda seed: rows[:1])
    assert agreement.main() == 0
