"""A real Milvus server for tests, started once a session, ended by its process.

A test module takes it with `pytest_plugins = ("milvus_server",)`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.milvus_process import INSTALL, MilvusProcess

QUICK = {
    "PROXY_TIMETICKINTERVAL": "25",
    "QUERYCOORD_CHECKINTERVAL": "100",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "QUERYCOORD_CHECKINDEXINTERVAL": "100",
}
"""Waits made shorter, in milliseconds: a strong read takes 25 instead of 200, loading a collection 0.8 s, not 2.6."""


@pytest.fixture(scope="session")
def milvus_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusProcess]:
    """A running server with its data in a temporary folder and every port its own."""
    server = new_server(request, tmp_path_factory.mktemp("milvus"))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def mortal_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MilvusProcess]:
    """One for a single test, which may kill it."""
    (tmp_path / "milvus").mkdir()
    server = new_server(request, tmp_path / "milvus")
    try:
        yield server
    finally:
        server.stop()


def new_server(request: pytest.FixtureRequest, folder: Path, **settings: str) -> MilvusProcess:
    """settings: more of Milvus' own, as its environment takes them."""
    if importlib.util.find_spec("milvus") is None:
        pytest.skip(f"the real server is not installed: {INSTALL}")
    from filelock import FileLock

    server = MilvusProcess(folder, environment=QUICK | settings)
    unpacked: Path = request.config.cache.mkdir(f"milvus-{server.version}")  # 5 s of lzma saved next time
    (folder / "bin").symlink_to(unpacked, target_is_directory=True)
    with FileLock(unpacked / "unpacking.lock"):
        server.start()
    return server
