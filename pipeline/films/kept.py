"""A folder of frames that follows films: each film is read once, and again only when its bytes are others."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline import ctrl_c
from pipeline.errors import PictureError
from pipeline.files import atomic
from pipeline.films import reading
from pipeline.films.decoding import Frame
from pipeline.records import Progress

INDEX = ".films.json"
_QUALITY = 92
_MAKING = ".making-"


@dataclass
class Film:
    """What is known of a film's file. id: of its bytes. fault: why it could not be read; '' when it was."""

    size: int
    changed: int  # st_mtime_ns
    id: str = ""
    frames: list[tuple[float, int]] = field(default_factory=list)  # seconds, number of the stretch or shot
    left_out: dict[str, int] = field(default_factory=dict)  # by reading.LEFT_OUT
    fault: str = ""


class KeptFrames:
    """Under `folder`: FILM/00h00m12.480s.jpg for each frame, and an index of the films."""

    def __init__(self, folder: Path, *, per_second: float, shots: bool) -> None:
        self.folder = folder
        self._per_second, self._shots = per_second, shots

    def films(self) -> dict[str, Film]:
        """Path to film, as they were when they were last followed; a damaged index counts as none."""
        try:
            listed = json.loads((self.folder / INDEX).read_text("utf-8", "surrogatepass"))
            return {path: Film(**about) for path, about in listed.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def follow(self, root: Path, paths: Sequence[str], progress: Progress) -> None:
        """Make the folder hold the frames of these films (POSIX, below root); Ctrl-C leaves whole films."""
        from filelock import FileLock

        if self._is_current(root, paths):
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.disk_error(error, self.folder) from error
        with FileLock(self.folder.with_name(f".{self.folder.name}.lock")):
            known = self.films()
            stats = {path: _stat(root / path) for path in paths}
            stale = [
                path for path in paths if (one := known.get(path)) is None or not self._is_fresh(path, one, stats[path])
            ]
            left = {path: one for path, one in known.items() if path not in stats or path in stale}
            fresh = {path: known[path] for path in paths if path not in stale}
            self._take_away(left)
            self._read_all(root, stale, stats, fresh, left, progress)
            for leftover in self.folder.glob(f"{_MAKING}*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def _is_current(self, root: Path, paths: Sequence[str]) -> bool:
        known = self.films()
        return list(known) == sorted(paths) and all(
            self._is_fresh(path, one, _stat(root / path)) for path, one in known.items()
        )

    def _is_fresh(self, path: str, film: Film, stat: tuple[int, int]) -> bool:
        there = not film.frames or (self.folder / path / name_of(film.frames[-1][0])).is_file()
        return (film.size, film.changed) == stat and there

    def _take_away(self, left: Mapping[str, Film]) -> None:
        """What was the frames of a film that is gone or changed waits under its id: it may only have been moved."""
        for path, film in left.items():
            frames = self.folder / path
            if film.id and frames.is_dir():
                aside = self.folder / f"{_MAKING}{film.id}"
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(frames, aside)
            if frames.parent != self.folder:
                with contextlib.suppress(OSError):  # folders that are empty now
                    os.removedirs(frames.parent)

    def _read_all(
        self,
        root: Path,
        stale: Sequence[str],
        stats: Mapping[str, tuple[int, int]],
        fresh: dict[str, Film],
        left: Mapping[str, Film],
        progress: Progress,
    ) -> None:
        moved = {film.id: film for film in left.values() if film.id}
        told = _Told(progress, {path: stats[path][0] for path in stale})
        lock, failed = threading.Lock(), threading.Event()
        with ctrl_c.noted() as interrupted, ThreadPoolExecutor(os.cpu_count()) as pool:

            def stopped() -> bool:
                return interrupted() or failed.is_set()

            def work(path: str) -> None:
                try:
                    _go_on(stopped)
                    film = self._one(root, path, stats[path], moved, lambda share: told.tell(path, share), stopped)
                    with lock:
                        fresh[path] = film
                        self._write(fresh)
                    told.tell(path, 1.0)
                except BaseException:
                    failed.set()  # the others end too, in the middle of a film
                    raise

            works = [pool.submit(work, path) for path in stale]
            wait(works)
            faults = [error for one in works if (error := one.exception())]
        if faults:
            raise min(faults, key=lambda error: isinstance(error, KeyboardInterrupt))  # rather what went wrong
        self._write(fresh)

    def _one(
        self,
        root: Path,
        path: str,
        stat: tuple[int, int],
        moved: Mapping[str, Film],
        tell: Callable[[float], None],
        stopped: Callable[[], bool],
    ) -> Film:
        film = Film(*stat)
        try:
            film.id = _id_of(root / path)
            earlier = moved.get(film.id)
            aside = self.folder / f"{_MAKING}{film.id}"
            if earlier and (earlier.fault or not earlier.frames or aside.is_dir()):
                film.frames, film.left_out, film.fault = earlier.frames, earlier.left_out, earlier.fault
                if earlier.frames:
                    (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copytree(aside, self.folder / path, dirs_exist_ok=True)
                return film
            left_out: Counter[str] = Counter()
            making = self.folder / f"{_MAKING}{film.id}-{os.getpid()}-{threading.get_ident()}"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            for one in reading.frames(root / path, per_second=self._per_second, shots=self._shots, left_out=left_out):
                _go_on(stopped)
                if isinstance(one, Frame):
                    one.image.save(making / name_of(one.seconds), "JPEG", quality=_QUALITY)
                    film.frames.append((one.seconds, one.number))
                else:
                    tell(one.seconds / one.of if one.of else 0.0)
            film.left_out = dict(left_out)
            if film.frames:
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(self.folder / path, ignore_errors=True)
                os.replace(making, self.folder / path)
        except PictureError as error:
            film.frames, film.fault = [], str(error)
            if isinstance(error, reading.NotRead):
                film.changed = -1  # so that it is tried again
        except OSError as error:
            raise atomic.disk_error(error, self.folder / path) from error
        return film

    def _write(self, films: Mapping[str, Film]) -> None:
        listed = {path: asdict(films[path]) for path in sorted(films)}
        with atomic.replacing(self.folder / INDEX) as temporary:
            temporary.write_bytes(json.dumps(listed, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _go_on(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise KeyboardInterrupt


class _Told:
    """Progress in MB of all films together."""

    def __init__(self, progress: Progress, sizes: Mapping[str, int]) -> None:
        self._progress, self._sizes, self._lock = progress, sizes, threading.Lock()
        self._shares = dict.fromkeys(sizes, 0.0)

    def tell(self, path: str, share: float) -> None:
        with self._lock:
            self._shares[path] = min(share, 1.0)
            done = sum(self._sizes[one] * share for one, share in self._shares.items())
            self._progress("films, MB", round(done / 1e6), max(1, round(sum(self._sizes.values()) / 1e6)))


def name_of(seconds: float) -> str:
    """The file name of a frame: `00h00m12.480s.jpg`."""
    minutes, rest = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02}h{minutes % 60:02}m{rest // 1000:02}.{rest % 1000:03}s.jpg"


def _stat(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:
        return 0, 0


def _id_of(file: Path) -> str:
    """As fingerprints.file_id, without the whole film in memory."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:32]
    except OSError as error:
        raise reading.not_read(error) from None
