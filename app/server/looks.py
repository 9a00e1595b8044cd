"""Colour and texture of a gallery's pictures, and of those that it is asked with: looked at once, for all sessions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.server import pictures, resources
from app.server.caches import Cache
from pipeline.gallery import appearances
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.gallery import Gallery
from pipeline.search import by_aspect
from pipeline.search.query import QueryPicture

_asked: Cache[by_aspect.Looks] = Cache(16 << 20)


def missing(gallery: Gallery) -> int:
    """How many pictures would have to be looked at first; 0 when those that are left take no time to speak of."""
    version = appearances.version(gallery)
    [left] = resources.kept(gallery, "not looked at", version, make=lambda: [appearances.missing(gallery)])
    return left if left > appearances.FEW else 0


def known(gallery: Gallery) -> Appearances:
    """Of the whole gallery; where many are missing it takes minutes."""
    return resources.kept(gallery, "appearances", make=lambda: appearances.of_gallery(gallery))


def of_pictures(asked: Sequence[QueryPicture]) -> by_aspect.Looks:
    """As `by_aspect.looks_of`, but nothing is opened a second time."""
    made = [
        _asked.made((one.id, one.box), lambda one=one: pictures.in_turn(lambda: by_aspect.looks_of([one])))
        for one in asked
    ]
    return {name: np.concatenate([one[name] for one in made]) for name in by_aspect.LOOKS}
