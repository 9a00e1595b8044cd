"""A trained network used as an encoder: nothing in it learns any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import devices
from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint
from pipeline.networks.onnx_runtime import OnnxRuntime

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from pipeline.networks.cropping import Cropping


class TorchEncoder:
    """records.Encoder around a network that maps (n, 3, height, width) to (n, dim).

    `facts` are what the fingerprint covers besides weights and cropping: architecture and options. again: makes the network
    once more, for `cells`, so that nothing is held for what few ask. All methods may run in several threads at once.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        dim: int,
        cropping: Cropping,
        device: str,
        weight_file: Path | None = None,
        again: Callable[[], torch.nn.Module] | None = None,
        **facts: Any,
    ) -> None:
        import torch

        from pipeline.networks.from_pixels import FromPixels

        self.dim = dim
        self.cropping = cropping
        self.weight_file = weight_file  # where the weights were read from, to say how large it is
        self.device = devices.choose(device)
        network = network.float().eval().requires_grad_(False)
        self.fingerprint = encoder_fingerprint(arrays(network), cropping=asdict(cropping), **facts)
        # channels_last: a batch of (height, width, 3) pictures already lies that way, and CPU convolutions run
        # about twice as fast on it
        self.network = _folded(network).to(self.device).to(memory_format=torch.channels_last)
        self._whole = FromPixels(self.network, dim=dim, mean=cropping.mean, std=cropping.std).to(self.device).eval()
        self._again, self._making = again, threading.Lock()
        self._maps: torch.nn.Module | None = None
        self._onnx: OnnxRuntime | None = None
        if self.device.type == "cpu":
            height, width = cropping.size
            self._onnx = OnnxRuntime(self._whole, f"{self.fingerprint[:32]}.{width}x{height}")

    def preprocess(self, image: Image) -> np.ndarray:
        """RGB picture to (height, width, 3) uint8; Pillow lets other threads run meanwhile."""
        return self.cropping.pixels(image)

    def encode(self, batch: np.ndarray) -> np.ndarray:
        """(n, height, width, 3) uint8 to (n, dim) float32 of unit length."""
        import torch

        if not len(batch):  # some networks cannot reshape nothing
            return np.empty((0, self.dim), np.float32)
        pixels = np.require(batch, requirements=["C", "W"])
        if self._onnx and (rows := self._onnx.encode(pixels, threads=torch.get_num_threads())) is not None:
            return rows
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            return self._whole(torch.from_numpy(pixels).to(self.device)).cpu().numpy()

    def cells(self, images: Sequence[Image], grid: int) -> np.ndarray:
        """RGB pictures to (n, rows, columns, maps) float32, at most grid × grid: what the network sees in each cell.

        Of the whole picture, squeezed to the input's shape, so that nothing is cut off. UsageError for a network whose maps
        are not known.
        """
        import torch

        pixels = np.stack(
            [replace(self.cropping, resize=self.cropping.size, squash=True).pixels(one) for one in images]
        )
        whole = self._whole
        inputs = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float() * whole.scale + whole.shift
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            maps = self._maps_network()(inputs).float()
            sides = min(grid, maps.shape[2]), min(grid, maps.shape[3])
            cells = torch.nn.functional.adaptive_avg_pool2d(maps, sides).permute(0, 2, 3, 1)
        return cells.contiguous().cpu().numpy()

    def _maps_network(self) -> torch.nn.Module:
        import torch

        from pipeline.networks.maps import Maps

        with self._making:
            if self._maps is None:
                if self._again is None:
                    raise UsageError("this encoder's network keeps no places of a picture; choose another encoder")
                made = Maps(self._again().float().eval().requires_grad_(False))
                if made.stages is not None:
                    made.stages = torch.nn.Sequential(*map(_folded, made.stages))
                self._maps = made.to(self.device).to(memory_format=torch.channels_last)
            return self._maps


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random weights made inside depend on `seed` alone, and the caller's random state is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reseed the GPUs
        yield


def arrays(network: torch.nn.Module) -> dict[str, np.ndarray]:
    """What a fingerprint covers of a network."""
    # a counter of training steps changes no embedding, and old files do not have it
    state = network.state_dict().items()
    return {name: tensor.cpu().numpy() for name, tensor in state if not name.endswith("num_batches_tracked")}


def _folded(network: torch.nn.Module) -> torch.nn.Module:
    """The same network with each BatchNorm folded into the convolution before it: 1.2 to 1.6 times as fast on a CPU.

    Networks whose forward cannot be traced stay as they are.
    """
    import torch
    from torch.fx.experimental.optimization import fuse
    from torch.fx.proxy import TraceError

    if not any(type(module) is torch.nn.BatchNorm2d for module in network.modules()):
        return network
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d) and module.weight is None:  # fuse multiplies by what is not there
            module.weight = torch.nn.Parameter(torch.ones(module.num_features), requires_grad=False)
            module.bias = torch.nn.Parameter(torch.zeros(module.num_features), requires_grad=False)
    try:
        return fuse(network, inplace=True).eval()
    except (TraceError, TypeError, RuntimeError, NotImplementedError):
        return network
