"""Pictures that are alike and not the same: what a search for duplicates must leave apart (benchmarks/duplicates.py).

Of each kind some families; two files of one family are two pictures, however close they look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

WORDS = [
    "amber",
    "bridge",
    "cobalt",
    "delta",
    "ember",
    "fathom",
    "glacier",
    "harbour",
    "island",
    "juniper",
    "kettle",
    "lantern",
    "meadow",
    "nectar",
    "orchard",
]


def opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")


def scenes(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """One scene, in which something moves on."""
    for background, thing in zip(photos[0:5], photos[5:10], strict=True):
        scene, thing_there = opened(background).resize((240, 240)), opened(thing).resize((56, 56))
        for step in range(5):
            frame = scene.copy()
            frame.paste(thing_there, (8 + 42 * step, 90 + 12 * (step % 2)))
            yield frame


def windows(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """A window half as wide as the photo, slid across it."""
    for photo in photos[:3]:
        image = opened(photo)
        width, height = image.size
        for step in range(8):
            left = round(step * width / 2 / 7)
            yield image.crop((left, 0, left + width // 2, height))


def _page(random: np.random.Generator, size: tuple[int, int], title: str, lines: int) -> Image.Image:
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    width, height = size
    draw.rectangle((0, 0, width, height // 9), fill=(30, 60, 120))
    draw.text((width // 20, height // 40), title, "white", font_size=height // 18)
    for line in range(lines):
        y = height // 7 + line * (height * 4 // 5) // lines
        draw.text(
            (width // 20, y), ("Name", "Date", "Sum", "Place", "Item")[line % 5] + ":", "black", font_size=height // 30
        )
        text = " ".join(random.choice(WORDS, 3)) + f" {random.integers(100, 99999)}"
        draw.text((width // 3, y), text, "black", font_size=height // 30)
        draw.line((width // 20, y + height // 22, width * 19 // 20, y + height // 22), (190, 190, 190))
    return page


def templates(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """Forms and receipts filled in otherwise."""
    for title, lines, size in (
        ("INVOICE", 12, (600, 800)),
        ("Registration", 7, (480, 640)),
        ("Receipt", 16, (320, 640)),
    ):
        for _ in range(10):
            yield _page(random, size, title, lines)


def one_field(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """One form, of which a single field differs."""
    form = _page(np.random.default_rng(5), (480, 640), "Registration", 7)
    for number in range(6):
        page = form.copy()
        ImageDraw.Draw(page).rectangle((150, 150, 470, 195), fill="white")
        ImageDraw.Draw(page).text(
            (160, 155), f"{WORDS[number]} {WORDS[-1 - number]} {731 * (number + 3)}", "black", font_size=21
        )
        yield page


def shapes(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """White on transparent, then dark on white."""
    for mode in ("RGBA", "RGB"):
        for number in range(8):
            fill = "white" if mode == "RGBA" else (20, 20, 30)
            image = Image.new(mode, (200, 200), (255, 255, 255, 0) if mode == "RGBA" else "white")
            draw, at = ImageDraw.Draw(image), 30 + 6 * number
            if number % 4 == 0:
                draw.ellipse((at, at, 200 - at, 200 - at), fill=fill)
            elif number % 4 == 1:
                draw.rectangle((at, 60, 200 - at, 140), fill=fill)
            elif number % 4 == 2:
                draw.polygon([(100, at), (180, 180), (20, 180)], fill=fill)
            else:
                draw.line((at, 20, 180, 180), fill=fill, width=16)
            yield image


def dim(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    for photo in photos[:14]:
        yield ImageEnhance.Brightness(opened(photo)).enhance(0.06)


def fog(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    for photo in photos[:14]:
        image = opened(photo)
        yield Image.blend(image, Image.new("RGB", image.size, (225, 228, 232)), 0.95)


def screenshots(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """One program's window with other lines in its list."""
    for _ in range(14):
        screen = Image.new("RGB", (640, 400), (245, 246, 248))
        draw = ImageDraw.Draw(screen)
        draw.rectangle((0, 0, 640, 34), fill=(60, 64, 72))
        draw.rectangle((0, 34, 150, 400), fill=(228, 231, 236))
        for item in range(8):
            draw.text((14, 50 + 34 * item), WORDS[item], (40, 40, 40), font_size=15)
            draw.text((170, 50 + 40 * item), " ".join(random.choice(WORDS, 5)), (20, 20, 20), font_size=15)
        yield screen


