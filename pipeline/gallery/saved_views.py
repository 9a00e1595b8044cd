"""Views of a gallery that somebody gave a name: a page and its address, in `saved_views/ID/` of the gallery's folder.

`view.json` says what is shown; beside it lie the pictures asked with that came by upload, named as the address names them.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import json
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.errors import GalleryError, UsageError, display_name
from pipeline.files import atomic, checksummed
from pipeline.gallery.gallery import Gallery

SELECTED, MAX_SELECTED = "selection", 1_000  # the parameter of an address that holds ticked pictures, and how many
PAGES = ("search", "explore", "evaluate")
EXPORTED = {
    "explore": ("map", "clusters"),
    "evaluate": ("quality",),
}  # sections that become a page, the first the usual one
MAX_NAME, MAX_VIEWS = 80, 1_000
MAX_BYTES = 100_000  # of what a view says; an address is no longer
_ID = re.compile(r"[0-9a-f]{12}")
_ID_BYTES = 16
_PICTURE = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class SavedView:
    """params: of the page's address, the gallery's own left out. pictures: file names of uploads asked with, by the
    beginning of their id. created: ISO 8601, UTC."""

    name: str
    page: str = "search"
    params: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    created: str = ""


def views(gallery: Gallery) -> list[SavedView]:
    """By name; one that is damaged is left out: `damaged` names it."""
    found = []
    for place in _folders(gallery):
        with contextlib.suppress(GalleryError):
            found.append(_read(place))
    return sorted(found, key=lambda view: view.name.casefold())


def damaged(gallery: Gallery) -> list[str]:
    """One sentence for each that cannot be read."""
    problems = []
    for place in _folders(gallery):
        try:
            _read(place)
        except GalleryError as error:
            problems.append(str(error))
    return problems


def find(gallery: Gallery, name: str) -> SavedView:
    """By its id, or its name. GalleryError lists those that there are."""
    known = views(gallery)
    for view in (one for wanted in ("id", "name") for one in known if getattr(one, wanted) == name):
        return view
    there = ", ".join(display_name(view.name) for view in known) or "none yet"
    raise GalleryError(f"gallery {gallery.name} has no saved view {display_name(name)!r} (there is: {there})")


def picture(gallery: Gallery, view: SavedView, name: str) -> bytes:
    """The bytes of an upload that the view asks with. GalleryError when they are gone."""
    try:
        return (folder(gallery, view) / name).read_bytes()
    except OSError as error:
        raise GalleryError(
            f"a picture that view {view.name!r} asks with is gone; ask again and save it anew"
        ) from error


def exported_section(view: SavedView) -> str:
    """Which section of its page the view shows, '' of Search. UsageError for one that does not become an HTML page."""
    sections = EXPORTED.get(view.page, ("",))
    wanted = (view.params.get("section") or sections)[0] if view.page in EXPORTED else ""
    if wanted not in sections:
        raise UsageError(
            f"view {view.name!r} shows the section {display_name(wanted)!r} of {view.page.capitalize()}; "
            f"of that page {' and '.join(sections)} become an HTML page"
        )
    return wanted


def selected(view: SavedView) -> list[str]:
    """Ids of the ticked pictures that are part of the view."""
    return unpacked((view.params.get(SELECTED) or [""])[0])


def packed(ids: Sequence[str]) -> str:
    """Ids as an address holds them, 22 characters each; tray.js does the same."""
    return base64.urlsafe_b64encode(bytes.fromhex("".join(ids))).rstrip(b"=").decode()


def unpacked(text: str) -> list[str]:
    """`packed` read back; [] for anything else."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return []
    if len(data) % _ID_BYTES or len(data) > MAX_SELECTED * _ID_BYTES:
        return []
    return [data[start : start + _ID_BYTES].hex() for start in range(0, len(data), _ID_BYTES)]


