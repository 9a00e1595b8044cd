from __future__ import annotations

import io
import json
import math
import os
import time

import pandas as pd
import pytest
from PIL import Image
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from app.server import routes
from app.training_runs import charts as training_charts
from app.training_runs import facts, triplets
from app.widgets import charts
from pipeline.errors import SemblanceError
from pipeline.settings import Settings
from training import runs
from training.runs import Run

TRAINED = {"loss": 2.0, "lr": 0.1, "images_per_second": 510.0, "seconds_left": 3000.0, "stage": "classification"}


def make_run(name: str, *, status: str = "finished", steps: int = 200, recall: float = 0.3, **figures: float) -> Run:
    run = runs.create_run(
        name,
        Settings(),
        command=f"python -m training train --data data/tiny --name {name}",
        status=status,
        data={"name": "tiny-imagenet", "train": 90000, "dev": 10000, "labels": 200},
        recipe={
            "batch_size": 128,
            "seed": 7,
            "phases": [{"objective": "classification"}, {"objective": "deep_ranking"}],
        },
        network={"backbone": "dr10", "dim": 128, "multiscale": True},
        steps=1000,
        device="cpu",
        versions={"torch": "2.15.0"},
        seed=7,
        figures={},
    )
    for step in range(50, steps + 1, 50):
        run.record("train", step=step, seconds=step / 5, side=32, **TRAINED, **figures)
    run.record("dev", step=steps, seconds=steps / 5, recall_at_1=recall, map_at_r=0.1, similarity_precision=0.8)
    return run


def give_triplets(run: Run, count: int) -> None:
    """Every third is wrong; the easiest first, so that a page that does not sort is found out."""
    run.pictures.mkdir()
    made = []
    for n in range(count):
        for role in ("a", "p", "n"):
            Image.new("RGB", (8, 8), (n, 0, 0)).save(run.pictures / f"{n}-{role}.jpg")
        three = {
            role: {"picture": f"{n}-{role[0]}.jpg", "label": f"<b>{role}"}
            for role in ("anchor", "positive", "negative")
        }
        made.append(three | {"d_positive": 1.0, "d_negative": 2.0 - n / 100 if n % 3 else 0.5 - n / 100})
    (run.root / "triplets.json").write_text(json.dumps(made))


def at_training(app: AppTest, **address: str) -> AppTest:
    app.run()
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page("views/training.py").run()
    assert not app.exception
    assert app.title[0].value == "Training"
    return app


def chart_titles(app: AppTest) -> list[str]:
    return [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in app.get("plotly_chart")]


def markup(app: AppTest) -> str:
    return "".join(part.proto.body for part in app.get("html"))


def test_every_run_is_a_row_and_the_newest_three_are_compared(app: AppTest) -> None:
    for n, name in enumerate(("one", "two", "three", "four")):
        make_run(name, recall=0.1 * n)
        time.sleep(0.02)  # the order is that of the files' times
    at_training(app)
    table = app.dataframe[0].value
    assert list(table["run"]) == ["four", "three", "two", "one"]
    assert list(table["recall_at_1"]) == pytest.approx([0.3, 0.2, 0.1, 0.0])
    assert (table["steps"].iloc[0], table["minutes"].iloc[0]) == (200, pytest.approx(40 / 60))
    assert app.multiselect[0].value == ["four", "three", "two"]
    assert "runs" not in app.query_params


def test_the_choice_is_in_the_address_and_comes_from_it(app: AppTest) -> None:
    for name in ("one", "two", "three", "four"):
        make_run(name)
    at_training(app, runs="one,gone,../four,three")
    assert app.multiselect[0].value == ["one", "three"]
    app.multiselect[0].set_value(["two"]).run()
    assert app.multiselect[0].value == ["two"]
    assert app.query_params["runs"] == "two"
    app.query_params["runs"] = "four,two"  # gone back, or another link followed
    app.run()
    assert app.multiselect[0].value == ["four", "two"]
    app.multiselect[0].set_value([]).run()
    assert not app.exception
    assert "Choose a run" in app.info[0].value


def test_only_curves_that_a_chosen_run_has_are_drawn(app: AppTest) -> None:
    make_run("plain")
    make_run("ranked", active_share=0.5, d_positive=0.8, d_negative=1.6)
    at_training(app, runs="plain")
    assert chart_titles(app) == [
        "Loss",
        "Neighbours on dev",
        "Ranking on dev",
        "Triplet order on dev",
        "Learning rate",
    ]
    app.multiselect[0].set_value(["plain", "ranked"]).run()
    assert {"Active triplets", "Distances in a batch"} <= set(chart_titles(app))


