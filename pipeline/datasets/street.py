"""The street: rendered scenes of several products, each with its exact box and mask, to measure detectors with.

Products of the catalogue's kinds, patterns and colours are rendered once and set on streets. Ground truth lies beside the
pictures as COCO, `annotations.json`; an object's pattern, colour, item, light and ground are its attributes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.annotations import annotations as annotation_files
from pipeline.annotations import masks
from pipeline.datasets._render import marcher, street
from pipeline.datasets._render.patterns import COLOURS, PATTERNS
from pipeline.datasets._render.products import KINDS, drawn_product
from pipeline.datasets._render.sprites import Sprite, sprite
from pipeline.datasets._render.street import Stand
from pipeline.datasets._render.street_ground import GROUNDS, LIGHTS, Street
from pipeline.datasets._rendering import Result, Task, check_ranges, folder_of, in_processes, is_there, worthwhile
from pipeline.errors import UsageError
from pipeline.files import atomic
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="rendered street scenes of 3 to 8 products with exact boxes and masks (annotations.json, COCO)",
    source="rendered by pipeline/render, no download",
)
ITEMS = 160
ANGLES = (-0.8, 0.0, 0.8)  # radians that a product was turned by when its picture was taken
TRUTH = "annotations.json"


@dataclass(frozen=True)
class Thing:
    """One product: a kind, a pattern, a colour and a shape of its own."""

    number: int
    name: str
    kind: str
    pattern: str
    colour: str


@dataclass(frozen=True)
class Plan:
    """A scene before it is rendered: what stands where, from the back to the front, turned how."""

    street: Street
    things: tuple[tuple[Thing, int, Stand], ...]


@dataclass(frozen=True)
class Scenes:
    """See `build`. processes: how many render at once; 0 decides by the work and the machine."""

    scenes: int
    size: int
    rare: str
    share: float
    seed: int
    root: Path
    sprites: Path
    processes: int = 0

    @property
    def truth(self) -> Path:
        """The ground truth, there once `prepare` has run."""
        return self.root / TRUTH

    def records(self) -> Iterator[ImageRecord]:
        """Known before anything is rendered; the light is the label."""
        for number in range(self.scenes):
            plan = self.plan(number)
            rare = str(any(thing.pattern == self.rare for thing, _, _ in plan.things)).lower()
            yield ImageRecord(_path(number), plan.street.light, "", {"ground": plan.street.ground, "rare": rare})

    def prepare(self, progress: Progress = silent) -> None:
        """Render what is missing; a call that was cut short is taken up where it stopped."""
        if self.truth.is_file() and all(is_there(self.root / _path(number)) for number in range(self.scenes)):
            return
        processes = self.processes or worthwhile(self.scenes * self.size**2)
        needed = {
            (thing.number, angle) for number in range(self.scenes) for thing, angle, _ in self.plan(number).things
        }
        missing = sorted(sprite_key for sprite_key in needed if not is_there(self._sprite_file(*sprite_key)))
        _each("render products", self.render_sprite, missing, processes, progress)
        boxes_of = dict(_each("render scenes", self.render_scene, range(self.scenes), processes, progress))
        pictures = [{"path": _path(number), "width": self.size, "height": self.size} for number in range(self.scenes)]
        boxes = [box for number in range(self.scenes) for box in boxes_of[number]]
        annotation_files.write(annotation_files.of(pictures, boxes), self.truth)

    def thing(self, number: int) -> Thing:
        """Kinds take turns, then patterns."""
        kind_number, round_number = number % len(KINDS), number // len(KINDS)
        kind = list(KINDS)[kind_number]
        colours = np.random.default_rng([self.seed, 1, kind_number]).permutation(len(COLOURS))
        colour = list(COLOURS)[int(colours[round_number % len(colours)])]
        return Thing(number, f"{kind}-{round_number:02d}", kind, PATTERNS[round_number % len(PATTERNS)], colour)

    @functools.cached_property
    def things(self) -> tuple[list[Thing], list[Thing]]:
        """(usual ones, those of the rare pattern)."""
        every = [self.thing(number) for number in range(ITEMS)]
        return [thing for thing in every if thing.pattern != self.rare], [
            thing for thing in every if thing.pattern == self.rare
        ]

    def plan(self, number: int) -> Plan:
        random = np.random.default_rng([self.seed, 2, number])
        light = str(random.choice(list(LIGHTS), p=list(LIGHTS.values())))
        ground = str(random.choice(GROUNDS))
        horizon = float(random.uniform(0.3, 0.4))
        place = Street(light, ground, horizon, (self.seed, 3, number))
        n = int(random.integers(3, 9))
        n_rare = int(random.integers(2, min(n, 4) + 1)) if random.random() < self.share else 0
        usual, rare = self.things
        chosen = [rare[int(random.integers(len(rare)))] for _ in range(n_rare)]
        chosen += [usual[int(random.integers(len(usual)))] for _ in range(n - n_rare)]
        order, stands = random.permutation(n), street.stands(random, place, n)
        angles = random.integers(0, len(ANGLES), n)
        return Plan(place, tuple((chosen[at], int(angles[i]), stands[i]) for i, at in enumerate(order)))

    def render_sprite(self, which: tuple[int, int]) -> None:
        """Write a product as it is seen in one turn."""
        thing = self.thing(which[0])
        random = np.random.default_rng([self.seed, 4, thing.number])
        rendered = sprite(
            drawn_product(thing.kind, thing.pattern, thing.colour, random),
            ANGLES[which[1]],
            math.ceil(self.size * street.WIDEST),
        )
        file = self._sprite_file(*which)
        with atomic.replacing(file, durable=False) as temporary, temporary.open("wb") as opened:
            np.savez_compressed(opened, pixels=rendered.pixels, shade=rendered.shade, foot=np.float64(rendered.foot))

    def render_scene(self, number: int) -> tuple[int, list[dict[str, Any]]]:
        """Write the picture if it is missing; its number and the boxes of what is seen."""
        plan = self.plan(number)
        sprites = [_read_sprite(self._sprite_file(thing.number, angle)) for thing, angle, _ in plan.things]
        seen = street.view(plan.street, sprites, [stand for _, _, stand in plan.things], self.size)
        file = self.root / _path(number)
        if not is_there(file):
            with atomic.replacing(file, durable=False) as temporary:
                Image.fromarray(seen.pixels).save(temporary, "JPEG", quality=92, subsampling=0)
        boxes = []
        for at, (thing, _, _) in enumerate(plan.things):
            mask = seen.owner == at + 1
            if mask.any():
                facts = {"pattern": thing.pattern, "colour": thing.colour, "item": thing.name}
                facts |= {"light": plan.street.light, "ground": plan.street.ground, "seen": f"{seen.seen[at]:.2f}"}
                boxes.append(
                    {"path": _path(number), "label": thing.kind, **_drawn(mask), "attributes": json.dumps(facts)}
                )
        return number, boxes

    def _sprite_file(self, number: int, angle: int) -> Path:
        return self.sprites / f"{number:03d}_{angle}.npz"


def build(
    *,
    scenes: int = 1000,
    size: int = 256,
    rare: str = "stripes",
    share: float = 0.1,
    seed: int = 0,
    root: PathText = PathText(""),
) -> Scenes:
    """scenes pictures of size x size pixels. rare: a pattern that only a `share` of the scenes has, on 2 to 4 products.

    root: folder for the rendered files instead of the cache; each set of options gets a folder of its own in it.
    """
    check_ranges(
        "street", scenes=(scenes, 1, 100_000), size=(size, 32, 1024), share=(share, 0, 1), seed=(seed, 0, 2**31)
    )
    if rare not in PATTERNS:
        raise UsageError(f"street: unknown pattern rare={rare!r}; choose from {', '.join(PATTERNS)}")
    look = f"size={size},seed={seed},renderer={marcher.VERSION}.{street.VERSION}"
    options = f"{look},scenes={scenes},rare={rare},share={share}"
    folder, sprites = folder_of(root, "street", options), folder_of(root, "sprites", look)
    return Scenes(scenes, size, rare, share, seed, folder, sprites)


def _each(
    stage: str, work: Callable[[Task], Result], tasks: Sequence[Task], processes: int, progress: Progress
) -> list[Result]:
    """All results, in no order."""
    results: list[Result] = []
    if tasks:
        progress(stage, 0, len(tasks))
    with contextlib.closing(in_processes(work, tasks, processes=processes)) as rendered:
        for result in rendered:  # closed, which ends the processes, when progress raises
            results.append(result)
            progress(stage, len(results), len(tasks))
    return results


def _path(number: int) -> str:
    return f"scenes/{number:05d}.jpg"


def _drawn(mask: np.ndarray) -> dict[str, Any]:
    """Box, area and mask of the pixels that show an object."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    sides = {"x": left, "y": top, "width": int(columns[-1]) + 1 - left, "height": int(rows[-1]) + 1 - top}
    return sides | {"area": int(mask.sum()), "mask": masks.encode(mask)}


def _read_sprite(file: Path) -> Sprite:
    with np.load(file, allow_pickle=False) as held:
        return Sprite(held["pixels"], held["shade"], float(held["foot"]))
