"""One gallery of drawn pictures for all tests of the API, and a client that asks without a network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from exposed_app import free_port
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tiny_gallery import fill, photos

from app.api import guard, routes
from app.server import store
from pipeline.access.client import Semblance
from pipeline.gallery.gallery import Gallery

COUNT = 9


@dataclass(frozen=True)
class Place:
    """client: asks as the person at this machine does."""

    client: TestClient
    gallery: Gallery
    home: Path
    photos: Path

    @property
    def ids(self) -> list[str]:
        return sorted(self.gallery.ids() - self.gallery.removed())

    def file(self, number: int = 0) -> bytes:
        return sorted(self.photos.rglob("*.png"))[number].read_bytes()

    def get(self, path: str, status: int = 200, **more):  # type: ignore[no-untyped-def]
        answer = self.client.get(f"/api/v1{path}", **more)
        assert answer.status_code == status, answer.text
        return answer

    def post(self, path: str, json: object = None, status: int = 200, **more):  # type: ignore[no-untyped-def]
        answer = self.client.post(f"/api/v1{path}", json=json, **more)
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture
def api(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.delenv("SEMBLANCE_EXPOSED", raising=False)
    monkeypatch.delenv("SEMBLANCE_API", raising=False)
    guard.rates = guard.Rates()
    folder = photos(tmp_path / "my secret photos", COUNT)
    made, _ = fill(folder)
    yield Place(TestClient(Starlette(routes=[routes.mount()])), made, home, folder)
    store.release()


@pytest.fixture
def semblance(api) -> Iterator[Semblance]:  # type: ignore[no-untyped-def]
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(api.client.app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield Semblance(f"http://127.0.0.1:{port}/")
    server.should_exit = True
    thread.join(20)
