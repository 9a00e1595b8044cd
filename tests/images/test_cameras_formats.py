"""What cameras and telephones save: more than 8 bits, HEIC, raw files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import PictureError
from pipeline.images import decoding, opening, refused_formats


def saved(values: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_range_of_a_picture_is_that_of_its_bits(bits: int, kind: str) -> None:
    ramp = np.linspace(0, 2**bits - 1, 64 * 64).reshape(64, 64).astype(np.uint16)
    picture = np.asarray(opening.open_image(saved(ramp, kind)).image)[..., 0]
    assert picture.min() == 0
    assert picture.max() == 255
    assert abs(float(picture.mean()) - 127.5) < 1
    half = np.asarray(opening.open_image(saved(ramp // 2 + 2 ** (bits - 2), kind)).image)[
        ..., 0
    ]  # neither black nor white
    assert 60 < half.min() < 68
    assert 187 < half.max() < 195


def test_a_black_picture_of_16_bits_stays_black() -> None:
    assert np.asarray(opening.open_image(saved(np.zeros((16, 16), np.uint16), "PNG")).image).max() == 0


def test_a_heic_photo_is_opened_or_says_what_to_install(tmp_path: Path) -> None:
    if not refused_formats.opens_heif():
        with pytest.raises(PictureError, match="pip install pillow-heif"):
            opening.open_image(b"\0\0\0\x18ftypheic" + b"\0" * 40)
        return
    image, buffer = Image.new("RGB", (80, 48), "teal"), io.BytesIO()
    image.save(buffer, "HEIF")
    picture = opening.open_image(buffer.getvalue())
    assert (picture.format, picture.width, picture.height) == ("HEIF", 80, 48)
    assert np.abs(np.asarray(picture.image).mean(axis=(0, 1)) - (0, 128, 128)).max() < 4
    assert "HEIF" in decoding.FORMATS
    (tmp_path / "a.heic").write_bytes(buffer.getvalue())
    assert decoding.upright_size(tmp_path / "a.heic") == (80, 48)
    with pytest.raises(PictureError, match="damaged or cut short"):
        opening.open_image(buffer.getvalue()[:-40])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\x0a" + b"\0" * 30, "a JPEG XL picture, which is not opened here; export it as JPEG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 30, "a JPEG XL picture"),
        (b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 30, "a camera's RAW file, which is not opened here; develop it"),
        (b"\0\0\0\x18ftypcrx " + b"\0" * 30, "a camera's RAW file"),
        (b"FUJIFILMCCD-RAW " + b"\0" * 30, "a camera's RAW file"),
        (b"IIRO\x08\0\0\0" + b"\0" * 30, "a camera's RAW file"),
    ],
)
def test_what_is_not_opened_says_what_it_is_and_what_to_do(data: bytes, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        opening.open_image(data)
