"""What a run does, as data: the network, the phases and their rates. run.json keeps it, so a resume follows the same plan."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipeline import plugins
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from training.objectives._objective import Objective

OBJECTIVES, LOSSES = "training.objectives", "training.losses"
CLASSIFICATION = "classification"  # begins most runs, and its classifier is trained in all of them
OF_A_LOSS = (
    "margin", "miner", "sampler", "golden", "out_of_class", "classification_weight", "square_margin", "same_share",
)  # fmt: skip
"""What one loss has and another has not."""
Sampler = Literal["exact", "reservoir", "uniform"]
HEAD_STEPS = 1_000  # the most that a head needs


@dataclass(frozen=True)
class Phase:
    """A stretch of a run with one objective and its own cosine of learning rates.

    objective: a file of training/objectives, or of training/losses, with options of its own: NAME:key=value.
    time: share of the run's time. sizes: (until which share of the phase's time, px).
    head_only: the rest of the network stays as it is and sees every picture once, at test size and without
    augmentation, so a step takes milliseconds; `steps` is then the most it takes of its time, which the phases before
    it have instead. With a time of 0 it takes exactly `steps`, whatever the run's length.
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
    margin: float = (
        0.3  # the loss's; 0 where it has none. Of deep_ranking: chosen on dev, the paper does not give its own
    )
    sampler: Sampler = "exact"  # of the paper's triplets
    golden: str = ""  # weights of the feature that draws them, colour=0.4,…; "" = relevance.WEIGHTS
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
    head_steps: int | None = None,
    **facts: Any,
) -> Recipe:
    """A named recipe for one loss; facts: fields of Recipe that differ from it, and options of the loss (OF_A_LOSS).

    classification_share: of the time, before the loss has its own phase; 0 with weights to begin from.
    head_only, head_steps: of the phase after classification; None = as the recipe has it.
    Raises UsageError for a name, a loss or a value that there is not, and for an option that the loss has not.
    """
    if base not in BASES:
        raise UsageError(f"unknown recipe {base!r}; choose from {', '.join(BASES)}")
    chosen = BASES[base]
    if not objective(plugins.parse(loss)[0]).needs_labels:
        facts.setdefault("kept", 0.0)  # which a phase of the head alone sets, and it has none
    loss, facts = _settled(loss, chosen.facts, facts)
    own = objective(loss)
    name, _ = plugins.parse(loss)
    if classification_share is not None and not 0 <= classification_share <= 1:
        raise UsageError(f"classification share {classification_share} is not between 0 and 1")
    if head_only and not own.tunes_head:
        raise UsageError(f"{name} trains the whole network from its first step; it cannot tune the head alone")
    alone = own.tunes_head and (chosen.head_only if head_only is None else head_only)
    usual_share = 0.0 if name == CLASSIFICATION and head_only else own.classification_share
    share = usual_share if classification_share is None else classification_share
    if name == CLASSIFICATION and share < 1 and not (alone and share == 0):
        raise UsageError(f"{name} has no other loss after it, so its share of the time is 1, not {share}")
    if head_steps is not None and not (alone and share < 1):
        raise UsageError(f"{head_steps} steps of the head: this run has no phase of the head alone; see --tune head")
    first = Phase(CLASSIFICATION, share, lr or chosen.lr, chosen.sizes, chosen.weight_decay, chosen.crop_min)
    second = dataclasses.replace(first, objective=loss, time=1 - share)
    if alone:
        second = dataclasses.replace(second, head_only=True, steps=HEAD_STEPS if head_steps is None else head_steps)
        second = dataclasses.replace(second, sizes=chosen.sizes[-1:], weight_decay=1e-3, crop_min=1.0)
    phases = [phase for phase in (first, own.phase(second)) if phase.time > 0]
    fields = {f.name for f in dataclasses.fields(Recipe)}
    assert set(facts) <= fields, f"{sorted(set(facts) - fields)} are no fields of a recipe"
    if not facts.get("grid"):
        facts["kept"] = 0.0
    return Recipe(**facts, phases=tuple(phases))


def _settled(loss: str, usual: dict[str, Any], asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The spec of a loss and the facts of a recipe, each option where it is read: --margin 1 and NAME:margin=1 are one."""
    name, texts = plugins.parse(loss)
    own = objective(name)
    options = {o.name: o for o in plugins.options(_kind(name), name) if not o.required}
    known = [*options, *(field for field in own.fields if field not in options)]
    for key in (key for key in OF_A_LOSS if key in asked):
        if key not in known:
            raise UsageError(f"{name} has no {key}; its options are {', '.join(known) or '(none)'}")
        if key in texts:
            raise UsageError(f"{name}: {key} is given twice, in the loss and beside it; keep one")
        if key in options:
            texts[key] = str(asked.pop(key))
    for key in own.fields:
        if key in texts or key in asked:
            asked[key] = plugins.value(name, _field(key), str(texts.pop(key, asked.get(key))))
    if unknown := [key for key in texts if key not in options]:
        raise UsageError(f"{name} has no option {unknown[0]!r}; its options are {', '.join(known) or '(none)'}")
    if "margin" not in own.fields:
        option = options.get("margin")
        text = texts.get("margin", option.default if option else 0)
        asked["margin"] = plugins.value(name, option or _field("margin"), str(text))
    facts = usual | asked
    for key, value in facts.items():
        if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{key} is a number from 0 on, not {value:g}")
    return name + (":" + ",".join(f"{key}={text}" for key, text in texts.items()) if texts else ""), facts


def only_of(loss: str, facts: dict[str, Any]) -> dict[str, Any]:
    """`facts` without the options that another loss has and this one has not. Raises UsageError for an unknown loss."""
    name, _ = plugins.parse(loss)
    known = {*objective(name).fields, *(option.name for option in plugins.options(_kind(name), name))}
    return {key: value for key, value in facts.items() if key not in OF_A_LOSS or key in known}


def _field(name: str) -> plugins.Option:
    """A field of Recipe that a loss's spec may name."""
    default = getattr(Recipe, name)
    return plugins.Option(name, type(default), default, get_args(Sampler) if name == "sampler" else ())


def losses() -> list[str]:
    """What `--loss` takes: the objectives, then the losses over P × K batches."""
    plain = [name for name in plugins.available(LOSSES) if name != "cosine_classification"]  # that is CLASSIFICATION
    return [*plugins.available(OBJECTIVES), *plain]


def objective(spec: str) -> Objective:
    """A new one, of a phase's spec. Raises UsageError for a name that there is not, or an option."""
    from training.objectives._metric import Metric

    if _kind(plugins.parse(spec)[0]) == OBJECTIVES:
        made: Objective = plugins.build(OBJECTIVES, spec)
        return made
    return Metric(spec)


def _kind(name: str) -> str:
    """The folder of a loss's file."""
    if name not in losses():
        raise UsageError(
            f"unknown loss {name!r}; choose from {', '.join(losses())}, or add training/objectives/{name}.py"
        )
    return OBJECTIVES if name in plugins.available(OBJECTIVES) else LOSSES


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
