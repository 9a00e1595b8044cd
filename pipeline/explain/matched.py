"""Where two pictures show the same, by a re-ranker that compares pictures: found, and drawn on both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.gallery.small_pictures import small
from pipeline.rerank import is_matcher

if TYPE_CHECKING:
    from pipeline.records import Encoder
    from pipeline.rerank import Match

CELLS, POINTS = 6, 40  # pairs that are drawn: more boxes hide the picture, more lines each other
POINT = 0.05  # a box with shorter sides is drawn as a point
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7")  # told apart by colour-blind eyes too
SIDE, GAP = 480, 16  # px
_PAPER, _INK = "#ffffff", "#1d2433"


def matcher_names() -> list[str]:
    """Of the re-rankers that compare the pictures themselves and are installed."""
    names = [name for name in plugins.available("rerank") if not plugins.missing("rerank", name)]
    return [name for name in names if is_matcher(plugins.build("rerank", name))]


def compared(spec: str, encoder: Encoder | None, query: Image.Image, hit: Image.Image) -> Match:
    """Two RGB pictures as a search with this re-ranker compares them. UsageError for another, or an encoder without places."""
    matcher = plugins.build("rerank", spec)
    if not is_matcher(matcher):
        raise UsageError(f"{spec} does not compare pictures; choose from {', '.join(matcher_names())}")
    [own] = matcher.places(encoder, [small(query)], asking=True)
    [match] = matcher.match(own, matcher.places(encoder, [small(hit)], asking=False))
    return match


def said(match: Match) -> str:
    """`14 places match`, and how many of them are drawn."""
    count, drawn = len(match.query), len(_drawn(match))
    if not count:
        return "No place of one matches a place of the other."
    what = "place matches" if count == 1 else "places match"
    return f"{count} {what}." if drawn == count else f"{count} {what}; the {drawn} surest are drawn."


def sheet(query: Image.Image, hit: Image.Image, match: Match) -> Image.Image:
    """Query on the left, hit on the right; the same colour, number and line join what shows the same."""
    pictures = [_fitted(one) for one in (query, hit)]
    tall = max(one.height for one in pictures)
    corners = [(0, (tall - pictures[0].height) // 2), (pictures[0].width + GAP, (tall - pictures[1].height) // 2)]
    made = Image.new("RGB", (corners[1][0] + pictures[1].width, tall), _PAPER)
    for picture, corner in zip(pictures, corners, strict=True):
        made.paste(picture, corner)
    draw = ImageDraw.Draw(made)
    rows = _drawn(match)
    for number, row in reversed(list(enumerate(rows))):  # the surest on top
        colour = COLOURS[number % len(COLOURS)]
        boxes = [
            _on_sheet(of[row], picture, corner)
            for of, picture, corner in zip((match.query, match.hit), pictures, corners, strict=True)
        ]
        draw.line([_middle(boxes[0]), _middle(boxes[1])], _INK, 3)
        draw.line([_middle(boxes[0]), _middle(boxes[1])], colour, 1)
        for box in boxes:
            _mark(draw, box, colour, "" if _points(match) else str(number + 1))
    return made


def below(explained: Image.Image, query: Image.Image, hit: Image.Image, match: Match) -> Image.Image:
    """The sheet of an explanation with this one below it."""
    places = sheet(query, hit, match)
    made = Image.new(
        "RGB", (max(explained.width, places.width + 2 * GAP), explained.height + places.height + 60), _PAPER
    )
    made.paste(explained, (0, 0))
    ImageDraw.Draw(made).text((GAP, explained.height), said(match), _INK, ImageFont.load_default(16))
    made.paste(places, (GAP, explained.height + 40))
    return made


def as_json(match: Match) -> dict[str, Any]:
    """score, and for each pair x, y, width and height in shares of the query and of the hit, the surest first."""
    pairs = zip(match.query.astype(float).round(4).tolist(), match.hit.astype(float).round(4).tolist(), strict=True)
    return {"score": round(match.score, 6), "pairs": [{"query": own, "hit": other} for own, other in pairs]}


def _drawn(match: Match) -> range:
    return range(min(len(match.query), POINTS if _points(match) else CELLS))


def _points(match: Match) -> bool:
    return bool(len(match.query)) and float(match.query[:, 2:].max()) < POINT


def _fitted(image: Image.Image) -> Image.Image:
    """Into SIDE × SIDE, enlarged too: what is small would hide under its marks."""
    return ImageOps.contain(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS)


def _on_sheet(box: np.ndarray, picture: Image.Image, corner: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, width, height = (float(share) for share in box)
    left, top = corner[0] + x * picture.width, corner[1] + y * picture.height
    return left, top, left + width * picture.width, top + height * picture.height


def _middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _mark(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour: str, number: str) -> None:
    if not number:
        x, y = _middle(box)
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), colour, _INK)
        return
    inner = box[0] + 2, box[1] + 2, box[2] - 2, box[3] - 2
    draw.rectangle(inner, None, _INK, 4)
    draw.rectangle((inner[0] + 1, inner[1] + 1, inner[2] - 1, inner[3] - 1), None, colour, 2)
    draw.rectangle((inner[0], inner[1], inner[0] + 18, inner[1] + 20), colour)
    draw.text((inner[0] + 5, inner[1] + 1), number, "#000000", ImageFont.load_default(16))
