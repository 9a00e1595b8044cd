"""What a run does, as data: the network, the phases and their rates. run.json keeps it, so a resume follows the same plan."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline import plugins
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from training.objectives._objective import Objective

OBJECTIVES, LOSSES = "training.objectives", "training.losses"
CLASSIFICATION = "classification"  # begins most runs, and its classifier is trained in all of them


@dataclass(frozen=True)
class Phase:
    """A stretch of a run with one objective and its own cosine of learning rates.

    objective: a file of training/objectives, or of training/losses, with options of its own: NAME:key=value.
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

    @property
    def name(self) -> str:
        """The objective's, without its options."""
        return plugins.parse(self.objective)[0]


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
    loss: str = "deep_ranking",
    lr: float = 0.0,
    classification_share: float | None = None,
    head_only: bool | None = None,
    head_steps: int = 1_000,
    **facts: Any,
) -> Recipe:
    """A named recipe for one loss; facts: fields of Recipe that differ from it.

    classification_share: of the time, before the loss has its own phase; 0 with weights to begin from.
    head_only, head_steps: of the phase after classification; None = as the recipe has it.
    Raises UsageError for a name, a loss or a value that there is not.
    """
    if base not in BASES:
        raise UsageError(f"unknown recipe {base!r}; choose from {', '.join(BASES)}")
    own = objective(loss)
    if classification_share is not None and not 0 <= classification_share <= 1:
        raise UsageError(f"classification share {classification_share} is not between 0 and 1")
    chosen = BASES[base]
    alone = own.tunes_head and (chosen.head_only if head_only is None else head_only)
    usual = 1.0 if alone else own.classification_share
    share = usual if classification_share is None else classification_share
    first = Phase(CLASSIFICATION, share, lr or chosen.lr, chosen.sizes, chosen.weight_decay, chosen.crop_min)
    second = dataclasses.replace(first, objective=loss, time=1 - share)
    phases = [first]
    if alone and (second.name != CLASSIFICATION or share == 0):
        second = dataclasses.replace(second, time=0.0, head_only=True, steps=head_steps)
        second = dataclasses.replace(second, sizes=chosen.sizes[-1:], weight_decay=1e-3, crop_min=1.0)
        phases.append(own.phase(second))
    elif second.name != CLASSIFICATION:
        phases.append(own.phase(second))
    fields = {f.name for f in dataclasses.fields(Recipe)}
    assert set(facts) <= fields, f"{sorted(set(facts) - fields)} are no fields of a recipe"
    facts = chosen.facts | facts
    if not facts.get("grid"):
        facts["kept"] = 0.0
    return Recipe(**facts, phases=tuple(phase for phase in phases if phase.time > 0 or phase.steps))


def losses() -> list[str]:
    """What `--loss` takes: the objectives, then the losses over P × K batches."""
    plain = [name for name in plugins.available(LOSSES) if name != "cosine_classification"]  # that is CLASSIFICATION
    return [*plugins.available(OBJECTIVES), *plain]


def objective(spec: str) -> Objective:
    """A new one, of a phase's spec. Raises UsageError for a name that there is not, or an option."""
    from training.objectives._metric import Metric

    name, _ = plugins.parse(spec)
    if name in plugins.available(OBJECTIVES):
        made: Objective = plugins.build(OBJECTIVES, spec)
        return made
    if name not in losses():
        raise UsageError(
            f"unknown loss {name!r}; choose from {', '.join(losses())}, or add training/objectives/{name}.py"
        )
    return Metric(spec)


def modules(recipe: Recipe, *, dim: int, n_labels: int) -> nn.ModuleDict:
    """What the phases' losses need, by name; checkpoints keep it. Raises UsageError for an option that there is not."""
    from torch import nn

    specs = {CLASSIFICATION: CLASSIFICATION} | {phase.name: phase.objective for phase in recipe.phases}
    return nn.ModuleDict(
        {name: objective(spec).module(recipe, dim=dim, n_labels=n_labels) for name, spec in specs.items()}
    )


def to_json(made: Recipe) -> dict[str, Any]:
    return dataclasses.asdict(made)


def from_json(value: dict[str, Any]) -> Recipe:
    """The inverse of `to_json`, also after JSON has made lists of tuples."""
    phases = tuple(
        Phase(**(phase | {"sizes": tuple((float(until), int(side)) for until, side in phase["sizes"])}))
        for phase in value["phases"]
    )
    return Recipe(**(value | {"phases": phases}))
