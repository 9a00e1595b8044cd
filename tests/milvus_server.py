"""A real Milvus server for tests: `pip install --no-deps milvus==2.3.5`, started once a session, ended by its process.

It listens on every interface and predates known fixes: for tests only. A test module takes it with
`pytest_plugins = ("milvus_server",)`.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

INSTALL = "pip install --no-deps milvus==2.3.5"


@dataclass(frozen=True)
class Server:
    uri: str
    version: str
    process: Popen[bytes]


@pytest.fixture(scope="session")
def milvus_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with its data in a temporary folder."""
    if importlib.util.find_spec("milvus") is None:
        pytest.skip(f"the real server is not installed: {INSTALL}")
    import milvus
    from filelock import FileLock

    folder = tmp_path_factory.mktemp("milvus")
    unpacked: Path = request.config.cache.mkdir(f"milvus-{milvus.__version__}")  # 5 s of lzma saved next time
    (folder / "bin").symlink_to(unpacked, target_is_directory=True)
    server = milvus.MilvusServer(milvus.MilvusServerConfig(), data_dir=str(folder))
    server.webservice_port = random.randint(20_000, 29_000)  # it looks upwards from here for a free one
    with FileLock(unpacked / "unpacking.lock"):
        server.start()
    yield Server(f"http://127.0.0.1:{server.listen_port}", milvus.__version__, server.server_proc)
    server.stop()
