"""Who visits the app under load, for `benchmarks.sessions`: what is its own, what it must see, what it met."""

from __future__ import annotations

import contextlib
import io
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.search.search import Query, QueryPicture, load_encoder, search

NAME = "photos"
SURE = 5  # hits compared with the truth


class Leak(Exception):
    """A visitor was shown what is not its own."""


@dataclass(frozen=True)
class Own:
    """What one visitor asks with, and the ids of the hits that it must see first."""

    number: int
    photo: bytes
    by_picture: list[str]
    id: str  # a picture of the gallery
    by_id: list[str]
    label: str

    def upload(self, turn: int) -> tuple[str, bytes]:
        """A name and bytes that nobody else sends, of the same pixels every time: a JPEG may go on after its end."""
        return f"visitor-{self.number}-{turn}.jpg", self.photo + f"{self.number} {turn}".encode()

    def check(self, hits: Sequence[str], expected: Sequence[str], what: str) -> None:
        if list(hits[:SURE]) != list(expected):
            raise Leak(f"{what} of visitor {self.number}: hits {list(hits[:SURE])}, its own are {list(expected)}")


class Ledger:
    """Seconds of each action, what failed, what leaked; several threads write."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self.leaks: list[str] = []

    @contextlib.contextmanager
    def timed(self, action: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        except Exception as error:
            error.add_note(action)
            raise
        self.taken[action].append(time.perf_counter() - begun)

    def failed(self, who: str, error: Exception) -> None:
        kept = self.leaks if isinstance(error, Leak) else self.failures
        doing = ", ".join(getattr(error, "__notes__", []))
        kept.append(f"{who}: {doing}: {type(error).__name__}: {error}".splitlines()[0][:400])
        measuring.say(kept[-1])

    def rows(self) -> list[Sequence[object]]:
        return [
            (
                action,
                len(taken),
                *(f"{measuring.percentile([*taken, taken[0]], share):.2f} s" for share in (50, 95, 99)),
            )
            for action, taken in sorted(self.taken.items())
        ]


def marked(photo: Path, number: int) -> bytes:
    from PIL import Image, ImageDraw

    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    color = tuple(random.Random(number).choices(range(256), k=3))
    ImageDraw.Draw(picture).rectangle((2, 2, width // 6, height // 6), fill=color)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def owns(gallery: Gallery, root: Path, count: int) -> list[Own]:
    """The truth for so many visitors, by the exact store."""
    encoder, store = load_encoder(gallery, device="cpu"), sync.exact_store(gallery)
    table = gallery.table().sample(count, random_state=0)
    made = []
    for number, row in enumerate(table.to_dict("records")):
        photo = marked(root / row["path"], number)
        asked = (Query((QueryPicture(photo),)), Query(ids=(row["id"],)))
        found = [[hit.id for hit in search(gallery, store, encoder, one, k=SURE).hits] for one in asked]
        made.append(Own(number, photo, found[0], row["id"], found[1], row["label"]))
    return made


Come = Callable[[str, "Sequence[Own]", float, "Ledger", tuple[float, float]], None]
"""come(address, people, until, ledger, think): they use the app until time.monotonic() is `until`."""
