"""Films as a dataset and in a gallery: times, parents, what follows them, and what is said of damaged ones."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("av", reason="pip install av")

from pipeline import filters, plugins
from pipeline.errors import GalleryError
from pipeline.films import reading
from pipeline.gallery import films
from pipeline.gallery import opening as galleries
from pipeline.gallery.whole_pictures import of_gallery
from pipeline.ingest import ingest, sync
from pipeline.ingest.run import IngestReport
from pipeline.records import ImageRecord, hit_of
from pipeline.search.folding import one_a_picture
from pipeline.settings import Settings
from tests.films_made import film, pan


@pytest.fixture
def trips(clothing: Path, tmp_path: Path) -> Path:
    """Two films in folders, a photo and a damaged film beside them."""
    photos = [Image.open(file) for file in sorted((clothing / "test").glob("*/*.jpg"))[::70][:2]]
    root = tmp_path / "trips"
    for name, photo in zip(("sea/a.mp4", "hills/b.mkv"), photos, strict=True):
        film(root / name, [(2, pan(photo, 2))], rate=5)
    photos[0].save(root / "photo.jpg")
    (root / "sea/broken.mov").write_bytes((root / "sea/a.mp4").read_bytes()[:4000])
    return root


def bring_in(root: Path, options: str = "") -> IngestReport:
    spec = f"video:root={root}{options}"
    with contextlib.closing(sync.open_store(Settings())) as store:
        return ingest.ingest(
            galleries.create_gallery("films", Settings()),
            plugins.build("datasets", spec),
            plugins.build("encoders", "color_histogram"),
            spec="color_histogram",
            store=store,
            dataset_spec=spec,
        )


def records(root: Path, options: str = "") -> list[ImageRecord]:
    dataset = plugins.build("datasets", f"video:root={root}{options}")
    dataset.prepare()
    return list(dataset.records())


def test_a_frame_knows_its_film_and_its_time(home: Path, trips: Path) -> None:
    found = records(trips)
    assert [(one.label, one.metadata["film"], int(float(one.metadata["time"]))) for one in found] == [
        *(("hills", "hills/b.mkv", second) for second in (0, 1)),
        *(("sea", "sea/a.mp4", second) for second in (0, 1)),
    ]
    assert len({one.parent for one in found}) == 2
    assert {one.metadata["shot"] for one in records(trips, ",shots=true")} == {"1"}


def test_one_film_is_a_dataset_too(home: Path, trips: Path) -> None:
    assert {one.metadata["film"] for one in records(trips / "sea/a.mp4")} == {"a.mp4"}


def test_films_become_a_gallery_that_is_searched_folded_and_opened_at_a_time(home: Path, trips: Path) -> None:
    report = bring_in(trips)
    assert (report.added, [place for place, _ in report.rejected]) == (4, ["sea/broken.mov"])
    assert "damaged or cut short" in report.rejected[0][1]
    assert any("1 × .jpg" in note for note in report.notes)
    gallery = galleries.open_gallery("films", Settings())
    hits = [hit_of(row) for row in gallery.table().itertuples()]
    assert [len(hit.folded) for hit in one_a_picture(hits)] == [1, 1]
    late = gallery.table()[filters.mask(filters.parse(["time>=1"]), gallery.table())]
    moments = [films.moment(hit_of(row)) for row in late.itertuples()]
    assert [moment.clock for moment in moments if moment] == ["0:01", "0:01"]
    assert films.file_of(gallery, hits[-1].id) == trips / hits[-1].metadata["film"]
    assert len(of_gallery(gallery, purpose="to be compared").rows) == 4  # a frame is a picture of its own


def test_a_film_that_was_moved_is_not_read_again_and_its_rows_follow(
    home: Path, trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in(trips)
    (trips / "sea/a.mp4").rename(trips / "sea/beach.mp4")
    monkeypatch.setattr("pipeline.films.reading._START", "no Python: nothing is read")
    report = bring_in(trips)
    assert (report.added, report.followed["moved"]) == (0, 2)
    gallery = galleries.open_gallery("films", Settings())
    assert {row.metadata["film"] for row in gallery.table().itertuples()} == {"hills/b.mkv", "sea/beach.mp4"}
    (trips / "sea/beach.mp4").unlink()
    assert bring_in(trips).followed["gone"] == 2
    frame = next(row.id for row in gallery.table().itertuples() if row.label == "sea")
    with pytest.raises(GalleryError, match="it is gone or was changed"):
        films.file_of(gallery, frame)


def test_a_damaged_film_that_is_mended_is_no_longer_listed(home: Path, trips: Path, clothing: Path) -> None:
    bring_in(trips)
    photo = Image.open(sorted((clothing / "test").glob("*/*.jpg"))[200])
    film(trips / "sea/broken.mov", [(1, pan(photo, 1))], rate=5)
    assert bring_in(trips).added == 1
    assert not (galleries.open_gallery("films", Settings()).root / "rejected.csv").read_text().count("broken.mov")


def test_a_damaged_index_is_made_again(home: Path, trips: Path) -> None:
    first = records(trips)
    index = next((home / "cache").glob("video-*/.films.json"))
    index.write_text("{")
    assert records(trips) == first
    assert len(json.loads(index.read_text())) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a process")
def test_ctrl_c_ends_in_the_middle_of_a_film_and_keeps_whole_ones(
    home: Path, trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reading.frames

    def interrupted(path: Path, **options: Any) -> Iterator[Any]:
        for one in real(path, **options):
            if path.name == "a.mp4":
                os.kill(os.getpid(), signal.SIGINT)
            yield one

    (trips / "sea/broken.mov").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(reading, "frames", interrupted)
        with pytest.raises(KeyboardInterrupt):
            records(trips)
    assert {one.metadata["film"] for one in records(trips)} == {"hills/b.mkv", "sea/a.mp4"}
