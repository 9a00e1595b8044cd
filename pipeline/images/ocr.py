"""The words inside a picture, read by RapidOCR, whose package brings its models: no network is asked."""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.plugins import Card

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

CARD = Card(
    "the words inside pictures, by PaddleOCR's models on a CPU",
    licence="Apache-2.0",
    source="https://github.com/RapidAI/RapidOCR",
    requires=("rapidocr",),
    install="pip install 'rapidocr>=3.10,<3.11'",
)
WORDS = "words"  # key of metadata
SWITCH = "words"  # in a gallery's manifest: true where ingests read them
MIN_CONFIDENCE = 0.8  # of a line: below it edges and patterns are taken for writing
MIN_SIGNS = 2  # of a line: a single one is more often an edge than writing
MAX_CHARACTERS = 500  # of all words of a picture
LONGEST = 2000  # px of the longer side that lines are cut from
LOOKED_AT = 960  # px of the longer side that lines are found in
LEAST_SIDE = 32  # px: what is smaller is put on white
MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
_idle: list[Any] = []  # readers that no thread uses now


def check() -> None:
    """UsageError where the library is not installed, or is of a release that has other models."""
    if importlib.util.find_spec("rapidocr") is None:
        raise UsageError(f"words inside pictures are read by rapidocr, which is not installed: {CARD.install}")
    if lacking := [file.name for file in _models().values() if not file.is_file()]:
        raise UsageError(f"this release of rapidocr has no {lacking[0]}: {CARD.install}")


def read(image: Image) -> str:
    """The words of an upright RGB picture of any size, each once, in reading order, a blank between; '' without any.

    At most MAX_CHARACTERS, whole words. Safe in many threads: each takes a core, and a reader that is kept afterwards.
    UsageError as of `check`.
    """
    try:
        reader = _idle.pop()
    except IndexError:
        reader = _reader()
    found = reader(_pixels(image))
    _idle.append(reader)
    lines = zip(found.txts or (), found.scores or (), strict=True)
    return in_a_line([text for text, score in lines if score >= MIN_CONFIDENCE and len(text.strip()) >= MIN_SIGNS])


def in_a_line(lines: list[str]) -> str:
    """Their words, each once whether in capitals or not, as far as whole ones fit into MAX_CHARACTERS."""
    words: dict[str, str] = {}
    for word in " ".join(lines).split():
        words.setdefault(word.casefold(), word[:MAX_CHARACTERS])
    text = " ".join(words.values())
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS + 1].rpartition(" ")[0]


def _pixels(image: Image) -> np.ndarray:
    """(h, w, 3) uint8 BGR, no side above LONGEST or below LEAST_SIDE."""
    import numpy as np
    from PIL import Image as Images

    if max(image.size) > LONGEST:
        share = LONGEST / max(image.size)
        image = image.resize([max(1, round(side * share)) for side in image.size], Images.Resampling.LANCZOS)
    if min(image.size) < LEAST_SIDE:
        page = Images.new("RGB", [max(side, LEAST_SIDE) for side in image.size], "white")
        page.paste(image)
        image = page
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _reader() -> Any:
    check()
    from rapidocr import RapidOCR

    paths = {f"{part}.model_path": str(file) for part, file in _models().items()}  # named, so that none is fetched
    return RapidOCR(
        params=paths
        | {
            "Global.log_level": "error",
            "Global.use_preprocess_img": False,  # _pixels does it; a thin picture would be made 0 px wide
            "Det.limit_type": "max",  # a small picture stays small: as many words are read in a fifth of the time
            "Det.limit_side_len": LOOKED_AT,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )


@functools.cache
def _models() -> dict[str, Path]:
    place = importlib.util.find_spec("rapidocr")
    assert place is not None
    assert place.origin
    return {part: Path(place.origin).parent / "models" / name for part, name in MODELS.items()}


def workers() -> int:
    """Threads to read in: as many as cores, four at most, as each holds the models."""
    return min(4, os.cpu_count() or 1)
