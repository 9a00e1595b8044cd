"""Words in a query: what takes them, which is a text tower or the 1,000 kinds, and what of a text is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from pipeline import plugins
from pipeline.errors import UsageError, display_name
from pipeline.gallery.gallery import Gallery
from pipeline.kinds import readout
from pipeline.kinds import words as kinds
from pipeline.kinds.readout import Readout
from pipeline.records import Encoder, TextEncoder

if TYPE_CHECKING:
    import numpy as np

MAX_CHARACTERS = 1_000  # characters; an encoder may read fewer (CLIP 77 tokens) and says so itself


def takes_words(spec: str) -> bool:
    """Whether this encoder takes any words. Its card knows: no weights are loaded."""
    return plugins.card_of("encoders", spec).words


def encoders_with_words() -> list[str]:
    """The encoders that take any words."""
    return [name for name in plugins.available("encoders") if takes_words(name)]


def kinds_of(gallery: Gallery) -> Readout | None:
    """By what words for kinds of things are understood where the encoder takes none itself; None where nothing does."""
    entry = gallery.encoder()
    return None if takes_words(entry["spec"]) else readout.of(entry["fingerprint"])


def understood(gallery: Gallery) -> bool:
    """Whether words can be asked of this gallery."""
    return takes_words(gallery.encoder()["spec"]) or kinds_of(gallery) is not None


def require(gallery: Gallery, texts: Sequence[str] = ()) -> None:
    """UsageError unless the gallery can be asked with words, and where kinds are asked for, with these."""
    if not understood(gallery):
        spec = gallery.encoder()["spec"]
        raise UsageError(
            f"gallery {gallery.name} was made with {spec}, which takes pictures only; ask with a picture, or change its "
            f"encoder to {plugins.DEFAULT_ENCODER}, which knows the names of 1,000 kinds of things, or to one that takes any "
            f"words ({', '.join(encoders_with_words())}): "
            f"python -m pipeline reencode {gallery.name} --encoder {encoders_with_words()[0]}"
        )
    if kinds_of(gallery):
        for text in texts:
            kinds.meaning(plain(text))


def directions(gallery: Gallery, encoder: Encoder | None, texts: Sequence[str], dim: int) -> np.ndarray:
    """(n, dim) of unit length, where pictures of each text lie. encoder: needed where it takes words itself."""
    import numpy as np

    if (known := kinds_of(gallery)) is None:
        return cast(TextEncoder, encoder).encode_text([plain(text) for text in texts])
    rows = [known.direction(kinds.meaning(plain(text)).kinds) for text in texts]
    return np.array(rows, np.float32).reshape(-1, dim)


def plain(text: str) -> str:
    """The text on one line, single spaces between its words. UsageError when it is empty, too long or no text."""
    line = " ".join(text.split())
    if not line:
        raise UsageError("the words are empty; say what the pictures show, such as: red shoes")
    if len(line) > MAX_CHARACTERS:
        raise UsageError(f"the words are {len(line):,} characters long; say it in at most {MAX_CHARACTERS:,}")
    if (shown := display_name(line)) != line:
        raise UsageError(f"the words have characters that cannot be shown: {shown[:60]}; write them again without")
    return line
