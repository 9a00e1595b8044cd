"""How many of the words drawn on photos are read, and how often photos say something that nobody drew.

    python -m benchmarks.words_in_pictures data/clothing/test --pictures 80

Each photo is read as it is and with two words drawn on it in Pillow's default font: height, colours, angle and place are drawn
from the seed. Words count as read when they are among what is kept, in capitals or not; of the photo as it is, those that say
something are counted and looked at by eye, as real signs are among them. Time is of one core; the models are loaded before.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.images import ocr, opening

WORDS = [
    "summer", "sale", "fresh", "market", "open", "exit", "coffee", "winter", "garden", "bicycle", "bakery",
    "museum", "ticket", "station", "hotel", "parking", "entrance", "closed", "special", "offer", "street", "school",
    "library", "kitchen", "bread", "cotton", "leather", "running", "classic", "vintage",
]  # fmt: skip
HEIGHTS = (8, 12, 16, 24)  # px of the letters
ANGLES = (0, 0, 10, -10, 30, 90, 180)
COLOURS = (
    ("white", "black"),
    ("black", "white"),
    ("yellow", "navy"),
    ("crimson", "white"),
)  # of letters and their edge
LINES = 2


def drawn(photo: Image.Image, words: list[str], *, height: int, angle: int, draws: np.random.Generator) -> Image.Image:
    """A word a line, somewhere inside the photo; smaller where it would not fit."""
    letters, edge = COLOURS[int(draws.integers(len(COLOURS)))]
    for size in range(height, 5, -1):
        font = ImageFont.load_default(size * 1.4)  # of its letters' height
        width, line = max(round(font.getlength(word)) for word in words), round(size * 1.9)
        sign = Image.new("RGBA", (width + 8, line * LINES + 8), (0, 0, 0, 0))
        for row, word in enumerate(words):
            ImageDraw.Draw(sign).text(
                (4, 4 + row * line), word, font=font, fill=letters, stroke_width=1, stroke_fill=edge
            )
        sign = sign.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
        if all(inner <= outer for inner, outer in zip(sign.size, photo.size, strict=True)):
            break
    at = [int(draws.integers(outer - inner + 1)) for inner, outer in zip(sign.size, photo.size, strict=True)]
    made = photo.copy()
    made.paste(sign, (at[0], at[1]), sign)
    return made


def read(image: Image.Image) -> tuple[set[str], float, float]:
    """What is kept of a JPEG of it, in small letters, seconds of the processor, and seconds by the clock."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    picture = opening.open_image(file.getvalue(), full=True).image
    used, started = time.process_time(), time.perf_counter()
    found = ocr.read(picture)
    return set(found.casefold().split()), time.process_time() - used, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draws = np.random.default_rng(asked.seed)
    files = sorted(asked.folder.rglob("*.jpg"))
    ocr.read(Image.new("RGB", (200, 200)))
    right: dict[tuple[str, int], list[bool]] = {}
    said, used, clock = list[str](), list[float](), list[float]()
    for number, at in enumerate(draws.permutation(len(files))[: asked.pictures]):
        photo = opening.open_file(files[at])[1].image
        words = [WORDS[i] for i in draws.permutation(len(WORDS))[:LINES]]
        height, angle = HEIGHTS[number % len(HEIGHTS)], ANGLES[number % len(ANGLES)]
        plain, with_words = read(photo), read(drawn(photo, words, height=height, angle=angle, draws=draws))
        for group in (("height", height), ("angle", angle), ("all", 0)):
            right.setdefault(group, []).extend(word in with_words[0] for word in words)
        if plain[0]:
            said.append(f"{files[at].name}: {' '.join(sorted(plain[0]))}")
        used += [plain[1], with_words[1]]
        clock += [plain[2], with_words[2]]
    for (name, value), of in sorted(right.items()):
        print(f"{name:8}{value:5}  {np.mean(of):.3f} of {len(of)} words")
    print(f"{len(said)} of {asked.pictures} photos say something as they are")
    print(*said, sep="\n")
    print(
        f"{np.median(used):.2f} s of one core a picture (mean {np.mean(used):.2f}), {np.median(clock):.2f} s by the clock"
    )


if __name__ == "__main__":
    main()
