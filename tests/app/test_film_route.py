"""The film of a frame, handed out in the pieces that a browser asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from app.server import routes
from app.widgets.results_grid import tile
from pipeline.errors import GalleryError
from pipeline.gallery import films, opening
from pipeline.gallery.gallery import Gallery
from pipeline.records import SearchHit
from pipeline.settings import Settings

FRAME = SearchHit(
    id="f" * 32, path="a.mp4/00h01m02.500s.jpg", parent="0" * 32, metadata={"film": "a.mp4", "time": "62.5"}, score=0.5
)
ADDRESS = f"/app/static/films/films/{FRAME.id}"


@pytest.fixture
def client(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Over a gallery whose only frame is of a film of 1,000 bytes."""
    opening.create_gallery("films", Settings())
    film = tmp_path / "a.mp4"
    film.write_bytes(bytes(range(250)) * 4)

    def file_of(gallery: Gallery, picture_id: str) -> Path:
        if picture_id != FRAME.id:
            raise GalleryError("gone")
        return film

    monkeypatch.setattr(films, "file_of", file_of)
    return TestClient(Starlette(routes=[Route("/app/static/films/{gallery}/{picture_id}", routes.film)]))


def test_a_piece_of_the_film_is_answered(client: TestClient) -> None:
    answer = client.get(ADDRESS, headers={"Range": "bytes=100-199"})
    assert (answer.status_code, answer.headers["content-type"]) == (206, "video/mp4")
    assert answer.content == bytes(range(100, 200))
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("address", [ADDRESS[:-1] + "e", ADDRESS.replace("films/f", "other/f"), ADDRESS + "x"])
def test_what_is_no_frame_is_not_there(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_exposed_no_film_is_handed_out_and_no_tile_names_one(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tile("films", FRAME)["film"] == f"{ADDRESS}#t=62.5"
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
    assert client.get(ADDRESS).status_code == 404
    assert (tile("films", FRAME)["film"], tile("films", FRAME)["badge"]) == ("", "1:02")
