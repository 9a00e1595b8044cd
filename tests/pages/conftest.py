"""A home with two tiny galleries, and the app as a test runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.server import store
from pipeline import ROOT, plugins
from pipeline.gallery import opening as galleries
from pipeline.ingest import ingest, sync
from pipeline.settings import Settings

MAIN = str(ROOT / "app" / "main.py")
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200)}


def make_gallery(name: str, root: Path, *, title: str = "") -> None:
    """Twelve pictures: three labels, four shades each."""
    for label, colour in COLOURS.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for shade in range(4):
            picture = Image.new("RGB", (40, 30), tuple(min(255, part + 12 * shade) for part in colour))
            picture.save(root / label / f"{shade}.png")
    settings = Settings()
    spec = f"folder:root={root}"
    with contextlib.closing(sync.open_store(settings)) as store:
        ingest.ingest(
            galleries.create_gallery(name, settings, title=title),
            plugins.build("datasets", spec),
            plugins.build("encoders", "color_histogram"),
            spec="color_histogram",
            store=store,
            dataset_spec=spec,
        )


@pytest.fixture
def app(home: Path) -> Iterator[AppTest]:
    """The app over an empty home; the store it opens is closed afterwards."""
    yield AppTest.from_file(MAIN, default_timeout=120)
    store.release()


@pytest.fixture
def filled(app: AppTest, tmp_path: Path) -> AppTest:
    make_gallery("shades", tmp_path / "shades", title="Shades")
    make_gallery("more", tmp_path / "shades", title="More shades")
    return app


@pytest.fixture
def asked(filled: AppTest) -> AppTest:
    """The Search page's address with a red picture of `shades` as the query; not drawn yet."""
    table = galleries.open_gallery("shades", Settings()).table()
    filled.query_params["gallery"] = "shades"
    filled.query_params["ids"] = [table["id"][table["label"] == "red"].iloc[0]]
    return filled
