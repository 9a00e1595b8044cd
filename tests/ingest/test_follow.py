"""A gallery follows its files: moved, swapped, edited, deleted, labelled anew; and says beforehand what would change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_gallery import SPEC, draw, exact, fill, lite, photos, run

from benchmarks.reconcile import History
from pipeline import plugins
from pipeline.duplicates.find import find_duplicates
from pipeline.errors import GalleryError
from pipeline.fingerprints import file_id
from pipeline.gallery import integrity
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.gallery.originals import read_original, roots
from pipeline.ingest import ingest as ingestion
from pipeline.ingest import sync
from pipeline.settings import Settings


def places(gallery: Gallery) -> dict[str, str]:
    """path to id of what is in the gallery now."""
    table = gallery.table()
    return dict(zip(table["path"], table["id"], strict=True))


def identity(file: Path) -> str:
    return file_id(file.read_bytes())


@pytest.mark.parametrize("seed", range(6))
def test_random_histories_end_where_a_plain_model_says(tmp_path: Path, seed: int) -> None:
    assert History(tmp_path / "history", 10_000 + seed).run() == ""


def test_a_renamed_folder_is_the_same_pictures_under_new_names_and_labels(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    with lite() as store:
        gallery, _ = fill(folder, store)
        (folder / "cup").rename(folder / "mug")
        _, report = fill(folder, store)
        assert (report.added, report.known, report.merged) == (0, 6, 0)
        assert report.followed == {"moved": 2, "label": 2}
        assert sorted(gallery.table()["label"]) == ["bowl", "bowl", "mug", "mug", "shoe", "shoe"]
        assert find_duplicates(gallery, tiers=["identical"])["groups"] == []
        assert not sync.compare(gallery, store)
        assert integrity.check_originals(gallery) == []


def test_two_names_swapped_are_two_moves(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    one, other = folder / "cup" / "000.png", folder / "bowl" / "001.png"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert fill(folder)[1].followed == {"moved": 2, "label": 2}
    assert places(gallery)["cup/000.png"] == file_id(second)
    assert places(gallery)["bowl/001.png"] == file_id(first)


def test_a_root_that_moved_takes_its_rows_along(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "old", 4)
    shutil.copy(folder / "cup" / "000.png", folder / "again.png")
    gallery, _ = fill(folder)
    folder.rename(tmp_path / "new")
    _, report = fill(tmp_path / "new")
    assert (report.added, report.known, report.merged, report.followed) == (0, 4, 1, {})
    assert len(find_duplicates(gallery, tiers=["identical"])["groups"]) == 1
    assert integrity.check_originals(gallery) == []


def test_the_copy_that_is_left_serves_the_picture_and_no_longer_counts_as_a_duplicate(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 3)
    shutil.copy(folder / "cup" / "000.png", folder / "shoe" / "copy.png")
    gallery, _ = fill(folder)
    picture = identity(folder / "cup" / "000.png")
    row = gallery.table().set_index("id").loc[picture]
    (folder / row["path"]).unlink()
    assert read_original(row["path"], picture, roots(gallery), "small")  # before the next ingest too
    assert fill(folder)[1].followed.keys() >= {"moved"}
    assert find_duplicates(gallery, tiers=["identical"])["groups"] == []
    assert integrity.check_originals(gallery) == []


def test_an_edited_file_replaces_its_row_and_restore_keeps_both_for_good(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    old = identity(folder / "cup" / "000.png")
    draw(folder / "cup" / "000.png", 99)
    new = identity(folder / "cup" / "000.png")
    assert fill(folder)[1].followed == {"replaced": 1}
    assert places(gallery)["cup/000.png"] == new
    assert gallery.removed() == {old}
    gallery.restore([old])
    assert fill(folder)[1].followed == {"gone": 1}
    assert gallery.removed() == set()
    assert gallery.gone() == {old: "cup/000.png"}
    gallery.remove([old])
    assert gallery.gone() == {}
    assert fill(folder)[1].followed == {}


def test_bytes_that_come_back_bring_their_row_back_unless_somebody_removed_it(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    file = folder / "cup" / "000.png"
    first = file.read_bytes()
    draw(file, 99)
    fill(folder)
    (folder / "cup" / "back.png").write_bytes(first)
    assert fill(folder)[1].followed == {"moved": 1, "back": 1}
    assert places(gallery)["cup/back.png"] == file_id(first)
    gallery.remove([file_id(first)])
    assert fill(folder)[1].removed == 1
    assert file_id(first) in gallery.removed()
    draw(folder / "cup" / "back.png", 98)
    fill(folder)
    gallery.compact()
    (folder / "cup" / "000.png").write_bytes(first)
    assert fill(folder)[1].removed == 1


def test_a_replaced_picture_that_was_dropped_for_good_is_encoded_anew_when_it_comes_back(
    home: Path, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    file = folder / "cup" / "000.png"
    first = file.read_bytes()
    draw(file, 99)
    fill(folder)
    assert gallery.compact() == 1
    file.write_bytes(first)
    _, report = fill(folder)
    assert (report.added, report.followed) == (1, {"replaced": 1, "back": 1})
    assert places(gallery)["cup/000.png"] == file_id(first)
    assert integrity.check_files(gallery) == []


def test_a_deleted_file_is_listed_as_gone_until_it_is_there_again(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 3)
    gallery, _ = fill(folder)
    file = folder / "cup" / "000.png"
    content = file.read_bytes()
    file.unlink()
    assert fill(folder)[1].followed == {"gone": 1}
    assert (gallery.info().gone, gallery.count()) == (1, 3)
    file.write_bytes(content)
    assert fill(folder)[1].followed == {}
    assert gallery.info().gone == 0


def test_labels_splits_and_metadata_follow_the_table_and_contradictions_are_named(home: Path, tmp_path: Path) -> None:
    folder, table = photos(tmp_path / "photos", 3, labels=("cup",)), tmp_path / "table.csv"
    spec = f"table:file={table},root={folder}"
    table.write_text("path,label,split,colour\ncup/000.png,cat,train,red\ncup/001.png,dog,train,\n")
    store = exact()
    gallery, _ = fill(spec, store)
    table.write_text("path,label,split,price\ncup/000.png,dog,test,3\ncup/001.png,dog,train,\ncup/001.png,cat,,\n")
    _, report = fill(spec, store)
    assert report.followed == {"label": 1, "split": 1, "metadata": 1}
    assert report.contradictions == [
        ("cup/001.png", "label is 'dog', then 'cat'"),
        ("cup/001.png", "split is 'train', then ''"),
    ]
    rows = gallery.table().set_index("path")
    assert rows.loc["cup/000.png", ["label", "split"]].tolist() == ["dog", "test"]
    assert rows.loc["cup/000.png", "metadata"] == {"colour": "", "price": "3"}
    assert not sync.compare(gallery, store)


def test_a_label_that_no_store_takes_is_rejected_and_the_old_one_stays(home: Path, tmp_path: Path) -> None:
    folder, table = photos(tmp_path / "photos", 1, labels=("cup",)), tmp_path / "table.csv"
    spec = f"table:file={table},root={folder}"
    table.write_text("path,label\ncup/000.png,cat\n")
    gallery, _ = fill(spec)
    table.write_text(f"path,label\ncup/000.png,{'x' * 2000}\n")
    [(place, reason)] = fill(spec)[1].rejected
    assert (place, "label takes 2,000 bytes" in reason) == ("cup/000.png", True)
    assert gallery.table()["label"].tolist() == ["cat"]


def test_every_encoder_of_a_gallery_follows_and_the_way_back_stays_open(home: Path, tmp_path: Path) -> None:
    from tiny_gallery import encoder

    from pipeline.ingest import reencode

    folder, other = photos(tmp_path / "photos", 4), "color_histogram:grid=4,bins=2"
    store = exact()
    gallery, _ = fill(folder, store)
    reencode.reencode(gallery, encoder(other), spec=other, store=store)
    (folder / "cup").rename(folder / "mug")
    fill(folder, store, spec=other)
    reencode.go_back(gallery, store)
    assert set(gallery.table()["label"]) == {"mug", "bowl", "shoe"}
    assert not sync.compare(gallery, store)


def test_one_path_in_two_datasets_is_two_files(home: Path, tmp_path: Path) -> None:
    one, two = photos(tmp_path / "one", 3), photos(tmp_path / "two", 3)
    gallery, _ = fill(one)
    assert fill(two)[1].merged == 3
    [*groups] = find_duplicates(gallery, tiers=["identical"])["groups"]
    assert [len(group["members"]) for group in groups] == [2, 2, 2]
    draw(two / "cup" / "000.png", 50)
    assert fill(two)[1].followed == {}  # the row is the first dataset's
    shutil.rmtree(one)
    _, report = fill(two)
    assert (report.merged, gallery.count()) == (0, 4)


def test_a_folder_inside_another_is_no_second_set_of_files(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    gallery, _ = fill(folder)
    _, report = fill(folder / "cup")
    assert (report.added, report.known, report.merged) == (0, 2, 0)
    assert find_duplicates(gallery, tiers=["identical"])["groups"] == []


def test_a_limit_moves_nothing_that_it_has_not_seen(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    gallery, _ = fill(folder)
    before = places(gallery)
    assert fill(folder, limit=2)[1].followed == {}
    assert places(gallery) == before


def test_a_plan_says_what_an_ingest_then_does_and_changes_no_file(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 6)
    gallery, _ = fill(folder)
    (folder / "cup").rename(folder / "mug")
    draw(folder / "bowl" / "001.png", 77)
    (folder / "shoe" / "002.png").unlink()
    (folder / "broken.jpg").write_bytes(b"text")
    before = {file: file.read_bytes() for file in gallery.root.rglob("*") if file.is_file()}
    spec = f"folder:root={folder}"
    planned = ingestion.plan(gallery, plugins.build("datasets", spec), dataset_spec=spec)
    assert {file: file.read_bytes() for file in gallery.root.rglob("*") if file.is_file()} == before
    _, done = fill(folder)
    planned.seconds = done.seconds
    assert planned == done
    assert done.followed == {"moved": 2, "label": 2, "replaced": 1, "gone": 1}


def test_the_verbs_plan_follow_verify_and_remove_what_is_gone(home: Path, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    ingest = ("ingest", "small", "--dataset", f"folder:root={folder}", "--encoder", SPEC, "--progress", "none")
    planned = json.loads(run(*ingest, "--plan", "--json").stdout)
    assert (planned["plan"], planned["added"], planned["followed"]) == (True, 4, {})
    assert not (home / "galleries").exists() or not list((home / "galleries").iterdir())
    assert run(*ingest).returncode == 0
    assert "nothing would change" in run(*ingest, "--plan").stdout
    (folder / "cup" / "000.png").unlink()
    draw(folder / "bowl" / "001.png", 55)
    checked = run("verify", "small", "--files", "--progress", "none")
    assert checked.returncode == 1
    assert "1 pictures' files are gone or were moved, such as cup/000.png" in checked.stdout
    assert "1 pictures' files have other bytes than at their ingest, such as bowl/001.png" in checked.stdout
    assert "1 replaced by new bytes, 1 gone from the disk" in run(*ingest).stdout
    assert run("remove", "small").returncode == 2
    assert "1 removed" in run("remove", "small", "--gone").stdout
    assert "no picture is listed as gone" in run("remove", "small", "--gone").stdout
    assert run("verify", "small", "--files", "--progress", "none").returncode == 0


def test_of_a_gallery_without_owners_a_missing_row_is_never_taken_for_replaced(home: Path, tmp_path: Path) -> None:
    one, two = photos(tmp_path / "one", 3), photos(tmp_path / "two", 3, first=10)
    draw(one / "same.png", 70)
    draw(two / "same.png", 71)
    fill(one)
    gallery, _ = fill(two)
    (gallery.root / "owners.csv").unlink()  # as an older Semblance left it
    (one / "same.png").unlink()
    _, report = fill(two)
    assert gallery.removed() == set()
    assert report.followed == {"gone": 1}
    with pytest.raises(GalleryError, match="is gone or was changed"):
        read_original("same.png", next(iter(gallery.gone())), roots(gallery), "small")
    assert create_gallery("small", Settings()).info().gone == 1
