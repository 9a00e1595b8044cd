"""Weight files: downloaded once and checked, and read without ever running what is inside."""

from __future__ import annotations

import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.errors import SemblanceError, UsageError
from pipeline.files import downloads

if TYPE_CHECKING:
    import torch

_OTHERWISE = "give weights=PATH for a copy elsewhere, or weights=none for random weights"


def fetch(url: str) -> Path:
    """The file behind `url`, in torch.hub's cache; downloaded with progress on stderr when it is not there.

    A name such as resnet50-11ad3fa6.pth promises the first digits of the file's SHA-256, and that is checked.
    SemblanceError says where to put the file by hand.
    """
    import torch

    # not torch.hub's own function: it waits for ever on a silent server and writes to stdout, where results belong
    kept = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    there_already = kept.exists()
    try:
        with progress.shown("auto") as show:
            downloads.download(url, kept, progress=show, attempts=3)
    except SemblanceError as error:
        raise SemblanceError(f"{error}, or {_OTHERWISE}") from error
    promised = re.search(r"-([0-9a-f]{8,})\.", kept.name)
    if promised and not (found := downloads.file_sha256(kept)).startswith(promised[1]):
        if there_already:
            remedy = "delete it"
        else:
            kept.unlink()
            remedy = f"it was deleted; try again later, put the right file at {kept} yourself"
        raise SemblanceError(
            f"{kept} is not the file of {url}: its SHA-256 begins {found[:12]}, not {promised[1]}; {remedy}, or {_OTHERWISE}"
        )
    return kept


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
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Detected pickle protocol")  # it opens or is refused all the same
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
