"""The search page over a gallery of parts."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest
from test_search_page import grid
from tiny_gallery import draw, fill

from app.server import routes
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import sync
from pipeline.settings import Settings


@pytest.fixture
def parts(app: AppTest, tmp_path: Path) -> AppTest:
    for number in range(3):
        draw(tmp_path / "photos" / f"{number}.png", number, size=(120, 90))
    with contextlib.closing(sync.open_store(Settings())) as store:
        fill(f"tiles:root={tmp_path / 'photos'},grid=2", store, name="parts")
    return app


def gallery() -> Gallery:
    return open_gallery("parts", Settings())


def hits(app: AppTest) -> list[dict]:
    return [tile for tile in grid(app, "hits")["tiles"] if "id" in tile]


def toggle(app: AppTest, label: str):
    return next(one for one in app.toggle if one.label == label)


def ask_with_cut_out(app: AppTest, tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.open(tmp_path / "photos" / "1.png").crop((2, 1, 78, 59)).save(out, "PNG")
    app.run()
    app.file_uploader[0].upload("cut.png", out.getvalue(), "image/png").run()
    assert not app.exception


def test_a_cut_out_finds_its_part_and_the_part_says_so(parts: AppTest, tmp_path: Path) -> None:
    ask_with_cut_out(parts, tmp_path)
    first = hits(parts)[0]
    assert first["part"] == "a part of 1.png: 0,0,80,60"
    assert ["part", "0,0,80,60 (x, y, width, height)"] in first["details"]
    assert len(hits(parts)) == 15
    wholes = [tile for tile in hits(parts) if "part" not in tile]
    assert len(wholes) == 3


def test_one_hit_per_picture_hides_the_other_parts(parts: AppTest, tmp_path: Path) -> None:
    ask_with_cut_out(parts, tmp_path)
    toggle(parts, "One hit per picture").set_value(True).run()
    assert not parts.exception
    assert len(hits(parts)) == 3
    assert [tile["folded"] for tile in hits(parts)] == [4, 4, 4]
    assert "1" in parts.query_params["by_picture"]


def test_a_gallery_without_parts_offers_no_such_option(filled: AppTest) -> None:
    filled.query_params["gallery"] = "shades"
    filled.run()
    assert "One hit per picture" not in [one.label for one in filled.toggle]


def test_a_part_asked_with_shows_its_whole_picture_and_its_box(parts: AppTest) -> None:
    table = gallery().table()
    part = table[table["box"] == "40,30,80,60"].iloc[0]
    parts.query_params["gallery"], parts.query_params["ids"] = "parts", part["id"]
    parts.run()
    assert not parts.exception
    shown = grid(parts, f"region-{part['parent']}")
    assert (shown["width"], shown["height"]) == (120, 90)
    assert shown["box"] == pytest.approx([40 / 120, 30 / 90, 80 / 120, 60 / 90])
    assert part["id"] not in [tile["id"] for tile in hits(parts)]


def test_the_whole_of_a_hit_comes_by_its_own_address(parts: AppTest) -> None:
    table = gallery().table()
    part, whole = (table[(table["box"] != "") == is_part]["id"].iloc[0] for is_part in (True, False))
    app = Starlette(routes=[Route("/app/static/wholes/{gallery}/{picture_id}.jpg", routes.whole)])
    client = TestClient(app)
    answer = client.get(routes.whole_url("parts", part))
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (120, 90)
    assert client.get(routes.whole_url("parts", whole)).status_code == 200
    for address in (
        routes.whole_url("nothing", part),
        routes.whole_url("parts", "x"),
    ):
        assert client.get(address).status_code == 404
