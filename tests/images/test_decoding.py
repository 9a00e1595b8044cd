"""Pictures in: every odd file gets its exact verdict, and nothing else ever leaves `open_image`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from data.odd_pictures import COLOURS, RED, Odd, coloured, corpus, file_name, saved, stored, turned
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from pipeline import errors, records
from pipeline.errors import PictureError, UsageError
from pipeline.images import decoding, opening

CORPUS = corpus()
WHOLE = [saved(coloured(), kind) for kind in decoding.FORMATS] + [saved(coloured(1100, 600), "JPEG", progressive=True)]


def outcome(data: bytes, *, full: bool = False) -> records.Picture | Exception:
    try:
        return opening.open_image(data, full=full)
    except Exception as error:
        return error


def test_the_corpus_is_large_and_its_names_are_unique():
    assert len(CORPUS) >= 60
    assert len({file_name(odd, "") for odd in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("odd", CORPUS, ids=lambda odd: odd.name)
def test_an_odd_file_gets_its_verdict(odd: Odd, tmp_path: Path):
    path = Path(file_name(odd, str(tmp_path)))
    path.parent.mkdir()
    try:
        path.write_bytes(odd.make())
    except OSError:
        pytest.skip("this file system takes no such name")
    for full in (False, True):
        try:
            result: records.Picture | Exception = opening.open_image(opening.read_file(path), full=full)
        except Exception as error:
            result = error
        assert odd.difference(result, full=full) == ""


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=8))
def test_flipped_bits_give_a_picture_or_a_reason(data: bytes, flips: list[tuple[float, int]]):
    damaged = bytearray(data)
    for place, bit in flips:
        damaged[int(place * (len(data) - 1))] ^= 1 << bit
    result = outcome(bytes(damaged))
    if isinstance(result, Exception):
        assert type(result) is PictureError
        assert str(result)
    else:
        assert result.image.mode == "RGB"
        assert result.image.size == (result.width, result.height) or result.format == "JPEG"


@pytest.mark.parametrize("full", [False, True])
def test_a_jpeg_is_refused_wherever_it_is_cut(full: bool):
    data = saved(coloured(1040, 1040), "JPEG", quality=30)
    assert opening.open_image(data).image.size == (520, 520)
    ends = [*range(0, len(data), 83), *range(len(data) - 30, len(data))]
    assert [end for end in ends if isinstance(outcome(data[:end], full=full), records.Picture)] == []


def test_a_jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_short_side():
    for width, height in [(4000, 3000), (1023, 1023), (1024, 1024), (2048, 5000), (512, 9000), (300, 200)]:
        data = saved(Image.new("RGB", (width, height), RED), "JPEG")
        picture = opening.open_image(data)
        scale = max(s for s in (1, 2, 4, 8) if s == 1 or min(width, height) // s >= decoding.WORKING_SIDE)
        assert picture.image.size == (-(-width // scale), -(-height // scale))
        assert (picture.width, picture.height) == (width, height)
        assert opening.open_image(data, full=True).image.size == (width, height)


def test_a_rotated_picture_of_several_megapixels_lands_as_a_small_one_does():
    upright = coloured(2000, 1500)
    for orientation, method in [
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (3, Image.Transpose.ROTATE_180),
    ]:
        exif = Image.Exif()
        exif[0x0112] = orientation
        opened = opening.open_image(saved(upright.transpose(method), "PNG", exif=exif))
        assert opened.image.tobytes() == upright.tobytes()
        small = coloured()
        assert stored(small, orientation).tobytes() == small.transpose(method).tobytes()


def test_a_large_transparent_picture_has_the_pixels_of_its_parts():
    part = Image.effect_noise((700, 500), 90)
    whole = Image.merge("RGBA", [part, part.rotate(180), part, part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    large = Image.new("RGBA", (2100, 1000))
    for index in range(6):
        large.paste(whole, (index % 3 * 700, index // 3 * 500))
    small, opened = (opening.open_image(saved(image, "PNG")).image for image in (whole, large))
    for index in range(6):
        x, y = index % 3 * 700, index // 3 * 500
        assert opened.crop((x, y, x + 700, y + 500)).tobytes() == small.tobytes()
    for x, y in [(0, 0), (350, 250), (699, 499), (13, 77)]:
        *colour, alpha = whole.getpixel((x, y))
        assert small.getpixel((x, y)) == pytest.approx([255 + (c - 255) * alpha / 255 for c in colour], abs=1)


def test_many_threads_get_what_one_gets():
    files = [odd.make() for odd in CORPUS if not odd.name.startswith(("JPEG of", "JPEG cut"))]
    alone = [str(o) if isinstance(o := outcome(data), Exception) else o.image.tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(outcome, files * 2))
    assert [str(o) if isinstance(o, Exception) else o.image.tobytes() for o in together] == alone * 2


@pytest.mark.parametrize("action", ["error", "always"])
def test_verdicts_do_not_depend_on_warning_filters(action: str):
    noisy = [
        odd
        for odd in CORPUS
        if odd.name in ("JPEG with damaged EXIF", "APNG of no frames", "PNG header of 10000 × 10000")
    ]
    assert len(noisy) == 3
    for odd in noisy:
        with warnings.catch_warnings(record=action == "always") as heard:
            warnings.simplefilter(action)
            assert odd.difference(outcome(odd.make()), full=False) == ""
        assert not heard


def test_other_users_of_pillow_keep_their_warnings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    data = saved(coloured(), "PNG")
    opening.open_image(data)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data))
    inside = threading.Thread(target=opening.open_image, args=[data])
    inside.start()
    inside.join()


def test_nothing_of_the_owner_survives():
    data = turned("JPEG", 6)
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(0x8825)
    picture = opening.open_image(data)
    for again in (saved(picture.image, "PNG"), saved(picture.image, "TIFF"), decoding.thumbnail(picture.image)):
        assert not Image.open(io.BytesIO(again)).getexif().get_ifd(0x8825)
        assert b"Exif" not in again


def test_a_raw_file_whose_first_picture_is_its_preview_is_refused():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x00FE], tags[0x014A] = 1, 8
    tags.tagtype[0x014A] = 4
    with pytest.raises(PictureError, match="RAW"):
        opening.open_image(saved(coloured(), "TIFF", tiffinfo=tags))


def test_a_video_after_a_jpeg_is_not_counted_as_scans_but_scans_are():
    jpeg = saved(coloured(), "JPEG", progressive=True)
    assert opening.open_image(jpeg + b"\xff\xda" * 999).format == "JPEG"
    last = jpeg.rindex(b"\xff\xda")
    with pytest.raises(PictureError, match="scans"):
        opening.open_image(jpeg[:last] + jpeg[last:-2] * 65 + b"\xff\xd9")
    assert opening.open_image(jpeg[:last] + jpeg[last:-2] * 20 + b"\xff\xd9").format == "JPEG"


def test_every_reason_is_one_sentence_with_a_remedy():
    for odd in CORPUS:
        if odd.refused:
            reason = str(outcome(odd.make()))
            assert ";" in reason or ", so " in reason, reason
            assert "\n" not in reason
            assert len(reason) < 250


class TestReadFile:
    def test_returns_the_bytes(self, tmp_path: Path):
        (tmp_path / "a").write_bytes(b"abc")
        assert opening.read_file(tmp_path / "a") == b"abc"

    def test_a_missing_file(self, tmp_path: Path):
        with pytest.raises(PictureError, match="no such file"):
            opening.read_file(tmp_path / "a.jpg")

    def test_a_folder(self, tmp_path: Path):
        with pytest.raises(PictureError, match="not a file"):
            opening.read_file(tmp_path)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes of this kind")
    def test_a_pipe_does_not_block(self, tmp_path: Path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(PictureError, match="not a file"):
            opening.read_file(tmp_path / "pipe")

    def test_a_file_that_is_too_large_is_not_read(self, tmp_path: Path):
        with (tmp_path / "large").open("wb") as file:
            file.truncate(opening.MAX_BYTES * 50)  # sparse
        with pytest.raises(PictureError, match=r"1000\.0 MB and at most 20 MB"):
            opening.read_file(tmp_path / "large")

    def test_an_empty_file(self, tmp_path: Path):
        (tmp_path / "empty").touch()
        with pytest.raises(PictureError, match="empty"):
            opening.read_file(tmp_path / "empty")

    def test_a_name_no_system_takes(self, tmp_path: Path):
        for name in ("a\0b", "a" * 5000):
            with pytest.raises(PictureError):
                opening.read_file(tmp_path / name)

    def test_a_file_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        path = tmp_path / "secret"
        path.write_bytes(b"abc")

        def refused(*args: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refused)  # root may read any file, so the mode bits prove nothing
        with pytest.raises(PictureError, match="permission"):
            opening.read_file(path)


class TestInside:
    def test_a_plain_path(self, tmp_path: Path):
        assert opening.inside(tmp_path, "a/b.jpg") == tmp_path.resolve() / "a" / "b.jpg"
        assert opening.inside(tmp_path, "a/../b.jpg") == tmp_path.resolve() / "b.jpg"

    @pytest.mark.parametrize("relative", ["../b.jpg", "a/../../b.jpg", "/etc/passwd", "//host/share", "a\0b"])
    def test_a_path_that_leads_outside(self, tmp_path: Path, relative: str):
        with pytest.raises(PictureError):
            opening.inside(tmp_path / "root", relative)

    def test_a_neighbour_whose_name_begins_alike(self, tmp_path: Path):
        with pytest.raises(PictureError, match="outside"):
            opening.inside(tmp_path / "root", "../root2/a.jpg")

    def test_links(self, tmp_path: Path):
        root = tmp_path / "root"
        (root / "in").mkdir(parents=True)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a.jpg").write_bytes(b"secret")
        try:
            (root / "away").symlink_to(tmp_path / "out")
        except OSError:
            pytest.skip("no symbolic links here")
        (root / "file.jpg").symlink_to(tmp_path / "out" / "a.jpg")
        (root / "within").symlink_to(root / "in")
        (root / "circle").symlink_to(root / "circle")
        (tmp_path / "by_link").symlink_to(root)
        for relative in ("away/a.jpg", "file.jpg", "in/../away/a.jpg"):
            with pytest.raises(PictureError, match="outside"):
                opening.inside(root, relative)
        with pytest.raises(PictureError):
            opening.read_file(opening.inside(root, "circle"))
        assert opening.inside(root, "within/a.jpg") == root.resolve() / "in" / "a.jpg"
        assert opening.inside(tmp_path / "by_link", "in/a.jpg") == root.resolve() / "in" / "a.jpg"

    @given(st.lists(st.sampled_from(["..", ".", "a", "", "b\\c", "~", "C:", "…"]), max_size=8).map("/".join))
    def test_no_path_escapes(self, relative: str):
        root = Path(os.path.abspath(os.sep), "some", "root")
        with contextlib.suppress(PictureError):
            assert opening.inside(root, relative).is_relative_to(root.resolve())


class TestThumbnail:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [((4000, 3000), (256, 192)), ((320, 200), (320, 200)), ((321, 100), (256, 80)), ((8, 20_000), (1, 256)), ((9, 9), (9, 9))],
    )  # fmt: skip
    def test_has_the_promised_size(self, size: tuple[int, int], expected: tuple[int, int]):
        thumbnail = Image.open(io.BytesIO(decoding.thumbnail(Image.new("RGB", size, RED))))
        assert (thumbnail.format, thumbnail.mode, thumbnail.size) == ("JPEG", "RGB", expected)

    def test_shows_the_picture(self):
        thumbnail = Image.open(io.BytesIO(decoding.thumbnail(coloured(1000, 600))))
        places = [(64, 38), (192, 38), (64, 115), (192, 115)]
        for place, colour in zip(places, COLOURS, strict=True):
            assert thumbnail.getpixel(place) == pytest.approx(colour, abs=8)

    def test_leaves_the_picture_alone_and_drops_its_notes(self):
        image = coloured()
        image.info["comment"] = b"at home"
        before = image.tobytes()
        assert b"at home" not in decoding.thumbnail(image)
        assert (image.info, image.tobytes()) == ({"comment": b"at home"}, before)


class TestCrop:
    def test_cuts_the_pixels_asked_for(self):
        picture = opening.open_image(saved(coloured(), "PNG"))
        region = decoding.crop(picture, (30, 20, 10, 8))
        assert region.size == (10, 8)
        for x in range(10):
            for y in range(8):
                assert region.getpixel((x, y)) == picture.image.getpixel((30 + x, 20 + y))

    def test_scales_the_box_when_the_picture_was_decoded_smaller(self):
        data = saved(coloured(2048, 1200), "JPEG", quality=95)
        small, full = opening.open_image(data), opening.open_image(data, full=True)
        assert small.image.size == (1024, 600)
        box = (1100, 700, 400, 300)
        assert decoding.crop(small, box).size == (200, 150)
        assert decoding.crop(full, box).size == (400, 300)
        for picture in (small, full):
            region = decoding.crop(picture, box)
            assert region.getpixel((region.width // 2, region.height // 2)) == pytest.approx(COLOURS[3], abs=8)

    @pytest.mark.parametrize(
        "box", [(-1, 0, 9, 9), (0, -1, 9, 9), (56, 0, 9, 9), (0, 40, 9, 9), (0, 0, 65, 48), (99, 99, 9, 9)]
    )
    def test_a_box_outside_is_refused(self, box: tuple[int, int, int, int]):
        with pytest.raises(UsageError, match="64 × 48"):
            decoding.crop(opening.open_image(saved(coloured(), "PNG")), box)

    def test_a_box_that_is_too_small_is_refused(self):
        with pytest.raises(UsageError, match="at least 8 px"):
            decoding.crop(opening.open_image(saved(coloured(), "PNG")), (0, 0, 0, 20))


class TestDisplayName:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("shoes/ботинок 靴.jpg", "shoes/ботинок 靴.jpg"),
            (b"caf\xe9.jpg", "caf\\xe9.jpg"),
            ("café.jpg".encode(), "café.jpg"),
            (os.fsdecode(b"caf\xe9.jpg") if sys.platform != "win32" else "caf\udce9.jpg", "caf\\xe9.jpg"),
            ("photo\u202egpj.exe", "photo\\u202egpj.exe"),
            ("a\nb\tc\x1b[31m\x7f", "a\\nb\\tc\\x1b[31m\\x7f"),
            ("non\u00a0breaking", "non breaking"),
            ("\ud800", "\\ud800"),
            ("می‌خواهم.png", "می‌خواهم.png"),
            ("👩‍👧.png", "👩‍👧.png"),
            (Path("a"), "a"),
        ],
    )  # fmt: skip
    def test_examples(self, name: str | bytes | Path, shown: str):
        assert errors.display_name(name) == shown

    @given(st.one_of(st.binary(), st.text(st.characters())))
    def test_is_one_line_of_text_that_can_be_encoded(self, name: str | bytes):
        shown = errors.display_name(name)
        shown.encode()
        assert len(shown.splitlines()) <= 1
        assert all(char.isprintable() or char in "\u200c\u200d" for char in shown)
