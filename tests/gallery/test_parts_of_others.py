"""A part says for which gallery it was written, so that one of another gallery is named, however it came there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.exchange import exchange
from pipeline.gallery import integrity, parts
from pipeline.gallery.gallery import IMPORTED, Gallery
from pipeline.gallery.opening import create_gallery, names, open_gallery
from pipeline.settings import Settings
from tests.planted import plant, unit
from tests.tiny_gallery import fill, photos

pytestmark = pytest.mark.usefixtures("home")
ROWS = unit(np.random.default_rng(0).normal(size=(6, 8)))


def planted(name: str) -> Gallery:
    made = plant(ROWS, name=name)
    made.update(**{IMPORTED: True})  # they have no thumbnails
    return made


def part(gallery: Gallery, number: int = 0) -> Path:
    return gallery.folder() / f"part-{number:06d}.parquet"


def test_parts_of_a_gallerys_own_are_fine_also_when_they_were_written_anew() -> None:
    small = planted("small")
    small.remove([f"{1:032x}"])
    small.compact()
    small.change_rows({f"{2:032x}": {"label": "bowl"}})
    assert parts.births(small.folder()) == {"part-000000.parquet": small.manifest()["birth"]}
    assert integrity.check_files(small) == []


def test_a_part_of_another_gallery_is_named() -> None:
    small, other = planted("small"), planted("other")
    shutil.copy(part(other), part(small, 1))
    found = integrity.check_files(small)
    assert [one for one in found if one.startswith("part-000001.parquet in") and "belongs to another gallery" in one]
    shutil.copy(part(other), part(small))
    assert any(
        "part-000000.parquet, part-000001.parquet" in one and "belong to" in one for one in integrity.check_files(small)
    )


def test_a_part_of_a_deleted_gallery_of_the_same_name_is_named(tmp_path: Path) -> None:
    kept = shutil.copy(part(planted("small")), tmp_path)
    open_gallery("small", Settings()).delete()
    shutil.copy(kept, part(planted("small")))
    assert "belongs to another gallery" in integrity.check_files(open_gallery("small", Settings()))[0]


def test_a_part_of_an_older_semblance_says_nothing_and_is_taken() -> None:
    small = planted("small")
    rows = parts.read(small.folder(), 8)
    part(small).unlink()
    parts.write(small.folder(), rows)
    assert parts.births(small.folder()) == {}
    assert integrity.check_files(small) == []


def test_what_a_killed_drop_leaves_is_no_part_of_a_later_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    small = planted("small")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # killed before the files were deleted
    small.delete()
    monkeypatch.undo()
    assert names(Settings()) == []
    again = create_gallery("small", Settings())
    assert again.current == ""
    assert not (again.root / "embeddings").exists()
    again.delete()
    assert [path.name for path in Settings().galleries.iterdir()] == []


@pytest.mark.parametrize("at", ["calibration.refresh", "ranking.refresh", "opening.put_in_place"])
def test_an_import_that_is_killed_leaves_no_gallery_and_can_be_had_again(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    exchange.export_gallery(planted("small"), tmp_path / "out.parquet")
    with monkeypatch.context() as patched:
        patched.setattr(f"pipeline.exchange.arriving.{at}", kill)
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            exchange.import_gallery("again", tmp_path / "out.parquet", Settings())
    assert names(Settings()) == ["small"]
    again = exchange.import_gallery("again", tmp_path / "out.parquet", Settings())
    assert len(again.rows()) == 6
    assert integrity.check_files(again) == []
    assert [path.name for path in Settings().galleries.glob(".*.importing")] == []


def test_an_imported_gallery_verifies_clean_and_thumbnails_count_once_they_were_made(tmp_path: Path) -> None:
    made, _ = fill(photos(tmp_path / "photos", 4))
    exchange.export_gallery(made, tmp_path / "out.parquet")
    again = exchange.import_gallery("again", tmp_path / "out.parquet", Settings())
    assert integrity.check_files(again) == []
    fill(tmp_path / "photos", name="again")
    assert again.manifest()[IMPORTED] is False
    again.thumbnail(min(again.ids())).unlink()
    assert "1 thumbnails are missing" in integrity.check_files(again)[0]
