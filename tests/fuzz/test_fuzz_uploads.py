"""Bytes that pretend to be pictures: opened or refused with a sentence, in a process of few rights as in this one."""

from __future__ import annotations

import io
import zipfile

import pytest
from cases import MOST, Escape, cases, count
from data.odd_pictures import coloured, saved
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PictureError
from pipeline.images import decoding, opening, sandbox
from pipeline.images.refused_formats import check_head

WHOLE = [saved(coloured(), kind) for kind in decoding.FORMATS]
WHOLE += [
    saved(coloured(90, 70), "JPEG", progressive=True),
    saved(coloured().convert("P"), "PNG"),
    saved(coloured(), "TIFF", compression="tiff_lzw"),
    saved(coloured(), "TIFF", compression="jpeg"),
    saved(coloured().convert("CMYK"), "JPEG"),
    saved(coloured(), "GIF", save_all=True, append_images=[coloured(), coloured()]),
    saved(coloured().convert("RGBA"), "WEBP", lossless=True),
]
zipped = io.BytesIO()
with zipfile.ZipFile(zipped, "w") as archive:
    archive.writestr("a.png", WHOLE[1])
TAILS = [zipped.getvalue(), b"<script>alert(1)</script>", b"<?php system($_GET[0]); ?>", b"\x7fELF", b"MZ", WHOLE[0]]

places = st.floats(0, 1)
mutations = st.lists(
    st.tuples(st.just("flip"), places, st.integers(0, 7))
    | st.tuples(st.just("set"), places, st.sampled_from([0, 1, 127, 128, 254, 255]))
    | st.tuples(st.just("long"), places, st.sampled_from([0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 0x10000]))
    | st.tuples(st.just("cut"), places, st.integers(1, 4000))
    | st.tuples(st.just("twice"), places, st.integers(1, 4000)),
    max_size=6,
)  # fmt: skip


def mutated(data: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    made = bytearray(data)
    for kind, place, value in changes:
        at = int(place * max(len(made) - 1, 0))
        if kind == "flip" and made:
            made[at] ^= 1 << value
        elif kind == "set" and made:
            made[at] = value
        elif kind == "long":
            made[at : at + 4] = value.to_bytes(4, "big" if at % 2 else "little")
        elif kind == "cut":
            del made[at : at + value]
        elif kind == "twice":
            made[at:at] = made[at : at + value]
    return bytes(made)


def polyglot(parts: tuple[bytes, bytes]) -> bytes:
    return b"".join(parts)


uploads = (
    st.builds(mutated, st.sampled_from(WHOLE), mutations)
    | st.tuples(st.sampled_from(WHOLE), st.sampled_from(TAILS)).map(polyglot)
    | st.tuples(st.sampled_from(TAILS), st.sampled_from(WHOLE)).map(polyglot)
    | st.builds(lambda head, rest: head[:16] + rest, st.sampled_from(WHOLE), st.binary(max_size=400))
    | st.binary(max_size=400)
)


@pytest.fixture(scope="module")
def workers():
    made = sandbox.Workers(max_workers=1)
    made.open_image(WHOLE[0])
    yield made
    made.close()


def outcome(opened, data: bytes, full: bool) -> object:
    try:
        picture = opened(data, full=full)
    except PictureError as error:
        return str(error)
    assert picture.image.mode == "RGB"
    assert decoding.thumbnail(picture.image)[:2] == b"\xff\xd8"
    return picture.image.size, picture.image.tobytes(), picture.width, picture.height, picture.format, picture.frames


@cases
@given(uploads, st.booleans())
def test_an_upload_of_any_bytes_is_a_picture_or_a_sentence(workers, data: bytes, full: bool) -> None:
    count("uploads")
    before = workers._free.queue[-1].pid
    apart = outcome(lambda data, full: (check_head(data), workers.open_image(data, full=full))[1], data, full)
    if workers._free.queue[-1] is None or workers._free.queue[-1].pid != before:
        raise RuntimeError("the decoder crashed")
    here = outcome(lambda data, full: (check_head(data), decoding.decode(data, full=full))[1], data, full)
    if apart != here:
        raise Escape("the two processes do not agree")


def test_the_mutations_reach_both_ends() -> None:
    """A fuzz test whose files are all refused at the door tries nothing."""
    opened = refused = 0

    @cases
    @given(uploads)
    def counted(data: bytes) -> None:
        nonlocal opened, refused
        said = outcome(opening.open_image, data, False)
        opened, refused = opened + (not isinstance(said, str)), refused + isinstance(said, str)

    counted()
    assert min(opened, refused) > MOST // 10
