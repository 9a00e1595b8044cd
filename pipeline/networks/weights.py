"""Weight files: downloaded once and checked, and read without ever running what is inside."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import tempfile
import urllib.request
from collections import OrderedDict
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError

if TYPE_CHECKING:
    import torch

_STALLED = 30.0  # seconds without a byte


def fetch(url: str) -> Path:
    """The file behind `url`, in torch.hub's cache; downloaded with a bar on stderr when it is not there.

    A name such as resnet50-11ad3fa6.pth promises the first digits of the file's SHA-256; a file that breaks the
    promise is thrown away. SemblanceError says where to put the file by hand.
    """
    import torch

    name = url.rsplit("/", 1)[-1]
    kept = Path(torch.hub.get_dir()) / "checkpoints" / name
    if kept.exists():
        return kept
    promised = re.search(r"-([0-9a-f]{8,})\.", name)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _download(url, kept, promised[1] if promised else "")
    except (OSError, HTTPException, ValueError) as error:
        raise SemblanceError(
            f"cannot download {url}: {error}; save that file as {kept} yourself, "
            "or give weights=PATH for another copy, or weights=none for random weights"
        ) from error
    return kept


def _download(url: str, kept: Path, promised: str) -> None:
    # torch.hub's own function waits for ever on a stalled server and writes to stdout, which belongs to results
    from tqdm import tqdm

    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=_STALLED) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        handle, partial = tempfile.mkstemp(dir=kept.parent, prefix=kept.name, suffix=".partial")
        try:
            bar = tqdm(total=total or None, desc=kept.name, unit="B", unit_scale=True)
            with os.fdopen(handle, "wb") as file, bar:
                while chunk := answer.read(1 << 18):
                    file.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
            if total and (got := Path(partial).stat().st_size) != total:
                raise ValueError(f"the connection broke after {got:,} of {total:,} bytes")
            if not digest.hexdigest().startswith(promised):
                raise ValueError(f"its SHA-256 begins {digest.hexdigest()[:16]}, not {promised} as its name promises")
            os.chmod(partial, 0o644)  # mkstemp's 0600 would lock out the others who share the cache
            os.replace(partial, kept)
        finally:
            Path(partial).unlink(missing_ok=True)


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors or torch file by name. UsageError when it is anything else."""
    import torch

    if not path.is_file():
        raise UsageError(f"no weight file {str(path)!r}; weights is default, none, or a .pth or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                found: Any = load_file(path)
            except SafetensorError as error:
                raise ValueError(error) from error
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise UsageError(
            f"{path} is not a file of plain tensors, and nothing else is opened because it could run code; "
            "save the network's state_dict() with safetensors.torch.save_file"
        ) from error
    for key in ("state_dict", "model"):  # how training scripts wrap them
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise UsageError(f"{path} does not hold a state_dict: names and tensors, nothing else")
    state = OrderedDict((name.removeprefix("module."), tensor) for name, tensor in found.items())  # of DataParallel
    state._metadata = getattr(found, "_metadata", None)  # type: ignore[attr-defined]  # the file's version, per module
    return state
