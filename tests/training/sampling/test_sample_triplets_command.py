"""The verb keeps the contract of the student project's `triplet_sampler.py`: options, file names, columns, values."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.errors import UsageError
from training.__main__ import app

KNOWN = ("sample-triplets", "--training", "1", "--num-pos-images", "1", "--num-neg-images", "1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a tiny-imagenet-200 of two labels below it: four train and two validation pictures each."""
    root = tmp_path / "tiny-imagenet-200"
    wnids = {"n01": "goldfish", "n02": "black widow"}
    boxes = []
    for wnid in wnids:
        images = root / "train" / wnid / "images"
        images.mkdir(parents=True)
        for i in range(4):
            (images / f"{wnid}_{i}.JPEG").write_bytes(b"")  # sampling opens no picture
    (root / "val" / "images").mkdir(parents=True)
    for i, wnid in enumerate(("n01", "n02", "n01", "n02")):
        (root / "val" / "images" / f"val_{i}.JPEG").write_bytes(b"")
        boxes.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t9\t9\n")
    (root / "val" / "val_annotations.txt").write_text("".join(boxes))
    (root / "wnids.txt").write_text("\n".join(wnids))
    (root / "words.txt").write_text("".join(f"{wnid}\t{word}\n" for wnid, word in wnids.items()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words, catch_exceptions=False)


def rows(file: Path) -> list[list[str]]:
    with file.open(newline="") as text:
        return list(csv.reader(text))


def test_the_known_command_writes_the_known_file_from_the_known_folder(here: Path) -> None:
    done = run(*KNOWN)
    assert done.exit_code == 0
    header, *triplets = rows(here / "training_triplet_sample.csv")
    assert header == ["query", "positive", "negative"]
    assert done.stdout == f"training_triplet_sample.csv: {len(triplets)} triplets, seed 0\n"
    assert len(triplets) == len({query for query, _, _ in triplets}) == 8
    for query, positive, negative in triplets:
        assert Path(query).is_relative_to("tiny-imagenet-200/train")
        assert query != positive
        assert query.split("/")[2] == positive.split("/")[2] != negative.split("/")[2]
    assert all(Path(value).is_file() for triplet in triplets for value in triplet)


def test_training_0_writes_the_validation_file(here: Path) -> None:
    run("sample-triplets", "--training", "0")
    triplets = rows(here / "val_triplet_sample.csv")[1:]
    annotations = (here / "tiny-imagenet-200/val/val_annotations.txt").read_text()
    wnid = dict(line.split("\t")[:2] for line in annotations.splitlines())
    assert len(triplets) == 4
    for query, positive, negative in triplets:
        assert query.startswith("tiny-imagenet-200/val/images/")
        assert wnid[Path(query).name] == wnid[Path(positive).name] != wnid[Path(negative).name]


def test_options_with_underscores_mean_the_same(here: Path) -> None:
    run(*KNOWN, "--folder", "a")
    run("sample_triplets", "--training", "1", "--num_pos_images", "1", "--num_neg_images", "1", "--folder", "b")
    first, second = (here / name / "training_triplet_sample.csv" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_every_query_has_as_many_positives_and_negatives_as_asked(here: Path) -> None:
    run("sample-triplets", "--training", "1", "--num_pos_images", "2", "--num_neg_images", "3")
    triplets = rows(here / "training_triplet_sample.csv")[1:]
    assert len(triplets) == 8 * 2 * 3
    assert len({tuple(triplet) for triplet in triplets}) == 8 * 2 * 3


def test_the_seed_decides(here: Path) -> None:
    files = []
    for seed in ("1", "1", "2"):
        run(*KNOWN, "--seed", seed)
        files.append((here / "training_triplet_sample.csv").read_bytes())
    assert files[0] == files[1] != files[2]


def test_any_labelled_dataset_will_do_and_what_is_left_out_is_said(here: Path) -> None:
    for path in ("cups/a.jpg", "cups/b.jpg", "hats/c.jpg", "d.jpg"):
        (here / "mine" / path).parent.mkdir(parents=True, exist_ok=True)
        (here / "mine" / path).write_bytes(b"")
    done = run(*KNOWN, "--dataset", "folder:root=mine", "--folder", "out")
    assert done.stdout.splitlines() == [
        "out/training_triplet_sample.csv: 2 triplets, seed 0",
        "alone with their label, so negatives only: 1",
        "without a label, left out: 1",
    ]
    assert {tuple(row) for row in rows(here / "out" / "training_triplet_sample.csv")[1:]} == {
        ("mine/cups/a.jpg", "mine/cups/b.jpg", "mine/hats/c.jpg"),
        ("mine/cups/b.jpg", "mine/cups/a.jpg", "mine/hats/c.jpg"),
    }


def test_without_the_folder_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no folder tiny-imagenet-200 .*--dataset tiny_imagenet"):
        run(*KNOWN)


@pytest.mark.parametrize("wrong", [("--training", "2"), ("--training", "yes"), ()])
def test_training_is_0_or_1(here: Path, wrong: tuple[str, ...]) -> None:
    assert run("sample-triplets", *wrong).exit_code == 2
    assert list(here.glob("*.csv")) == []
