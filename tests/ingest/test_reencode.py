"""Another encoder for a whole gallery: filled, verified, then switched; and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_gallery import draw, encoder, exact, fill, lite, photos

from pipeline import plugins
from pipeline.errors import GalleryError, StoreError, UsageError
from pipeline.fingerprints import file_id
from pipeline.gallery import integrity
from pipeline.images.opening import open_image
from pipeline.ingest import reencode, sync
from pipeline.search.search import Query, QueryPicture, load_encoder, search

OTHER = "color_histogram:grid=4,bins=3"


def test_a_new_encoder_fills_a_new_collection_and_the_alias_moves_there_and_back(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    with lite() as store:
        gallery, _ = fill(folder, store)
        first, rows = gallery.current, gallery.rows()
        gallery.remove([rows.table["id"][5]])
        assert reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=store) == OTHER
        second = gallery.current
        assert second != first
        assert store.collections() == sorted([f"small__{first}", f"small__{second}"])
        assert store.describe("small")["collection"] == f"small__{second}"
        assert not sync.compare(gallery, store)
        for i, row in enumerate(gallery.rows().table.to_dict("records")):
            image = open_image((folder / row["path"]).read_bytes()).image
            one = encoder(OTHER).encode(encoder(OTHER).preprocess(image)[None])[0]
            np.testing.assert_allclose(gallery.rows().embeddings[i], one, atol=1e-6)
        assert gallery.count() == 5
        reencode.go_back(gallery, store)
        assert gallery.current == first
        assert store.describe("small")["collection"] == f"small__{first}"
        assert not sync.compare(gallery, store)
        assert gallery.rows(as_ingested=True).table.equals(rows.table)
        assert integrity.check_files(gallery) == []


def test_what_a_killed_run_committed_is_not_encoded_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 9)
    monkeypatch.setattr(reencode, "CHUNK", 2)
    monkeypatch.setattr(reencode, "PART_ROWS", 2)
    gallery, _ = fill(folder)
    first = gallery.current

    class Counting:
        def __init__(self, stop_after: int) -> None:
            self.seen, self.stop_after = 0, stop_after
            self.dim, self.fingerprint = encoder(OTHER).dim, encoder(OTHER).fingerprint

        def preprocess(self, image):
            self.seen += 1
            return encoder(OTHER).preprocess(image)

        def encode(self, batch):
            if self.seen > self.stop_after:
                raise KeyboardInterrupt
            return encoder(OTHER).encode(batch)

    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        reencode.reencode(gallery, Counting(4), spec=OTHER, store=exact())
    assert gallery.current == first
    assert len(gallery.ids(Counting(0).fingerprint[:8])) == 4
    again = Counting(100)
    store = exact()
    reencode.reencode(gallery, again, spec=OTHER, store=store)
    assert again.seen == 5
    assert not sync.compare(gallery, store)
    assert gallery.count() == 9


def test_a_lost_original_is_named_and_the_gallery_stays_but_a_removed_one_does_not_matter(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 4)
    store = exact()
    gallery, _ = fill(folder, store)
    first = gallery.current
    lost = file_id((folder / "cup" / "000.png").read_bytes())
    (folder / "cup" / "000.png").unlink()
    with pytest.raises(GalleryError, match=rf"cup/000\.png of gallery small is gone .* remove small --ids {lost}"):
        reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=store)
    assert gallery.current == first
    assert not sync.compare(gallery, store)
    gallery.remove([lost])
    reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=store)
    assert gallery.count() == 3
    gallery.restore([])
    draw(folder / "new.png", 77)
    fill(folder, store, spec=OTHER)
    with pytest.raises(GalleryError, match="came after the change"):
        reencode.go_back(gallery, store)


def test_a_store_that_fails_leaves_the_gallery_with_its_encoder(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    store = exact()
    gallery, _ = fill(folder, store)
    first = gallery.current

    class Failing:
        def __getattr__(self, name: str):
            def fail(*_: object, **__: object) -> None:
                raise StoreError("it is away")

            return fail

    with pytest.raises(StoreError):
        reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=Failing())  # type: ignore[arg-type]
    assert gallery.current == first
    reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=store)
    assert gallery.current != first


def test_a_search_with_the_former_encoder_is_refused_with_the_remedy(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 3))
    with pytest.raises(GalleryError, match=f"pipeline reencode small --encoder {OTHER}"):
        load_encoder(gallery, spec=OTHER)
    reencode.reencode(gallery, encoder(OTHER), spec=OTHER, store=None)
    assert load_encoder(gallery).fingerprint == encoder(OTHER).fingerprint


def test_pca_search_by_picture_is_the_projection_by_hand(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 20)
    store = exact()
    gallery, _ = fill(folder, store)
    e = gallery.rows().embeddings.astype(float)
    reencode.shorten(gallery, 5, store=store)
    assert gallery.encoder()["dim"] == 5
    centred = e - e.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)

    def short(vector: np.ndarray) -> np.ndarray:
        made = np.array([sum((vector - e.mean(0)) * direction) for direction in directions[:5]])
        return made / np.linalg.norm(made)

    data = draw(tmp_path / "q.png", 900).read_bytes()
    asked = short(encoder().encode(encoder().preprocess(open_image(data).image)[None])[0].astype(float))
    truth = sorted((float(short(row) @ asked) for row in e), reverse=True)
    result = search(gallery, store, load_encoder(gallery), Query((QueryPicture(data),)), k=20)
    assert [hit.score for hit in result.hits] == pytest.approx(truth, abs=1e-4)
    assert fill(folder, store, spec=gallery.encoder()["spec"])[1].known == 20
    reencode.go_back(gallery, store)
    np.testing.assert_array_equal(gallery.rows().embeddings, e.astype(np.float32))


def test_pca_made_again_from_more_pictures_keeps_the_file_that_going_back_needs(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 8)
    gallery, _ = fill(folder)
    reencode.shorten(gallery, 3, store=None)
    former = gallery.encoder()
    reencode.go_back(gallery, None)
    photos(folder, 4, first=8)
    fill(folder)
    reencode.shorten(gallery, 3, store=None)
    assert gallery.encoder()["fingerprint"] != former["fingerprint"]
    assert plugins.build("encoders", former["spec"]).fingerprint == former["fingerprint"]


def test_pca_and_back_that_cannot_be_are_refused(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 6))
    for dim in (0, 1, 6, 10_000):
        with pytest.raises(UsageError, match="choose 2 to 5"):
            reencode.shorten(gallery, dim, store=None)
    with pytest.raises(UsageError, match="nothing to go back to"):
        reencode.go_back(gallery, None)
