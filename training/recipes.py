"""What a run does, as data: the network, the phases and their rates. run.json keeps it, so a resume follows the same plan."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UsageError

CLASSIFICATION, DEEP_RANKING = "classification", "deep_ranking"
SIAMESE = ("cat", "siam", "siam_cat", "siam_cat_cos")  # training/objectives/_siamese.py has their losses
HEAD_STEPS, HEAD_BATCH = 1_000, 3_072  # 1,024 triplets a step, of pictures that are ready but for the last layer
HEAD_LABELLED = 512  # pictures a step of a loss that mines its own triplets, of which there are millions


@dataclass(frozen=True)
class Phase:
    """A stretch of a run with one objective and its own cosine of learning rates.

    objective: classification, deep_ranking (golden triplets), one of SIAMESE (pairs), or a file of training/losses
    (P × K batches).
    time: share of the run's time. sizes: (until which share of the phase's time, px).
    head_only: the rest of the network stays as it is and sees every picture once, at test size and without
    augmentation, so a step takes milliseconds; then `steps` says how long and `time` is 0.
    """

    objective: str
    time: float
    lr: float
    sizes: tuple[tuple[float, int], ...]
    weight_decay: float
    crop_min: float  # smallest share of a picture's area that augmentation cuts out
    head_only: bool = False
    steps: int = 0
    batch: int = 0  # 0 = the recipe's


@dataclass(frozen=True)
class Recipe:
    """Every number of a run. Defaults: `cpu`, research recipe for two cores."""

    backbone: str = "dr10"
    dim: int = 0
    multiscale: bool = True
    grid: int = 0  # cells a side of the grid path; 0 is the paper's network
    kept: float = 0.0  # share of the embedding that is the grid's principal components
    pretrained: bool = False
    frozen: int = 0
    test_side: int = 56
    batch_size: int = 128
    optim: str = "sgd"
    warmup: float = 0.05  # share of a phase's steps
    clip: float = 5.0  # of the gradient's norm
    averaging: float = 0.04  # time constant of the averaged weights, as a share of all steps
    scale: float = 16.0  # of the classifier's cosine logits
    label_smoothing: float = 0.1
    cutmix: float = 0.0  # share of batches
    mixup: float = 0.0
    jitter: float = 0.0  # of brightness, contrast and saturation
    erase: float = 0.0  # share of pictures that lose a rectangle
    labels_per_batch: int = 32
    metric_weight: float = 0.3  # of a metric loss beside classification
    margin: float = 0.3  # of the triplet hinge, chosen on dev; the paper does not give its own
    out_of_class: float = 0.6  # share of triplets whose negative has another label; the paper's best: 0.2
    classification_weight: float = 1.0  # beside the triplet hinge
    square_margin: float = 0.0  # m² of a Siamese loss; 0 = the type's own
    same_share: float = 1 / 21  # of pairs that are of one item
    open_set: bool = False  # leave the open labels out of training
    seed: int = 0
    phases: tuple[Phase, ...] = field(default_factory=tuple)

    @property
    def network(self) -> dict[str, Any]:
        """Options of `deep_ranking.build`."""
        return {name: getattr(self, name) for name in ("backbone", "dim", "multiscale", "grid", "kept")}


@dataclass(frozen=True)
class Base:
    """A named recipe before the objective is chosen."""

    lr: float
    sizes: tuple[tuple[float, int], ...]
    weight_decay: float
    crop_min: float
    facts: dict[str, Any]
    head_only: bool = False  # the phase after classification


BASES = {
    "cpu": Base(
        0.2,
        ((0.7, 32), (1.0, 40)),
        5e-4,
        0.35,
        {
            "dim": 384,
            "grid": 3,
            "kept": 1 / 3,
            "test_side": 48,
            "out_of_class": 0.8,
            "classification_weight": 0.4,
            "margin": 0.4,
        },
        head_only=True,
    ),
    "gpu": Base(
        0.4,
        ((0.5, 48), (0.75, 56), (1.0, 64)),
        5e-4,
        0.25,
        {"backbone": "dr18", "batch_size": 512, "test_side": 72, "cutmix": 0.5, "mixup": 0.25}
        | {"jitter": 0.3, "erase": 0.1, "labels_per_batch": 64},
    ),
    "paper": Base(
        0.01,
        ((1.0, 225),),
        1e-3,
        0.8,
        {"backbone": "alexnet", "batch_size": 120, "test_side": 225, "out_of_class": 0.2, "classification_weight": 0.0},
    ),
}


def recipe(
    base: str,
    *,
    loss: str = DEEP_RANKING,
    lr: float = 0.0,
    classification_share: float | None = None,
    head_only: bool | None = None,
    head_steps: int = HEAD_STEPS,
    **facts: Any,
) -> Recipe:
    """A named recipe for one loss; facts: fields of Recipe that differ from it.

    classification_share: of the time, before the loss has its own phase; 0 with weights to begin from.
    head_only, head_steps: of the phase after classification; None = as the recipe has it.
    Raises UsageError for a name, a loss or a value that there is not.
    """
    from training import losses

    if base not in BASES:
        raise UsageError(f"unknown recipe {base!r}; choose from {', '.join(BASES)}")
    metric = [name for name in losses.available() if name != "cosine_classification"]
    known_losses = (CLASSIFICATION, DEEP_RANKING, *SIAMESE, *metric)
    if loss not in known_losses:
        raise UsageError(f"unknown loss {loss!r}; choose from {', '.join(known_losses)}")
    if classification_share is not None and not 0 <= classification_share <= 1:
        raise UsageError(f"classification share {classification_share} is not between 0 and 1")
    chosen = BASES[base]
    peak = lr or chosen.lr
    if loss in SIAMESE:  # pairs from the first step on, so that the types differ in nothing but the loss
        classification_share, head_only = classification_share or 0.0, False
    alone = chosen.head_only if head_only is None else head_only
    usual = 1.0 if alone else {CLASSIFICATION: 1.0, DEEP_RANKING: 0.85}.get(loss, 0.7)
    share = usual if classification_share is None else classification_share
    phases = [Phase(CLASSIFICATION, share, peak, chosen.sizes, chosen.weight_decay, chosen.crop_min)]
    last = ((1.0, chosen.sizes[-1][1]),)
    if alone and (loss != CLASSIFICATION or share == 0):
        batch, rate = (HEAD_BATCH, 1.5) if loss == DEEP_RANKING else (HEAD_LABELLED, 0.5)
        phases.append(Phase(loss, 0.0, rate * peak, last, 1e-3, 1.0, head_only=True, steps=head_steps, batch=batch))
    elif loss == DEEP_RANKING:  # the paper moves pictures by pixels only: more would change their colours and layout
        phases.append(Phase(loss, 1 - share, 0.1 * peak, last, max(chosen.weight_decay, 1e-3), 0.8))
    elif loss in SIAMESE:
        phases.append(Phase(loss, 1 - share, peak, chosen.sizes, chosen.weight_decay, chosen.crop_min))
    elif loss != CLASSIFICATION:
        phases.append(Phase(loss, 1 - share, 0.3 * peak, last, chosen.weight_decay, chosen.crop_min))
    known = {f.name for f in dataclasses.fields(Recipe)}
    assert set(facts) <= known, f"{sorted(set(facts) - known)} are no fields of a recipe"
    facts = chosen.facts | facts
    if not facts.get("grid"):
        facts["kept"] = 0.0
    return Recipe(**facts, phases=tuple(phase for phase in phases if phase.time > 0 or phase.steps))


def to_json(made: Recipe) -> dict[str, Any]:
    return dataclasses.asdict(made)


def from_json(value: dict[str, Any]) -> Recipe:
    """The inverse of `to_json`, also after JSON has made lists of tuples."""
    phases = tuple(
        Phase(**(phase | {"sizes": tuple((float(until), int(side)) for until, side in phase["sizes"])}))
        for phase in value["phases"]
    )
    return Recipe(**(value | {"phases": phases}))
