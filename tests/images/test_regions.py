"""Parts of pictures: cut, ingested, kept, searched and found again as the pictures are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_gallery import SPEC, draw, encoder, lite

from pipeline import plugins
from pipeline.duplicates.find import find_duplicates
from pipeline.errors import GalleryError, UsageError
from pipeline.exchange import exchange
from pipeline.fingerprints import file_id, region_id
from pipeline.gallery import integrity, large_picture, ledgers, whole_pictures
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.gallery.originals import read_original, read_shown, roots
from pipeline.images import opening, regions
from pipeline.ingest import ingest as ingestion
from pipeline.ingest import reencode, sync
from pipeline.ingest.encoding import encode_chunk
from pipeline.ingest.ingest import IngestReport
from pipeline.records import ImageRecord, VectorStore
from pipeline.search.search import Query, QueryPicture, search
from pipeline.settings import Settings

OTHER = "color_histogram:grid=4,bins=3"


class Listed:
    """A dataset of records made by hand."""

    def __init__(self, root: Path, records: Sequence[ImageRecord]) -> None:
        self.root, self._records = root, records

    def prepare(self, progress=None) -> None: ...

    def records(self):
        return iter(self._records)


def fill(
    root: Path, records: Sequence[ImageRecord], store: VectorStore | None = None, spec: str = SPEC
) -> tuple[Gallery, IngestReport]:
    made = create_gallery("small", Settings())
    told = ingestion.ingest(
        made,
        Listed(root, records),
        encoder(spec),
        spec=spec,
        store=store,
        dataset_spec=f"folder:root={root}",
    )
    return made, told


@pytest.fixture
def root(home: Path, tmp_path: Path) -> Path:
    for number in range(3):
        draw(tmp_path / "photos" / f"{number}.png", number, size=(120, 90))
    return tmp_path / "photos"


BOXES = ("0,0,60,45", "60,0,60,45", "30,20,50,50")


def parts(*, whole: bool = False) -> list[ImageRecord]:
    found = []
    for number in range(3):
        found += [ImageRecord(f"{number}.png", "whole")] if whole else []
        found += [ImageRecord(f"{number}.png", f"part {i}", box=box) for i, box in enumerate(BOXES)]
    return found


def test_a_part_is_a_row_with_its_picture_its_box_and_the_embedding_of_its_pixels(root: Path) -> None:
    gallery, report = fill(root, parts(whole=True))
    assert (report.added, report.rejected) == (12, [])
    rows = gallery.rows()
    for i, row in enumerate(rows.table.to_dict("records")):
        data = (root / row["path"]).read_bytes()
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        if row["box"]:
            x, y, w, h = map(int, row["box"].split(","))
            assert (row["id"], row["parent"]) == (region_id(data, (x, y, w, h)), file_id(data))
            assert (row["width"], row["height"]) == (w, h)
            picture = picture.crop((x, y, x + w, y + h))
        else:
            assert (row["id"], row["parent"], row["width"], row["height"]) == (file_id(data), "", 120, 90)
        expected = encoder().encode(encoder().preprocess(picture)[None])[0]
        np.testing.assert_allclose(rows.embeddings[i], expected, atol=1e-6)
        assert Image.open(io.BytesIO(gallery.thumbnail_data(row["id"]))).size == picture.size


def test_ingesting_parts_again_adds_nothing(root: Path) -> None:
    fill(root, parts())
    gallery, report = fill(root, parts())
    assert (report.added, report.known, gallery.count()) == (0, 9, 9)


def test_a_file_is_read_and_decoded_once_for_all_its_parts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, opened = [], []
    read_file, open_image = opening.read_file, opening.open_image
    monkeypatch.setattr(opening, "read_file", lambda path: read.append(path.name) or read_file(path))
    monkeypatch.setattr(opening, "open_image", lambda data, **o: opened.append(file_id(data)) or open_image(data, **o))
    fill(root, parts(whole=True))
    assert sorted(read) == ["0.png", "1.png", "2.png"]
    assert len(opened) == 3


def test_a_box_that_cannot_be_cut_is_rejected_by_name(root: Path) -> None:
    boxes = ["100,0,40,40", "0,0,7,40", "-5,0,40,40", "a,b", "10,10,8,8"]
    gallery, report = fill(root, [ImageRecord("0.png", box=box) for box in boxes])
    assert report.added == 1
    rejected = dict(ledgers.read(gallery.root / ledgers.REJECTED))
    assert sorted(rejected) == sorted(f"0.png#{box}" for box in boxes[:4])
    assert "not inside the picture, which is 120 × 90 px" in rejected["0.png#100,0,40,40"]
    assert "too small" in rejected["0.png#0,0,7,40"]
    assert "write x,y,w,h" in rejected["0.png#a,b"]


def test_parts_of_a_file_that_is_no_picture_are_each_rejected(root: Path) -> None:
    (root / "bad.png").write_bytes(b"nothing")
    _, report = fill(root, [ImageRecord("bad.png", box=box) for box in BOXES])
    assert [place for place, _ in report.rejected] == [f"bad.png#{box}" for box in BOXES]


def test_the_same_part_of_an_identical_file_is_merged(root: Path) -> None:
    (root / "copy.png").write_bytes((root / "0.png").read_bytes())
    gallery, report = fill(root, [*parts(), *(ImageRecord("copy.png", box=box) for box in BOXES)])
    assert (report.added, report.merged) == (9, 3)
    assert {row[1] for row in ledgers.read(gallery.root / ledgers.MERGED)} == {"copy.png"}


def test_a_small_part_of_a_large_jpeg_has_all_its_pixels(home: Path, tmp_path: Path) -> None:
    draw(tmp_path / "large.jpg", 0, size=(4000, 3000))
    file = regions.OpenedFile((tmp_path / "large.jpg").read_bytes())
    assert file.picture().image.width < 4000, "a whole picture is decoded smaller"
    assert file.view("100,100,300,260").size == (300, 260)
    assert file.view("0,0,4000,3000").width < 4000
    assert min(file.view("0,0,3000,2000").size) >= regions.MIN_PART_SIDE
    one_by_one = regions.OpenedFile(file.data).view("0,0,3000,2000")
    assert one_by_one.tobytes() == file.view("0,0,3000,2000").tobytes(), "what was cut before changes nothing"


@pytest.mark.parametrize(
    ("sides", "margin", "box"),
    [
        ((10, 20, 40, 30), 0.0, (10, 20, 40, 30)),
        ((10, 20, 40, 30), 0.5, (0, 5, 70, 60)),  # 10 - 20 = -10 is clipped
        ((80, 60, 40, 30), 0.1, (76, 57, 44, 33)),  # to 124 and 93, clipped to 120 and 90
        ((10.4, 20.6, 40.2, 30.0), 0.0, (10, 21, 41, 30)),
        ((130, 20, 40, 30), 0.0, (130, 20, 40, 30)),  # outside: as it is, for the ingest to refuse
    ],
)
def test_a_margin_is_a_share_of_the_box_and_stays_inside(
    sides: tuple[float, float, float, float], margin: float, box: tuple[int, int, int, int]
) -> None:
    assert regions.around(sides, size=(120, 90), margin=margin) == box


def test_another_encoder_encodes_the_parts_and_not_their_pictures(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    before = gallery.rows().table
    reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=None)
    rows = gallery.rows()
    assert rows.table.equals(before)
    for i, row in enumerate(rows.table.to_dict("records")):
        image = regions.OpenedFile((root / row["path"]).read_bytes()).view(row["box"])
        expected = encoder(OTHER).encode(encoder(OTHER).preprocess(image)[None])[0]
        np.testing.assert_allclose(rows.embeddings[i], expected, atol=1e-6)
    assert integrity.check_files(gallery) == []


def test_a_part_whose_file_is_gone_is_named_by_its_own_id(root: Path) -> None:
    gallery, _ = fill(root, parts())
    row = gallery.table().to_dict("records")[0]
    (root / "0.png").unlink()
    with pytest.raises(GalleryError, match=f"--ids {row['id']}"):
        read_shown(row, roots(gallery), "small")


def test_a_part_is_shown_by_a_file_of_its_own_pixels(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    for row in gallery.table().to_dict("records"):
        data = read_shown(row, roots(gallery), "small")
        cut = regions.OpenedFile((root / row["path"]).read_bytes()).view(row["box"])
        assert opening.open_image(data).image.tobytes() == cut.tobytes()
        assert file_id(read_original(row["path"], row["id"], roots(gallery), "small", parent=row["parent"])) == (
            row["parent"] or row["id"]
        )


def test_parts_survive_removal_sync_export_and_import(root: Path, tmp_path: Path) -> None:
    with lite() as store:
        gallery, _ = fill(root, parts(), store)
        assert not sync.compare(gallery, store)
        gone = gallery.table()["id"][4]
        gallery.remove([gone])
        sync.apply_judged(gallery, store, [gone])
        assert not sync.compare(gallery, store)
        assert gallery.count() == store.count(gallery.collection()) == 8
        _, report = fill(root, parts(), store)
        assert (report.added, report.removed) == (0, 1)
        gallery.restore([gone])
        sync.sync(gallery, store)
    exchange.export_gallery(gallery, str(tmp_path / "out.parquet"))
    again = exchange.import_gallery("again", str(tmp_path / "out.parquet"), Settings())
    pd.testing.assert_frame_equal(again.rows().table, gallery.rows().table)
    assert integrity.check_files(gallery) == []


def test_duplicates_leave_parts_out(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    assert find_duplicates(gallery)["rows"] == 3


def test_duplicates_of_a_gallery_of_parts_alone_are_none(root: Path) -> None:
    gallery, _ = fill(root, parts())
    assert find_duplicates(gallery)["groups"] == []


def asked(gallery: Gallery, query: Query, **options):
    return search(gallery, sync.exact_store(gallery), encoder(), query, **options).hits


def test_a_cut_out_finds_the_picture_it_came_from(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    for number in range(3):
        picture = Image.open(root / f"{number}.png").convert("RGB").crop((31, 21, 79, 71))
        out = io.BytesIO()
        picture.save(out, "PNG")
        hit = asked(gallery, Query((QueryPicture(out.getvalue()),)), k=1)[0]
        assert (hit.path, hit.box, hit.parent) == (
            f"{number}.png",
            "30,20,50,50",
            file_id((root / f"{number}.png").read_bytes()),
        )


def test_one_hit_a_picture_is_its_nearest_part_with_the_others_behind_it(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    query = Query((QueryPicture((root / "1.png").read_bytes(), (0, 0, 60, 45)),))
    every = asked(gallery, query, k=12)
    assert len(every) == 12
    best: dict[str, list] = {}
    for hit in every:
        best.setdefault(hit.path, []).append(hit)
    grouped = asked(gallery, query, k=12, by_picture=True)
    assert [hit.path for hit in grouped] == list(best)
    for hit in grouped:
        first, *others = best[hit.path]
        assert (hit.id, hit.score) == (first.id, first.score)
        assert hit.folded == tuple(one.id for one in others)
    assert [hit.id for hit in asked(gallery, query, k=2, by_picture=True)] == [hit.id for hit in grouped[:2]]


def test_one_hit_a_picture_and_near_duplicates_hidden_lose_no_hit(root: Path) -> None:
    (root / "again.bmp").write_bytes(b"")
    Image.open(root / "1.png").save(root / "again.bmp")
    records = [*parts(whole=True), *(ImageRecord("again.bmp", box=box) for box in BOXES)]
    gallery, report = fill(root, records)
    assert report.added == 15
    query = Query((QueryPicture((root / "1.png").read_bytes(), (0, 0, 60, 45)),))
    hits = asked(gallery, query, k=12, by_picture=True, collapse=0.9999)
    shown = [one for hit in hits for one in (hit.id, *hit.folded)]
    assert sorted(shown) == sorted(gallery.table()["id"])
    assert len(hits) == 3


def test_a_picture_asked_with_does_not_find_its_own_parts(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    data = (root / "0.png").read_bytes()
    assert {hit.path for hit in asked(gallery, Query((QueryPicture(data),)), k=12)} == {"1.png", "2.png"}
    assert {hit.path for hit in asked(gallery, Query(ids=(file_id(data),)), k=12)} == {"1.png", "2.png"}
    own = asked(gallery, Query((QueryPicture(data),)), k=12, exclude_query=False)
    assert own[0].id == file_id(data)


def test_a_chunk_that_is_encoded_elsewhere_takes_parts_too(root: Path) -> None:
    class Nothing:
        def __init__(self) -> None:
            self.kept: dict[str, bytes] = {}

        def knows(self, picture_id: str) -> bool:
            return False

        def is_whole(self, picture_id: str) -> bool:
            return True

        def keep(self, picture_id: str, thumbnail: bytes) -> None:
            self.kept[picture_id] = thumbnail

    held = Nothing()
    chunk = encode_chunk(root, parts(), encoder(), held)
    assert chunk.size == len(chunk.rows) == 9
    assert set(held.kept) == {row.id for row in chunk.rows}


def test_a_dataset_of_parts_is_compared_by_its_parts(root: Path) -> None:
    from pipeline.comparison.labelled_pictures import of_dataset

    source = of_dataset(Listed(root, parts()), "made")
    for i, record in enumerate(parts()):
        cut = regions.OpenedFile((root / record.path).read_bytes()).view(record.box)
        assert opening.open_image(source.read(i)).image.tobytes() == cut.tobytes()


def test_tiles_cover_every_pixel_and_overlap_by_half(home: Path, tmp_path: Path) -> None:
    draw(tmp_path / "p" / "a.png", 1, size=(101, 83))
    records = list(plugins.build("datasets", f"tiles:root={tmp_path / 'p'},grid=3").records())
    assert records[0].box == ""
    seen = np.zeros((83, 101), int)
    for record in records[1:]:
        x, y, w, h = map(int, record.box.split(","))
        assert abs(w - 50.5) <= 1
        assert abs(h - 41.5) <= 1
        seen[y : y + h, x : x + w] += 1
    assert len(records) == 10
    assert seen.min() >= 1
    assert seen[41, 50] >= 4


def test_a_picture_that_cannot_be_opened_has_no_tiles_and_says_why(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    draw(tmp_path / "small.png", 1, size=(9, 9))
    records = [record.place for record in plugins.build("datasets", f"tiles:root={tmp_path},grid=8").records()]
    assert records == ["bad.jpg", "small.png"]


@pytest.mark.parametrize("grid", [0, 1, 9])
def test_tiles_refuse_a_grid_out_of_range(grid: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose from 2 to 8"):
        plugins.build("datasets", f"tiles:root={tmp_path},grid={grid}")


def whole_with_box(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(int)


def test_the_whole_of_a_part_has_the_box_drawn_on_it(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    part = gallery.table().set_index("box").loc["30,20,50,50", "id"].iloc[0]
    drawn = whole_with_box(large_picture.draw(gallery, part))
    plain = np.asarray(Image.open(root / "0.png").convert("L")).astype(int)
    assert drawn.shape == plain.shape
    changed = abs(drawn - plain) > 40
    rows, columns = np.nonzero(changed)
    assert abs(rows.min() - 20) <= 1
    assert abs(columns.min() - 30) <= 1
    assert abs(rows.max() - 69) <= 1
    assert abs(columns.max() - 79) <= 1
    assert not changed[30:60, 40:70].any(), "what is inside can be seen"


def test_the_whole_of_a_part_is_its_thumbnail_when_the_file_is_gone(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    part = gallery.table().set_index("box").loc["30,20,50,50", "id"].iloc[0]
    before = whole_with_box(large_picture.draw(gallery, part))
    (root / "0.png").unlink()
    assert abs(whole_with_box(large_picture.draw(gallery, part)) - before).mean() < 5


def test_what_is_not_there_or_was_removed_is_not_drawn(root: Path) -> None:
    gallery, _ = fill(root, parts(whole=True))
    table = gallery.table()
    part = table[table["box"] != ""]["id"].iloc[0]
    whole = table[table["box"] == ""]["id"].iloc[0]
    plain = np.asarray(Image.open(root / "0.png").convert("L")).astype(int)
    assert abs(whole_with_box(large_picture.draw(gallery, whole)) - plain).mean() < 5, "no box on a whole picture"
    with pytest.raises(GalleryError, match="has no picture"):
        large_picture.draw(gallery, "f" * 32)
    gallery.remove([part])
    with pytest.raises(GalleryError, match="has no picture"):
        large_picture.draw(gallery, part)


def test_a_gallery_of_parts_alone_can_be_clustered_and_drawn(root: Path) -> None:
    gallery, _ = fill(root, parts())
    assert len(whole_pictures.of_gallery(gallery, purpose="to be told apart").rows) == 9
    both, _ = fill(root, parts(whole=True))
    assert len(whole_pictures.of_gallery(both, purpose="to be told apart").rows) == 3


@pytest.mark.parametrize(
    ("box", "is_drawn"),
    [
        ("30,20,50,50", True),
        ("", False),
        ("large", False),
        ("30,20,500,50", False),
        ("-3,2,9,9", False),
        ("1,1,0,9", False),
    ],
)
def test_the_box_among_the_facts_of_a_picture_is_drawn_on_it(root: Path, box: str, is_drawn: bool) -> None:
    gallery, _ = fill(root, [ImageRecord("0.png", "", "", {"box": box})])
    drawn = whole_with_box(large_picture.draw(gallery, gallery.table()["id"].iloc[0]))
    changed = abs(drawn - np.asarray(Image.open(root / "0.png").convert("L")).astype(int)) > 40
    assert changed.any() == is_drawn
    if is_drawn:
        assert [int(side.min()) for side in np.nonzero(changed)] == pytest.approx([20, 30], abs=1)
