"""The street behind the products: sky, houses and ground, by day, at dusk or at night."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

LIGHTS = {"day": 0.75, "dusk": 0.15, "night": 0.1}  # and how often
GROUNDS = ("pavement", "cobbles", "asphalt")
_SKIES = {"day": ("8fbfe8", "e8f1f6"), "dusk": ("6a5a8c", "f3b27a"), "night": ("0b1226", "27304f")}
_TINT = {"day": (1.0, 1.0, 1.0), "dusk": (0.98, 0.82, 0.72), "night": (0.42, 0.46, 0.62)}
_WALLS = ("c98f6b", "d9c3a0", "b5766a", "a9b0b3", "e2d8c6", "8d9aa5", "c7a57b", "9c7f74")
_STONE = {"pavement": ("bdb7ae", "a49d93"), "cobbles": ("9a948c", "7e7871"), "asphalt": ("77777a", "6b6b6f")}
_FINER = 3  # drawn larger, so that lines are smooth


@dataclass(frozen=True)
class Street:
    """horizon: where ground and houses meet, as a share of the height from the top."""

    light: str
    ground: str
    horizon: float
    seed: tuple[int, ...]

    def draw(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8, not yet tinted by the light."""
        random, side = np.random.default_rng(self.seed), size * _FINER
        image = Image.fromarray(_gradient(side, *_SKIES[self.light]))
        pen = ImageDraw.Draw(image)
        end = int(self.horizon * side)
        self._houses(pen, random, side, end)
        if self.ground == "cobbles":
            self._cobbles(pen, random, side, end)
        else:
            self._slabs(pen, random, side, end)
        small = image.resize((size, size), Image.Resampling.BOX)
        soft = small.filter(ImageFilter.GaussianBlur(size / 256))
        small.paste(soft.crop((0, 0, size, int(self.horizon * size))))  # houses lie out of focus
        grain = random.normal(0, 5, (size, size, 1)) * (np.arange(size) > self.horizon * size)[:, None, None]
        return np.clip(np.asarray(small) + grain, 0, 255).astype(np.uint8)

    def tinted(self, pixels: np.ndarray) -> np.ndarray:
        """The whole picture in this light; at night a lamp from above leaves the middle brighter."""
        factor = np.array(_TINT[self.light])
        if self.light == "night":
            y, x = np.mgrid[: len(pixels), : len(pixels)] / len(pixels) - 0.5
            lamp = np.exp(-3.5 * (x**2 + (y - 0.15) ** 2))[..., None]
            factor = factor + lamp * np.array([0.5, 0.42, 0.2])
        return np.clip(pixels * factor, 0, 255).astype(np.uint8)

    def _houses(self, pen: ImageDraw.ImageDraw, random: np.random.Generator, side: int, end: int) -> None:
        left = -int(random.uniform(0, 0.15) * side)
        while left < side:
            wide = int(random.uniform(0.16, 0.34) * side)
            top = int(random.uniform(-0.1, 0.45) * end)
            wall = _rgb(str(random.choice(_WALLS)))
            pen.rectangle((left, top, left + wide, end), fill=wall, outline=_darker(wall, 0.8))
            across, step = int(random.integers(2, 5)), int(random.uniform(0.085, 0.12) * side)
            pane = wide / (across * 1.6 + 0.6)
            for row in range(top + step // 3, end - step, step):
                for column in range(across):
                    x = left + pane * (0.6 + 1.6 * column)
                    lit = self.light != "day" and random.random() < 0.45
                    glass = (255, 222, 140) if lit else _darker(wall, 0.55)
                    pen.rectangle((x, row, x + pane, row + step * 0.62), fill=glass, outline=_darker(wall, 1.25))
            left += wide

    def _slabs(self, pen: ImageDraw.ImageDraw, random: np.random.Generator, side: int, end: int) -> None:
        stone, joint = map(_rgb, _STONE[self.ground])
        pen.rectangle((0, end, side, side), fill=stone)
        away = random.uniform(0.2, 0.8) * side
        if self.ground == "asphalt":  # a kerb, and a worn line along it
            for low, high, colour in ((0.0, 0.09, "b4afa6"), (0.09, 0.105, "8d8880"), (0.2, 0.225, "dedcd2")):
                pen.rectangle((0, end + low * (side - end), side, end + high * (side - end)), fill=_rgb(colour))
            return
        for row in _rows(end, side, 9):
            pen.line((0, row, side, row), fill=joint, width=_FINER)
        for step in range(-14, 15):
            pen.line((away + step * side * 0.02, end, away + step * side * 0.22, side), fill=joint, width=_FINER)

    def _cobbles(self, pen: ImageDraw.ImageDraw, random: np.random.Generator, side: int, end: int) -> None:
        stone, joint = map(_rgb, _STONE[self.ground])
        pen.rectangle((0, end, side, side), fill=joint)
        rows = _rows(end, side, 22)
        for number, (top, bottom) in enumerate(itertools.pairwise(rows)):
            if bottom - top < 5:  # too far away to be told apart
                continue
            wide = max(4.0, (bottom - top) * 1.5)
            for x in np.arange(-wide * (0.5 * (number % 2)), side, wide):
                colour = _darker(stone, random.uniform(0.86, 1.1))
                pen.rounded_rectangle(
                    (x + 1, top + 1, x + wide - 1, bottom - 1), radius=(bottom - top) / 3, fill=colour
                )


def _rows(end: int, side: int, n: int) -> list[float]:
    """Lines that lie evenly on the ground, as they are seen."""
    depths = np.linspace(0, 1, n + 1)
    return [float(end + (side - end) * depth**2.2) for depth in depths]


def _gradient(side: int, top: str, bottom: str) -> np.ndarray:
    share = np.linspace(0, 2.2, side).clip(0, 1)[:, None]
    column = np.array(_rgb(top)) * (1 - share) + np.array(_rgb(bottom)) * share  # (side, 3)
    return np.repeat(column[:, None].astype(np.uint8), side, axis=1)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[:2], 16), int(colour[2:4], 16), int(colour[4:], 16)


def _darker(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, int(channel * share)) for channel in colour)
    return red, green, blue
