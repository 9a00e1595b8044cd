"""ImageNet with its validation pictures in folders or flat, as published or as Kaggle lays it out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.records import ImageRecord

FISH, BIRD, LIFTER = "n01443537", "n02012849", "n03126707"  # a goldfish and two cranes
TRAIN = [f"train/{FISH}/{FISH}_10.JPEG", f"train/{BIRD}/{BIRD}_1.JPEG", f"train/{LIFTER}/{LIFTER}_1.JPEG"]
FLAT = {f"ILSVRC2012_val_0000000{i}": wnid for i, wnid in enumerate((LIFTER, FISH, BIRD), start=1)}
TEST = "test/ILSVRC2012_test_00000001.JPEG"
WORDS = {FISH: "goldfish, Carassius auratus", BIRD: "crane", LIFTER: "crane"}
LABELS = {FISH: "goldfish", BIRD: f"crane ({BIRD})", LIFTER: f"crane ({LIFTER})"}


def put(folder: Path, *, flat: bool) -> Path:
    """train, val and test, pictures only."""
    val = [f"val/{name}.JPEG" if flat else f"val/{wnid}/{name}.JPEG" for name, wnid in FLAT.items()]
    for name in [*TRAIN, *val, TEST]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (len(name), 90, 30)).save(folder / name, "JPEG")
    return folder


def kaggles_lists(folder: Path) -> None:
    rows = [f"{name},{wnid} 1 2 3 4 {wnid} 5 6 7 8 \n" for name, wnid in reversed(FLAT.items())]
    (folder / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "".join(rows))
    (folder / "LOC_synset_mapping.txt").write_text("".join(f"{wnid} {text}\n" for wnid, text in WORDS.items()))


def kit(folder: Path) -> None:
    """The development kit's two files; numbers do not follow the wnids' order, and there are more synsets than labels."""
    folder.mkdir(parents=True)
    rows = [(3, FISH, WORDS[FISH]), (1, BIRD, WORDS[BIRD]), (2, LIFTER, WORDS[LIFTER]), (1001, "n00001740", "entity")]
    kinds = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("words", "O")]
    savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=kinds).reshape(-1, 1)})
    numbers = {wnid: number for number, wnid, _ in rows}
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{numbers[w]}\n" for w in FLAT.values()))


def records(root: Path) -> list[ImageRecord]:
    return list(plugins.build("datasets", f"imagenet:root={root}").records())


def expected(*, flat: bool, words: bool = True) -> list[ImageRecord]:
    found = []
    for path in TRAIN:
        wnid = path.split("/")[1]
        found.append((path, wnid, "train"))
    for name, wnid in sorted(FLAT.items(), key=lambda item: item[0] if flat else item[1]):
        found.append((f"val/{name}.JPEG" if flat else f"val/{wnid}/{name}.JPEG", wnid, "validation"))
    made = [
        ImageRecord(path, LABELS[wnid] if words else wnid, split, {"wnid": wnid, "words": WORDS[wnid] if words else ""})
        for path, wnid, split in found
    ]
    return [*made, ImageRecord(TEST, "", "test", {"wnid": "", "words": ""})]


@pytest.mark.parametrize("root", ["", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC"])
def test_kaggles_download_reads_from_any_of_its_folders(tmp_path: Path, root: str) -> None:
    put(tmp_path / "ILSVRC/Data/CLS-LOC", flat=True)
    kaggles_lists(tmp_path)
    assert records(tmp_path / root) == expected(flat=True)


@pytest.mark.parametrize("place", ["", "data", "ILSVRC2012_devkit_t12/data"])
def test_a_flat_val_reads_with_the_development_kit(tmp_path: Path, place: str) -> None:
    root = put(tmp_path / "in", flat=True)
    kit(tmp_path / "kit")
    (root / place).mkdir(parents=True, exist_ok=True)
    for file in (tmp_path / "kit").iterdir():
        shutil.copy(file, root / place)
    assert records(root) == expected(flat=True)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("LOC_synset_mapping.txt", "{} {}\n"),
        ("synset_words.txt", "{} {}\n"),
        ("words.txt", "{}\t{}\n"),
        ("LOC_synset_mapping.txt", "{} : {}\n"),
    ],
)
def test_words_are_read_from_the_files_people_have(tmp_path: Path, name: str, line: str) -> None:
    root = put(tmp_path, flat=False)
    rows = [("n00001740", "goldfish"), *WORDS.items()]  # of another synset, whose label is nobody's rival
    (root / name).write_text("".join(line.format(wnid, text) for wnid, text in rows))
    assert records(root) == expected(flat=False)


def test_without_words_a_label_is_its_wnid(tmp_path: Path) -> None:
    assert records(put(tmp_path, flat=False)) == expected(flat=False, words=False)


@pytest.mark.parametrize("only", ["train", "val"])
def test_train_or_val_alone_will_do(tmp_path: Path, only: str) -> None:
    put(tmp_path, flat=False)
    for other in {"train", "val", "test"} - {only}:
        shutil.rmtree(tmp_path / other)
    assert {record.path.split("/")[0] for record in records(tmp_path)} == {only}


def test_a_flat_val_alone_has_words_for_labels(tmp_path: Path) -> None:
    kaggles_lists(put(tmp_path, flat=True))
    for other in ("train", "test"):
        shutil.rmtree(tmp_path / other)
    assert records(tmp_path) == [record for record in expected(flat=True) if record.split == "validation"]


def test_the_split_without_labels_says_why(tmp_path: Path) -> None:
    dataset = plugins.build("datasets", f"imagenet:root={put(tmp_path, flat=False)}")
    assert {record.split for record in dataset.records() if not record.label} == set(dataset.unlabeled) == {"test"}


def test_a_flat_val_without_its_labels_says_what_to_put_where(tmp_path: Path) -> None:
    root = put(tmp_path, flat=True)
    with pytest.raises(SemblanceError, match=r"put LOC_val_solution\.csv, or ILSVRC2012_val.* and meta\.mat, into"):
        records(root)


def test_labels_that_do_not_fit_are_a_fault(tmp_path: Path) -> None:
    root = put(tmp_path, flat=True)
    kaggles_lists(root)
    text = (root / "LOC_val_solution.csv").read_text()
    (root / "LOC_val_solution.csv").write_text(text.rpartition("ILSVRC2012_val_00000001")[0])
    with pytest.raises(SemblanceError, match=r"val/ILSVRC2012_val_00000001\.JPEG has no label in .*LOC_val_solution"):
        records(root)
    (root / "LOC_val_solution.csv").write_text("name,label\n")
    with pytest.raises(SemblanceError, match=r"LOC_val_solution\.csv is damaged: its columns"):
        records(root)


@pytest.mark.parametrize("damaged", ["meta.mat", "ILSVRC2012_validation_ground_truth.txt"])
def test_a_damaged_kit_is_named(tmp_path: Path, damaged: str) -> None:
    root = put(tmp_path / "in", flat=True)
    kit(root / "data")
    for data in (b"77\n", b"", b"MATLAB 5.0 MAT-file" + bytes(200)):
        (root / "data" / damaged).write_bytes(data)
        with pytest.raises(SemblanceError, match=damaged):
            records(root)


def test_without_a_root_or_with_another_folder_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"imagenet is not downloaded here; register at https://www\.image-net\.org"):
        plugins.build("datasets", "imagenet:root=")
    (tmp_path / "train/cats").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"is not ImageNet: neither it .* holds train/nXXXXXXXX .* come from https"):
        records(tmp_path)
