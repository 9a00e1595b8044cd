"""A gallery cut to the first numbers of its embeddings, and galleries made when another model had the default's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_gallery import exact, fill, lite, photos

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import reencode, sync
from pipeline.search.search import Query, QueryPicture, load_encoder, search

SMALL = "deep_ranking:weights=models/small"


def first_hits(gallery: Gallery, folder: Path) -> list[str]:
    """The hits of the first row's own file, itself left in."""
    row = gallery.rows().table.iloc[0]
    query = Query((QueryPicture((folder / row["path"]).read_bytes()),))
    store = exact()
    sync.sync(gallery, store)
    result = search(gallery, store, load_encoder(gallery, device="cpu"), query, k=3, exclude_query=False)
    assert result.hits[0].id == row["id"]
    assert result.hits[0].score > 0.9999
    return [hit.id for hit in result.hits]


def test_a_gallery_cut_to_128_numbers_searches_with_those_of_a_new_picture_too(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    with lite() as store:
        gallery, _ = fill(folder, store, spec="deep_ranking")
        whole = gallery.rows().embeddings
        spec = reencode.cut(gallery, 128, store=store)
        assert spec.startswith("pca:file=")
        short = gallery.rows().embeddings
        for long, row in zip(whole, short, strict=True):
            first = long[:128].astype(np.float64)
            np.testing.assert_allclose(row, first / sum(float(x) ** 2 for x in first) ** 0.5, atol=1e-6)
        assert not sync.compare(gallery, store)
        assert len(first_hits(gallery, folder)) == 3
        reencode.go_back(gallery, store)
        np.testing.assert_array_equal(gallery.rows().embeddings, whole)


@pytest.mark.parametrize(
    ("spec", "dim", "words"),
    [
        ("color_histogram", 64, "no embedding by themselves; --pca 64"),
        (SMALL, 64, "no embedding by themselves"),
        ("deep_ranking", 8, "--dim 8: choose 32 to 255"),
        ("deep_ranking", 256, "--dim 256: choose 32 to 255"),
    ],
)
def test_a_cut_that_cannot_be_is_refused(home: Path, tmp_path: Path, spec: str, dim: int, words: str) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 4), spec=spec)
    before = gallery.current
    with pytest.raises(UsageError, match=words):
        reencode.cut(gallery, dim, store=None)
    assert gallery.current == before


def renamed(gallery: Gallery) -> None:
    """As the gallery would be if it had been made when the small model was the default."""
    manifest = gallery.manifest()
    encoders = {
        key: entry | {"spec": entry["spec"].replace(SMALL, "deep_ranking")}
        for key, entry in manifest["encoders"].items()
    }
    gallery.update(encoders=encoders)


def test_a_gallery_of_the_former_default_is_searched_with_the_model_that_made_it(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    gallery, _ = fill(folder, spec=SMALL)
    hits = first_hits(gallery, folder)
    renamed(gallery)
    assert gallery.encoder()["spec"] == SMALL
    assert first_hits(gallery, folder) == hits


def test_a_former_default_shortened_by_pca_is_too(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 8)
    gallery, _ = fill(folder, spec=SMALL)
    reencode.shorten(gallery, 4, store=None)
    hits = first_hits(gallery, folder)
    [file] = gallery.root.glob("pca-*.safetensors")
    save_file(load_file(file), file, metadata={"base": "deep_ranking"})  # as files were before they noted their base
    assert first_hits(gallery, folder) == hits


def test_the_default_is_not_taken_for_the_former_one(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 4), spec="deep_ranking")
    assert gallery.encoder()["spec"] == "deep_ranking"
    assert gallery.encoder()["fingerprint"] == plugins.build("encoders", "deep_ranking", device="cpu").fingerprint
