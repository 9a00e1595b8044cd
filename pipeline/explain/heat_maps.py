"""An explanation as pictures: heat laid over a photo, and one sheet with both photos and the parts as bars."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.explain.explain import PARTS, Explanation

# viridis, every tenth of its way: even steps to the eye, also to a colour-blind one and in print
VIRIDIS = [
    *("#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c"),
    *("#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725"),
]
GREY = "#9a9a9a"  # below a scale, as the photo is below the heat
VEIL, HEAT = 0.15, 0.6  # opacity over a place without heat, and what the most heat adds: shapes stay visible below
NAMES = {"colour": "Colour", "texture": "Texture", "semantic": "Meaning"}
SIDE, GAP, BAR = 360, 24, 26
_PAPER, _INK, _FAINT, _LINE, _FILL = "#ffffff", "#1d2433", "#6b7385", "#e4e7ec", "#0b6e69"


def overlay(image: Image.Image, heat: np.ndarray, *, most: float, side: int = SIDE) -> Image.Image:
    """The picture in grey with (grid, grid) heat in viridis, fitted into side × side.

    most: the heat that is drawn brightest, the same for both pictures of a pair. Heat below 0 is drawn as 0.
    """
    small = ImageOps.contain(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    smooth = Image.fromarray(heat.clip(0).astype(np.float32)).resize(small.size, Image.Resampling.BICUBIC)
    share = (np.asarray(smooth) / max(most, 1e-9)).clip(0, 1)  # (height, width)
    stops = np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in VIRIDIS], np.float32)
    steps = np.linspace(0, 1, len(stops))
    colours = np.stack([np.interp(share, steps, stops[:, channel]) for channel in range(3)], axis=-1)
    grey = np.asarray(small.convert("L"), np.float32)[..., None]
    opacity = (VEIL + HEAT * share)[..., None]
    return Image.fromarray((grey * (1 - opacity) + colours * opacity).round().astype(np.uint8))


def meaning(explanation: Explanation, name: str) -> str:
    """`0.83, more similar than 97.0 % of random pairs`, or the cosine alone."""
    said = f"{explanation.parts[name]:.2f}"
    if name not in explanation.percentiles:
        return said
    share = explanation.percentiles[name]
    return f"{said}, more similar than {f'{share:.1f} % of random pairs' if share < 99.95 else 'any random pair we sampled'}"


def sheet(query: Image.Image, hit: Image.Image, explanation: Explanation, *, titles: tuple[str, str]) -> Image.Image:
    """Query on the left, hit on the right, the heat's scale below them, then a bar for each part."""
    maps = [
        overlay(image, heat, most=explanation.most)
        for image, heat in ((query, explanation.heat_query), (hit, explanation.heat_hit))
    ]
    plain = [ImageOps.contain(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS) for image in (query, hit)]
    tall = max(picture.height for picture in maps)
    top = GAP + 56
    legend = top + 2 * (tall + 10)
    made = Image.new("RGB", (3 * GAP + 2 * SIDE, legend + 70 + len(PARTS) * (BAR + 22) + GAP), _PAPER)
    draw = ImageDraw.Draw(made)
    draw.text((GAP, GAP - 6), f"score {explanation.score:.3f}", _INK, ImageFont.load_default(22))
    for number, title in enumerate(titles):
        x = GAP + number * (SIDE + GAP)
        draw.text((x, GAP + 28), title[:52], _FAINT, ImageFont.load_default(14))
        for row, picture in enumerate((plain[number], maps[number])):
            made.paste(picture, (x + (SIDE - picture.width) // 2, top + row * (tall + 10)))
    _scale(made, draw, (GAP, legend + 6), explanation.most)
    if explanation.usual:
        draw.text(
            (GAP, legend + 34), "black tick: two random pictures of this gallery", _FAINT, ImageFont.load_default(14)
        )
    for number, name in enumerate(PARTS):
        _bar(draw, (GAP, legend + 70 + number * (BAR + 22)), NAMES[name], explanation, name)
    return made


def _scale(sheet: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], most: float) -> None:
    (x, y), width = at, 160
    ramp = overlay(
        Image.new("RGB", (width, 12), GREY), np.linspace(0, 1, width)[None], most=1, side=width
    )  # as on white
    sheet.paste(ramp, (x, y + 2))
    said = f"0 to {most:.3f} of the score is lost when this place is hidden"
    draw.text(
        (x + width + 12, y), said if most else "no single place carries the score", _INK, ImageFont.load_default(14)
    )


def _bar(draw: ImageDraw.ImageDraw, at: tuple[int, int], title: str, explanation: Explanation, name: str) -> None:
    (x, y), width = at, 2 * SIDE + GAP
    font = ImageFont.load_default(14)
    draw.text((x, y - 2), title, _INK, font)
    draw.text((x + width, y - 2), meaning(explanation, name), _FAINT, font, anchor="ra")
    draw.rounded_rectangle((x, y + 20, x + width, y + 30), 5, _LINE)
    filled = round(width * max(0.0, explanation.parts[name]))
    if filled > 10:  # a rounded end needs its room
        draw.rounded_rectangle((x, y + 20, x + filled, y + 30), 5, _FILL)
    if name in explanation.usual:  # a black tick: two random pictures
        tick = x + round(width * min(1.0, max(0.0, explanation.usual[name])))
        draw.line((tick, y + 17, tick, y + 33), _INK, 3)