def save(gallery: Gallery, view: SavedView, pictures: Mapping[str, bytes]) -> SavedView:
    """Keep it under a new id, or its own where it has one; pictures: bytes of each that `view.pictures` names.

    UsageError for a name that is empty, too long or taken.
    """
    assert pictures.keys() == view.pictures.keys(), "each upload and its name"
    with gallery.changing():
        named = _named(gallery, view)
        if len(_folders(gallery)) >= MAX_VIEWS:
            raise UsageError(f"gallery {gallery.name} has {MAX_VIEWS:,} saved views; remove some first")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        made = replace(named, id=view.id or secrets.token_hex(6), created=view.created or now)
        place = folder(gallery, made)
        _clean(gallery)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise atomic.disk_error(error, place) from error
        for name, data in pictures.items():
            with atomic.replacing(place / name) as temporary:
                temporary.write_bytes(data)
        _write(place, made)  # last: a view is there with all that it asks with
    return made


def folder(gallery: Gallery, view: SavedView) -> Path:
    return _root(gallery) / view.id


def rename(gallery: Gallery, view: SavedView, name: str) -> SavedView:
    """Links to it still lead to it. UsageError for a name that is empty, too long or taken."""
    with gallery.changing():
        _clean(gallery)
        made = _named(gallery, replace(view, name=name))
        _write(folder(gallery, view), made)
    return made


def remove(gallery: Gallery, view: SavedView) -> None:
    with gallery.changing():
        _clean(gallery)
        place = folder(gallery, view)
        (place / "view.json").unlink(missing_ok=True)  # first: then it is gone, whatever else is left
        shutil.rmtree(place, ignore_errors=True)


def _clean(gallery: Gallery) -> None:
    """Delete what a killed process left of a view. Only while `changing` is held."""
    for place in _root(gallery).glob("*"):
        if _ID.fullmatch(place.name):
            atomic.clean(place)
            if not (place / "view.json").exists():
                shutil.rmtree(place, ignore_errors=True)


def _named(gallery: Gallery, view: SavedView) -> SavedView:
    name = " ".join(view.name.split())
    if not name or len(name) > MAX_NAME or display_name(name) != name:
        raise UsageError(
            f"a view has a name of 1 to {MAX_NAME} characters that can be shown, such as: cheap shoes of May"
        )
    if any(one.name == name and one.id != view.id for one in views(gallery)):
        raise UsageError(f"there is a saved view {name!r}; choose another name, or remove that one first")
    if view.page not in PAGES:
        raise UsageError(f"a view is of a page among {', '.join(PAGES)}, not {view.page!r}")
    return replace(view, name=name)


def _write(place: Path, view: SavedView) -> None:
    value = asdict(view)
    if len(json.dumps(value)) > MAX_BYTES:
        raise UsageError("this view asks with too much to be kept; choose fewer pictures")
    checksummed.write(place / "view.json", value)


def _read(place: Path) -> SavedView:
    """GalleryError when it is damaged, or not what `save` writes."""
    file = place / "view.json"
    try:
        value = checksummed.opened(json.loads(file.read_text(encoding="utf-8")))
        made = SavedView(**value)
        _check(made)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise GalleryError(
            f"saved view {file} cannot be read ({error}); delete its folder, or bring it from a backup"
        ) from error
    return replace(made, id=place.name)


def _check(view: SavedView) -> None:
    """ValueError for what a page could not be given."""
    texts: list[Any] = [view.name, view.page, view.created, *view.params, *view.pictures.values()]
    for values in view.params.values():
        texts += values if isinstance(values, list) else [values]
    if not all(isinstance(text, str) for text in texts) or view.page not in PAGES:
        raise ValueError("it is not what a view is")
    if not all(_PICTURE.fullmatch(name) for name in view.pictures):
        raise ValueError("it names a picture as no view does")


def _folders(gallery: Gallery) -> list[Path]:
    return [file.parent for file in sorted(_root(gallery).glob("*/view.json")) if _ID.fullmatch(file.parent.name)]


def _root(gallery: Gallery) -> Path:
    return gallery.root / "saved_views"
