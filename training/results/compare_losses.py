"""Losses side by side: one network, one budget, one sampler a family, several seeds; what each is worth on test.

Each training is a run of its own, named PREFIX-LOSS-SEED. One that is there is gone on with or measured, not made again.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from pipeline.errors import UsageError
from pipeline.metrics import retrieval, verification
from pipeline.networks import model_folder
from pipeline.records import Progress, silent
from pipeline.settings import Settings
from training import recipes, runs
from training.data.prepared import Prepared
from training.loop import start
from training.results import evaluate
from training.runs import Run

PAIRS = 20_000  # of each kind, for the curve
METRICS = (
    "recall_at_1", "precision_at_30", "precision_at_50", "map_at_r", "similarity_precision",
    "similarity_precision_in_class", "item_recall_at_1", "pair_auc", "pair_eer",
)  # fmt: skip


def compare(
    data: Prepared,
    losses: Sequence[str],
    *,
    prefix: str,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: float,
    base: str = "cpu",
    command: list[str],
    device: str = "auto",
    progress: Progress = silent,
    **facts: Any,
) -> list[dict[str, Any]]:
    """Rows {"loss", "metrics": {name: {"mean", "std", "values"}}, "seeds", "minutes"} in the order of `losses`.

    facts: fields of the recipe that all share, and options of those losses that have them. std: of the sample, 0 for
    one seed. Raises UsageError, also for a run of that name with another recipe, and SemblanceError when a training
    fails; what was trained stays.
    """
    made = {
        (loss, seed): recipes.recipe(base, loss=loss, head_only=False, seed=seed, **recipes.only_of(loss, facts))
        for loss in losses
        for seed in seeds
    }
    existing = {name: runs.open_run(name, Settings()) for name in runs.names(Settings())}
    for (loss, seed), recipe in made.items():
        run = existing.get(runs.name_of(prefix, loss, seed))
        if run is not None and not _is(run, recipe, epochs, data):
            raise UsageError(f"run {run.name} was made another way; take another --prefix, or delete {run.root}")
    figures: dict[str, list[dict[str, float]]] = {loss: [] for loss in losses}
    minutes: dict[str, list[float]] = {loss: [] for loss in losses}
    for number, ((loss, seed), recipe) in enumerate(made.items()):
        name = runs.name_of(prefix, loss, seed)
        run = existing.get(name) or start.new_run(
            name, data, recipe, minutes=0, epochs=epochs, init="", command=command
        )
        where = f"{loss}, seed {seed} ({number + 1} of {len(made)})"

        def shown(stage: str, done: int, total: int, where: str = where) -> None:
            progress(f"{where}: {stage}", done, total)

        if start.go_on(run, device=device, progress=shown) == "stopped":
            raise KeyboardInterrupt
        if "comparison" not in run.about():
            run.update(comparison=measure(run, data, device=device, progress=shown))
        figures[loss].append(run.about()["comparison"])
        minutes[loss].append(max(line["seconds"] for line in run.metrics()) / 60)
    return [
        {
            "loss": loss,
            "metrics": {
                name: _spread([values[name] for values in of_seeds]) for name in METRICS if name in of_seeds[0]
            },
            "seeds": list(seeds),
            "minutes": round(statistics.mean(minutes[loss]), 2),
        }
        for loss, of_seeds in figures.items()
    ]


def measure(run: Run, data: Prepared, *, device: str = "auto", progress: Progress = silent) -> dict[str, float]:
    """The weights that did best on dev, on test against train with dev.

    map_at_r is among the queries. item_recall_at_1, where items are named: whether the nearest other query shows the
    same item. pair_auc and pair_eer: of pairs of queries by label, `metrics.verification`.
    """
    encoder = model_folder.load(run.root).encoder(device)
    query_rows, gallery_rows = evaluate.query_and_gallery_rows(data, "test", "all", 0, seed=0)
    queries, gallery = (
        evaluate.encode(encoder, len(rows), evaluate.of_rows(data, rows), progress=progress)
        for rows in (query_rows, gallery_rows)
    )
    golden = evaluate.golden_triplets(data, query_rows, teacher=None, seed=0)
    labels = data.labels[query_rows]
    measured = evaluate.figures(queries, gallery, labels, data.labels[gallery_rows], golden=golden, seed=0)
    values = {name: measured[name]["value"] for name in METRICS if name in measured}
    if len(gallery_rows) >= 50:
        hits = retrieval.nearest(queries, gallery, k=50)[1]
        values["precision_at_50"] = float(retrieval.precision_at_k(data.labels[gallery_rows][hits], labels, 50).mean())
    if (data.items != data.labels).any():
        values["item_recall_at_1"] = retrieval.recall_at_1(queries, data.items[query_rows])
    same, different = verification.draw_pairs(labels, PAIRS, seed=0)
    curve = verification.roc(*(verification.pair_scores(queries, pairs) for pairs in (same, different)))
    return values | {"pair_auc": curve.auc, "pair_eer": verification.eer(curve)[0]}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: mean ± standard deviation over the seeds."""
    names = [name for name in METRICS if any(name in row["metrics"] for row in rows)]
    lines = [f"| loss | {' | '.join(names)} | minutes |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        cells = [_cell(row["metrics"].get(name)) for name in names]
        lines.append(f"| {row['loss']} | {' | '.join(cells)} | {row['minutes']:.1f} |")
    return "\n".join(lines)


def _cell(spread: dict[str, Any] | None) -> str:
    return f"{spread['mean']:.3f} ± {spread['std']:.3f}" if spread else ""


def _spread(values: list[float]) -> dict[str, Any]:
    std = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.mean(values), "std": std, "values": [round(value, 4) for value in values]}


def _is(run: Run, recipe: recipes.Recipe, epochs: float, data: Prepared) -> bool:
    """Whether the run is of this recipe. Not compared: the labels a batch, which `new_run` lowers to the data's, and the
    margin where the loss's own spec says it, which older runs did not repeat."""
    about = run.about()
    kept = about["recipe"] | {"labels_per_batch": recipe.labels_per_batch}
    if "margin" not in recipes.objective(recipe.phases[-1].objective).fields:
        kept["margin"] = recipe.margin
    return (
        recipes.from_json(kept) == recipe
        and about["epochs"] == epochs
        and about["data"]["folder"] == str(data.folder.absolute())
    )
