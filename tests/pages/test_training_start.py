"""Starting, stopping and continuing a run from the Training page."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_training_page import at_training, make_run

from app.server import jobs
from app.training_runs import new_run
from pipeline import plugins
from pipeline.gallery.opening import create_gallery
from pipeline.ingest import ingest as ingestion
from pipeline.settings import Settings
from training import recipes
from training.data import prepared
from training.data.prepare import prepared_once


def folder_of(root: Path, labels: str = "ab", each: int = 5) -> str:
    for number in range(each * len(labels)):
        file = root / labels[number % len(labels)] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    return f"folder:root={root}"


def gallery_of(name: str, spec: str) -> None:
    encoder = plugins.build("encoders", "raw_pixels:side=8", device="cpu")
    dataset = plugins.build("datasets", spec)
    made = create_gallery(name, Settings(), title=f"Of {name}")
    ingestion.ingest(made, dataset, encoder, spec="raw_pixels:side=8", store=None, dataset_spec=spec)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the page asked for."""
    asked: list[list[str]] = []

    def start(command: list[str], **about: Any) -> None:
        asked.append(list(command))

    monkeypatch.setattr(jobs, "start", start)
    return asked


def named(app: AppTest, label: str) -> Any:
    return next(button for button in app.button if button.label == label)


def test_without_runs_the_form_is_open_and_offers_galleries_and_the_rendered_pictures(
    app: AppTest, tmp_path: Path, started: list[list[str]]
) -> None:
    labelled, one_label = folder_of(tmp_path / "labelled"), folder_of(tmp_path / "one", labels="a")
    gallery_of("two_kinds", labelled)
    gallery_of("one_kind", one_label)
    at_training(app)
    teachers = app.selectbox[0]
    assert teachers.options == [
        "Of two_kinds (10 pictures of 2 labels)",
        "Rendered products (made here)",
        "Of one_kind (5 pictures of one label)",
    ]
    assert len(app.selectbox[1].options) == len(new_run.LOSSES)
    teachers.set_value(one_label).run()
    assert app.selectbox[1].options == [new_run.LOSSES["reconstruction"]], "all that such pictures can teach"
    app.selectbox[0].set_value(labelled).run()
    app.number_input[0].set_value(3).run()
    assert "for 3 minutes" in " ".join(caption.value for caption in app.caption)
    named(app, "Start").click().run()
    assert not app.exception
    [command] = started
    assert command[:4] == ["training", "train", "--dataset", labelled]
    assert command[command.index("--minutes") + 1] == "3"
    assert command[command.index("--name") + 1] == "two-kinds"
    assert not named(app, "New run").disabled, "the form has closed"


def test_a_name_that_is_taken_or_cannot_be_is_a_sentence_and_nothing_starts(
    app: AppTest, started: list[list[str]]
) -> None:
    make_run("catalogue")
    at_training(app)
    named(app, "New run").click().run()
    field = next(one for one in app.text_input if one.label == "Name")
    assert field.value == "catalogue-2"
    for name, said in (("catalogue", "already"), ("No Name!", "bad run name")):
        next(one for one in app.text_input if one.label == "Name").set_value(name).run()
        named(app, "Start").click().run()
        assert said in app.error[0].value
    assert started == []


def test_what_is_learned_at_the_end_of_the_minutes_is_what_the_recipe_says() -> None:
    for loss in new_run.LOSSES:
        phases = recipes.recipe("cpu", loss=loss).phases
        assert any(phase.steps for phase in phases) == (loss in new_run.LAST_LAYER), loss


def test_the_cost_tells_what_earlier_runs_saw_in_a_minute(app: AppTest) -> None:
    run = make_run("first")
    for step in range(250, 1001, 50):  # the last layer alone is quick
        run.record("train", step=step, seconds=step, loss=0.5, images_per_second=9_000.0, stage="deep_ranking")
    assert run.metrics("train")[-1]["images_per_second"] == 9_000.0
    at_training(app)
    named(app, "New run").click().run()
    told = " ".join(caption.value for caption in app.caption)
    assert "306,000 pictures" in told  # 510 × 60 × 10
    assert "the end of them for its last layer alone" in told
    app.selectbox[1].set_value("classification").run()
    assert "last layer" not in " ".join(caption.value for caption in app.caption)
    assert set(new_run.LOSSES) <= set(recipes.losses())


def test_a_run_that_ended_early_is_continued_by_one_click(app: AppTest, started: list[list[str]]) -> None:
    for status in ("stopped", "finished", "running"):
        make_run(status, status=status)
    at_training(app)
    assert [button.key for button in app.button if button.label == "Continue"] == ["continue-stopped"]
    assert "**stopped** ended early at step 200 of 1,000." in [text.value for text in app.markdown]
    app.button("continue-stopped").click().run()
    assert started[0][:4] == ["training", "train", "--resume", "stopped"]


def test_a_run_whose_process_is_gone_is_said_to_be_and_one_that_works_is_not(app: AppTest) -> None:
    gone, works = make_run("gone", status="running"), make_run("works", status="running")
    for run in (gone, works):
        for name in ("run.json", "metrics.jsonl"):
            os.utime(run.root / name, (time.time() - 200,) * 2)
    with FileLock(works.lock):
        at_training(app)
        assert [button.key for button in app.button if button.label == "Continue"] == ["continue-gone"]
        assert "Run gone was running" in app.warning[0].value
        assert not app.button("stop-run-works").disabled or "terminal" in app.button("stop-run-works").help


def test_what_a_run_learned_is_given_to_a_gallery(app: AppTest, tmp_path: Path, started: list[list[str]]) -> None:
    gallery_of("mine", folder_of(tmp_path / "mine"))
    run = make_run("learned")
    run.best.write_bytes(b"weights")
    at_training(app)
    app.button("encode-learned").click().run()
    assert started == [["pipeline", "reencode", "mine", "--encoder", "checkpoint:run=learned"]]


def test_an_exposed_app_starts_and_continues_nothing(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
    make_run("stopped", status="stopped")
    at_training(app)
    assert not {"New run", "Continue", "Start"} & {button.label for button in app.button}


def test_a_dataset_is_prepared_once_and_anew_when_its_files_are_others(home: Path, tmp_path: Path) -> None:
    spec = folder_of(tmp_path / "pictures", each=8)
    first = prepared_once(spec, home)
    stamp = (first / "pixels.npy").stat().st_mtime_ns
    assert prepared_once(spec, home) == first
    assert (first / "pixels.npy").stat().st_mtime_ns == stamp
    (tmp_path / "pictures" / "a" / "0.png").rename(tmp_path / "pictures" / "b" / "0.png")
    second = prepared_once(spec, home)
    assert second != first
    assert (first / "pixels.npy").exists(), "a run that is continued needs it"
    assert prepared.load(second).about["dataset"] == spec
