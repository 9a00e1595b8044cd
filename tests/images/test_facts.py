"""What a file says of itself: the time, the camera, the lens, the size; the place only for who asks for it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import UsageError
from pipeline.images import facts

NOTHING: Mapping[int, Any] = MappingProxyType({})
TAKEN = {0x9003: "2024:05:03 14:07:09"}


def file(
    exif: Mapping[int, Any] = NOTHING,
    more: Mapping[int, Any] = NOTHING,
    gps: Mapping[int, Any] = NOTHING,
    form: str = "JPEG",
) -> bytes:
    made = Image.Exif()
    made.update(exif)
    made.get_ifd(0x8769).update(more)
    made.get_ifd(0x8825).update(gps)
    out = io.BytesIO()
    Image.new("RGB", (16, 12), "red").save(out, form, exif=made)
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_time_camera_and_lens_are_read_from_each_format_that_holds_them(form: str) -> None:
    data = file({0x010F: "Canon", 0x0110: "Canon EOS 80D"}, TAKEN | {0xA434: "EF 50mm"}, form=form)
    assert facts.of_file(data) == {"taken": "2024-05-03 14:07:09", "camera": "Canon EOS 80D", "lens": "EF 50mm"}


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("Apple", "iPhone 15", "Apple iPhone 15"),
        ("", "X100", "X100"),
        ("Acme\0\0rubbish", "  One \0", "Acme One"),
        ("Acme", "", "Acme"),
    ],
)
def test_a_camera_is_named_once(make: str, model: str, camera: str) -> None:
    assert facts.of_file(file({0x010F: make, 0x0110: model})).get("camera", "") == camera


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2024:13:01 00:00:00", ""])
def test_a_clock_that_was_never_set_says_nothing(text: str) -> None:
    assert facts.of_file(file(more={0x9003: text})) == {}


MUNICH = {1: "N", 2: (48.0, 8.0, 13.92), 3: "E", 4: (11.0, 34.0, 32.16)}


def test_the_place_is_kept_only_on_request() -> None:
    data = file(more=TAKEN, gps=MUNICH)
    assert "taken_at" not in facts.of_file(data)
    assert facts.of_file(data, ("place",)) == {"taken_at": "48.13720, 11.57560"}
    south = file(gps=MUNICH | {1: "S", 3: "W"})
    assert facts.of_file(south, ("place",)) == {"taken_at": "-48.13720, -11.57560"}
    for broken in ({}, {1: "N", 2: (48.0, 8.0, 0.0)}, MUNICH | {2: (480.0, 0.0, 0.0)}, MUNICH | {4: (1.0, 2.0)}):
        assert facts.of_file(file(gps=broken), ("place",)) == {}


def test_the_size_is_that_of_the_file() -> None:
    data = file()
    assert facts.of_file(data, ("size",)) == {"file_size": str(len(data))}
    assert facts.of_file(data, ()) == {}


@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
def test_damaged_bytes_say_less_and_raise_nothing(noise: bytes, at: int, cut: bool) -> None:
    whole = file({0x010F: "Canon"}, TAKEN, MUNICH)
    facts.of_file(noise, facts.KINDS)
    said = facts.of_file(whole[:at] if cut else whole[:at] + noise + whole[at + len(noise) :], facts.KINDS)
    assert all(isinstance(text, str) and text.isprintable() and len(text) <= 100 for text in said.values())


def test_a_header_that_names_billions_of_pixels_is_passed_over() -> None:
    size = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    assert facts.of_file(data) == {}


def test_strangers_files_are_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")
    assert facts.of_file(file(more=TAKEN), facts.KINDS).keys() == {"file_size"}


def test_what_to_keep_is_typed_as_words() -> None:
    assert facts.chosen("exif, size") == ("exif", "size")
    assert facts.chosen("none") == ()
    with pytest.raises(UsageError, match="no facts 'gps' in a picture's file; choose from exif, size, place, or none"):
        facts.chosen("exif,gps")
