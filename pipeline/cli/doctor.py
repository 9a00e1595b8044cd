"""What to know before asking for help: versions, disk, who holds the embedded Milvus, ports."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import sys

from pipeline import __version__
from pipeline.cli import demo
from pipeline.errors import SemblanceError
from pipeline.gallery import opening
from pipeline.settings import Settings

PACKAGES = ("torch", "torchvision", "pymilvus", "milvus-lite", "streamlit", "pillow", "pandas", "plotly", "umap-learn")


def examine() -> dict[str, str]:
    """Findings in reading order; nothing is changed and Milvus Lite is not opened."""
    settings = Settings()
    found = {"semblance": __version__, "python": sys.version.split()[0], "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed: pip install -r requirements.txt"
    found["cores"] = str(os.cpu_count())
    found["device"] = _device()
    found["home"] = str(settings.home.absolute())
    existing = next(path for path in [settings.home.absolute(), *settings.home.absolute().parents] if path.exists())
    found["disk free"] = f"{shutil.disk_usage(existing).free / 2**30:.1f} GiB"
    found["galleries"] = ", ".join(opening.names(settings)) or "none yet"
    found["milvus"] = _milvus(settings)
    found["port"] = _port()
    return found


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    if torch.cuda.is_available():
        return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return "cpu (no CUDA device)"


def _milvus(settings: Settings) -> str:
    from pipeline.ingest import sync
    from pipeline.stores.milvus import holder

    if not settings.milvus_uri:
        held = holder(settings.uri)
        return f"{settings.uri}, " + (f"held by {held}" if held else "free")
    try:
        with contextlib.closing(sync.open_store(settings)) as store:
            store.ping()
    except SemblanceError as error:
        return str(error)
    return f"{settings.milvus_uri} answers"


def _port() -> str:
    free = demo.free_port(8501)
    return "8501 is free" if free == 8501 else f"8501 is taken, {free} is free"
