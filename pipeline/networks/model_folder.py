"""A trained network as files: model.json says what it is and how pictures enter it, safetensors hold its weights.

Written by training's runs and `export`; read here, so that encoders need nothing of training.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files import checksummed
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder, seeded

if TYPE_CHECKING:
    import torch

FORMAT = 1


@dataclass(frozen=True)
class Model:
    """about: model.json. network: with its weights, float32, on the CPU."""

    network: torch.nn.Module
    cropping: Cropping
    about: dict[str, Any]
    file: Path | None = None  # of the weights

    def encoder(self, device: str = "auto") -> TorchEncoder:
        """The fingerprint covers architecture, options, cropping and weights, so a copy elsewhere has the same."""
        facts = {**self.about["options"], "architecture": f"deep_ranking {FORMAT}"}
        again = partial(_network, self.file.parent) if self.file else partial(copy.deepcopy, self.network)
        encoder = TorchEncoder(self.network, cropping=self.cropping, device=device, again=again, **facts)
        if self.about.get("fingerprint", encoder.fingerprint) != encoder.fingerprint:
            raise UsageError(
                f"{self.file} holds other weights than model.json beside it tells of; copy both files again"
            )
        return encoder


def write(folder: Path, *, options: dict[str, Any], cropping: Cropping, weights: str, **facts: Any) -> None:
    """model.json beside a weight file. options: of the network. facts: whatever a reader may want to know."""
    about = {"format": FORMAT, "architecture": "deep_ranking", "options": options, "preprocessing": asdict(cropping)}
    checksummed.write(folder / "model.json", about | {"weights": weights} | facts)


def load(folder: Path) -> Model:
    """Raises UsageError when there is no model, a newer or a damaged one, or weights of another architecture."""
    from pipeline.networks import deep_ranking
    from pipeline.networks.weights import read

    about = _about(folder)
    try:
        options, preprocessing = about["options"], about["preprocessing"]
        lists: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in preprocessing.items()}
        cropping = Cropping(**lists)
        with seeded(0):  # drawn for nothing, and not from the caller's chance
            network = deep_ranking.build(**options)
        file = folder / about["weights"]
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder / "model.json", error) from error
    if not file.is_file():
        raise UsageError(f"{folder} has no weights yet: a run writes {file.name} when it first measures on dev")
    state = {name: tensor.float() for name, tensor in read(file).items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise UsageError(f"{file} is not of the network that model.json beside it describes: {detail}") from error
    return Model(network, cropping, about, file)


def _network(folder: Path) -> torch.nn.Module:
    return load(folder).network


def _about(folder: Path) -> dict[str, Any]:
    file = folder / "model.json"
    if not file.is_file():
        raise UsageError(f"{folder} holds no model.json; give the folder of an exported model or of a run")
    try:
        about = checksummed.opened(json.loads(file.read_text(encoding="utf-8")))
        facts = about["format"], about["architecture"], about["options"], about["preprocessing"], about["weights"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, error) from error
    if facts[:2] != (FORMAT, "deep_ranking"):
        raise UsageError(f"{file} describes {facts[1]} in format {facts[0]}, and deep_ranking in {FORMAT} is read here")
    return about


def _damaged(file: Path, error: Exception) -> UsageError:
    return UsageError(f"{file} is damaged ({error!r}); export the model again")
