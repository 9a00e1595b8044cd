"""A film's frames: which are kept, and what is said of files that are no whole film."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="pip install av")

from pipeline.errors import PictureError
from pipeline.films import reading
from pipeline.films.decoding import Frame
from tests.films_made import SIZE, blurred, film, pan, sound_alone, still, turned


@pytest.fixture(scope="module")
def photos(clothing: Path) -> list[Image.Image]:
    return [Image.open(file) for file in sorted((clothing / "test").glob("*/*.jpg"))[::60][:4]]


@pytest.fixture(scope="module")
def shown(photos: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds that move, two that stand still, two that are blurred, one that is black."""
    black = Image.new("RGB", SIZE)
    scenes = [(2, pan(photos[0], 2)), (2, still(photos[1])), (2, blurred(photos[1])), (1, still(black))]
    return film(tmp_path_factory.mktemp("films") / "shown.mp4", scenes, rate=5, sound=True)


def read(path: Path, *, per_second: float = 1.0, shots: bool = False) -> tuple[list[Frame], dict[str, int]]:
    left_out: Counter[str] = Counter()
    coming = reading.frames(path, per_second=per_second, shots=shots, left_out=left_out)
    return [one for one in coming if isinstance(one, Frame)], dict(left_out)


@pytest.fixture(scope="module")
def frames_shown(shown: Path) -> tuple[list[Frame], dict[str, int]]:
    return read(shown)


def test_a_frame_a_second_without_blurred_repeated_and_black_ones(
    frames_shown: tuple[list[Frame], dict[str, int]],
) -> None:
    frames, left_out = frames_shown
    assert [int(frame.seconds) for frame in frames] == [0, 1, 2]
    assert left_out == {"repeated": 1, "blurred": 2, "plain": 1}
    assert all(frame.image.size == SIZE for frame in frames)


def test_a_frame_shows_what_the_film_shows_at_its_time(
    frames_shown: tuple[list[Frame], dict[str, int]], photos: list[Image.Image]
) -> None:
    for frame in frames_shown[0][:2]:
        truth = np.asarray(pan(photos[0], 2)(frame.seconds), np.float32)
        assert np.abs(np.asarray(frame.image, np.float32) - truth).mean() < 12


def test_twice_as_many_a_second(shown: Path) -> None:
    frames, _ = read(shown, per_second=2)
    assert [int(2 * frame.seconds) for frame in frames] == [0, 1, 2, 3, 4]


def test_shots_give_one_frame_each(photos: list[Image.Image], tmp_path: Path) -> None:
    path = film(tmp_path / "shots.mp4", [(1.6, pan(photo, 6)) for photo in photos[:3]], rate=5)
    frames, _ = read(path, shots=True)
    assert [(frame.number, int(frame.seconds / 1.6)) for frame in frames] == [(0, 0), (1, 1), (2, 2)]


def test_a_film_that_a_telephone_held_upright_is_turned(
    frames_shown: tuple[list[Frame], dict[str, int]], shown: Path, tmp_path: Path
) -> None:
    upright, lying = read(turned(tmp_path / "t.mp4", shown))[0][0], frames_shown[0][0]
    assert upright.image.size == SIZE[::-1]
    difference = np.asarray(upright.image, int) - np.asarray(lying.image.transpose(Image.Transpose.ROTATE_270), int)
    assert np.abs(difference).max() == 0  # a quarter clockwise


def test_frames_that_do_not_come_evenly_have_their_own_times(photos: list[Image.Image], tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 3.0, 3.1, 7.5]
    path = film(tmp_path / "uneven.mkv", [(1.2, pan(photos[2], 1.2))], rate=5, times=times)
    frames, _ = read(path)
    assert all(min(abs(frame.seconds - time) for time in times) < 0.002 for frame in frames)
    assert {int(frame.seconds) for frame in frames} >= {0, 3, 7}


@pytest.mark.parametrize(
    ("suffix", "codec"), [("avi", "mpeg4"), ("webm", "libvpx-vp9"), ("ts", "libx264"), ("mov", "mpeg4")]
)
def test_usual_kinds_of_films_are_read(suffix: str, codec: str, photos: list[Image.Image], tmp_path: Path) -> None:
    path = film(tmp_path / f"a.{suffix}", [(1, pan(photos[3], 1))], rate=4, codec=codec)
    path = path.rename(tmp_path / "a.MP4")  # its content counts, not its suffix
    assert [int(frame.seconds) for frame in read(path)[0]] == [0]


def test_what_is_no_whole_film_is_refused_in_a_sentence(photos: list[Image.Image], shown: Path, tmp_path: Path) -> None:
    def sentence(data: bytes) -> str:
        (tmp_path / "film.mp4").write_bytes(data)
        with pytest.raises(PictureError) as raised:
            read(tmp_path / "film.mp4")
        return str(raised.value)

    assert "empty" in sentence(b"")
    assert "damaged or cut short" in sentence(shown.read_bytes()[:-3000])
    assert "damaged or cut short" in sentence(b"a letter, no film" * 100)
    assert "damaged or cut short" in sentence(b"#EXTM3U\n#EXTINF:10,\n" + str(shown).encode())  # a list of other files
    assert "only sound" in sentence(sound_alone(tmp_path / "song.m4a").read_bytes())
    matroska = film(tmp_path / "a.mkv", [(4, pan(photos[0], 4))], rate=5, sound=True).read_bytes()
    assert "it ends at 0:0" in sentence(matroska[: len(matroska) // 2])
    fast = film(tmp_path / "b.mp4", [(4, pan(photos[0], 4))], rate=5, options={"movflags": "faststart"}).read_bytes()
    assert "it ends at 0:0" in sentence(fast[: len(fast) // 2])


def test_a_film_that_makes_its_reader_fail_is_given_up(shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_START", "import os; os.abort()")
    with pytest.raises(reading.NotRead, match="makes its decoder fail"):
        read(shown)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="these limits are Linux's")
def test_a_reader_that_was_taken_over_opens_no_file(shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_over = (
        "import sys; sys.path += sys.argv[1].split('|'); from pipeline.films import worker, decoding\n"
        "def frames(film, **options):\n"
        "    try: open('/etc/hostname'); yield decoding.Passed(1.0, 1.0)\n"
        "    except OSError: raise decoding.PictureError('no file is opened')\n"
        "worker.warm_up(); worker.warm_up = lambda: None; decoding.frames = frames; worker.main()"
    )
    monkeypatch.setattr(reading, "_START", taken_over)
    with pytest.raises(PictureError, match="no file is opened"):
        read(shown)
