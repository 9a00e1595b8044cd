"""A real Milvus server for tests: `pip install --no-deps milvus==2.3.5`, started once a session, ended by its process.

It listens on every interface and predates known fixes: for tests only. A test module takes it with
`pytest_plugins = ("milvus_server",)`.
"""

from __future__ import annotations

import importlib.util
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

INSTALL = "pip install --no-deps milvus==2.3.5"

QUICK = {
    "PROXY_TIMETICKINTERVAL": "25",
    "QUERYCOORD_CHECKINTERVAL": "100",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "QUERYCOORD_CHECKINDEXINTERVAL": "100",
}
"""Waits made shorter, in milliseconds: a strong read takes 25 instead of 200, loading a collection 0.8 s, not 2.6."""


@dataclass(frozen=True)
class Server:
    uri: str
    version: str
    process: Popen[bytes]


@pytest.fixture(scope="session")
def milvus_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with its data in a temporary folder and every port its own."""
    if importlib.util.find_spec("milvus") is None:
        pytest.skip(f"the real server is not installed: {INSTALL}")
    import milvus
    from filelock import FileLock

    folder = tmp_path_factory.mktemp("milvus")
    unpacked: Path = request.config.cache.mkdir(f"milvus-{milvus.__version__}")  # 5 s of lzma saved next time
    (folder / "bin").symlink_to(unpacked, target_is_directory=True)
    config = milvus.MilvusServerConfig()
    names = [name for name in config.configurable_items if name.endswith("_port")]
    *ports, etcd, peer, web = free_ports(len(names) + 3)
    (folder / "etcd.yaml").write_text(
        f"listen-client-urls: http://127.0.0.1:{etcd}\nadvertise-client-urls: http://127.0.0.1:{etcd}\n"
        f"listen-peer-urls: http://127.0.0.1:{peer}\ninitial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-cluster: default=http://127.0.0.1:{peer}\n"
    )
    given = dict(zip(names, ports, strict=True)) | {"etcd_port": etcd}
    server = milvus.MilvusServer(config, wait_for_started=False, data_dir=str(folder), **given)
    server.webservice_port = web
    try:
        with pytest.MonkeyPatch.context() as patch, FileLock(unpacked / "unpacking.lock"):
            for name, value in (QUICK | {"ETCD_CONFIG_PATH": str(folder / "etcd.yaml")}).items():
                patch.setenv(name, value)
            server.start()
        wait_until_healthy(server.server_proc, web, folder / "logs")
        yield Server(f"http://127.0.0.1:{server.listen_port}", milvus.__version__, server.server_proc)
    finally:
        server.stop()


def wait_until_healthy(process: Popen[bytes], port: int, logs: Path) -> None:
    """Until the server says that every part of it works; RuntimeError with its last words if that does not happen."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            if b"OK" in answer.read():
                return
        time.sleep(0.1)
    raise RuntimeError(f"Milvus did not start: {(logs / 'milvus-stdout.log').read_text()[-2000:]}")


def free_ports(n: int) -> list[int]:
    """n different ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
