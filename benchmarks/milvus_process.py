"""The real Milvus server of `pip install --no-deps milvus==2.3.5`: started, killed, frozen, and started again.

It listens on every interface and predates known fixes: for tests and benchmarks only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any
from unittest import mock

INSTALL = "pip install --no-deps milvus==2.3.5"


class MilvusProcess:
    """A server whose data lie in `folder`; every port is its own and stays the same over restarts.

    environment: settings of Milvus, such as {"PROXY_TIMETICKINTERVAL": "25"}. ModuleNotFoundError without the package.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str] | None = None) -> None:
        import milvus

        self.folder, self.version = folder, milvus.__version__
        config = milvus.MilvusServerConfig()
        names = [item for item in config.configurable_items if item.endswith("_port")]
        *ports, etcd, peer, self._health = free_ports(len(names) + 3)
        self._ports = dict(zip(names, ports, strict=True)) | {"etcd_port": etcd}
        self._environment = {**(environment or {}), "ETCD_CONFIG_PATH": str(folder / "etcd.yaml")}
        self._server: Any = milvus.MilvusServer(config, wait_for_started=False, data_dir=str(folder), **self._ports)
        self._server.webservice_port = self._health
        (folder / "etcd.yaml").write_text(
            f"listen-client-urls: http://127.0.0.1:{etcd}\nadvertise-client-urls: http://127.0.0.1:{etcd}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer}\ninitial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        )

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.listen_port}"

    def start(self) -> None:
        """Returns when every part of it works; RuntimeError with its last words if that does not happen."""
        if not self._server.server_proc:
            with mock.patch.dict(os.environ, self._environment):
                self._server.start()
        else:  # the package would refuse ports on which ended connections still linger
            ended = self.process
            self.process = Popen(ended.args, cwd=self.folder, env=self._all(), stdout=DEVNULL, stderr=DEVNULL)
        self._wait_until_healthy()

    @property
    def process(self) -> Popen[bytes]:
        made: Popen[bytes] = self._server.server_proc
        return made

    @process.setter
    def process(self, started: Popen[bytes]) -> None:
        self._server.server_proc = started

    def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.thaw()
        self._server.stop()

    def _all(self) -> dict[str, str]:
        """What the package gives the process that it starts."""
        own = {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._health),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
        }
        return os.environ | self._environment | own | {"LD_LIBRARY_PATH": str(self.folder / "bin")}

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 90
        address = f"http://127.0.0.1:{self._health}/healthz"
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
                if b"OK" in answer.read():
                    return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"Milvus did not start: {(self.folder / 'logs' / 'milvus-stdout.log').read_text()[-2000:]}")


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The URI of one with its own settings, for as long as a benchmark runs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        server = MilvusProcess(Path(name))
        try:
            server.start()
            yield server.uri
        finally:
            server.stop()


def free_ports(n: int) -> list[int]:
    """n different ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
