"""Prepared pictures as network input: taken by row, put on the device, normalised; and embedded as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.files import atomic
from pipeline.networks.deep_ranking import DeepRanking
from training.data.prepared import Prepared


class Pixels:
    """All pictures: on a GPU they lie in its memory (1.4 GB for Tiny ImageNet), on a CPU they stay on the disk's pages."""

    def __init__(self, data: Prepared, device: torch.device) -> None:
        self.device = device
        self._array = data.pixels
        self._resident = torch.from_numpy(np.array(data.pixels)).to(device) if device.type == "cuda" else None
        self._mean = torch.tensor(data.about["mean"], device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(data.about["std"], device=device).view(1, 3, 1, 1)

    def take(self, rows: np.ndarray) -> Tensor:
        """(n,) rows to (n, 3, side, side) float32 in [0, 1]."""
        if self._resident is not None:
            taken = self._resident[torch.from_numpy(rows).to(self.device)]
        else:
            taken = torch.from_numpy(self._array[rows]).to(self.device)
        return taken.permute(0, 3, 1, 2).float().div_(255)

    def picture(self, row: int) -> np.ndarray:
        """(side, side, 3) uint8."""
        return np.array(self._array[row])

    def normalised(self, pictures: Tensor) -> Tensor:
        out: Tensor = ((pictures - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        return out

    def embed(self, network: nn.Module, rows: np.ndarray, *, side: int) -> np.ndarray:
        """(n, dim) float32 of unit length, no augmentation; on a CPU in float32, as an exported encoder does it."""
        parts = self._through(network, network, rows, side)
        return np.concatenate([F.normalize(part.float(), dim=1).cpu().numpy() for part in parts])

    def joined(self, network: DeepRanking, rows: np.ndarray, *, side: int, folder: Path | None = None) -> Tensor:
        """What the network's last layer sees of each row: (n, width) float16 on the device.

        folder: it lies there instead, in a file without a name that goes with the tensor, and is read as it is touched.
        """
        parts = (part.half() for part in self._through(network, network.join, rows, side))
        if folder is None:
            return torch.cat(list(parts))
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                for part in parts:
                    file.write(part.cpu().numpy().tobytes())
                file.flush()
                return torch.from_numpy(np.memmap(file, np.float16, "c").reshape(len(rows), -1))
        except OSError as error:
            raise atomic.disk_error(error, folder) from error

    @torch.no_grad()  # not inference_mode: a head may learn from what this gives
    def _through(
        self, network: nn.Module, call: Callable[[Tensor], Tensor], rows: np.ndarray, side: int, *, batch: int = 256
    ) -> Iterator[Tensor]:
        was_training = network.training
        network.eval()
        for start in range(0, len(rows), batch):
            pictures = self.take(rows[start : start + batch])
            if pictures.shape[-1] != side:
                pictures = F.interpolate(pictures, (side, side), mode="bilinear", antialias=True, align_corners=False)
            with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
                yield call(self.normalised(pictures))
        network.train(was_training)
