"""Pictures of strangers, opened in a process of few rights: a decoder that fails takes a worker with it, not the app.

What comes back is numbers, text and pixels, each checked here: a decoder that somebody has taken over can show a wrong
picture, and no more. Limits: pipeline/images/sandbox_worker.py. Used by `images.open_image` when SEMBLANCE_EXPOSED is set.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

from PIL import Image

from pipeline import ROOT, errors
from pipeline.errors import PictureError
from pipeline.images import decoding
from pipeline.images.sandbox_worker import ANSWER, QUESTION
from pipeline.records import Picture

SECONDS = 10.0  # from question to answer
QUEUE_SECONDS = 20.0  # for a worker, while others' pictures are opened
MAX_WORKERS = min(4, max(2, os.cpu_count() or 2))  # workers: one that hangs leaves room for others

_START = "import sys; sys.path.append(sys.argv[1]); from pipeline.images.sandbox_worker import main; main()"
# -I: neither the environment nor the working directory can put code into it
COMMAND = (sys.executable, "-I", "-c", _START, str(ROOT))
_MAX_HEAD = 4_096  # bytes of JSON; ours are below 300
_REFUSAL = 400  # characters of a sentence


def open_image(data: bytes, *, full: bool = False) -> Picture:
    """What `images.decode` gives, from another process. Raises PictureError, also when that process fails."""
    return _workers(os.getpid()).open_image(data, full=full)


class Workers:
    """At most `most` processes of `command`, started when first needed and kept; one that fails is replaced."""

    def __init__(
        self, command: Sequence[str] = COMMAND, *, max_workers: int = MAX_WORKERS, seconds: float = SECONDS
    ) -> None:
        self.command, self.seconds = tuple(command), seconds
        self._free: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        for _ in range(max_workers):
            self._free.put(None)  # a place where none runs yet

    def open_image(self, data: bytes, *, full: bool = False) -> Picture:
        with self._worker() as worker:
            return self._ask(worker, data, full)

    def close(self) -> None:
        """End those that are free."""
        with contextlib.suppress(queue.Empty):
            while True:
                _end(self._free.get_nowait())

    @contextlib.contextmanager
    def _worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """One that nobody else asks; kept only when its answer was read to the end, so that no answer is another's."""
        try:
            worker = self._free.get(timeout=QUEUE_SECONDS)
        except queue.Empty:
            raise PictureError("too many pictures are being opened at this moment; send it again in a minute") from None
        kept = None
        try:
            if worker is None or worker.poll() is not None:
                _end(worker)
                worker = self._started()
            try:
                yield worker
            except PictureError as error:
                kept = None if isinstance(error, _Broken) else worker
                raise
            kept = worker
        finally:
            if kept is None:
                _end(worker)
            self._free.put(kept)

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment(),
            start_new_session=True,  # Ctrl-C is for the one who waits for it
        )

    def _ask(self, worker: subprocess.Popen[bytes], data: bytes, full: bool) -> Picture:
        assert worker.stdin is not None
        assert worker.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            worker.kill()

        clock = threading.Timer(self.seconds, stop)
        clock.start()
        try:
            _write(worker.stdin, QUESTION.pack(full, len(data)) + data)
            picture = _answer(worker.stdout)
        except (OSError, EOFError, ValueError, MemoryError, RecursionError) as error:
            fault = f"takes longer than {self.seconds:g} s" if late.is_set() else "makes its decoder fail"
            raise _Broken(f"opening this file {fault}; export it again as JPEG") from error
        finally:
            clock.cancel()
        if late.is_set():  # in the last moment: the answer is whole and the worker is not
            _end(worker)
        return picture


class _Broken(PictureError):
    """The worker is not to be asked again."""


def _answer(answers: IO[bytes]) -> Picture:
    """Read one answer. ValueError or EOFError unless it is just what a worker of ours says."""
    head = head_of(answers, ANSWER)
    sides = head.get("size")
    inner = [_whole(side) for side in sides] if isinstance(sides, list) else []
    width, height, frames = (_whole(head.get(name)) for name in ("width", "height", "frames"))
    if len(inner) != 2 or max(*inner, width, height) > decoding.MAX_SIDE or head.get("format") not in decoding.FORMATS:
        raise ValueError("no picture of ours")
    if max(inner[0] * inner[1], width * height) > decoding.MAX_PIXELS:
        raise ValueError("too many pixels")
    pixels = exactly(answers, 3 * inner[0] * inner[1])
    image = Image.frombuffer("RGB", (inner[0], inner[1]), pixels, "raw", "RGB", 0, 1)
    return Picture(image, width, height, head["format"], frames)


def head_of(answers: IO[bytes], length: struct.Struct) -> dict[str, Any]:
    """The JSON object that an answer begins with, after its length. PictureError with the sentence of one that refuses."""
    (size,) = length.unpack(exactly(answers, length.size))
    if size > _MAX_HEAD:
        raise ValueError("a head of this length")
    head = json.loads(exactly(answers, size))
    if not isinstance(head, dict):
        raise ValueError("no object")
    if "refused" in head:
        raise PictureError(errors.display_name(str(head["refused"]))[:_REFUSAL])
    return head


def _write(questions: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[questions.write(view) :]


def _whole(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("no whole number above 0")
    return value


def exactly(answers: IO[bytes], size: int) -> bytearray:
    """`size` bytes; EOFError when fewer come."""
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        count = answers.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return data


def _end(worker: subprocess.Popen[bytes] | None) -> None:
    if worker is not None:
        worker.kill()
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                stream.close()
        worker.wait()


def environment() -> dict[str, str]:
    """No password and no token. One thread: each would reserve address space, of which there is little."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@functools.cache
def _workers(_pid: int) -> Workers:
    """This process's own: one that was forked must not read its parent's answers."""
    made = Workers()
    atexit.register(made.close)
    return made
