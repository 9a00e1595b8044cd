"""The picture a classifier was trained on: resized, then its middle cut out, as torchvision and timm do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL.Image import Image, Resampling


@dataclass(frozen=True)
class Cropping:
    """Resize until the picture covers `resize`, cut out the middle `size`, and normalise per channel later.

    size, resize: (height, width) in pixels, resize >= size. `squash` resizes to exactly `resize`, aspect ignored.
    mean, std: of R, G, B in [0, 1].
    """

    size: tuple[int, int]
    resize: tuple[int, int]
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    squash: bool = False

    def pixels(self, image: Image) -> np.ndarray:
        """RGB picture of any shape to (height, width, 3) uint8."""
        (height, width), (crop_height, crop_width) = self._resized(image), self.size
        # torchvision's own rounding, so that the same pixels are cut out
        top, left = round((height - crop_height) / 2), round((width - crop_width) / 2)
        across, down = image.width / width, image.height / height
        # Only the middle is computed: Pillow still reads the neighbours outside the box, so its pixels are those of
        # resize-then-crop, and a 1 x 9,000 picture never grows into one of 2,000,000 pixels a side.
        box = (left * across, top * down, (left + crop_width) * across, (top + crop_height) * down)
        rgb = image if image.mode == "RGB" else image.convert("RGB")  # converting RGB to RGB would copy it
        filter_ = Resampling[self.interpolation.upper()]
        # A picture more than four times too large is first shrunk by a whole number, which is several times as fast.
        return np.asarray(rgb.resize((crop_width, crop_height), filter_, box, reducing_gap=2.0))

    def _resized(self, image: Image) -> tuple[int, int]:
        """(height, width) of the whole picture after resizing, before the cut."""
        height, width = self.resize
        if self.squash:
            return height, width
        if image.width * height <= image.height * width:
            return width * image.height // image.width, width
        return height, height * image.width // image.height
