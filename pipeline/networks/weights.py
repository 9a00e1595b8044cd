"""Weight files: downloaded once and checked, and read without ever running what is inside."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.errors import SemblanceError, UsageError
from pipeline.files import downloads

if TYPE_CHECKING:
    import torch

# What torch's and pickle's readers raise over bytes that are no such file; found by changing bytes of good ones.
_DAMAGED = (
    pickle.UnpicklingError, RuntimeError, ValueError, EOFError, LookupError, AssertionError, TypeError, AttributeError,
    OverflowError, struct.error,
)  # fmt: skip
_OTHERWISE = "give weights=PATH for a copy elsewhere, or weights=none for random weights"


def fetch(url: str) -> Path:
    """The file behind `url`, in torch.hub's cache; downloaded with progress on stderr when it is not there.

    A name such as resnet50-11ad3fa6.pth promises the first digits of the file's SHA-256, and that is checked.
    SemblanceError says where to put the file by hand.
    """
    import torch

    # not torch.hub's own function: it waits for ever on a silent server and writes to stdout, where results belong
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    there_already = file.exists()
    try:
        with progress.shown("auto") as show:
            downloads.download(url, file, progress=show, attempts=3)
    except SemblanceError as error:
        raise SemblanceError(f"{error}, or {_OTHERWISE}") from error
    promised = re.search(r"-([0-9a-f]{8,})\.", file.name)
    if promised and not (digest := downloads.file_sha256(file)).startswith(promised[1]):
        if there_already:
            remedy = "delete it"
        else:
            file.unlink()
            remedy = f"it was deleted; try again later, put the right file at {file} yourself"
        raise SemblanceError(
            f"{file} is not the file of {url}: its SHA-256 begins {digest[:12]}, not {promised[1]}; {remedy}, or {_OTHERWISE}"
        )
    return file


def fetch_from_hub(repository: str, names: Sequence[str]) -> Path:
    """The first of these files of the Hugging Face hub, this machine first, that `repository` ("organisation/name") has.

    Raises what huggingface_hub raises, OSError and RuntimeError; FileNotFoundError when it has none of them.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in names:
        try:
            # without asking the hub, which offline would take half a minute at every start
            return Path(hf_hub_download(repository, name, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
    for name in names:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError:  # the hub cannot be reached; it is an EntryNotFoundError too
            raise
        except EntryNotFoundError:
            continue
    raise FileNotFoundError(f"{repository} has none of {', '.join(names)}")


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
                tensors: Any = load_file(path)
            except SafetensorError as error:
                raise ValueError(error) from error
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Detected pickle protocol")  # it opens or is refused all the same
                tensors = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise UsageError(
            f"{path} is not a file of plain tensors, and nothing else is opened because it could run code; "
            "save the network's state_dict() with safetensors.torch.save_file"
        ) from error
    for key in ("state_dict", "model"):  # how training scripts wrap them
        if isinstance(tensors, dict) and isinstance(tensors.get(key), dict):
            tensors = tensors[key]
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise UsageError(f"{path} does not hold a state_dict: names and tensors, nothing else")
    state = OrderedDict((name.removeprefix("module."), tensor) for name, tensor in tensors.items())  # of DataParallel
    state._metadata = getattr(tensors, "_metadata", None)  # type: ignore[attr-defined]  # the file's version, per module
    return state
