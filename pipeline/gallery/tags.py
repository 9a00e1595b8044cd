"""Names that people gave to pictures: kept among the judgments, so nothing is ever overwritten."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import UsageError
from pipeline.gallery import judgments
from pipeline.gallery.gallery import Gallery

LONGEST = 60  # characters


def tags(gallery: Gallery) -> dict[str, set[str]]:
    """Tag to the ids that have it now, in the order the tags were first given; removed pictures are left out."""
    tagged: dict[str, set[str]] = {}
    for judgment in judgments.read(gallery.judgments_file):
        if judgment["kind"] == "tag":
            name, given = judgment["value"]
            ids = tagged.setdefault(name, set())
            (ids.update if given else ids.difference_update)(judgment["ids"])
    gone = gallery.removed()
    return {name: ids - gone for name, ids in tagged.items() if ids - gone}


def tag(gallery: Gallery, ids: Sequence[str], name: str, *, given: bool = True) -> str:
    """Give a tag to pictures, or take it from them; the name as it was kept. UsageError for a name that is none."""
    name = checked(name)
    gallery.judge("tag", list(ids), [name, given])
    return name


def checked(name: str) -> str:
    """A tag's name as it is kept. UsageError for one that is none."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST or not name.isprintable():
        raise UsageError(f"a tag is a line of 1 to {LONGEST} characters, not {name[:80]!r}")
    return name