def test_a_run_has_one_colour_in_every_chart_and_keeps_it() -> None:
    palette, held = ["red", "green", "blue"], {}
    assert training_charts.colours_for(["a", "b"], held, palette) == {"a": "red", "b": "green"}
    assert training_charts.colours_for(["c", "b"], held, palette) == {"c": "red", "b": "green"}
    assert training_charts.colours_for(["c", "b", "a"], held, palette)["a"] == "blue"


def test_a_curves_table_holds_what_was_recorded(home) -> None:
    run = make_run("one", steps=100, d_positive=0.8, d_negative=1.6)
    [curve] = [curve for curve in training_charts.CURVES if curve.name == "d_positive"]
    table = training_charts.curve_table(curve, {"one": run.metrics()})
    assert table.to_dict("records") == [
        {"run": "one", "metric": metric, "step": step, "seconds": step / 5, "value": value}
        for metric, value in (("d_positive", 0.8), ("d_negative", 1.6))
        for step in (50, 100)
    ]
    figure = training_charts.curve_figure(curve, table, {"one": "red"})
    assert [(line.line.color, line.line.dash, line.showlegend) for line in figure.data] == [
        ("red", "solid", True),
        ("red", "dot", False),
    ]
    assert figure.layout.xaxis.title.text == "step"
    assert "squared distance" in figure.layout.yaxis.title.text


def test_figures_that_are_no_numbers_are_left_out(home) -> None:
    lines = [{"kind": "train", "step": n, "loss": value} for n, value in enumerate((1.5, "x", None, math.nan))]
    table = training_charts.curve_table(training_charts.CURVES[0], {"one": lines})
    assert list(table["value"]) == [1.5]


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"run": ["=1+1", "@x", "fine"], "value": [-0.5, 1.0, 2.0]})
    back = pd.read_csv(io.StringIO(charts.as_csv(table)))
    assert list(back["run"]) == ["'=1+1", "'@x", "fine"]
    assert list(back["value"]) == [-0.5, 1.0, 2.0]


def test_triplets_come_hardest_first_and_twelve_at_a_time(app: AppTest) -> None:
    give_triplets(make_run("one"), 30)
    at_training(app)
    shown = markup(app)
    assert shown.count('class="triplet ') == 12
    assert shown.index("✗ wrong") < shown.index("✓ right")
    assert "/app/static/runs/one/27-n.jpg" in shown.split('class="triplet ')[1], "the negative of 27 is nearest"
    assert "&lt;b&gt;anchor" in shown
    assert "<b>anchor" not in shown, "a label is text, whatever it holds"
    app.button("more-one").click().run()
    assert markup(app).count('class="triplet ') == 24
    app.button("more-one").click().run()
    assert markup(app).count('class="triplet ') == 30
    assert not [button for button in app.button if button.label == "More"]


@pytest.mark.parametrize(("d_negative", "right"), [(1.1, True), (1.0, False), (0.9, False)])
def test_a_triplet_is_right_when_its_negative_is_farther(d_negative: float, right: bool) -> None:
    strip = triplets.Strip(("a", "b", "c"), ("x", "x", "y"), 1.0, d_negative)
    assert strip.right is right
    assert ("✓ right" in triplets.as_html([strip], "one", 0)) is right


def test_the_histogram_holds_the_runs_counts(app: AppTest) -> None:
    run = make_run("one")
    (run.root / "distances.json").write_text(
        json.dumps({"edges": [0, 1, 2, 4], "positive": [5, 3, 0], "negative": [0, 2, 6]})
    )
    assert "Distances on dev" in chart_titles(at_training(app))
    table = training_charts.distance_table(run.distances(), "one")
    assert table.to_numpy().tolist() == [[0, 1, 5, 0], [1, 2, 3, 2], [2, 4, 0, 6]]


def test_the_command_is_shown_with_seed_versions_and_data(app: AppTest) -> None:
    make_run("one")
    at_training(app)
    assert app.code[0].value == "python -m training train --data data/tiny --name one"
    for fact in (
        "<td>7</td>",
        "classification, then deep_ranking",
        "batch_size 128",
        "torch 2.15.0",
        "tiny-imagenet, 90,000 train, 10,000 dev, 200 labels",
    ):
        assert fact in markup(app)


