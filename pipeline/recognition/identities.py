"""Whom or what a picture shows: a name and its pictures, from one picture on. Kept among the judgments, as tags are."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import judgments, tags
from pipeline.gallery.gallery import Gallery


def identities(gallery: Gallery) -> dict[str, list[str]]:
    """Name to the ids of its pictures, both in the order they were given; removed pictures are left out."""
    by_name: dict[str, dict[str, None]] = {}
    for judgment in judgments.read(gallery.judgments_file):
        if judgment["kind"] == "identity":
            name, added = judgment["value"]
            pictures = by_name.setdefault(name, {})
            for picture in judgment["ids"]:
                if added:
                    pictures[picture] = None
                else:
                    pictures.pop(picture, None)
            if not pictures:
                del by_name[name]  # a later one of this name is new, and comes last
    removed = gallery.removed()
    remaining = {
        name: [picture for picture in pictures if picture not in removed] for name, pictures in by_name.items()
    }
    return {name: ids for name, ids in remaining.items() if ids}


def add(gallery: Gallery, name: str, ids: Sequence[str]) -> str:
    """A new identity from one picture or more; its name as it was kept.

    UsageError for a name that is none, or that exists, and for a picture that another identity has. GalleryError for a
    picture that the gallery lacks.
    """
    name = check_new(gallery, name)
    _check_pictures(gallery, ids)
    gallery.judge("identity", list(dict.fromkeys(ids)), [name, True])
    return name


def extend(gallery: Gallery, name: str, ids: Sequence[str]) -> str:
    """More pictures for an identity that exists. Raises as `add` does, UsageError for a name that does not exist."""
    pictures_of(gallery, name)
    _check_pictures(gallery, ids)
    gallery.judge("identity", list(dict.fromkeys(ids)), [name, True])
    return name


def remove(gallery: Gallery, name: str, ids: Sequence[str] = ()) -> list[str]:
    """Take pictures from an identity, all of them by default, and it is gone; the ids, with which `add` undoes it."""
    pictures = pictures_of(gallery, name)
    if missing := sorted(set(ids) - set(pictures)):
        raise UsageError(
            f"identity {name!r} of {gallery.name} does not have the picture {missing[0]}; nothing was changed"
        )
    taken = [picture for picture in pictures if picture in ids] if ids else pictures
    gallery.judge("identity", taken, [name, False])
    return taken


def check_new(gallery: Gallery, name: str) -> str:
    """The name as it would be kept; UsageError when it is none, or exists."""
    name = " ".join(name.split())
    if not name or len(name) > tags.LONGEST or not name.isprintable():
        raise UsageError(f"an identity's name is a line of 1 to {tags.LONGEST} characters, not {name[:80]!r}")
    if pictures := identities(gallery).get(name):
        raise UsageError(
            f"{gallery.name} has an identity {name!r} already, with {picture_count(len(pictures))}; choose another name, or add the picture "
            f"to it: python -m pipeline identity extend {gallery.name} {name!r} …"
        )
    return name


def owner(gallery: Gallery, picture_id: str) -> str:
    """Name of the identity that has the picture; '' when none has."""
    return next((name for name, ids in identities(gallery).items() if picture_id in ids), "")


def pictures_of(gallery: Gallery, name: str) -> list[str]:
    """Its ids; UsageError names the identities there are."""
    by_name = identities(gallery)
    if name not in by_name:
        names = ", ".join(map(repr, list(by_name)[:12])) or "none yet"
        raise UsageError(
            f"{gallery.name} has no identity {name!r}; it has: {names}{', …' if len(by_name) > 12 else ''}"
        )
    return by_name[name]


def picture_count(n: int) -> str:
    """`1 picture`, `3 pictures`."""
    return f"{n:,} picture{'' if n == 1 else 's'}"


def _check_pictures(gallery: Gallery, ids: Sequence[str]) -> None:
    if not ids:
        raise UsageError("an identity needs a picture; give one")
    present, removed = gallery.ids(), gallery.removed()
    for picture in ids:
        if picture not in present:
            raise GalleryError(f"gallery {gallery.name} has no picture {picture}; nothing was changed")
        if picture in removed:
            raise GalleryError(
                f"the picture {picture} was removed from {gallery.name}; bring it back first: "
                f"python -m pipeline restore {gallery.name} --ids {picture}"
            )
        if name := owner(gallery, picture):
            raise UsageError(
                f"the picture {picture} belongs to the identity {name!r}; choose another picture, or take it from there first: "
                f"python -m pipeline identity remove {gallery.name} {name!r} --id {picture}"
            )
