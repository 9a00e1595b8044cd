"""The contract of every plugin of every kind: a card, and options that the command line and the app can offer."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.errors import UsageError

PLUGINS = [(kind, name) for kind in plugins.KINDS for name in plugins.available(kind)]
TYPES = {str, int, float, bool, Path, plugins.PathText}


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_a_card_says_what_it_is_and_under_what_terms(kind: str, name: str) -> None:
    card = plugins.card(kind, name)
    assert card.summary
    assert "\n" not in card.summary
    assert card.licence


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_options_are_named_and_of_a_type_that_text_can_be_read_as(kind: str, name: str) -> None:
    for parameter in inspect.signature(plugins._module(kind, name).build).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
    assert {option.type for option in plugins.options(kind, name)} <= TYPES


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_the_usual_specs_are_the_plugins_own(kind: str, name: str) -> None:
    assert all(plugins.parse(spec)[0] == name for spec in plugins.usual(kind, name))


@pytest.mark.parametrize(("kind", "name"), [pair for pair in PLUGINS if pair[0] in ("encoders", "detectors")])
def test_a_device_can_be_chosen_and_is_chosen_by_itself_otherwise(kind: str, name: str) -> None:
    device = next(option for option in plugins.options(kind, name) if option.name == "device")
    assert (device.type, device.default) == (str, "auto")


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_an_option_that_does_not_exist_is_refused_with_those_that_do(kind: str, name: str) -> None:
    choices = ", ".join(option.name for option in plugins.options(kind, name)) or r"\(none\)"
    with pytest.raises(UsageError, match=f"{name} has no option 'colour'; its options are {choices}"):
        plugins.build(kind, f"{name}:colour=red")


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("indexes", "lsh:tables=0", "tables from 1"),
        ("indexes", "simhash:bits=0", "bits=0 is below 1"),
        ("indexes", "lsh:bits=40", "bits to 32"),
        ("indexes", "milvus:index=CAGRA", "is not one of FLAT, HNSW"),
        ("indexes", "annoi", "choose from annoy, ball_tree"),
        ("projections", "umap:n_neighbors=1", "n_neighbors=1 is below 2"),
        ("projections", "umap:min_dist=2", "min_dist=2 is above 1"),
        ("projections", "umap:min_dist=nan", "min_dist=nan is below 0"),
        ("projections", "umap:init=chance", "init='chance' is not one of pca, spectral"),
        ("projections", "tsne:perplexity=0", "perplexity=0 is below 1"),
        ("projections", "tsne:iterations=many", "iterations is int"),
        ("projections", "ump", "unknown projection 'ump'; choose from pca, tsne, umap"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_a_sentence(kind: str, spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plugins.build(kind, spec)
