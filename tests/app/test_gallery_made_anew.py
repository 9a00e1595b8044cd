"""A gallery that was deleted and made anew under its name shows nothing of the old one."""

from __future__ import annotations

import shutil
from pathlib import Path

from tiny_gallery import fill, photos

from app.explore import map_query
from app.server import resources, store
from pipeline.analysis import carried_terms
from pipeline.gallery.gallery import Gallery


def made(folder: Path, labels: tuple[str, ...]) -> Gallery:
    return fill(photos(folder, 6, labels=labels), name="again")[0]


def test_what_is_kept_of_a_gallery_is_not_that_of_another_with_its_name_and_generation(
    home: Path, tmp_path: Path
) -> None:
    old = made(tmp_path / "old", ("cup", "bowl"))
    before = old.version

    def labels(gallery: Gallery) -> list[str]:
        return resources.kept(gallery, "labels", make=lambda: sorted(set(gallery.table()["label"])))

    assert labels(old) == ["bowl", "cup"]
    terms, rows = carried_terms.stamp(old), map_query.rows_of(old)
    shutil.rmtree(old.root)
    new = made(tmp_path / "new", ("shoe", "hat"))
    assert new.version[0] == before[0]
    assert new.version[2] == before[2]
    assert new.version != before
    assert labels(new) == ["hat", "shoe"]
    assert carried_terms.stamp(new) != terms
    assert set(map_query.rows_of(new).table["label"]) == {"hat", "shoe"} != set(rows.table["label"])  # type: ignore[union-attr]


def test_the_store_is_filled_again_and_exact_answers_are_the_new_gallerys(home: Path, tmp_path: Path) -> None:
    old = made(tmp_path / "old", ("cup", "bowl"))
    first = store.refresh(old)
    first.result(timeout=60)
    exact = store._exact_store(old)
    shutil.rmtree(old.root)
    new = made(tmp_path / "new", ("shoe", "hat"))
    assert store.refresh(new) is not first
    store.refresh(new).result(timeout=60)
    assert store._exact_store(new) is not exact


def test_a_gallery_made_before_births_were_drawn_has_the_time_it_was_made(home: Path, tmp_path: Path) -> None:
    gallery = made(tmp_path / "old", ("cup", "bowl"))
    gallery.update(birth="")
    assert gallery.version[1] == gallery.manifest()["created"]
