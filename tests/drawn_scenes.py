"""Scenes of three coloured objects on grey, drawn in an instant, and a detector that calls every magenta one wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations

COLOURS = {"cup": (200, 40, 40), "hat": (40, 160, 60), "shoe": (40, 60, 200)}
MAGENTA = (220, 0, 220)
EVERY = 5  # each fifth scene has a magenta object


def scenes(folder: Path, count: int = 60) -> Annotations:
    """Draws scene_NNN.png and returns the exact boxes; the attribute of a magenta object is colour=magenta."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures, boxes = [], []
    for number in range(count):
        random = np.random.default_rng(number)
        pixels = random.integers(110, 130, (96, 96, 3), dtype=np.uint8)
        path = f"scene_{number:03d}.png"
        for place, label in enumerate(random.permutation(list(COLOURS))):
            magenta = number % EVERY == 0 and place == 1
            x, y, width, height = 2 + 32 * place, int(random.integers(5, 50)), 26, int(random.integers(22, 40))
            colour = np.array(MAGENTA if magenta else COLOURS[label]) * random.uniform(0.9, 1.1)
            pixels[y : y + height, x : x + width] = np.clip(colour, 0, 255)
            sides = {"x": x, "y": y, "width": width, "height": height}
            boxes.append(
                {"path": path, "label": str(label), **sides, "attributes": '{"colour": "magenta"}' if magenta else ""}
            )
        Image.fromarray(pixels).save(folder / path)
        pictures.append({"path": path, "width": 96, "height": 96})
    return annotations.of(pictures, boxes)


def detected(truth: Annotations, *, fails: bool = True, count: int = 0) -> Annotations:
    """Every box found at once and exactly; the magenta ones under another label, and surer, while it fails."""
    told: list[dict[str, Any]] = []
    for row in truth.boxes.itertuples():
        wrong = fails and "magenta" in row.attributes
        label = next(name for name in COLOURS if name != row.label) if wrong else row.label
        sides = {"x": row.x, "y": row.y, "width": row.width, "height": row.height}
        told.append({"path": row.path, "label": label, **sides, "score": 0.95 if wrong else 0.8})
    return annotations.of(truth.pictures.copy(), told)


def hurt(count: int = 60) -> set[str]:
    return {f"scene_{number:03d}.png" for number in range(0, count, EVERY)}