def test_a_run_at_work_shows_how_far_it_is(app: AppTest) -> None:
    make_run("ended")
    make_run("going", status="running")
    at_training(app)
    shown = markup(app)
    assert shown.count('class="progress"') == 1
    for fact in ("step 200 of 1,000", "classification, 32 px", "510 images/s", "50 min left"):
        assert fact in shown


def test_what_a_run_said_of_itself_is_shown(app: AppTest) -> None:
    make_run("one").update(warning="the embeddings collapse")
    at_training(app)
    assert "the embeddings collapse" in app.warning[0].value


def test_a_run_that_fell_silent_is_not_called_running(app: AppTest) -> None:
    run = make_run("killed", status="running")
    for file in run.root.iterdir():
        os.utime(file, (time.time() - 2 * facts.SILENT_AFTER[1],) * 2)
    at_training(app)
    assert "Run killed was running and has written nothing" in app.warning[0].value
    assert not app.button("continue-killed").disabled
    assert "running" not in app.dataframe[0].value["status"].iloc[0]
    assert 'class="progress"' not in markup(app)


@pytest.mark.parametrize("content", ["{", "[1, 2]", "null", "\udcff"])
def test_a_damaged_run_is_one_sentence_and_the_others_are_shown(app: AppTest, content: str) -> None:
    make_run("fine")
    broken = Settings().runs / "broken"
    broken.mkdir()
    (broken / "run.json").write_text(content, errors="surrogateescape")
    at_training(app)
    [warning] = app.warning
    assert "broken" in warning.value
    assert list(app.dataframe[0].value["run"]) == ["fine"]
    assert "Loss" in chart_titles(app)


@pytest.mark.parametrize("file", ["triplets.json", "distances.json", "metrics.jsonl"])
@pytest.mark.parametrize("content", ["{", '["x"]', "[]", "{}", '{"edges": [1]}', '{"kind": "train"}\n3\n'])
def test_a_damaged_part_is_empty_or_a_sentence(home, file: str, content: str) -> None:
    run = make_run("one")
    (run.root / file).write_text(content)
    if file == "metrics.jsonl":
        assert run.metrics() == []
    elif content == ("[]" if file == "triplets.json" else "{}"):
        assert not (run.triplets() if file == "triplets.json" else run.distances())
    else:
        with pytest.raises(SemblanceError, match="one"):
            read_part(run, file)


def read_part(run: Run, file: str) -> object:
    if file == "triplets.json":
        return triplets.strips(run.triplets(), "one")
    return training_charts.distance_table(run.distances(), "one")


def test_a_run_of_strange_facts_is_still_a_row(app: AppTest) -> None:
    runs.create_run(
        "odd", Settings(), status=["?"], recipe={"phases": 3}, network={"dim": "wide"}, figures={"recall_at_1": "high"}
    )
    at_training(app)
    assert pd.isna(app.dataframe[0].value["dim"].iloc[0])
    assert "No figures yet" in app.info[0].value


def test_a_damaged_histogram_is_said_on_the_page(app: AppTest) -> None:
    (make_run("one").root / "distances.json").write_text('{"edges": [0, 1], "positive": [1, 2]}')
    at_training(app)
    assert "distances.json is damaged" in app.warning[0].value
    assert app.code, "the command below it is still there"


def answer(run: str, picture: str) -> int:
    return routes.run_picture(Request({"type": "http", "path_params": {"run": run, "picture": picture}})).status_code


def test_a_runs_picture_is_served_by_its_name(home) -> None:
    give_triplets(make_run("one"), 1)
    assert answer("one", "0-a") == 200


@pytest.mark.parametrize(
    ("run", "picture"),
    [
        ("one", "missing"),
        ("gone", "0-a"),
        ("..", "0-a"),
        ("ONE", "0-a"),
        ("one\n", "0-a"),
        ("", "0-a"),
        ("~", "0-a"),
        ("one", "../pictures/0-a"),
        ("one", "..\\pictures\\0-a"),
        ("one", "0-a.jpg"),
        ("one", "0-a\x00"),
        ("one", ""),
        ("one/pictures/..", "0-a"),
        ("one", "a" * 200),
    ],
)
def test_any_other_name_is_not_found(home, run: str, picture: str) -> None:
    give_triplets(make_run("one"), 1)
    assert answer(run, picture) == 404
