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
    options, data, recipe = about["options"], about["data"], about["recipe"]
    side = about["preprocessing"]["size"][0]
    terms = plugins.card("datasets", data["dataset"]).licence
    scale = "multiscale" if options["multiscale"] else "single-scale"
    if options["grid"]:
        scale += f", {options['grid']} × {options['grid']} grid"
    if options.get("kept"):
        scale += f" ({options['kept']:.0%} of the embedding are its principal components)"
    counts = ", ".join(f"{n:,} {name}" for name, n in data["splits"].items())
    began = about["began_with"]
    before = f"""
It began with what another run's {began["phase"]} phase had ended with ({began["steps"]:,} steps, {began["minutes"]} minutes):

```
{began["command"]}
```
""" if began else ""  # fmt: skip
    return f"""# {about["run"]}: {scale} Deep Ranking on {options["backbone"]}

Picture to a {options["dim"]}-dimensional embedding of unit length; cosine is similarity. Pictures enter at {side} × {side} px
(short side resized, middle cut out), RGB. {about["bytes"] / 1e6:.1f} MB in half precision.
Fingerprint `{about["fingerprint"][:16]}`.

## How it was made

```
{about["command"]}
```
{before}
{about["steps"]:,} steps in {about["minutes"]} minutes on {about["device"]}: {"; ".join(_phase(phase, recipe) for phase in recipe["phases"])}.
Method: Wang et al., "Learning Fine-grained Image Similarity with Deep Ranking", CVPR 2014. Seed {recipe["seed"]}, torch {about["versions"]["torch"]}.

## Data and terms

{data["dataset"]}: {counts}, {data["labels"]} labels; {data["dropped"]} duplicates left out.
Terms of the data: {terms}. The weights come under the same terms; the code is MIT.

## Figures

{_figures(about["evaluation"])}
On the test of the training data, `map_at_r` is among the queries themselves; all else is queries against the gallery.
Dev chose everything; test was asked at the end. Intervals: 95 %, bootstrap over queries or triplets. Golden triplets
share the golden feature's bias: they are no human agreement.

## Limits

It learned from small photos of {data["labels"]} kinds of things. Fine detail that {side} px do not show, text, and faces are
beyond it; what it calls similar in other domains should be measured there: `python -m pipeline try-encoders`.
"""


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
            text += f"| {_NAMES.get(key, key)} | {interval['value']:.4f} | {interval['low']:.4f} to {interval['high']:.4f} |\n"
        text += "\n"
    return text
