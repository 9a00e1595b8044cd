"""The catalogue: rendered products whose similarity is known exactly, so nothing needs downloading or labelling.

An item is one product: a kind, a pattern, a colour and a shape of its own. It is photographed in several views, which
differ in pose, light, background, size and place. Rendered once into the cache; the same options give the same files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets._render.marcher import VERSION, render
from pipeline.datasets._render.patterns import COLOURS, PATTERNS, linear
from pipeline.datasets._render.products import KINDS, drawn_product
from pipeline.datasets._render.scene import Camera, Placed, Scene, Studio
from pipeline.datasets._rendering import check_ranges, folder_of, in_processes, is_there, worthwhile
from pipeline.files import atomic
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary=f"rendered products: {len(KINDS)} kinds, {len(PATTERNS)} patterns, {len(COLOURS)} colours, several views "
    "of each item, similarity graded exactly",
    source="rendered by pipeline/datasets/_render/, no download",
)

_ROLLS = [  # floor and wall of the studio
    ("ece7df", "d5d2cc"), ("dfe4e9", "c3ccd6"), ("ecdcd0", "dcbfae"), ("d9e3d6", "b9cbb8"), ("d6e0ec", "aabfd6"),
    ("f4f3f0", "e6e6e6"), ("e8dfec", "cbbbd4"), ("cfc8bd", "a39b90"), ("f2e7c9", "dcc99a"), ("b9c4c9", "87979f"),
]  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One product of the catalogue. `number` counts over all kinds, `name` is the text that records carry."""

    number: int
    name: str
    kind: str
    pattern: str
    colour: str
    split: str


@dataclass(frozen=True)
class Catalogue:
    """See `build`. processes: how many render at once; 0 decides by the work and the machine."""

    items: int
    views: int
    size: int
    seed: int
    root: Path
    processes: int = 0

    def records(self) -> Iterator[ImageRecord]:
        """Item by item, kinds in turn; known before anything is rendered."""
        for number in range(self.items):
            item = self.item(number)
            facts = {"kind": item.kind, "pattern": item.pattern, "colour": item.colour, "item": item.name}
            for view in range(self.views):
                yield ImageRecord(_path(item, view), item.kind, item.split, dict(facts))

    def prepare(self, progress: Progress = silent) -> None:
        """Render the files that are missing; a call that was cut short is taken up where it stopped."""
        missing = {}
        for number in range(self.items):
            item = self.item(number)
            if views := [view for view in range(self.views) if not is_there(self.root / _path(item, view))]:
                missing[number] = views
        if not missing:
            return
        total = self.items * self.views
        done = total - sum(map(len, missing.values()))
        progress("render", done, total)
        with contextlib.closing(self._rendered(missing)) as finished:  # stops the processes when progress raises
            for number in finished:
                done += len(missing[number])
                progress("render", done, total)

    def item(self, number: int) -> Item:
        """Kinds take turns; within a kind, patterns and colours repeat together only after all were seen."""
        kind_number, round_number = number % len(KINDS), number // len(KINDS)
        kind = list(KINDS)[kind_number]
        pairs = np.random.default_rng([self.seed, 1, kind_number]).permutation(len(PATTERNS) * len(COLOURS))
        pattern, colour = divmod(int(pairs[round_number % len(pairs)]), len(COLOURS))
        split = "test" if (round_number + kind_number) % 5 == 4 else "train"
        return Item(number, f"{kind}-{round_number:03d}", kind, PATTERNS[pattern], list(COLOURS)[colour], split)

    def render_item(self, number: int, views: Sequence[int]) -> int:
        """Write these views of an item and return its number. Each file is there whole or not at all."""
        item = self.item(number)
        random = np.random.default_rng([self.seed, 2, number])
        solid = drawn_product(item.kind, item.pattern, item.colour, random)
        for view in views:
            rng = np.random.default_rng([self.seed, 3, number, view])
            angle = float(rng.uniform(-0.95, 0.95))
            floor, wall = _ROLLS[int(rng.integers(len(_ROLLS)))]
            side = float(rng.choice([-1, 1]) * rng.uniform(0.35, 1.15))
            studio = Studio(linear(floor), linear(wall), side, float(rng.uniform(0.75, 1.1)))
            camera = Camera(
                target=(0.0, float(solid.centre[1]), 0.0),
                distance=solid.radius / float(np.sin(0.25)) * float(rng.uniform(0.97, 1.15)),
                pitch=float(rng.uniform(0.22, 0.62)),
                view=0.5,
                shift=(float(rng.uniform(-0.04, 0.04)), float(rng.uniform(-0.04, 0.04))),
            )
            picture = render(Scene((Placed.centred(solid, angle),), studio, camera), self.size)
            with atomic.replacing(self.root / _path(item, view), durable=False) as temporary:
                Image.fromarray(picture.pixels).save(temporary, "JPEG", quality=92, subsampling=0)
        return number

    def _rendered(self, missing: dict[int, list[int]]) -> Generator[int, None, None]:
        """Numbers of the items whose missing views are written, as they are."""
        pictures = sum(map(len, missing.values()))
        processes = self.processes or worthwhile(pictures * self.size**2)
        tasks = [(number, tuple(views)) for number, views in missing.items()]
        yield from in_processes(self._render_task, tasks, processes=processes)

    def _render_task(self, task: tuple[int, tuple[int, ...]]) -> int:
        return self.render_item(*task)


def build(
    *, items: int = 400, views: int = 5, size: int = 128, seed: int = 0, root: PathText = PathText("")
) -> Catalogue:
    """items x views pictures of size x size pixels, kinds in equal numbers, one item in five in the test split.

    root: folder for the rendered files instead of the cache; each set of options gets a folder of its own in it.
    """
    check_ranges(
        "catalogue", items=(items, 1, 100_000), views=(views, 1, 1_000), size=(size, 16, 1024), seed=(seed, 0, 2**31)
    )
    options = f"items={items},views={views},size={size},seed={seed},renderer={VERSION}"
    return Catalogue(items, views, size, seed, folder_of(root, "catalogue", options))


def relevance(a: ImageRecord | Mapping[str, str], b: ImageRecord | Mapping[str, str]) -> int:
    """How alike two pictures are: 3 same item, 2 same kind and pattern or colour, 1 same kind, 0 otherwise.

    a, b: records or their metadata.
    """
    first = a.metadata if isinstance(a, ImageRecord) else a
    second = b.metadata if isinstance(b, ImageRecord) else b
    if first["item"] == second["item"]:
        return 3
    if first["kind"] != second["kind"]:
        return 0
    return 2 if first["pattern"] == second["pattern"] or first["colour"] == second["colour"] else 1


def _path(item: Item, view: int) -> str:
    return f"{item.kind}/{item.name}_{view}.jpg"
