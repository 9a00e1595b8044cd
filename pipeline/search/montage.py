"""A search result as one picture: the query, then its hits with rank, score and label."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.gallery.gallery import Gallery
from pipeline.images.opening import open_image
from pipeline.search.search import SearchResult

TILE, GAP, CAPTION, COLUMNS = 160, 10, 38, 6
_PAPER, _INK, _FAINT, _LINE = "#ffffff", "#1d2433", "#6b7385", "#d8dce4"


def montage(gallery: Gallery, queries: Sequence[bytes], result: SearchResult) -> Image.Image:
    """Queries on the first row, hits below, `COLUMNS` a row; weak matches have a grey caption."""
    query_tiles = [(open_image(data).image, "query", "") for data in queries]
    hit_tiles = []
    for rank, hit in enumerate(result.hits, 1):
        small = gallery.thumbnail_data(hit.id)
        picture = open_image(small).image if small else Image.new("RGB", (TILE, TILE), _LINE)
        weak = " · weak" if hit.score < result.weak_below else ""
        hit_tiles.append((picture, f"{rank}.  {hit.score:.3f}{weak}", hit.label))
    rows = [row for tiles in (query_tiles, hit_tiles) for row in _rows(tiles)]
    width = GAP + COLUMNS * (TILE + GAP)
    sheet = Image.new("RGB", (width, GAP + max(1, len(rows)) * (TILE + CAPTION + GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for j, row in enumerate(rows):
        for i, (picture, title, label) in enumerate(row):
            _tile(sheet, draw, (GAP + i * (TILE + GAP), GAP + j * (TILE + CAPTION + GAP)), picture, title, label)
    return sheet


def _rows(tiles: list[tuple[Image.Image, str, str]]) -> list[list[tuple[Image.Image, str, str]]]:
    return [tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS)]


def _tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], picture: Image.Image, title: str, label: str
) -> None:
    x, y = at
    fitted = ImageOps.contain(picture, (TILE, TILE), Image.Resampling.LANCZOS)
    sheet.paste(fitted, (x + (TILE - fitted.width) // 2, y + (TILE - fitted.height) // 2))
    draw.rectangle((x, y, x + TILE - 1, y + TILE - 1), outline=_LINE)
    font = ImageFont.load_default(13)
    draw.text((x, y + TILE + 3), title, _INK if "weak" not in title else _FAINT, font)
    draw.text((x, y + TILE + 19), label[:24], _FAINT, font)
