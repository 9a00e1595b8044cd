"""What a frozen backbone sees of each picture, computed once and kept in a folder; what is kept there is not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image
from torch import nn

from pipeline.errors import PictureError, UsageError
from pipeline.features.appearance import SIDE, unit
from pipeline.files import atomic
from pipeline.images import opening
from pipeline.networks import deep_ranking
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import TorchEncoder
from pipeline.parallel import in_order
from pipeline.records import Progress, silent

PART = 512  # pictures a file: what a stop loses at most
CHUNK = 64


@dataclass(frozen=True)
class Features:
    """Of n pictures: deep (n, width) and grid (n, maps · cells), float16 of unit length; small (n, 64, 64, 3) uint8."""

    deep: np.ndarray
    grid: np.ndarray
    small: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Features]) -> Features:
        return cls(*(np.concatenate(arrays) for arrays in zip(*(vars(part).values() for part in parts), strict=True)))


class Frozen:
    """A backbone with its published weights and a grid."""

    def __init__(self, backbone: deep_ranking.Backbone, cropping: Cropping, *, grid: int, device: str) -> None:
        network = deep_ranking.build(backbone, grid=grid, multiscale=False, pretrained=True)
        self._deep, dim = network.columns["deep"].stop, network.head.in_features
        network.head = network.norm = nn.Identity()  # type: ignore[assignment]  # so that it gives what a head would see
        self._encoder = TorchEncoder(network, dim=dim, cropping=cropping, device=device, backbone=backbone, grid=grid)

    def features(self, files: Sequence[Path], folder: Path, *, progress: Progress = silent) -> Features:
        """Of each file, in order. A file of `folder` is used again while path, size and time of its pictures are the same.

        Raises UsageError for a file that is no picture.
        """
        folder.mkdir(parents=True, exist_ok=True)
        parts = []
        for start in range(0, len(files), PART):
            some = files[start : start + PART]
            parts.append(self._part(some, folder / f"{atomic.name_for(self._encoder.fingerprint[:16], some)}.npz"))
            progress("features", start + len(some), len(files))
        return Features.joined(parts)

    def _part(self, files: Sequence[Path], kept: Path) -> Features:
        if not kept.is_file():
            part = Features.joined(list(in_order(files, self._compute, chunk=CHUNK)))
            with atomic.replacing(kept, durable=False) as temporary, temporary.open("wb") as file:
                np.savez(file, **vars(part))
        try:
            with kept.open("rb") as file, np.load(file) as held:
                return Features(**held)
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise UsageError(f"{kept} is damaged ({error}); delete it, and it is computed again") from error

    def _compute(self, files: Sequence[Path]) -> Features:
        pixels = np.stack([self._encoder.preprocess(_opened(file)) for file in files])
        joined = self._encoder.encode(pixels)  # (n, width + maps · cells), of unit length as a whole
        small = [np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)) for picture in pixels]
        deep, grid = (unit(part).astype(np.float16) for part in np.split(joined, [self._deep], axis=1))
        return Features(deep, grid, np.stack(small))


def _opened(file: Path) -> Image.Image:
    try:
        return opening.open_image(opening.read_file(file)).image
    except PictureError as error:
        raise UsageError(f"{file} cannot teach: {error}; take it out of the dataset") from error
