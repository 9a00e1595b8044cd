"""Making a map from the Explore page: what the form offers is what the command gets."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from test_explore_map import opened, shades

from app.explore import new_map
from app.server import jobs
from pipeline import plugins
from pipeline.analysis import projection


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of jobs instead of the jobs."""
    commands: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, *, title, gallery: commands.append(command))
    return commands


def make(app: AppTest) -> None:
    next(one for one in app.button if one.label == "Make the map").click().run()
    assert not app.exception


def number(app: AppTest, label: str) -> Any:
    return next(one for one in app.number_input if one.label == label)


def test_usual_settings_are_the_method_alone(filled: AppTest, started: list[list[str]]) -> None:
    make(opened(filled))
    assert started == [["pipeline", "project", "shades", "--method", "umap", "--dimensions", "2", "--seed", "0"]]


def test_what_is_set_differently_is_in_the_command(filled: AppTest, started: list[list[str]]) -> None:
    app = opened(filled)
    number(app, "Neighbours").set_value(40)
    number(app, "Least distance").set_value(0.25)
    next(one for one in app.selectbox if one.label == "Engine").set_value("cpu")
    number(app, "Seed").set_value(7).run()
    make(app)
    assert started[0][4:] == ["umap:n_neighbors=40,min_dist=0.25,engine=cpu", "--dimensions", "2", "--seed", "7"]
    app.radio[0].set_value("tsne").run()
    assert [one.label for one in app.number_input] == ["Seed", "Perplexity"]
    number(app, "Perplexity").set_value(12.0).run()
    make(app)
    assert started[1][4] == "tsne:perplexity=12"
    app.radio[0].set_value("pca").run()
    assert [one.label for one in app.number_input] == ["Seed"]
    make(app)
    assert started[2][4] == "pca"


def test_a_visitor_of_an_exposed_app_has_the_usual_settings(
    filled: AppTest, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_map, "exposed", lambda: True)
    app = opened(filled)
    assert [one.label for one in app.number_input] == ["Seed"]


@pytest.mark.parametrize("method", new_map.SETTINGS)
def test_every_setting_is_an_option_of_its_method_with_its_usual_value_within_the_bounds(method: str) -> None:
    options = {option.name: option for option in plugins.options("projections", method)}
    for name, _, least, most, _, _ in new_map.SETTINGS[method]:
        assert least <= options[name].default <= most
    assert set(options["engine"].choices) == set(new_map.ENGINES)


def test_a_map_s_title_says_what_was_set_differently(filled: AppTest) -> None:
    projection.project(shades(), "umap:n_neighbors=4,min_dist=0.5", seed=3)
    app = opened(filled)
    box = next(one for one in app.selectbox if one.label == "Map")
    assert box.options[0].startswith("UMAP 2-D · n neighbors 4 · min dist 0.5 · ")
