"""Words in a query: which encoders take them, and what of a text is taken."""

from __future__ import annotations

from pipeline import plugins
from pipeline.errors import UsageError, display_name
from pipeline.gallery.gallery import Gallery

MAX_CHARACTERS = 1_000  # characters; an encoder may read fewer (CLIP 77 tokens) and says so itself


def takes_words(spec: str) -> bool:
    """Whether this encoder takes words. Its card knows: no weights are loaded."""
    return plugins.card_of("encoders", spec).words


def encoders_with_words() -> list[str]:
    """The encoders that take words."""
    return [name for name in plugins.available("encoders") if takes_words(name)]


def require(gallery: Gallery) -> None:
    """UsageError unless the gallery's encoder takes words."""
    spec = gallery.encoder()["spec"]
    if not takes_words(spec):
        raise UsageError(
            f"gallery {gallery.name} was made with {spec}, which takes pictures only; ask with a picture, or change its "
            f"encoder to one that takes words ({', '.join(encoders_with_words())}): "
            f"python -m pipeline reencode {gallery.name} --encoder {encoders_with_words()[0]}"
        )


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
