"""What to label next: pictures without a label, in a report, a tag and a table, with what they leave uncovered."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tiny_gallery import fill, photos, run

from pipeline.analysis import to_label
from pipeline.errors import UsageError
from pipeline.filters import parse
from pipeline.gallery import reports, tags
from pipeline.gallery.gallery import Gallery


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """Forty pictures, the first ten of them labelled."""
    made = fill(photos(tmp_path / "photos", 40))[0]
    ids = made.table()["id"].tolist()
    made.relabel({picture: "ab"[i % 2] if i < 10 else "" for i, picture in enumerate(ids)})
    return made


@pytest.mark.parametrize("by", list(to_label.WAYS))
def test_each_way_chooses_unlabelled_pictures_once_and_says_how_they_cover(gallery: Gallery, by: str) -> None:
    name = to_label.choose(gallery, 8, by=by)
    report, table = reports.read(gallery, name), reports.table(gallery, name)
    assert table["rank"].tolist() == list(range(1, 9))
    assert table["id"].nunique() == 8
    assert set(table["label"]) == {""}
    assert (report["free"], report["labelled"]) == (30, 10)
    assert 0 <= report["coverage"] <= 2
    assert to_label.said(report).endswith("with random picks")
    again = reports.table(gallery, to_label.choose(gallery, 8, by=by))
    assert again["id"].tolist() == table["id"].tolist()


def test_only_what_passes_is_chosen_from_and_all_counts_labelled_ones_too(gallery: Gallery) -> None:
    paths = gallery.table()["path"].tolist()[10:14]
    name = to_label.choose(gallery, 3, where=parse([f"path={','.join(paths)}"]))
    assert set(reports.table(gallery, name)["path"]) <= set(paths)
    with pytest.raises(UsageError, match="5 pictures to label, and 4 without a label to choose from"):
        to_label.choose(gallery, 5, where=parse([f"path={','.join(paths)}"]))
    with pytest.raises(UsageError, match=r"31 pictures to label, and 30 without a label.*--all chooses among"):
        to_label.choose(gallery, 31)
    assert len(reports.table(gallery, to_label.choose(gallery, 40, everything=True))) == 40


def test_what_cannot_be_asked_is_refused(gallery: Gallery) -> None:
    for count, by, why in ((0, "mix", "ask for 1 to 10,000"), (5, "best", "unknown way 'best'")):
        with pytest.raises(UsageError, match=why):
            to_label.choose(gallery, count, by=by)
    ids = gallery.table()["id"].tolist()
    gallery.relabel(dict.fromkeys(ids, ""))
    with pytest.raises(UsageError, match="at least two different ones have to be there"):
        to_label.choose(gallery, 5, by="uncertain")
    assert len(reports.table(gallery, to_label.choose(gallery, 5, by="mix"))) == 5


def test_the_verb_gives_a_tag_a_table_and_json(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "next.csv"
    done = run("to-label", gallery.name, "-n", "6", "--tag", " to  label ", "--csv", file, "--json")
    said = json.loads(done.stdout)
    ids = [row["id"] for row in said["rows_listed"]]
    assert len(ids) == 6
    assert tags.tags(gallery) == {"to label": set(ids)}
    assert pd.read_csv(file)["id"].tolist() == ids
    refused = run("to-label", gallery.name, "-n", "6", "--tag", "\n")
    assert refused.returncode == 2
    assert "a tag is a line" in refused.stderr
