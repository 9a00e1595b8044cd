"""Pairs that people have judged: read from tables and LFW's list, measured, written, and kept when the gallery changes."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import pytest
from tiny_gallery import draw, fill, photos, run

from pipeline.errors import UsageError
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import pair_files, verification

HALVES = (verification.CHOOSE, verification.MEASURE)


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    return fill(photos(tmp_path / "photos", 24))[0]


def judged(gallery: Gallery, *, every: int = 1) -> list[tuple[str, str, int]]:
    table = gallery.table()
    pairs = itertools.combinations(zip(table["path"], table["label"], strict=True), 2)
    return [(a, b, int(one == other)) for (a, one), (b, other) in itertools.islice(pairs, 0, None, every)]


def written(file: Path, rows: list[tuple[object, ...]], header: str = "first,second,same") -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        out.write(header + "\n")
        csv.writer(out).writerows(rows)
    return file


def read(file: Path, gallery: Gallery) -> pair_files.PairList:
    return pair_files.read(file, gallery, halves=HALVES, seed=0)


def test_pairs_of_a_table_are_those_of_its_lines(gallery: Gallery, tmp_path: Path) -> None:
    rows = judged(gallery)
    found = read(written(tmp_path / "own.csv", rows), gallery).pairs
    id_of = dict(zip(gallery.table()["path"], gallery.table()["id"], strict=True))
    expected = {(*sorted((id_of[a], id_of[b])), bool(same)) for a, b, same in rows}
    assert set(found[["first", "second", "same"]].itertuples(index=False, name=None)) == expected
    assert len(found) == len(rows)


@pytest.mark.parametrize(
    ("header", "yes", "no"),
    [
        ("first,second,same", "1", "0"),
        ("Path1,Path2,Label", "1.0", "0.0"),
        ("img1;img2;match", "TRUE", "False"),
        ("a\tb\tis_same", "yes", "no"),
        (" image1 | image2 | target ", "same", "different"),
        ("\ufeffid1,id2,genuine", "genuine", "impostor"),
        ("query,other,y", "1", "-1"),
    ],
)
def test_other_names_signs_and_words_mean_the_same(
    gallery: Gallery, tmp_path: Path, header: str, yes: str, no: str
) -> None:
    plain = read(written(tmp_path / "plain.csv", judged(gallery, every=3)), gallery).pairs
    sign = next(one for one in ",;\t|" if one in header)
    lines = [
        sign.join((f"/data/shop/{a}", Path(b).as_posix(), yes if same else no))
        for a, b, same in judged(gallery, every=3)
    ]
    (tmp_path / "other.csv").write_text("\r\n".join([header, *lines, "", ""]), encoding="utf-8")
    assert read(tmp_path / "other.csv", gallery).pairs.equals(plain)


def test_no_picture_is_in_both_halves_where_that_can_be(gallery: Gallery, tmp_path: Path) -> None:
    paths = gallery.table()["path"].tolist()
    rows = [(a, b, 1) for a, b in zip(paths[::2], paths[1::2], strict=True)]
    found = read(written(tmp_path / "own.csv", rows), gallery)
    first, second = (
        set(found.pairs[found.pairs["half"] == half][["first", "second"]].to_numpy().ravel()) for half in HALVES
    )
    assert first
    assert second
    assert not first & second
    assert abs(len(first) - len(second)) <= 2
    assert found.notes == []


def test_halves_that_cannot_be_parted_are_said(gallery: Gallery, tmp_path: Path) -> None:
    found = read(written(tmp_path / "own.csv", judged(gallery)), gallery)
    assert found.notes == ["the two halves share pictures, because nearly all pairs hang together"]
    sizes = found.pairs["half"].value_counts()
    assert abs(sizes.iloc[0] - sizes.iloc[1]) <= 1


@pytest.mark.parametrize(
    ("folds", "second"), [(["choose", "measure"], {1}), (["1", "2", "10"], {2}), (["a", "b"], {1})]
)
def test_folds_say_which_half_a_pair_is_in(
    gallery: Gallery, tmp_path: Path, folds: list[str], second: set[int]
) -> None:
    rows = [(*pair, folds[at % len(folds)]) for at, pair in enumerate(judged(gallery))]
    found = read(written(tmp_path / "own.csv", rows, "first,second,same,fold"), gallery).pairs
    assert [half == HALVES[1] for half in found["half"]] == [at % len(folds) in second for at in range(len(rows))]


def test_what_is_left_out_is_counted_with_an_example(gallery: Gallery, tmp_path: Path) -> None:
    a, b, same = judged(gallery)[0]
    rows = [(a, b, same), (b, a, same), (a, a, 1), (a, "nowhere.png", 1), ("nowhere.png", b, 0)]
    found = read(written(tmp_path / "own.csv", rows), gallery)
    assert len(found.pairs) == 1
    assert found.notes[0].startswith("left out: 2 pairs with names that the gallery does not have")
    assert "nowhere.png" in found.notes[0]
    assert found.notes[1] == "left out: 1 pair of a picture with itself"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("first,second\nx,y", "has no column same; its columns are first, second"),
        ("name,same\nx,1", "has no column first or second"),
        ("first,second,same\n{a},{b},maybe", "line 2: same is 'maybe'; write 1 or 0, yes or no"),
        ("first,second,same\n{a},{b},1\n{b},{a},0", "both same and different, in lines 2 and 3"),
        ("first,second,same\nx,y,1", "names no two pictures of gallery small; it names x"),
        ("first,second,same\n{a},{a},1", "holds no pairs"),
        ("first,second,same", "holds no"),
        ("10\t3\nAnna\t1\t4", "holds 1 pair, and its first line says 60; get it again"),
        ("1\nAnna one four", "line 2 is not NAME 1 4"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(gallery: Gallery, tmp_path: Path, lines: str, said: str) -> None:
    a, b, _ = judged(gallery)[0]
    (tmp_path / "own.csv").write_text(lines.replace("{a}", a).replace("{b}", b), encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read(tmp_path / "own.csv", gallery)


def test_lfws_list_is_read_by_name_and_number(home: Path, tmp_path: Path) -> None:
    for number, who in enumerate(["Anna_Bo", "Cem", "Dee", "Eli"]):
        for picture in (1, 2, 3):
            draw(tmp_path / "faces" / who / f"{who}_{picture:04d}.png", 10 * number + picture, size=(40, 40))
    gallery = fill(tmp_path / "faces")[0]
    lines = ["2\t2", "Anna_Bo\t1\t2", "Cem\t1\t3", "Anna_Bo\t1\tCem\t1", "Cem\t2\tAnna_Bo\t3"]
    lines += ["Dee\t1\t2", "Eli\t2\t3", "Dee\t1\tEli\t1", "Eli\t2\tDee\t3"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read(tmp_path / "pairs.txt", gallery).pairs
    path_of = dict(zip(gallery.table()["id"], gallery.table()["path"], strict=True))
    assert found["same"].tolist() == [True, True, False, False] * 2
    assert found["half"].tolist() == [HALVES[0]] * 4 + [HALVES[1]] * 4
    assert {path_of[one] for one in found.iloc[1][["first", "second"]]} == {"Cem/Cem_0001.png", "Cem/Cem_0003.png"}
    assert {path_of[one] for one in found.iloc[7][["first", "second"]]} == {"Eli/Eli_0002.png", "Dee/Dee_0003.png"}


def test_the_curve_of_a_file_equals_that_of_the_same_pairs_by_label(gallery: Gallery, tmp_path: Path) -> None:
    by_label = verification.curve(gallery)
    pair_files.write(tmp_path / "own.csv", gallery, by_label.pairs)
    curve, notes = verification.curve_of_file(gallery, tmp_path / "own.csv")
    assert notes == []
    assert curve.report["by"] == "pairs:own"
    assert curve.report["points"] == by_label.report["points"]
    assert (curve.report["auc"], curve.report["eer"]) == (by_label.report["auc"], by_label.report["eer"])


def test_pairs_of_a_file_are_scored_anew_when_the_gallery_changed(gallery: Gallery, tmp_path: Path) -> None:
    pair_files.write(tmp_path / "own.csv", gallery, verification.curve(gallery).pairs)
    before, _ = verification.curve_of_file(gallery, tmp_path / "own.csv")
    (tmp_path / "own.csv").unlink()
    gone = before.pairs["first"][0]
    gallery.remove([gone])
    after = verification.curve(gallery, by="pairs:own")
    assert after.report["gone"] == int((before.pairs[["first", "second"]] == gone).any(axis=1).sum()) > 0
    assert not (after.pairs[["first", "second"]] == gone).any(axis=None)
    assert verification.lists(gallery) == ["pairs:own"]
    with pytest.raises(UsageError, match="has no pairs 'pairs:other' from a file; it has pairs:own"):
        verification.curve(gallery, by="pairs:other")


def test_one_half_without_a_kind_is_refused_and_nothing_is_kept(gallery: Gallery, tmp_path: Path) -> None:
    rows = [(*pair, HALVES[0] if pair[2] else HALVES[1]) for pair in judged(gallery)]
    with pytest.raises(UsageError, match="both kinds are needed in both halves"):
        verification.curve_of_file(gallery, written(tmp_path / "own.csv", rows, "first,second,same,half"))
    assert verification.lists(gallery) == []


def test_the_command_line_measures_a_file_writes_its_pairs_and_decides_by_them(
    gallery: Gallery, tmp_path: Path
) -> None:
    file = written(tmp_path / "shop pairs.csv", judged(gallery))
    ran = run("pairs", "small", "--file", file, "--write", tmp_path / "out.csv", "--progress", "none", "--json")
    assert ran.returncode == 0
    assert "halves share pictures" in ran.stderr
    report = json.loads(ran.stdout)
    assert (report["by"], report["file"]) == ("pairs:shop_pairs", "shop pairs.csv")
    again = run("pairs", "small", "--file", tmp_path / "out.csv", "--progress", "none", "--json")
    assert json.loads(again.stdout)["points"] == report["points"]
    a, b, _ = judged(gallery)[0]
    pictures = [tmp_path / "photos" / a, tmp_path / "photos" / b]
    decided = json.loads(run("same", "small", *pictures, "--by", "pairs:shop_pairs", "--json").stdout)
    assert decided["threshold"] == report["points"][1]["threshold"]
    for words, said in (
        (("--file", tmp_path / "gone.csv"), "there is no file"),
        (("--file", file, "--by", "item"), "--by cannot"),
        (("--write", tmp_path / "no" / "out.csv"), "no folder"),
    ):
        ran = run("pairs", "small", *words, "--progress", "none")
        assert ran.returncode == 2
        assert said in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
