"""Saved views in the kill rounds of `kill_verbs`: those that are there before, and what must be true of them after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.gallery.saved_views import SavedView


def save(home: Path) -> None:
    """Two of `small`: Kept, which the verbs rename and remove, and Other, which they leave alone."""
    from pipeline.gallery import saved_views
    from pipeline.gallery.opening import open_gallery
    from pipeline.gallery.saved_views import SavedView
    from pipeline.settings import Settings

    for name in ("Kept", "Other"):
        view = SavedView(name, params={"where": ["label=cup"]}, pictures={"0123abcd": "mine.png"})
        saved_views.save(open_gallery("small", Settings(home=home)), view, {"0123abcd": name.encode()})


def faults(small: Gallery, before: Sequence[SavedView], verbs: Sequence[str]) -> Iterator[str]:
    """What is lost, changed or left behind, once the last of `verbs` has run to its end."""
    from pipeline.gallery import saved_views
    from pipeline.gallery.saved_views import SavedView

    now = {view.id: view for view in saved_views.views(small)}
    for view in before:
        there = now.get(view.id)
        names = {view.name, "Renamed"} if view.name == "Kept" and "views --rename" in verbs else {view.name}
        if there is None:
            if view.name != "Kept" or "views --remove" not in verbs:
                yield f"the saved view {view.name} is lost"
        elif there.name not in names or replace(there, name=view.name) != view:
            yield f"the saved view {view.name} is another: {there}"
        elif saved_views.picture(small, there, "0123abcd") != view.name.encode():
            yield f"the picture of the saved view {view.name} is another"
    if len(now) > len(before) + verbs.count("views --save"):
        yield f"{len(now)} saved views"
    made = saved_views.save(small, SavedView("Next"), {}).id  # a change takes along what a kill has left
    if left := [file.name for file in (small.root / "saved_views").glob("*") if file.name not in (*now, made)]:
        yield f"left of saved views: {', '.join(left)}"
