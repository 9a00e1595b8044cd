"""A folder of films, or one film: some of their frames, each with its film and time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets._rendering import check_ranges, folder_of
from pipeline.datasets._walk import Walk
from pipeline.errors import PictureError
from pipeline.files.picture_files import existing_folder
from pipeline.files.wanted import FILMS
from pipeline.films.kept import KeptFrames, name_of
from pipeline.films.reading import LEFT_OUT
from pipeline.images.opening import inside
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent

CARD = Card(
    summary="a folder of films, or one film: a frame a second, or one a shot; blurred and repeated ones are left out",
    licence="that of your films",
    requires=("av",),
    install="pip install 'av>=15,<19'",
)


def build(
    *, root: PathText, per_second: float = 1.0, shots: bool = False, labels: bool = True, links: bool = False
) -> Video:
    """root: a folder, or a film. per_second: the sharpest frame of each 1/per_second s. shots: of each shot instead, and of every
    10 s of one that lasts longer. labels, links: as in the dataset `folder`."""
    check_ranges("video", per_second=(per_second, 0.001, 30))
    place = Path(root).expanduser().absolute()
    film = place.name if place.is_file() else ""
    return Video(existing_folder(str(place.parent) if film else root), film, per_second, shots, labels, links)


class Video:
    """Frames are kept in the cache, so that a film is read once; `root` is where they are.

    parent: id of the film's bytes. metadata: `film`, its path; `time`, seconds; `shot`, its number from 1, with shots.
    label, split: of the film, as of a picture in a folder. watched: where the films are.
    """

    def __init__(self, films: Path, film: str, per_second: float, shots: bool, labels: bool, links: bool) -> None:
        self.watched, self._film, self._shots = films, film, shots
        options = json.dumps([str(films), film, "shots" if shots else per_second, 1])
        self.root = folder_of("", "video", options)
        self._walk = Walk(films, labels=labels, links=links, wanted=FILMS)
        self._kept = KeptFrames(self.root, per_second=per_second, shots=shots)
        self._waiting: list[str] = []  # films that the last `records` had no frames of yet

    @property
    def notes(self) -> list[str]:
        """What was passed over, and how many frames were left out why."""
        films = self._kept.films().values()
        left_out: Counter[str] = Counter()
        for film in films:
            left_out.update(film.left_out)
        reasons = ", ".join(f"{left_out[name]:,} {words}" for name, words in LEFT_OUT.items() if left_out[name])
        waiting = f"films that are read when they are ingested: {len(self._waiting):,} (first: {', '.join(self._waiting[:1])})"
        return [
            *self._walk.passed.notes,
            *([waiting] if self._waiting else []),
            *([f"frames left out: {reasons}"] if reasons else []),
        ]

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Folders, and films that cannot be read."""
        return [
            *self._walk.passed.unreadable,
            *((path, film.fault) for path, film in self._kept.films().items() if film.fault),
        ]

    def prepare(self, progress: Progress = silent) -> None:
        """Read the films that are new or changed. Raises UsageError when there is none."""
        self._kept.follow(self.watched, [record.path for record in self._films()], progress)

    def records(self) -> Iterator[ImageRecord]:
        """Film by film, in their order of time; of films that are not prepared yet none. Raises UsageError when there is none."""
        known = self._kept.films()
        self._waiting = []
        for record in self._films():
            if (film := known.get(record.path)) is None:
                self._waiting.append(record.path)
                continue
            for seconds, number in film.frames:
                metadata = {"film": record.path, "time": f"{seconds:.3f}".rstrip("0").rstrip(".")}
                metadata |= {"shot": str(number + 1)} if self._shots else {}
                path = f"{record.path}/{name_of(seconds)}"
                yield ImageRecord(path, record.label, record.split, metadata, parent=film.id)

    def film(self, path: str) -> Path | None:
        """The film of the frame at a record's path; None when it is gone or was changed since."""
        name = path.rpartition("/")[0]
        known = self._kept.films().get(name)
        try:
            file = inside(self.watched, name)
            status = file.stat()
        except (OSError, PictureError):
            return None
        return file if known and (known.size, known.changed) == (status.st_size, status.st_mtime_ns) else None

    def _films(self) -> Iterator[ImageRecord]:
        if self._film:
            yield ImageRecord(self._film)
            return
        yield from self._walk.records()