def colours(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """One product in other colours, on white."""
    for photo in photos[:6]:
        image = opened(photo)
        height, saturation, value = image.convert("HSV").split()
        thing = value.point(lambda level: 255 if level < 215 else 0)
        strong = saturation.point(lambda level: min(255, level + 70))
        for turn in (0, 45, 90, 140, 200):
            other = Image.merge("HSV", (height.point(lambda hue, t=turn: (hue + t) % 256), strong, value)).convert(
                "RGB"
            )
            yield Image.composite(other, Image.new("RGB", image.size, "white"), thing)


def engravings(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    """Banknotes of one series with other numbers, and drawings of one hand."""
    for value in ("10", "20", "50", "100", "200", "500"):
        note = Image.new("RGB", (400, 190), (222, 226, 210))
        draw = ImageDraw.Draw(note)
        for ring in range(12):
            draw.ellipse((150 - 8 * ring, 95 - 6 * ring, 250 + 8 * ring, 95 + 6 * ring), outline=(70, 90, 70))
        for corner in ((12, 8), (300, 8), (12, 130), (300, 130)):
            draw.text(corner, value, (40, 70, 50), font_size=44)
        yield note
    for number in range(8):
        drawing = Image.new("RGB", (260, 260), "white")
        draw = ImageDraw.Draw(drawing)
        walk = np.cumsum(np.random.default_rng(number).integers(-28, 29, (40, 2)), axis=0) + 130
        draw.line([(int(x), int(y)) for x, y in walk.clip(10, 250)], "black", width=2)
        yield drawing


def dots(photos: list[Path], random: np.random.Generator) -> Iterator[Image.Image]:
    for _ in range(6):
        sky = np.zeros(90_000, np.uint8)
        sky[random.choice(90_000, 300, replace=False)] = 255
        yield Image.fromarray(sky.reshape(300, 300))


Kind = Callable[[list[Path], np.random.Generator], Iterator[Image.Image]]
KINDS: tuple[Kind, ...] = (
    scenes,
    windows,
    templates,
    one_field,
    shapes,
    dim,
    fog,
    screenshots,
    colours,
    engravings,
    dots,
)

_PHOTOS = 14  # that a kind takes at most
NEEDED = _PHOTOS * len(KINDS) + 7


def make(folder: Path, photos: list[Path], *, seed: int = 0) -> dict[str, tuple[str, str]]:
    """Writes negative/KIND-NN.png; path to (a name of its own, `negative`). Animations differ after their first frame.

    photos: at least NEEDED, none of them elsewhere in the gallery.
    """
    written: dict[str, tuple[str, str]] = {}
    (folder / "negative").mkdir(parents=True, exist_ok=True)
    for place, kind in enumerate(KINDS):  # no photo serves two kinds: what both show of it would be the same
        own = photos[_PHOTOS * place : _PHOTOS * (place + 1)]
        for number, image in enumerate(kind(own, np.random.default_rng(seed))):
            name = f"{kind.__name__}-{number:02d}"
            image.save(folder / "negative" / f"{name}.png")
            written[f"negative/{name}.png"] = (name, "negative")
    first, *others = photos[NEEDED - 7 : NEEDED]
    for number, photo in enumerate(others):
        name = f"animation-{number:02d}"
        file = folder / "negative" / f"{name}.gif"
        opened(first).resize((160, 160)).save(
            file, save_all=True, append_images=[opened(photo).resize((160, 160))], duration=100
        )
        written[f"negative/{name}.gif"] = (name, "negative")
    return written
