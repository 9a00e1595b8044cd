"""Outliers: the farthest come first, scores are those of plain loops, and galleries with little in them have answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import outliers
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import neighbours, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings
from tests.planted import groups, plant, unit
from tests.tiny_gallery import fill, photos, run

ALONE = [f"{number:032x}" for number in range(50, 53)]  # ids of those that stand apart


@pytest.fixture
def gallery(home: Path) -> Gallery:
    """Fifty pictures in two groups, and three that are near nothing."""
    embeddings, which = groups((30, 20), dim=64)
    alone = unit(np.random.default_rng(7).normal(size=(3, 64)))
    return plant(np.concatenate([embeddings, alone]), labels=[*("cup" if one else "bowl" for one in which), *"xyz"])


def table_of(gallery: Gallery, **asked: int) -> pd.DataFrame:
    return reports.table(gallery, outliers.find(gallery, **asked))


def test_what_has_nothing_near_it_comes_first(gallery: Gallery) -> None:
    name = outliers.find(gallery, k=5)
    table, report = reports.table(gallery, name), reports.read(gallery, name)
    assert set(table["id"][:3]) == set(ALONE)
    assert table["unusual"][:3].all()
    assert report["unusual"] == table["unusual"].sum()
    assert report["fence"] == pytest.approx(outliers.fence(table["score"].to_numpy()))
    assert (report["k"], report["rows"], report["generation"]) == (5, 53, gallery.generation)
    assert sum(report["histogram"]["counts"]) == 53


def test_a_score_is_the_mean_cosine_to_the_nearest_others(gallery: Gallery) -> None:
    rows = gallery.rows()
    ids = rows.table["id"].tolist()
    for row in table_of(gallery, k=4).to_dict("records"):
        own = ids.index(row["id"])
        scores = sorted(
            (sum(float(a) * float(b) for a, b in zip(rows.embeddings[own], other, strict=True)), name)
            for name, other in zip(ids, rows.embeddings, strict=True)
            if name != row["id"]
        )[::-1]
        assert row["score"] == pytest.approx(sum(score for score, _ in scores[:4]) / 4, abs=1e-5)
        assert row["hits"].tolist() == [name for _, name in scores[:4]]
        assert row["hit_scores"][0] == pytest.approx(scores[0][0], abs=1e-5)


def test_a_percentile_is_the_share_of_the_others_that_score_higher() -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.9, 0.7])
    slow = [100 * sum(other > score for other in scores) / 4 for score in scores]
    assert outliers.percentiles(scores).tolist() == slow == [100, 50, 50, 0, 25]
    assert outliers.percentiles(scores[:1]).tolist() == [0]


def test_a_pair_of_copies_far_from_all_is_no_home(home: Path) -> None:
    embeddings, _ = groups((40,), dim=64)
    pair = np.repeat(unit(np.random.default_rng(7).normal(size=(1, 64))), 2, axis=0)
    table = table_of(plant(np.concatenate([embeddings, pair])))
    assert set(table["id"][:2]) == {f"{40:032x}", f"{41:032x}"}


def test_the_local_factor_is_that_of_its_definition() -> None:
    rows, _ = groups((12, 6), spread=1.0)
    known = neighbours.exact(rows, k=3)

    def distance(a: int, b: int) -> float:
        return float(np.linalg.norm(rows[a].astype(float) - rows[b]))

    def density(a: int) -> float:
        reach = [max(distance(b, known.rows[b][-1]), distance(a, b)) for b in known.rows[a].tolist()]
        return len(reach) / sum(reach)

    slow = [sum(density(b) for b in known.rows[a].tolist()) / 3 / density(a) for a in range(len(rows))]
    np.testing.assert_allclose(outliers.local_factor(known), slow, rtol=1e-3)


def test_equal_embeddings_have_no_outlier_and_a_pair_has_an_answer(home: Path) -> None:
    equal = plant(np.repeat(unit(np.ones((1, 16))), 10, axis=0), name="equal")
    report = reports.read(equal, outliers.find(equal))
    assert (report["unusual"], report["k"]) == (0, 9)
    pair = table_of(plant(unit(np.random.default_rng(0).normal(size=(2, 16)))))
    assert pair["percentile"].tolist() == [0, 0]
    assert [hits.tolist() for hits in pair["hits"]] == [[f"{1:032x}"], [f"{0:032x}"]]


def test_one_picture_no_picture_and_a_k_that_cannot_be_are_refused(home: Path) -> None:
    with pytest.raises(GalleryError, match="holds no pictures yet"):
        outliers.find(create_gallery("empty", Settings()))
    one = plant(unit(np.ones((1, 16))))
    with pytest.raises(
        UsageError, match=r"has 1 picture, and it takes at least 2 .* add some: python -m pipeline ingest"
    ):
        outliers.find(one)
    for k in (0, -1, 1001):
        with pytest.raises(UsageError, match=f"k is {k}; choose 1 to 1,000"):
            outliers.find(one, k=k)


def test_the_list_is_kept_as_long_as_is_looked_at(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table_of(gallery)
    monkeypatch.setattr(outliers, "KEPT", 4)
    assert table_of(gallery)["id"].tolist() == whole["id"].tolist()[:4]


def test_removed_pictures_are_no_outliers(gallery: Gallery) -> None:
    gallery.remove(ALONE[:2])
    assert not set(ALONE[:2]) & set(table_of(gallery)["id"])


def test_the_verb_prints_json_and_writes_a_csv_that_no_spreadsheet_runs(home: Path, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 6)
    (tmp_path / "photos" / "cup" / "000.png").rename(tmp_path / "photos" / "cup" / "=1+1.png")
    table = "path,label\n" + "\n".join(
        f"photos/{file.relative_to(tmp_path / 'photos').as_posix()},=x" for file in (tmp_path / "photos").rglob("*.png")
    )
    (tmp_path / "list.csv").write_text(table)
    fill(f"table:file={tmp_path / 'list.csv'}")
    done = run("outliers", "small", "-k", "2", "--json", "--csv", tmp_path / "out.csv", "--progress", "none")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["k"], len(told["rows_listed"]), told["kind"]) == (2, 6, "outliers")
    assert len(told["rows_listed"][0]["hits"]) == 2
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["label"].tolist() == ["'=x"] * 6
    assert written["hits"][0] == " ".join(told["rows_listed"][0]["hits"])
    refused = run("outliers", "small", "--csv", tmp_path / "nowhere" / "out.csv")
    assert (refused.returncode, "make it first" in refused.stderr) == (2, True)
