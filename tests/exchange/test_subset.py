"""A gallery made of some pictures of another answers by itself, keeps what people said, and outlives the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_gallery import exact, fill, photos
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import GalleryError, UsageError
from pipeline.exchange.subset import subset
from pipeline.gallery import integrity, tags
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import names, open_gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.images import uploads
from pipeline.ingest import reencode, sync
from pipeline.search.search import Query, load_encoder, search
from pipeline.settings import Settings


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 12), exact())[0]


def chosen(gallery: Gallery, count: int = 4) -> list[str]:
    return sorted(gallery.table()["id"])[:count]


def test_it_holds_exactly_the_chosen_pictures_and_answers_with_the_same_scores(gallery: Gallery) -> None:
    ids, store = chosen(gallery), exact()
    made = subset(gallery, "some", ids, Settings(), title="Some")
    assert set(made.table()["id"]) == set(ids)
    assert made.manifest()["title"] == "Some"
    for one in (gallery, made):
        sync.sync(one, store)
    before = {hit.id: hit.score for hit in search(gallery, store, None, Query(ids=(ids[0],)), k=12, rerank="none").hits}
    after = search(made, store, None, Query(ids=(ids[0],)), k=12, rerank="none").hits
    assert {hit.id: hit.score for hit in after} == {id_: score for id_, score in before.items() if id_ in ids}
    assert all(made.thumbnail_data(picture) == gallery.thumbnail_data(picture) != b"" for picture in ids)
    assert integrity.check_files(made) == []
    assert integrity.check_originals(made) == []


def test_corrected_labels_and_tags_come_along_and_the_other_gallery_is_not_changed(gallery: Gallery) -> None:
    ids = chosen(gallery)
    gallery.relabel({ids[0]: "put right"})
    tags.tag(gallery, chosen(gallery, 6), "look")
    version = gallery.version
    made = subset(gallery, "some", ids, Settings())
    assert made.table().set_index("id")["label"][ids[0]] == "put right"
    assert tags.tags(made) == {"look": set(ids)}
    made.relabel({ids[0]: None})
    assert made.table().set_index("id")["label"][ids[0]] != "put right"
    assert gallery.version == version
    assert gallery.table().set_index("id")["label"][ids[0]] == "put right"


def test_uploads_and_a_shortened_encoder_outlive_the_gallery_they_came_from(gallery: Gallery, tmp_path: Path) -> None:
    folder = uploads.new_folder(gallery.originals)
    for file in photos(tmp_path / "more", 3, labels=("new",), first=50).rglob("*.png"):
        uploads.save_upload(f"upload-{file.name}", file.read_bytes(), folder)
    store = exact()
    fill(folder, store)
    reencode.shorten(gallery, 8, store=store)
    table = gallery.table()
    mine = table.loc[table["path"].str.startswith("upload-"), "id"].tolist()
    assert mine
    made = subset(gallery, "some", mine, Settings())
    wanted = {row.id: row.path for row in made.table().itertuples()}
    shutil.rmtree(gallery.root)
    for picture, path in wanted.items():
        assert read_original(path, picture, roots(made), made.name)
    assert made.encoder()["dim"] == 8
    assert load_encoder(made).dim == 8


@pytest.mark.parametrize(
    ("name", "ids", "error", "said"),
    [
        ("some", [], UsageError, "no picture is chosen"),
        ("some", ["0" * 32], GalleryError, "has no picture 0000"),
        ("photos", None, UsageError, "exists"),
        ("Some Name", None, UsageError, "a-z"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    gallery: Gallery, name: str, ids: list[str] | None, error: type[Exception], said: str
) -> None:
    before = names(Settings())
    with pytest.raises(error, match=said):
        subset(gallery, name if name != "photos" else gallery.name, chosen(gallery) if ids is None else ids, Settings())
    assert names(Settings()) == before


def test_a_removed_picture_is_none_of_the_gallery(gallery: Gallery) -> None:
    ids = chosen(gallery)
    gallery.remove(ids[:1])
    with pytest.raises(GalleryError, match=ids[0]):
        subset(gallery, "some", ids, Settings())


def test_the_command_takes_a_tag_and_a_filter_and_says_what_passes_nothing(gallery: Gallery) -> None:
    ids, label = chosen(gallery, 6), gallery.table()["label"].iloc[0]
    tags.tag(gallery, ids, "look")
    run = CliRunner().invoke
    done = run(app, ["subset", gallery.name, "some", "--tag", "look", "--where", f"label={label}"])
    assert done.exit_code == 0, done.output
    table = gallery.table().set_index("id")
    wanted = {picture for picture in ids if table["label"][picture] == label}
    assert set(open_gallery("some", Settings()).table()["id"]) == wanted
    for words, said in (
        ([], "say which pictures"),
        (["--tag", "other"], "there are look"),
        (["--where", "label=none such"], "passes label=none such"),
    ):
        failed = run(app, ["subset", gallery.name, "other", *words])
        assert failed.exit_code != 0
        assert said in str(failed.exception)
