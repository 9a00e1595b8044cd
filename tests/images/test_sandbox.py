"""Pictures opened in a process of few rights: the same pictures, and no failure of a decoder is the app's."""

from __future__ import annotations

import os
import random
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data.odd_pictures import Odd, coloured, corpus, saved
from tiny_gallery import ROOT

from pipeline import records
from pipeline.errors import PictureError
from pipeline.images import decoding, opening, sandbox, uploads
from pipeline.images.sandbox import Workers

PNG, JPEG = saved(coloured(), "PNG"), saved(coloured(), "JPEG")
unix = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these limits are Linux's")


@pytest.fixture
def exposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")


def outcome(opened: Callable[[], records.Picture]) -> tuple[object, ...]:
    try:
        picture = opened()
    except PictureError as error:
        return (str(error),)
    image = picture.image
    return (
        image.mode,
        image.size,
        image.tobytes(),
        image.info,
        picture.width,
        picture.height,
        picture.format,
        picture.frames,
    )


@pytest.mark.parametrize("odd", corpus(), ids=lambda odd: odd.name)
def test_an_odd_file_is_the_same_picture_or_the_same_sentence(odd: Odd, exposed: None, monkeypatch) -> None:
    data = odd.make()
    for full in (False, True):
        apart = outcome(lambda: opening.open_image(data, full=full))  # noqa: B023 called at once
        with monkeypatch.context() as patch:
            patch.delenv("SEMBLANCE_EXPOSED")
            assert apart == outcome(lambda: opening.open_image(data, full=full))  # noqa: B023


def test_real_photos_are_the_same_pictures(clothing: Path, exposed: None) -> None:
    files = sorted(clothing.rglob("*.jpg"))
    for file in random.Random(0).sample(files, 50):
        data = file.read_bytes()
        assert outcome(lambda: opening.open_image(data)) == outcome(lambda: decoding.decode(data))  # noqa: B023


def test_an_upload_is_opened_apart_when_the_app_is_exposed(exposed: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(decoding, "decode", None)  # in this process nothing can be opened
    assert uploads.save_upload("a.png", PNG, tmp_path).read_bytes() == PNG
    monkeypatch.delenv("SEMBLANCE_EXPOSED")
    with pytest.raises(TypeError):
        uploads.save_upload("a.png", PNG, tmp_path)


def acting(folder: Path, body: str) -> tuple[str, ...]:
    """The command of a real worker whose decoder does `body` when the file begins with `act`."""
    script = folder / "worker.py"
    script.write_text(
        "import ctypes, os, socket, sys, threading, time\n"
        f"sys.path.append({str(ROOT)!r})\n"
        "from pipeline.images import decoding, sandbox_worker\n"
        "from pipeline.errors import PictureError\n"
        "def decode(data, full):\n"
        "    if data.startswith(b'act'):\n"
        f"{textwrap.indent(textwrap.dedent(body), ' ' * 8)}\n"
        "    return decoding.decode(data, full=full)\n"
        "sandbox_worker.main(decode)\n"
    )
    return (sys.executable, "-I", str(script))


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[..., Workers]]:
    made = []

    def workers_that(body: str, **options: float) -> Workers:
        made.append(Workers(acting(tmp_path, body), **{"max_workers": 1} | options))
        return made[-1]

    yield workers_that
    for one in made:
        one.close()


def pid(workers: Workers) -> int:
    worker = workers._free.get()
    workers._free.put(worker)
    return worker.pid if worker else 0


@pytest.mark.parametrize(
    "body",
    [
        "ctypes.string_at(0)",  # SIGSEGV
        "os.abort()",
        "os._exit(0)",
        "raise SystemExit",
        "raise RuntimeError('a bug of ours')",
        "sys.stdout.buffer.write(b'\\xff' * 9000); sys.stdout.buffer.flush(); time.sleep(60)",
        "sys.stdout.buffer.write((4).to_bytes(4, 'big') + b'null'); sys.stdout.buffer.flush(); time.sleep(60)",
        "sys.stdout.buffer.write((60).to_bytes(4, 'big') + b'[' * 60); sys.stdout.buffer.flush(); time.sleep(60)",
    ],
)
def test_a_decoder_that_fails_is_one_sentence_and_the_next_picture_is_opened(workers, body: str) -> None:
    both = workers(body, seconds=30)
    assert both.open_image(PNG).image.tobytes() == decoding.decode(PNG).image.tobytes()
    before = pid(both)
    with pytest.raises(PictureError, match="makes its decoder fail; export it again as JPEG"):
        both.open_image(b"act")
    assert both.open_image(JPEG).image.tobytes() == decoding.decode(JPEG).image.tobytes()
    assert pid(both) not in (0, before)


