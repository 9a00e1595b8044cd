"""Pictures that visitors bring: opened and encoded once, one at a time, and never kept decoded."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import encoder

from app.server import pictures
from app.server.caches import Cache, size_of
from app.server.pictures import Upload
from pipeline.errors import PictureError, UsageError
from pipeline.images.opening import open_image
from pipeline.records import Encoder, Picture
from pipeline.search.query import embeddings


class Counting:
    """Its encoder, and how many pictures it was given."""

    def __init__(self) -> None:
        self.encoder, self.encoded = encoder(), 0
        self.dim, self.fingerprint, self.preprocess = (
            self.encoder.dim,
            self.encoder.fingerprint,
            self.encoder.preprocess,
        )

    def encode(self, batch: np.ndarray) -> np.ndarray:
        self.encoded += len(batch)
        return self.encoder.encode(batch)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pictures that were opened, by their bytes' lengths; the caches are empty."""
    monkeypatch.setattr(pictures, "_previews", Cache(1 << 20))
    monkeypatch.setattr(pictures, "_encoded", Cache(1 << 20))
    counted: list[int] = []

    def counted_open(data: bytes, **options: bool) -> Picture:
        counted.append(len(data))
        return open_image(data, **options)

    monkeypatch.setattr(pictures, "open_image", counted_open)
    monkeypatch.setattr("pipeline.search.query.opening.open_image", counted_open)
    return counted


def drawn(size: tuple[int, int], *, seed: int = 0) -> Upload:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(out, "PNG")
    return Upload(out.getvalue(), name="drawn.png")


def test_a_picture_that_comes_is_opened_once_and_encoded_once(counting: Counting, opened: list[int]) -> None:
    upload = drawn((300, 200))
    pictures.preview(upload, counting)
    for _ in range(3):
        found, spent = pictures.embeddings(counting, [Upload(upload.data)])
        pictures.preview(upload)
    assert (len(opened), counting.encoded) == (1, 1)
    assert np.array_equal(found, embeddings(encoder(), [upload])[0])
    assert spent == {"open": 0.0, "encode": 0.0}, "the third answer has cost nothing"


def test_the_first_answer_tells_what_opening_and_encoding_took(counting: Counting) -> None:
    upload = drawn((900, 600))
    pictures.preview(upload, counting)
    _, spent = pictures.embeddings(counting, [upload])
    assert spent["open"] > 0
    assert spent["encode"] > 0


def test_a_region_is_cut_and_encoded_once_and_the_whole_stays_known(counting: Counting, opened: list[int]) -> None:
    whole = drawn((300, 200))
    part = Upload(whole.data, (10, 20, 150, 100))
    pictures.preview(whole, counting)
    for _ in range(2):
        found, _ = pictures.embeddings(counting, [part, whole])
    assert (len(opened), counting.encoded) == (2, 2)
    assert np.array_equal(found, embeddings(encoder(), [part, whole])[0])
    assert not np.array_equal(found[0], found[1])


def test_another_encoder_encodes_anew(counting: Counting) -> None:
    upload, other = drawn((300, 200)), Counting()
    other.fingerprint = "0" * 64
    pictures.embeddings(counting, [upload])
    pictures.embeddings(other, [upload])
    assert (counting.encoded, other.encoded) == (1, 1)


def test_what_is_kept_of_a_large_picture_is_small_and_knows_its_full_size(counting: Counting) -> None:
    upload = drawn((4000, 3000))
    preview = pictures.preview(upload, counting)
    assert (preview.width, preview.height) == (4000, 3000)
    assert Image.open(io.BytesIO(preview.jpeg)).size == (680, 510)
    assert pictures._previews.held + pictures._encoded.held < 200_000
    assert size_of(preview) < 36_000_000 / 100, "a hundredth of the pixels"


def test_a_damaged_picture_is_refused_each_time_it_comes(counting: Counting, opened: list[int]) -> None:
    broken = Upload(drawn((300, 200)).data[:200])
    for _ in range(2):
        with pytest.raises(PictureError):
            pictures.preview(broken, counting)
    assert len(opened) == 2


def test_a_region_outside_the_picture_is_refused(counting: Counting) -> None:
    with pytest.raises(UsageError, match="not inside"):
        pictures.embeddings(counting, [Upload(drawn((300, 200)).data, (290, 0, 100, 100))])


def test_pictures_of_many_visitors_are_opened_one_at_a_time(counting: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def slow(data: bytes) -> Picture:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return open_image(data)

    monkeypatch.setattr(pictures, "open_image", slow)
    asks = [threading.Thread(target=pictures.preview, args=(drawn((60, 40), seed=n), counting)) for n in range(6)]
    for ask in asks:
        ask.start()
    for ask in asks:
        ask.join()
    assert most == [1]
