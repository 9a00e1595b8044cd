"""The Fine-tune room: what can teach, what came of it, and likes of a search that are kept for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.search.query_state import SearchState
from pipeline import plugins
from pipeline.gallery import feedback, reports, tags
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery, open_gallery
from pipeline.ingest import ingest as ingestion
from pipeline.settings import Settings
from training.finetune.finetune import finetune


@pytest.fixture
def striped(home: Path, tmp_path: Path) -> Gallery:
    """Sixty pictures of three labels: stripes of one direction each, of any colour."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 32
    for number in range(60):
        turn = number % 3
        wave = np.sin(20 * (x * np.cos(turn) + y * np.sin(turn)) + random.uniform(0, 6))
        pixels = 128 + 60 * wave[..., None] * random.uniform(0.2, 1, 3) + random.normal(0, 25, (32, 32, 3))
        file = tmp_path / "stripes" / "abc"[turn] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file)
    made = create_gallery("striped", Settings(), title="Striped")
    spec = f"folder:root={tmp_path / 'stripes'}"
    encoder = plugins.build("encoders", "raw_pixels:side=8", device="cpu")
    ingestion.ingest(
        made, plugins.build("datasets", spec), encoder, spec="raw_pixels:side=8", store=None, dataset_spec=spec
    )
    return made


def at_the_room(app: AppTest, name: str = "striped") -> AppTest:
    app.run()
    app.switch_page("views/galleries.py").run()
    app.button(f"manage-{name}").click().run()
    return app.segmented_control(key=f"room-{name}").set_value("finetune").run()


def test_it_says_what_can_teach_and_starts_the_command(
    striped: Gallery, app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags.tag(striped, striped.table()["id"][:3].tolist(), "worn")
    at_the_room(app)
    assert app.radio(key="teaches-striped").value == "labels"
    assert not app.button("finetune-striped").disabled
    app.radio(key="teaches-striped").set_value("tags").run()
    assert app.button("finetune-striped").disabled, "one tag is no contrast"
    app.radio(key="teaches-striped").set_value("labels").run()
    asked = []
    monkeypatch.setattr("app.server.jobs.start", lambda command, **about: asked.append((command, about["gallery"])))
    app.button("finetune-striped").click().run()
    assert asked == [(["training", "finetune", "--gallery", "striped", "--labels-from", "labels"], "striped")]


def test_the_newest_result_is_shown_as_it_was_measured(striped: Gallery, app: AppTest) -> None:
    report = reports.read(striped, finetune(striped, switch="always", maps=False))
    at_the_room(app)
    assert not app.exception
    found = report["metrics"]["map_at_r"]
    said = f"map_at_r {found['before']['value']:.3f} → **{found['after']['value']:.3f}**"
    assert any(said in text.value and "searched with what was learned" in text.value for text in app.markdown)
    table = app.dataframe[0].value
    assert table["Metric"].tolist() == ["map_at_r", "recall_at_1"]
    assert table["After"][0].startswith(f"{found['after']['value']:.3f} (")
    assert "unlearn-striped" in [button.key for button in app.button]


def test_a_damaged_result_is_named_and_the_room_goes_on(striped: Gallery, app: AppTest) -> None:
    name = finetune(striped, switch="never", maps=False)
    (striped.root / "reports" / f"{name}.json").write_text('{"kind": "finetune"}')
    at_the_room(app)
    assert not app.exception
    assert "cannot be shown" in app.warning[0].value


def test_likes_of_a_search_are_kept_and_taken_back(filled: AppTest) -> None:
    gallery = open_gallery("shades", Settings())
    asked, near, far = gallery.table()["id"][:3]
    filled.run()
    filled.session_state["ask"] = SearchState(gallery="shades", ids=(asked,), like=(near,), unlike=(far,))
    filled.run()
    (keep,) = (button for button in filled.button if button.label == "Keep for fine-tuning")
    keep.click().run()
    assert feedback.kept(gallery)[0] == [(asked, near, far)]
    (back,) = (button for button in filled.button if button.label == "Take back")
    back.click().run()
    assert feedback.kept(gallery)[0] == []
    assert not filled.exception
