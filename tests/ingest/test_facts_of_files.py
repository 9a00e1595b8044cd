"""EXIF comes into metadata with the pictures, into an old gallery with its next ingest, and a search goes by it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from tiny_gallery import encoder, exact

from pipeline import plugins
from pipeline.filters import mask, parse
from pipeline.gallery.asked import settled
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.ingest.ingest import FACTS, ingest, plan
from pipeline.settings import Settings


def taken(root: Path, days: list[int]) -> Path:
    root.mkdir(exist_ok=True)
    for day in days:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:{day:02d} 10:00:00"
        Image.new("RGB", (40, 30), (9 * day, 80, 120)).save(root / f"{day}.jpg", exif=exif)
    return root


def run(gallery: Gallery, root: Path):  # type: ignore[no-untyped-def]
    spec = f"folder:root={root}"
    return ingest(
        gallery, plugins.build("datasets", spec), encoder(), spec="color_histogram", store=exact(), dataset_spec=spec
    )


def times(gallery: Gallery) -> dict[str, str]:
    table = gallery.table()
    return {path: row.get("taken", "") for path, row in zip(table["path"], table["metadata"], strict=True)}


def test_an_old_gallery_gets_them_at_its_next_ingest_and_loses_them_when_they_are_not_wanted(
    home: Path, tmp_path: Path
) -> None:
    root = taken(tmp_path / "photos", [3, 4, 20])
    gallery = create_gallery("mine", Settings())
    gallery.update(**{FACTS: []})  # as one that was made before
    run(gallery, root)
    assert set(times(gallery).values()) == {""}
    gallery.update(**{FACTS: ["exif"]})
    planned = plan(gallery, plugins.build("datasets", f"folder:root={root}"), dataset_spec=f"folder:root={root}")
    assert planned.followed == {"metadata": 3}
    assert run(gallery, root).followed == {"metadata": 3}
    assert times(gallery) == {f"{day}.jpg": f"2024-05-{day:02d} 10:00:00" for day in (3, 4, 20)}
    table = gallery.table()
    found = table["path"][mask(settled(parse(["taken=2024-05-04..2024-05"]), gallery), table)]
    assert sorted(found) == ["20.jpg", "4.jpg"]
    assert run(gallery, root).followed == {}
    gallery.update(**{FACTS: []})
    run(gallery, root)
    assert set(times(gallery).values()) == {""}


def test_what_the_dataset_says_goes_before(home: Path, tmp_path: Path) -> None:
    root = taken(tmp_path / "photos", [3, 4])
    (root / "list.csv").write_text("path,taken\n3.jpg,1999\n4.jpg,\n", encoding="utf-8")
    gallery = create_gallery("mine", Settings())
    spec = f"table:file={root / 'list.csv'}"
    ingest(gallery, plugins.build("datasets", spec), encoder(), spec="color_histogram", store=None, dataset_spec=spec)
    assert times(gallery) == {"3.jpg": "1999", "4.jpg": "2024-05-04 10:00:00"}
