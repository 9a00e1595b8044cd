"""The real Milvus server of the package milvus==2.3.5 with its own settings, for as long as a benchmark runs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.milvus_server import free_ports, wait_until_healthy


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Its URI. The data lie in a temporary folder; every port is its own. ModuleNotFoundError without the package."""
    import milvus

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        config = milvus.MilvusServerConfig()
        names = [item for item in config.configurable_items if item.endswith("_port")]
        *ports, etcd, peer, web = free_ports(len(names) + 3)
        (folder / "etcd.yaml").write_text(
            f"listen-client-urls: http://127.0.0.1:{etcd}\nadvertise-client-urls: http://127.0.0.1:{etcd}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer}\ninitial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        )
        os.environ["ETCD_CONFIG_PATH"] = str(folder / "etcd.yaml")
        given = dict(zip(names, ports, strict=True)) | {"etcd_port": etcd}
        server = milvus.MilvusServer(config, wait_for_started=False, data_dir=name, **given)
        server.webservice_port = web
        try:
            server.start()
            wait_until_healthy(server.server_proc, web, folder / "logs")
            yield f"http://127.0.0.1:{server.listen_port}"
        finally:
            server.stop()
