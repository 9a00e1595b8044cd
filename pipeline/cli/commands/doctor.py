"""doctor: what to know before asking for help: versions, disk, who holds the embedded Milvus, ports."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING

import typer

from pipeline.cli.console import AsJson
from pipeline.cli.servers import free_port

if TYPE_CHECKING:
    from pipeline.settings import Settings

PACKAGES = ("torch", "torchvision", "pymilvus", "milvus-lite", "streamlit", "pillow", "pandas", "plotly", "umap-learn")


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Versions, disk, who holds the embedded Milvus, ports: what to send with a question."""
    findings = examine()
    if as_json:
        print(json.dumps(findings, ensure_ascii=False))
        return
    for key, value in findings.items():
        print(f"{key:24s} {value}")


def examine() -> dict[str, str]:
    """Findings in reading order; nothing is changed and Milvus Lite is not opened."""
    from pipeline import __version__
    from pipeline.gallery import opening
    from pipeline.settings import Settings

    settings = Settings()
    findings = {"semblance": __version__, "python": sys.version.split()[0], "system": platform.platform()}
    for package in PACKAGES:
        try:
            findings[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            findings[package] = "not installed: pip install -r requirements.txt"
    findings["cores"] = str(os.cpu_count())
    findings["device"] = _device()
    findings["home"] = str(settings.home.absolute())
    existing = next(path for path in [settings.home.absolute(), *settings.home.absolute().parents] if path.exists())
    findings["disk free"] = f"{shutil.disk_usage(existing).free / 2**30:.1f} GiB"
    findings["galleries"] = ", ".join(opening.names(settings)) or "none yet"
    findings["milvus"] = _milvus(settings)
    findings["port"] = _port()
    return findings


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return "cpu (no CUDA device)"


def _milvus(settings: Settings) -> str:
    from pipeline.errors import SemblanceError
    from pipeline.ingest.sync import open_store
    from pipeline.stores.milvus import holder

    if not settings.milvus_uri:
        process = holder(settings.uri)
        return f"{settings.uri}, " + (f"held by {process}" if process else "free")
    try:
        with contextlib.closing(open_store(settings)) as store:
            store.ping()
    except SemblanceError as error:
        return str(error)
    return f"{settings.milvus_uri} answers"


def _port() -> str:
    free = free_port(8501)
    return "8501 is free" if free == 8501 else f"8501 is taken, {free} is free"
