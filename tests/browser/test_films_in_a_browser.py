"""A hit of a film says its time, and opens the film there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytest.importorskip("av", reason="pip install av")

from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings
from tests.films_made import film, pan

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)


def test_a_frame_says_its_time_and_its_film_is_played_from_there(
    open_page: Callable[..., Page], command: Callable[..., None], home_of_server: Path, photos: Path, tmp_path: Path
) -> None:
    pictures = [Image.open(file) for file in sorted((photos / "shoes").glob("*.jpg"))[:3]]
    film(tmp_path / "films/walk.webm", [(2, pan(one, 4)) for one in pictures], rate=5, codec="libvpx-vp9")
    command("ingest", "walks", "--dataset", f"video:root={tmp_path / 'films'}", "--encoder", "color_histogram")
    frames = open_gallery("walks", Settings(home=home_of_server)).table()
    first = frames.loc[frames["metadata"].map(lambda one: float(one["time"]) < 1), "id"].iloc[0]
    for width, dark in ((1280, False), (390, True)):
        page = open_page(f"/?gallery=walks&ids={first}", width=width, dark=dark)
        tile = page.locator(".st-key-hits .tile", has=page.get_by_text("0:04", exact=True)).first
        expect(tile).to_be_visible()
        tile.locator(".frame").click()
        shown = page.locator("dialog video")
        expect(shown).to_be_visible()
        shown.evaluate("film => film.readyState > 0 || new Promise((known) => (film.onloadedmetadata = known))")
        assert 5.5 < shown.evaluate("film => film.duration") < 6.5
        assert 4 <= shown.evaluate("film => film.currentTime") < 5
        assert "walk.webm at 0:04" in shown.get_attribute("aria-label")
        if folder := os.environ.get("SEMBLANCE_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/film-{width}.png")
        page.keyboard.press("Escape")
