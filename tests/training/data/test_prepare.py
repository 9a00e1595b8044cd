"""A dataset made ready: who is in which split, what is dropped, and that it is the same every time."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_training import LABELS, Said, draw, photos

from pipeline import plugins
from pipeline.errors import UsageError
from training.data import prepare as module
from training.data import prepared
from training.data.prepare import prepare
from training.data.prepared import Prepared


def made(root: Path, folder: Path, **options) -> Prepared:
    spec = f"folder:root={root}"
    about = prepare(plugins.build("datasets", spec), folder, spec=spec, **options)
    found = prepared.load(folder)
    assert found.about == json.loads(json.dumps(about))
    return found


def counts(data: Prepared) -> dict[tuple[str, str], int]:
    return dict(Counter(zip(data.table["label"], data.table["split"], strict=True)))


def splits(data: Prepared) -> dict[str, str]:
    return dict(zip(data.table["path"], data.table["split"], strict=True))


def three(root: Path) -> Path:
    """4 labels; train 10, validation 4 of each."""
    photos(root, labels=LABELS[:4], each=10, split="train")
    return photos(root, labels=LABELS[:4], each=4, split="val", first=20)


def test_the_official_validation_is_the_test_and_dev_is_cut_from_each_label_of_train(tmp_path: Path) -> None:
    data = made(three(tmp_path / "photos"), tmp_path / "out", dev_share=0.2)
    assert counts(data) == {
        (label, split): n for label in LABELS[:4] for split, n in (("train", 8), ("dev", 2), ("test", 4))
    }
    assert all(split == "test" for path, split in splits(data).items() if path.startswith("val/"))
    assert data.about["splits"] == {"train": 32, "dev": 8, "test": 16}


def test_beside_a_test_split_validation_is_dev_and_nothing_is_cut_off_train(tmp_path: Path) -> None:
    photos(three(tmp_path / "photos"), labels=LABELS[:4], each=2, split="test", first=30)
    found = splits(made(tmp_path / "photos", tmp_path / "out"))
    assert {split for path, split in found.items() if path.startswith("test/")} == {"test"}
    assert {split for path, split in found.items() if path.startswith("val/")} == {"dev"}
    assert {split for path, split in found.items() if path.startswith("train/")} == {"train"}


def test_items_that_are_searched_for_are_never_trained_on(tmp_path: Path) -> None:
    lines = ["path,label,split"]
    for split, first in (("train", 0), ("query", 30), ("gallery", 40)):
        photos(tmp_path / "photos", labels=LABELS[:3], each=10, split=split, first=first)
        lines += [
            f"{split}/{label}/{i:02d}.png,{label},{split}" for label in LABELS[:3] for i in range(first, first + 10)
        ]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    spec = f"table:file={tmp_path / 'list.csv'},root={tmp_path / 'photos'}"
    prepare(plugins.build("datasets", spec), tmp_path / "out", spec=spec)
    found = splits(prepared.load(tmp_path / "out"))
    assert {split for path, split in found.items() if path.split("/")[0] in ("query", "gallery")} == {"test"}
    assert {split for path, split in found.items() if path.startswith("train/")} == {"train", "dev"}


def test_so_many_labels_are_drawn_as_are_asked_for(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", labels=LABELS[:5], each=10)
    some = made(root, tmp_path / "some", labels=3)
    assert len(some.about["labels"]) == 3
    assert splits(some) == splits(made(root, tmp_path / "again", labels=3))
    with pytest.raises(UsageError, match="9 labels are asked for and this dataset has 5"):
        made(root, tmp_path / "more", labels=9)


def test_without_an_official_test_as_much_as_for_dev_is_cut_off(data: Prepared) -> None:
    assert counts(data) == {(label, s): n for label in LABELS for s, n in (("train", 28), ("dev", 6), ("test", 6))}


def test_rows_pixels_and_numbers_of_labels_belong_together(data: Prepared, stripes: Path) -> None:
    for row in range(0, len(data.table), 37):
        label, file = data.table["label"][row], stripes / data.table["path"][row]
        assert file.parent.name == label == data.about["labels"][data.labels[row]]
        np.testing.assert_array_equal(data.pixels[row], np.asarray(Image.open(file)))
    assert sorted(np.concatenate([data.split(s) for s in ("train", "dev", "test")])) == list(range(240))


def test_the_open_sets_labels_are_a_quarter_at_most_and_can_be_left_out_or_taken_alone(data: Prepared) -> None:
    assert len(data.about["open"]) == 1
    opened = LABELS.index(data.about["open"][0])
    assert set(data.labels[data.split("train", open_set=True)]) == {opened}
    assert set(data.labels[data.split("train", open_set=False)]) == set(range(6)) - {opened}
    assert len(data.split("train")) == 168


def test_a_picture_with_two_labels_is_dropped_from_both_and_listed(tmp_path: Path) -> None:
    root = three(tmp_path / "photos")
    shutil.copy(root / "train/apple/03.png", root / "train/brick/copy.png")
    Image.open(root / "train/cloud/04.png").save(root / "val/dune/again.png", compress_level=9)  # other bytes
    data = made(root, tmp_path / "out")
    gone = {"train/apple/03.png", "train/brick/copy.png", "train/cloud/04.png", "val/dune/again.png"}
    assert {x["path"] for x in data.about["dropped"]} == gone
    assert {x["why"] for x in data.about["dropped"]} == {"the same picture has another label too"}
    assert not gone & set(data.table["path"])
    assert len(data.pixels) == len(data.table) == 4 * 14 - 2


def test_a_copy_of_a_test_picture_leaves_train_and_of_other_copies_one_stays(tmp_path: Path) -> None:
    root = three(tmp_path / "photos")
    shutil.copy(root / "val/apple/20.png", root / "train/apple/leak.png")
    shutil.copy(root / "train/brick/01.png", root / "train/brick/zz.png")
    data = made(root, tmp_path / "out")
    assert {(x["path"], x["why"]) for x in data.about["dropped"]} == {
        ("train/apple/leak.png", "a copy of val/apple/20.png"),
        ("train/brick/zz.png", "a copy of train/brick/01.png"),
    }
    assert splits(data)["val/apple/20.png"] == "test"


def test_files_that_cannot_be_read_are_counted_with_their_reason(tmp_path: Path) -> None:
    root = three(tmp_path / "photos")
    (root / "train/apple/bad.png").write_text("no picture")
    file = root / "train/brick/00.png"
    file.write_bytes(file.read_bytes()[:500])
    data = made(root, tmp_path / "out")
    assert {path for path, _ in data.about["rejected"]} == {"train/apple/bad.png", "train/brick/00.png"}
    assert all(reason for _, reason in data.about["rejected"])
    assert len(data.table) == 55


def test_mean_and_deviation_are_those_of_a_plain_loop_over_train(tmp_path: Path) -> None:
    data = made(photos(tmp_path / "photos", labels=LABELS[:2], each=5), tmp_path / "out", side=16, dev_share=0.2)
    for channel in range(3):
        values = [int(v) / 255 for i in data.split("train") for v in data.pixels[i, :, :, channel].ravel()]
        mean = sum(values) / len(values)
        assert data.about["mean"][channel] == pytest.approx(mean, abs=6e-5)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        assert data.about["std"][channel] == pytest.approx(variance**0.5, abs=6e-5)


def test_a_seed_makes_the_same_splits_again_and_another_one_others(tmp_path: Path) -> None:
    root = three(tmp_path / "photos")
    one, two, other = (made(root, tmp_path / str(i), seed=seed) for i, seed in enumerate((0, 0, 1)))
    assert splits(one) == splits(two) != splits(other)
    np.testing.assert_array_equal(one.pixels, two.pixels)
    for name in ("pixels.npy", "prepared.json"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_a_limit_is_for_each_label_of_each_split(tmp_path: Path) -> None:
    data = made(three(tmp_path / "photos"), tmp_path / "out", limit=3, dev_share=0.34)
    assert counts(data) == {(x, s): n for x in LABELS[:4] for s, n in (("train", 2), ("dev", 1), ("test", 3))}


@pytest.mark.parametrize("file", ["pixels.npy", "pictures.parquet", "prepared.json"])
def test_a_kill_while_it_writes_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    root = photos(tmp_path / "photos", labels=LABELS[:2], each=4)
    made(root, tmp_path / "out")
    photos(root, labels=LABELS[:2], each=2, first=10)
    real = module.atomic.os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == file:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as dying:
        dying.setattr(module.atomic.os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            made(root, tmp_path / "out")
    with pytest.raises(UsageError, match=r"holds no prepared pictures .* python -m training prepare"):
        prepared.load(tmp_path / "out")
    assert len(made(root, tmp_path / "out").table) == 12


def test_a_kill_while_it_reads_leaves_the_earlier_preparation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path / "photos", labels=LABELS[:2], each=4)
    made(root, tmp_path / "out")
    photos(root, labels=LABELS[:2], each=2, first=10)

    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(root, tmp_path / "out", progress=stop)
    assert len(prepared.load(tmp_path / "out").table) == 8


def test_pictures_and_rows_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    made(photos(tmp_path / "photos", labels=LABELS[:2], each=4), tmp_path / "out")
    np.save(tmp_path / "out" / "pixels.npy", np.zeros((7, 64, 64, 3), np.uint8))
    with pytest.raises(UsageError, match="is damaged: 7 pictures but 8 rows; prepare it again"):
        prepared.load(tmp_path / "out")
    (tmp_path / "out" / "pixels.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(UsageError, match="holds no prepared pictures"):
        prepared.load(tmp_path / "out")


def test_datasets_that_nothing_can_be_learned_from_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    draw(0, 0).save(tmp_path / "flat" / "a.png")
    with pytest.raises(
        UsageError, match="at least two labels and this dataset has 0; for a folder, name its subfolders"
    ):
        made(tmp_path / "flat", tmp_path / "out")
    with pytest.raises(UsageError, match="at least two labels and this dataset has 1;"):
        made(photos(tmp_path / "one", labels=LABELS[:1], each=2), tmp_path / "out")
    photos(tmp_path / "same", labels=LABELS[:1], each=1)
    shutil.copytree(tmp_path / "same" / "apple", tmp_path / "same" / "pear")
    photos(tmp_path / "same", labels=("cloud",), each=2)
    with pytest.raises(UsageError, match="at least two labels and this dataset has 1;"):
        made(tmp_path / "same", tmp_path / "out")
    with pytest.raises(UsageError, match="all its 8 labelled pictures are of the split test, none to train on"):
        made(photos(tmp_path / "tests", labels=LABELS[:2], each=4, split="test"), tmp_path / "out")
    for label in LABELS[:2]:
        (tmp_path / "bad" / label).mkdir(parents=True)
        (tmp_path / "bad" / label / "x.png").write_text("no picture")
    with pytest.raises(UsageError, match="no picture could be read; the first said: "):
        made(tmp_path / "bad", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line_says_what_it_made(home: Path, tmp_path: Path, said: Said) -> None:
    root = three(tmp_path / "photos")
    shutil.copy(root / "train/apple/03.png", root / "train/brick/copy.png")
    code, out, _ = said("prepare", f"folder:root={root}", tmp_path / "out", "--progress", "none")
    assert code == 0
    assert "35 train, 4 dev, 16 test; 4 labels, 1 of them the open set" in out
    assert "2 copies dropped and 0 not readable, see prepared.json" in out
    refused = said("prepare", f"folder:root={root}", tmp_path / "other", "--dev_share", "0.7")
    assert refused == (2, "", "error: dev share 0.7 is not between 0 and 0.5")
    assert said("prepare", f"folder:root={root}", tmp_path / "other", "--side", "0")[0] == 2
    assert not (tmp_path / "other").exists()
