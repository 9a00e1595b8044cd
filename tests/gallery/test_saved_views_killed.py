"""A process that changes saved views is killed before each thing that it does to a file: nothing is lost or half there."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SemblanceError
from pipeline.gallery import saved_views
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.gallery.saved_views import SavedView
from pipeline.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork")
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")
PICTURE = {"0123abcd": b"bytes of a picture"}


def view(name: str) -> SavedView:
    return SavedView(name, params={"where": ["label=cup"]}, pictures={"0123abcd": "mine.png"})


CHANGES: dict[str, Callable[[Gallery], Any]] = {
    "save": lambda gallery: saved_views.save(gallery, view("New"), PICTURE),
    "rename": lambda gallery: saved_views.rename(gallery, saved_views.find(gallery, "Kept"), "Renamed"),
    "remove": lambda gallery: saved_views.remove(gallery, saved_views.find(gallery, "Kept")),
}
NAMES = {"save": {"Kept", "New"}, "rename": {"Kept", "Renamed"}, "remove": {"Kept"}}


def killed(act: Callable[[], Any], at: int) -> bool:
    """Whether a fork was killed before its `at`-th use of a file of saved views, or had come to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the fork: it only writes files
        child = os.fork()
    if not child:
        left = [at]

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in EVENTS and "view" in str(arguments[0]):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            act()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_killed_is_there_or_not_and_leaves_nothing(home: Path, change: str) -> None:
    kills = 0
    for at in range(1, 100):
        gallery = create_gallery(f"small{at}", Settings())
        for name in ("Kept", "Other"):
            saved_views.save(gallery, view(name), PICTURE)
        more = killed(lambda gallery=gallery: CHANGES[change](gallery), at)
        kills += more
        there = {one.name: one for one in saved_views.views(gallery)}
        assert saved_views.damaged(gallery) == []
        assert {"Other"} <= there.keys() <= {"Other"} | NAMES[change]
        assert len(there) == 2 or change == "save" or (change == "remove" and there.keys() == {"Other"})
        for one in there.values():
            assert saved_views.picture(gallery, one, "0123abcd") == PICTURE["0123abcd"]
        with contextlib.suppress(SemblanceError):  # it had come to its end
            CHANGES[change](gallery)
        saved_views.save(gallery, SavedView("Next"), {})
        names = {one.id for one in saved_views.views(gallery)}
        assert {file.name for file in (gallery.root / "saved_views").iterdir()} == names
        assert not list(gallery.root.rglob(".*.tmp"))
        if not more:
            break
    assert kills >= 5, "the whole way was tried"
