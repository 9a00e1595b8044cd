"""Triplets that people judged: both file forms, every way a file can be wrong, pictures that are not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from training.sampling.human_triplets import HumanTriplet, load, resolve

URL = "http://t{}.gstatic.com/images?q=tbn:ANd9Gc{}"
PUBLIC = "\n".join(
    [
        *("kirsten+dunst", URL.format(0, "Qaa"), URL.format(1, "Qbb"), URL.format(2, "Qcc")),
        *("50+cent", URL.format(0, "Qaa"), URL.format(3, "Qdd"), URL.format(1, "Qbb")),
    ]
)


def saved(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")  # only its name is looked at
    return root


@pytest.mark.parametrize("ending", ["", "\n", "\r\n\r\n"])
def test_the_public_file_is_four_lines_a_triplet(ending: str, tmp_path: Path) -> None:
    first, second = load(saved(tmp_path, "query_and_triplets.txt", PUBLIC + ending))
    assert first == HumanTriplet(URL.format(0, "Qaa"), URL.format(1, "Qbb"), URL.format(2, "Qcc"), "kirsten dunst")
    assert second.text == "50 cent"


@pytest.mark.parametrize(
    "text",
    [
        "query,positive,negative\na.jpg,b.jpg,c.jpg\n",
        "a.jpg,b.jpg,c.jpg",
        "\ufeffNegative, rater ,Anchor,positive\r\nc.jpg,7,a.jpg,b.jpg\r\n\r\n",
    ],
)
def test_a_csv_has_three_columns_or_names_them(text: str, tmp_path: Path) -> None:
    assert load(saved(tmp_path, "triplets.csv", text)) == [HumanTriplet("a.jpg", "b.jpg", "c.jpg")]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.txt", PUBLIC.replace(URL.format(1, "Qbb"), "gone", 1), r"t\.txt, line 3: 'gone' is not a URL"),
        ("t.txt", PUBLIC.replace("50+cent\n", ""), "line 5: a URL where the text"),
        ("t.txt", PUBLIC.rpartition("\n")[0], "line 7: the file ends inside a triplet"),
        ("t.txt", "\n\n", "holds no triplets"),
        ("t.txt", b"kirsten\n\xff\n", "line 2: not UTF-8"),
        ("t.csv", "query,positive,negative\n", "holds no triplets"),
        ("t.csv", "a,b,c\na,b\n", "line 2: 2 cells where 3 are expected"),
        ("t.csv", "query,positive,negative,rater\na,b,c,1\na,b,c\n", "line 3: 3 cells where 4"),
        ("t.csv", "a,b,c\n\na,,c\n", "line 3: the positive is empty"),
        ("t.csv", 'a,b,"c\n', "line 1: .*check the quotes"),
        ("t.json", "[]", r"neither \.txt .* nor \.csv"),
    ],
)
def test_a_malformed_file_is_one_sentence_with_the_line(
    name: str, text: str | bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says) as raised:
        load(saved(tmp_path, name, text))
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*No such file"):
        load(tmp_path / "none.csv")


def test_urls_are_found_by_sha1_by_tbn_id_and_by_name_and_the_rest_is_counted(tmp_path: Path) -> None:
    sha1 = hashlib.sha1(URL.format(0, "Qaa").encode()).hexdigest()
    root = pictures(tmp_path / "pictures", f"ab/{sha1}.jpg", "ANd9GcQbb.jpeg", "my cat.png")
    triplets = [
        HumanTriplet(URL.format(0, "Qaa"), URL.format(1, "Qbb"), "https://example.org/x/my%20cat.png?size=9"),
        HumanTriplet(URL.format(0, "Qaa"), URL.format(1, "Qbb"), URL.format(2, "Qcc")),
        HumanTriplet(URL.format(0, "Qaa"), URL.format(2, "Qcc"), URL.format(3, "Qdd")),
    ]
    resolved = resolve(triplets, root)
    assert resolved.triplets == [(f"ab/{sha1}.jpg", "ANd9GcQbb.jpeg", "my cat.png")]
    assert resolved.rows == [0]
    assert resolved.unreachable == [URL.format(2, "Qcc"), URL.format(3, "Qdd")]
    assert resolved.report() == "1 of 3 triplets can be used; 2 of 5 pictures are not there"


def test_a_name_that_two_files_share_is_nobodys(tmp_path: Path) -> None:
    root = pictures(tmp_path, "a/1.jpg", "b/1.jpg", "2.jpg", "3.jpg")
    url = "http://example.org/{}.jpg"
    resolved = resolve([HumanTriplet(url.format(1), url.format(2), url.format(3))], root)
    assert resolved.unreachable == [url.format(1)]


def test_paths_are_below_the_root_with_or_without_its_name(tmp_path: Path) -> None:
    root = pictures(tmp_path / "tiny-imagenet-200", "train/n1/a.jpg", "train/n1/b.jpg", "val/c.jpg")
    pictures(tmp_path, "outside.jpg")
    absolute = str(root / "train/n1/b.jpg")
    triplets = [
        HumanTriplet("train/n1/a.jpg", absolute, "tiny-imagenet-200/val/c.jpg"),
        HumanTriplet("train/n1/a.jpg", absolute, "../outside.jpg"),
    ]
    resolved = resolve(triplets, root)
    assert resolved.triplets == [("train/n1/a.jpg", "train/n1/b.jpg", "val/c.jpg")]
    assert resolved.unreachable == ["../outside.jpg"]


def test_a_root_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        resolve([HumanTriplet("a", "b", "c")], tmp_path / "none")