def test_a_decoder_that_hangs_is_ended_and_others_do_not_wait_for_it(workers) -> None:
    two = workers("time.sleep(3600)", seconds=3, max_workers=2)
    said = []

    def hang() -> None:
        with pytest.raises(PictureError) as raised:
            two.open_image(b"act")
        said.append(str(raised.value))

    thread = threading.Thread(target=hang)
    thread.start()
    for _ in range(20):
        assert two.open_image(PNG).format == "PNG"
    assert said == [], "these did not wait for the one that hangs"
    thread.join()
    assert said == ["opening this file takes longer than 3 s; export it again as JPEG"]


@unix
def test_memory_is_limited(workers) -> None:
    one = workers("hog = bytearray(2 << 30)")
    with pytest.raises(PictureError):
        one.open_image(b"act")
    assert one.open_image(PNG).format == "PNG"


@unix
def test_time_of_the_processor_is_limited_for_each_picture_and_not_for_all_together(workers) -> None:
    spin = "from resource import *; setrlimit(RLIMIT_CPU, (int(time.process_time()) + 1, 9)); [0 for _ in iter(int, 1)]"
    one = workers(spin, seconds=60)
    with pytest.raises(PictureError, match="decoder fail"):
        one.open_image(b"act")
    limits = workers("import resource; raise PictureError(str(resource.getrlimit(resource.RLIMIT_CPU)[0]))")
    with pytest.raises(PictureError, match=r"^1[12]$"):
        limits.open_image(b"act")


@unix
@pytest.mark.parametrize(
    "body",
    [
        "open('/etc/hostname')",
        "open('written', 'w')",
        "socket.socket()",
        "os.pipe()",
        "os.close(0); os.open('/etc/hostname', os.O_RDONLY)",
    ],
)
def test_a_decoder_that_was_taken_over_opens_neither_file_nor_socket(workers, body: str) -> None:
    one = workers(f"try:\n    {body}\nexcept OSError as error:\n    raise PictureError('errno %d' % error.errno)")
    with pytest.raises(PictureError, match=r"^errno 24$"):  # EMFILE
        one.open_image(b"act")


def test_it_has_none_of_the_apps_secrets(workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_MILVUS_TOKEN", "root:secret")
    one = workers("raise PictureError(','.join(sorted(os.environ)))")
    with pytest.raises(PictureError) as raised:
        one.open_image(b"act")
    assert set(str(raised.value).split(",")) <= {
        "GOMP_SPINCOUNT",
        "PATH",
        "LD_LIBRARY_PATH",
        "LC_CTYPE",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    }


@pytest.mark.parametrize(
    "head",
    [
        '{"size": [9, 9], "width": 9, "height": 9, "format": "PNG", "frames": 1}',  # fewer pixels than it says
        '{"size": [90000, 9], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [19999, 19999], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [-9, -9], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [0, 0], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [9.5, 9], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [true, 9], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": "99", "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": 9, "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [9, 9, 9], "width": 9, "height": 9, "format": "PNG", "frames": 1}',
        '{"size": [9, 9], "width": 9, "height": 9, "format": "<script>", "frames": 1}',
        '{"size": [9, 9], "width": 9, "height": 9, "format": ["PNG"], "frames": 1}',
        "{}",
        "[]",
        "\\x80\\x04cos\\nsystem\\n",
    ],
)
def test_an_answer_that_is_none_of_ours_is_not_believed(workers, head: str) -> None:
    code = f"import os; text = {head!r}.encode('latin-1'); os.write(1, len(text).to_bytes(4, 'big') + text + b'x' * 9); os._exit(0)"
    with pytest.raises(PictureError, match="makes its decoder fail"):
        workers(code).open_image(b"act")


def test_a_sentence_from_there_is_short_plain_text(workers) -> None:
    with pytest.raises(PictureError) as raised:
        workers("raise PictureError('a\\x1b[31m\\n' + 'b' * 2000)").open_image(b"act")
    assert str(raised.value).startswith("a\\x1b[31m\\nbbb")
    assert len(str(raised.value)) == 400


def test_someone_who_is_interrupted_leaves_no_answer_to_the_next(workers, monkeypatch: pytest.MonkeyPatch) -> None:
    one = workers("pass")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_answer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            one.open_image(PNG)
    assert one.open_image(JPEG).format == "JPEG"


def test_a_worker_that_was_killed_between_two_pictures_is_replaced(workers) -> None:
    one = workers("pass")
    one.open_image(PNG)
    worker = one._free.get()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    one._free.put(worker)
    assert one.open_image(PNG).format == "PNG"


def test_when_all_are_busy_a_visitor_is_asked_to_come_again(workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "QUEUE_SECONDS", 0.1)
    one = workers("pass")
    with one._worker(), pytest.raises(PictureError, match="send it again"):
        one.open_image(PNG)
    assert one.open_image(PNG).format == "PNG"


def test_many_threads_get_what_one_gets(workers) -> None:
    from concurrent.futures import ThreadPoolExecutor

    files = [saved(coloured(40 + i, 30), "PNG") for i in range(12)]
    two = workers("pass", max_workers=2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(two.open_image, files * 5))
    assert [one.image.tobytes() for one in found] == [decoding.decode(data).image.tobytes() for data in files] * 5
