"""Clusters: planted groups are found, facts are those of plain loops, and galleries with little in them have answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.analysis import cluster_facts, clustering, grouping
from pipeline.errors import GalleryError, UsageError
from pipeline.gallery import neighbours, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import create_gallery
from pipeline.settings import Settings
from tests.planted import groups, plant, unit
from tests.tiny_gallery import ROOT, fill, photos, run

COUNTS = (30, 24, 18)
NAMES = ("cup", "bowl", "shoe")


@pytest.fixture
def gallery(home: Path) -> Gallery:
    """Three groups, each of one label; ids in the order of the groups."""
    embeddings, which = groups(COUNTS)
    return plant(embeddings, labels=[NAMES[group] for group in which])


def found(gallery: Gallery, **asked: Any) -> tuple[dict[str, Any], list[int]]:
    """The report and the cluster of each picture."""
    name = clustering.cluster(gallery, **asked)
    return reports.read(gallery, name), clustering.assignment(gallery, name)["cluster"].tolist()


def same_groups(one: list[int], other: list[int]) -> bool:
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


# planted groups


@pytest.mark.parametrize("asked", [{}, {"method": "kmeans"}, {"method": "kmeans", "clusters": 3}])
def test_planted_groups_are_found_and_named_after_their_labels(gallery: Gallery, asked: dict) -> None:
    report, clusters = found(gallery, **asked)
    assert same_groups(clusters, groups(COUNTS)[1])
    assert [(one["cluster"], one["name"], one["size"], one["purity"]) for one in report["clusters"]] == [
        (0, "cup", 30, 1),
        (1, "bowl", 24, 1),
        (2, "shoe", 18, 1),
    ]
    assert (report["in_none"], report["purity"], report["notes"]) == (0, 1, [])
    assert report["silhouette"] > 0.8
    assert (report["seed"], report["fingerprint"], report["generation"]) == (0, "ab" * 32, gallery.generation)
    assert "scikit-learn" in report["versions"]


def test_what_belongs_to_no_group_is_in_no_cluster(home: Path) -> None:
    embeddings, _ = groups(COUNTS, dim=64)
    lonely = unit(np.random.default_rng(9).normal(size=(4, 64)))
    report, clusters = found(plant(np.concatenate([embeddings, lonely])))
    assert clusters[-4:] == [-1] * 4
    assert -1 not in clusters[:-4]
    assert report["in_none"] == 4


def test_the_same_seed_gives_the_same_clusters(gallery: Gallery) -> None:
    asked: dict[str, Any] = {"method": "kmeans", "clusters": 7, "seed": 3}
    assert found(gallery, **asked)[1] == found(gallery, **asked)[1]


def test_of_a_large_gallery_a_sample_is_clustered_and_the_others_follow(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "MAX_DENSE", 60)
    report, clusters = found(gallery, smallest=12)
    assert same_groups(clusters, groups(COUNTS)[1])
    assert "found in a sample of 60" in report["notes"][0]


def test_mini_batches_find_planted_groups_too(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_WHOLE", 10)
    assert same_groups(found(gallery, method="kmeans", clusters=3)[1], groups(COUNTS)[1])


def test_the_number_of_k_means_clusters_has_the_best_silhouette_of_those_tried(gallery: Gallery) -> None:
    report, _ = found(gallery, method="kmeans")
    best = max(report["tried"], key=lambda one: one["silhouette"])
    assert best["clusters"] == len(report["clusters"]) == 3
    assert best["silhouette"] == pytest.approx(report["silhouette"])


def test_only_pictures_that_are_near_to_each_other_draw_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "STEPS", 1)
    rows, _ = groups((8, 6), spread=1.5)
    nearest = neighbours.exact(rows, k=3).rows.tolist()
    drawn = grouping._drawn(rows, np.array(nearest))
    alone = 0
    for row in range(14):
        mutual = [other for other in nearest[row] if row in nearest[other]]
        moved = rows[row] + (2 * sum(rows[other] for other in mutual) / len(mutual) if mutual else 0)
        np.testing.assert_allclose(drawn[row], moved / np.linalg.norm(moved), atol=1e-5)
        alone += not mutual
    assert alone  # and such a one stays where it is


# facts, against loops


def slow_silhouette(rows: np.ndarray, which: list[int], row: int) -> float:
    """Of one picture, distance by distance."""

    def mean_to(group: int) -> float:
        others = [other for other in range(len(rows)) if which[other] == group and other != row]
        return sum(1 - float(rows[row].astype(float) @ rows[other].astype(float)) for other in others) / len(others)

    if which[row] == -1 or which.count(which[row]) == 1:
        return 0.0
    a = mean_to(which[row])
    b = min(mean_to(group) for group in set(which) - {which[row], -1})
    return (b - a) / max(a, b)


def test_silhouettes_are_those_of_a_loop_over_all_pairs() -> None:
    rows, which = groups((9, 7, 5, 1, 4), spread=1.5, dim=6, seed=4)
    which[-4:] = [-1] * 4
    values = cluster_facts.silhouettes(rows, np.array(which))
    np.testing.assert_allclose(values, [slow_silhouette(rows, which, row) for row in range(len(rows))], atol=1e-5)
    assert (cluster_facts.silhouettes(rows, np.zeros(len(rows), int)) == 0).all()  # one group
    equal = np.repeat(rows[:1], 6, axis=0)
    assert (cluster_facts.silhouettes(equal, np.array([0, 0, 0, 1, 1, 1])) == 0).all()


def test_the_medoid_comes_first_and_no_picture_stands_twice() -> None:
    rows, _ = groups((40,), spread=1.0)
    members = np.arange(5, 40)
    shown = cluster_facts.typical(rows, members)
    means = {row: sum(float(rows[row] @ rows[other]) for other in members) / len(members) for row in members.tolist()}
    assert shown[0] == max(means, key=means.__getitem__)
    assert len(set(shown.tolist())) == len(shown) == cluster_facts.SHOWN
    assert [means[row] for row in shown.tolist()] == sorted((means[row] for row in shown.tolist()), reverse=True)
    assert sorted(cluster_facts.typical(rows, members[:3]).tolist()) == members[:3].tolist()


def test_purity_is_the_share_of_the_most_common_label_among_those_that_have_one() -> None:
    pure = cluster_facts.purity(["cup", "cup", "bowl", "", ""])
    assert (pure.label, pure.purity, pure.labels) == ("cup", pytest.approx(2 / 3), (("cup", 2), ("bowl", 1)))
    assert cluster_facts.purity(["b", "a"]).label == "a"
    assert cluster_facts.purity(["", ""]).purity is None


def test_the_most_telling_metadata_value_is_common_here_and_rare_elsewhere() -> None:
    here = [{"colour": "red", "size": "m"}] * 3 + [{"colour": "blue", "size": "m"}]
    everywhere = Counter({("colour", "red"): 4, ("colour", "blue"): 16, ("size", "m"): 18, ("size", "l"): 2})
    assert cluster_facts.telling(here, everywhere, 20) == "colour: red"
    assert cluster_facts.telling([{"size": "m"}] * 4, everywhere, 20) == ""  # as nearly everywhere
    assert cluster_facts.telling([{}, {"colour": ""}], everywhere, 20) == ""


def test_names_are_unique() -> None:
    assert cluster_facts.numbered(["shoes", "", "shoes", "hat", "", "shoes"]) == [
        "shoes", "group 1", "shoes 2", "hat", "group 2", "shoes 3",
    ]  # fmt: skip
    assert len(set(cluster_facts.numbered(["a", "a", "a 2", "a", "group 1", ""]))) == 6


def test_without_labels_a_cluster_is_named_by_metadata_or_by_a_number(home: Path) -> None:
    embeddings, which = groups(COUNTS)
    metadata = [{"colour": "red" if group == 1 else "", "shop": "east"} for group in which]
    report, _ = found(plant(embeddings, labels="", metadata=metadata))
    assert [(one["name"], one["named_by"], one["purity"]) for one in report["clusters"]] == [
        ("group 1", "number", None),
        ("colour: red", "metadata", None),
        ("group 2", "number", None),
    ]
    assert report["purity"] is None


def test_a_label_that_all_have_names_no_cluster(home: Path) -> None:
    report, _ = found(plant(groups(COUNTS)[0], labels="cup"))
    assert [one["name"] for one in report["clusters"]] == ["group 1", "group 2", "group 3"]


# little in it, and much


@pytest.mark.parametrize("method", clustering.METHODS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_few_pictures_are_clustered_or_said_to_have_no_groups(home: Path, method: str, count: int) -> None:
    report, clusters = found(plant(unit(np.random.default_rng(count).normal(size=(count, 16)))), method=method)
    assert len(clusters) == count
    assert report["clusters"] or "take the method kmeans" in report["notes"][0]


@pytest.mark.parametrize("asked", [{}, {"method": "kmeans"}, {"method": "kmeans", "clusters": 5}])
def test_equal_embeddings_are_one_cluster_and_that_is_said(home: Path, asked: dict) -> None:
    report, clusters = found(plant(np.repeat(unit(np.ones((1, 16))), 20, axis=0)), **asked)
    assert clusters == [0] * 20
    assert "are equal" in report["notes"][0]
    assert (report["silhouette"], report["clusters"][0]["silhouette"]) == (None, None)


def test_fewer_different_embeddings_than_clusters_are_told(home: Path) -> None:
    embeddings = np.repeat(unit(np.random.default_rng(0).normal(size=(3, 16))), 5, axis=0)
    report, clusters = found(plant(embeddings), method="kmeans", clusters=6)
    assert len(set(clusters)) == 3
    assert report["notes"] == ["3 clusters instead of 6: no more embeddings differ"]


def test_five_hundred_labels_are_names_too(home: Path) -> None:
    embeddings, which = groups([2] * 500, dim=64)
    report, _ = found(plant(embeddings, labels=[f"label {group}" for group in which]), method="kmeans", clusters=50)
    names = [one["name"] for one in report["clusters"]]
    assert len(set(names)) == len(names) == 50
    assert all(len(one["labels"]) <= clustering.LABELS for one in report["clusters"])


def test_one_picture_and_none_are_refused_with_a_remedy(home: Path) -> None:
    empty = create_gallery("empty", Settings())
    with pytest.raises(GalleryError, match="holds no pictures yet; run: python -m pipeline ingest empty"):
        clustering.cluster(empty)
    with pytest.raises(UsageError, match="has 1 picture, and it takes at least 2 to make clusters; add some"):
        clustering.cluster(plant(unit(np.ones((1, 16)))))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "dbscan"}, "unknown method 'dbscan'; choose from hdbscan, kmeans"),
        ({"method": "kmeans", "clusters": 73}, "73 clusters of 72 pictures; ask for 1 to 72"),
        ({"clusters": 3}, "hdbscan finds the number of clusters itself"),
        ({"method": "kmeans", "smallest": 3}, "kmeans has no smallest cluster"),
        ({"smallest": 1}, "the smallest can have 2 to 72"),
        ({"smallest": 73}, "the smallest can have 2 to 72"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_asked_is_refused(gallery: Gallery, asked: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        clustering.cluster(gallery, **asked)
    assert clustering.newest(gallery) is None


def test_removed_pictures_and_regions_take_no_part(home: Path) -> None:
    embeddings, _ = groups((12, 12))
    gallery = plant(embeddings, parents=[""] * 23 + ["0" * 32])
    gallery.remove([f"{0:032x}"])
    name = clustering.cluster(gallery)
    assert clustering.assignment(gallery, name)["id"].tolist() == [f"{number:032x}" for number in range(1, 23)]


# kept and read


def test_the_assignment_is_read_with_names_and_without_what_made_it(gallery: Gallery) -> None:
    name = clustering.cluster(gallery)
    assert clustering.newest(gallery) == name
    table = clustering.assignment(gallery, name)
    assert table.columns.tolist() == ["id", "cluster", "name"]
    assert table["name"].tolist() == [NAMES[group] for group in groups(COUNTS)[1]]
    code = (
        "import sys\nfrom pipeline.analysis import clustering\nfrom pipeline.gallery.opening import open_gallery\n"
        "from pipeline.settings import Settings\n"
        f"clustering.assignment(open_gallery('small', Settings()), {name!r})\n"
        "print([name for name in ('sklearn', 'torch', 'scipy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_a_picture_in_no_cluster_is_called_so(home: Path) -> None:
    gallery = plant(unit(np.random.default_rng(0).normal(size=(3, 16))))
    assert clustering.assignment(gallery, clustering.cluster(gallery))["name"].tolist() == ["no cluster"] * 3


def test_a_damaged_report_is_an_error_that_names_the_remedy(gallery: Gallery) -> None:
    name = clustering.cluster(gallery)
    (gallery.root / "reports" / f"{name}.json").write_text('{"kind": "clusters", "clusters": [1]}')
    with pytest.raises(GalleryError, match="find the clusters again"):
        clustering.assignment(gallery, name)


def test_the_verb_tells_keeps_and_makes_a_montage_for_each_cluster(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 12))
    asked = ("cluster", "small", "--method", "kmeans", "--clusters", "3")
    done = run(*asked, "--montage", tmp_path / "montages")
    assert done.returncode == 0, done.stderr
    assert "3 clusters of 12 pictures, 0 in none" in done.stdout
    assert "3 montages in" in done.stderr
    assert len(list((tmp_path / "montages").glob("00[012]-*.png"))) == 3
    told = json.loads(run(*asked, "--json", "--progress", "none").stdout)
    assert told["report"] in reports.names(gallery, clustering.KIND)
    wanted = {"name", "size", "purity", "silhouette", "medoid", "typical"}
    assert all(wanted <= set(one) for one in told["clusters"])
    refused = run("cluster", "small", "--method", "kmeans", "--clusters", "13")
    assert (refused.returncode, "ask for 1 to 12" in refused.stderr) == (2, True)
