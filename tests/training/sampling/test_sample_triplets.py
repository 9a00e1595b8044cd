"""The CSV tool: the file that the student project's other scripts read, from any dataset."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.records import ImageRecord, Progress, silent
from training.sampling.sample_triplets import TripletFile, sample_triplets


class Listed:
    """A dataset that is its list of records."""

    def __init__(self, records: list[ImageRecord]) -> None:
        self.root = Path("/data/tiny-imagenet-200")
        self._records = records

    def prepare(self, progress: Progress = silent) -> None:
        pass

    def records(self) -> Iterator[ImageRecord]:
        yield from self._records


def pictures(split: str = "", **sizes: int) -> list[ImageRecord]:
    """`sizes` pictures a label, the labels mixed."""
    most = max(sizes.values())
    return [
        ImageRecord(f"{split or 'all'}/{label}/images/{label}_{i}.JPEG", label=label, split=split)
        for i in range(most)
        for label, size in sizes.items()
        if i < size
    ]


def write(dataset: Listed, folder: Path, **options: object) -> TripletFile:
    defaults = {"training": True, "num_pos_images": 1, "num_neg_images": 1, "seed": 0}
    return sample_triplets(dataset, folder=folder, **(defaults | options))


def rows(file: TripletFile) -> list[tuple[str, str, str]]:
    with file.path.open(newline="") as text:
        return [(row["query"], row["positive"], row["negative"]) for row in csv.DictReader(text)]


def label(value: str) -> str:
    return value.split("/")[2]  # as the student project's eval.py reads it


def test_the_file_has_the_known_name_header_and_values(tmp_path: Path) -> None:
    dataset = Listed(pictures("train", cat=4, dog=3) + pictures("validation", cat=2, dog=2))
    file = write(dataset, tmp_path)
    assert file.path == tmp_path / "training_triplet_sample.csv"
    lines = file.path.read_bytes().decode().split("\n")
    assert lines[0] == "query,positive,negative"
    assert lines[1].startswith("tiny-imagenet-200/train/cat/images/cat_0.JPEG,tiny-imagenet-200/train/cat/images/cat_")
    assert (file.count, file.alone, file.unlabeled) == (len(lines) - 2, 0, 0) == (7, 0, 0)
    validation = write(dataset, tmp_path, training=False)
    assert validation.path.name == "val_triplet_sample.csv"
    assert {value.split("/")[1] for row in rows(validation) for value in row} == {"validation"}


def test_every_picture_is_a_query_with_distinct_positives_and_negatives(tmp_path: Path) -> None:
    file = write(Listed(pictures(cat=5, dog=4, cow=6)), tmp_path, num_pos_images=3, num_neg_images=2)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for query, positive, negative in rows(file):
        assert query != positive
        assert label(query) == label(positive) != label(negative)
        found[query][positive].append(negative)
    assert len(found) == 15
    assert all(len(positives) == 3 for positives in found.values())
    assert all(len(set(negatives)) == len(negatives) == 2 for p in found.values() for negatives in p.values())
    assert file.count == 15 * 3 * 2


def test_queries_come_label_by_label(tmp_path: Path) -> None:
    labels = [label(query) for query, _, _ in rows(write(Listed(pictures(cat=5, dog=4, cow=6)), tmp_path))]
    assert labels == sorted(labels)


def test_more_than_there_are_is_all_there_are(tmp_path: Path) -> None:
    file = write(Listed(pictures(cat=3, dog=2)), tmp_path, num_pos_images=9, num_neg_images=9)
    triplets = {(q, p, n) for q, p, n in rows(file) if q != p and label(q) == label(p) != label(n)}
    assert len(triplets) == file.count == 3 * 2 * 2 + 2 * 1 * 3


def test_all_negatives_come_equally_often(tmp_path: Path) -> None:
    file = write(Listed(pictures(cat=2, dog=6, cow=4)), tmp_path, num_neg_images=3)
    counts = Counter(
        negative
        for seed in range(300)
        for query, _, negative in rows(
            write(Listed(pictures(cat=2, dog=6, cow=4)), file.path.parent, num_neg_images=3, seed=seed)
        )
        if query.endswith("cat_0.JPEG")
    )
    assert sum(counts.values()) == 900
    assert len(counts) == 10
    assert all(60 < count < 120 for count in counts.values())  # 90 each, sd 8


def test_the_seed_decides(tmp_path: Path) -> None:
    dataset = Listed(pictures(cat=9, dog=9))
    first = rows(write(dataset, tmp_path))
    assert rows(write(dataset, tmp_path)) == first
    assert rows(write(dataset, tmp_path, seed=1)) != first


def test_a_picture_alone_in_its_label_is_counted_and_only_ever_a_negative(tmp_path: Path) -> None:
    file = write(Listed([*pictures(cat=3, dog=3, yak=1), ImageRecord("all/nobody.JPEG")]), tmp_path, num_neg_images=4)
    columns = list(zip(*rows(file), strict=True))
    assert (file.alone, file.unlabeled) == (1, 1)
    assert "yak" not in {label(value) for value in columns[0] + columns[1]}
    assert "yak" in {label(value) for value in columns[2]}
    assert not any("nobody" in value for column in columns for value in column)


def test_a_hundred_thousand_queries_are_one_line_each(tmp_path: Path) -> None:
    dataset = Listed(pictures("train", **{f"n{i:08}": 500 for i in range(200)}))
    said: list[tuple[str, int, int]] = []
    file = write(dataset, tmp_path, progress=lambda *event: said.append(event))
    assert file.count == 100_000
    assert said[-1] == ("triplets", 100_000, 100_000)


def test_names_with_commas_and_bytes_that_are_not_utf8_come_back_as_they_were(tmp_path: Path) -> None:
    odd = [ImageRecord('a/one, "two".jpg', label="a"), ImageRecord("a/\udcff.jpg", label="a"), *pictures(b=2)]
    path = write(Listed(odd), tmp_path).path
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as text:
        queries = {row["query"] for row in csv.DictReader(text)}
    assert {f"tiny-imagenet-200/{record.path}" for record in odd} == queries


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([ImageRecord("a.jpg"), ImageRecord("b.jpg")], "no labels"),
        (pictures(cat=1, dog=1), "no positives"),
        (pictures(cat=4), "no negatives"),
        (pictures("validation", cat=2, dog=2) + pictures("test", cat=1), "no split 'train', only test, validation"),
    ],
)
def test_a_dataset_that_makes_no_triplets_is_refused_and_no_file_is_left(
    records: list[ImageRecord], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says):
        write(Listed(records), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["num_pos_images", "num_neg_images"])
def test_less_than_one_picture_is_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} is 0"):
        write(Listed(pictures(cat=2, dog=2)), tmp_path, **{option: 0})


def test_a_failed_write_leaves_the_file_of_before(tmp_path: Path) -> None:
    def stop(*event: object) -> None:
        raise KeyboardInterrupt

    before = write(Listed(pictures(cat=2, dog=2)), tmp_path).path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write(Listed(pictures(cat=9, dog=9)), tmp_path, progress=stop)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]
