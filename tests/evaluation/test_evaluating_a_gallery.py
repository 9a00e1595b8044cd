"""Evaluating a gallery: the protocol, what is kept of it, two of them against each other, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.errors import GalleryError, UsageError
from pipeline.evaluation import disagreement, evaluate, gates, report_page
from pipeline.filters import Filter, parse
from pipeline.gallery import parts, reports
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.metrics.retrieval import map_at_r, recall_at_1
from pipeline.records import Rows
from pipeline.settings import Settings
from tests.tiny_gallery import draw, fill, photos, run

OTHER = "color_histogram:grid=4,bins=3"


@pytest.fixture
def gallery(home: Path, tmp_path: Path) -> Gallery:
    """24 pictures of three labels in two splits."""
    for split, first, count in (("train", 0, 15), ("test", 15, 9)):
        photos(tmp_path / "photos" / split, count, first=first)
    lines = ["path,label,split,colour"]
    for file in sorted((tmp_path / "photos").rglob("*.png")):
        path = file.relative_to(tmp_path / "photos")
        lines.append(f"{path.as_posix()},{path.parts[1]},{path.parts[0]},{'red' if int(file.stem) % 2 else 'blue'}")
    (tmp_path / "photos" / "table.csv").write_text("\n".join(lines))
    return fill(f"table:file={tmp_path / 'photos' / 'table.csv'}")[0]


def evaluated(gallery: Gallery, **options) -> tuple[dict, pd.DataFrame]:
    name = evaluate.evaluate(gallery, **options)
    return reports.read(gallery, name), reports.table(gallery, name)


def test_by_default_each_labelled_picture_asks_all_the_others(gallery: Gallery) -> None:
    report, table = evaluated(gallery)
    rows = gallery.rows()
    labels = rows.table["label"].tolist()
    assert (report["n_queries"], report["n_skipped"], report["n_gallery"]) == (24, 0, 24)
    assert report["metrics"]["map_at_r"]["value"] == pytest.approx(map_at_r(rows.embeddings, labels), abs=1e-6)
    assert report["metrics"]["recall_at_1"]["value"] == pytest.approx(recall_at_1(rows.embeddings, labels), abs=1e-6)
    for own, hits in zip(table["id"], table["hits"], strict=True):
        assert own not in hits
        assert len(hits) == 10
    [cup] = [one for one in report["per_label"] if one["label"] == "cup"]
    assert cup["map_at_r"] == pytest.approx(table[table["label"] == "cup"]["map_at_r"].mean(), abs=1e-6)
    assert sum(report["scores"]["same"]) == sum(report["scores"]["different"]) == report["scores"]["pairs"]
    assert set(report["clusters"]) == {"silhouette", "ami", "nmi", "ari", "pictures"}


def test_a_split_asks_another_and_the_same_seed_gives_the_same_figures(gallery: Gallery) -> None:
    asked = {"queries": parse(["split=test"]), "against": parse(["split=train"])}
    (one, table), (again, _) = (evaluated(gallery, **asked) for _ in range(2))
    assert (one["n_queries"], one["n_gallery"]) == (9, 15)
    assert one["metrics"] == again["metrics"]
    assert one["scores"] == again["scores"]
    rest, _ = evaluated(gallery, queries=parse(["split=test"]))
    assert rest["metrics"] == one["metrics"]  # those that do not ask are searched
    beside, _ = evaluated(gallery, against=parse(["split=train"]))
    assert beside["metrics"] == one["metrics"]
    rows = gallery.rows()
    train = rows.embeddings[(rows.table["split"] == "train").to_numpy()]
    names = rows.table[rows.table["split"] == "train"]["label"].to_numpy()
    for row in table.to_dict("records"):
        own = rows.embeddings[rows.table.index[rows.table["id"] == row["id"]][0]]
        assert row["recall_at_1"] == float(names[(train @ own).argmax()] == row["label"])


def test_pairs_are_between_those_that_ask_and_those_that_are_searched(home: Path) -> None:
    """Rows whose labels are apart where they are searched, and chance where they ask, as after learning by heart."""
    random = np.random.default_rng(0)

    def rows(n: int, *, known: bool) -> Rows:
        labels = np.arange(n) % 2
        embeddings = random.normal(size=(n, 32))
        embeddings[:, 0] += (labels * 2 - 1) * 20 * known
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        return Rows(pd.DataFrame({"id": [*map(str, range(n))], "label": labels.astype(str)}), embeddings)

    asked, held = rows(200, known=False), rows(200, known=True)
    own = np.full(200, -1)
    assert evaluate._pairs(held, None, own, 0)["auc"] > 0.99
    assert abs(evaluate._pairs(asked, held, own, 0)["auc"] - 0.5) < 0.1


def test_pictures_without_a_label_are_counted_on_both_sides(gallery: Gallery, tmp_path: Path) -> None:
    draw(tmp_path / "flat" / "77.png", 77)
    other, _ = fill(tmp_path / "flat", name="small")
    assert evaluated(other, queries=parse(["split=test"]))[0]["n_unlabelled_searched"] == 1
    assert evaluated(other)[0]["n_unlabelled_searched"] == 0  # it asks as well, and is counted there
    assert evaluated(other)[0]["n_unlabelled"] == 1


def test_the_page_shows_the_pictures_of_the_gallery_that_asks(gallery: Gallery, tmp_path: Path) -> None:
    other, _ = fill(photos(tmp_path / "more", 6, first=200), name="more")
    name = evaluate.evaluate(gallery, asking=other)
    text = report_page.page(gallery, name, gate={})
    assert len(re.findall(r'<div class="query"><img src="data:image/jpeg', text)) == report_page.MAX_QUERIES


def test_another_gallery_asks_and_a_picture_that_both_have_does_not_find_itself(
    gallery: Gallery, tmp_path: Path
) -> None:
    for number in (0, 3, 100):  # 0 and 3 are in the gallery too
        draw(tmp_path / "more" / "cup" / f"{number}.png", number)
    other, _ = fill(tmp_path / "more", name="more")
    report, table = evaluated(gallery, asking=other)
    assert (report["n_queries"], report["n_gallery"], report["protocol"]["asking"]) == (3, 24, "more")
    assert all(own not in hits for own, hits in zip(table["id"], table["hits"], strict=True))
    assert sorted(table["relevant"]) == [7, 7, 8]


def test_metadata_grades_the_hits(gallery: Gallery) -> None:
    plain, _ = evaluated(gallery, metrics=["ndcg_at_10"])
    graded, _ = evaluated(gallery, metrics=["ndcg_at_10"], grade_by=["colour"])
    assert plain["metrics"] != graded["metrics"]
    assert graded["protocol"]["grade_by"] == ["colour"]
    with pytest.raises(UsageError, match="no metadata field 'size' to grade by; this gallery has colour"):
        evaluated(gallery, grade_by=["size"])


def test_removed_pictures_take_no_part(gallery: Gallery) -> None:
    gallery.remove([gallery.rows().table["id"][0]])
    assert evaluated(gallery)[0]["n_gallery"] == 23


# what is refused


def test_pictures_without_labels_are_counted_and_none_with_labels_is_refused(home: Path, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 6)
    draw(tmp_path / "photos" / "loose.png", 77)
    some, _ = fill(tmp_path / "photos")
    assert evaluated(some)[0]["n_unlabelled"] == 1
    for number in range(4):
        draw(tmp_path / "flat" / f"{number}.png", number)
    none, _ = fill(tmp_path / "flat", name="flat")
    with pytest.raises(
        UsageError, match="has a label, so nothing says which hits are right; ingest a folder with a subfolder"
    ):
        evaluated(none)


def test_one_label_is_refused_and_a_label_with_one_picture_is_counted(home: Path, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 4, labels=("cup",))
    one, _ = fill(tmp_path / "photos")
    with pytest.raises(
        UsageError,
        match="every picture searched has the label 'cup', so every hit would be right; two labels are needed",
    ):
        evaluated(one)
    photos(tmp_path / "photos", 1, labels=("bowl",), first=50)
    two, _ = fill(tmp_path / "photos")
    report, table = evaluated(two)
    assert (report["n_queries"], report["n_skipped"]) == (4, 1)
    assert np.isnan(table[table["label"] == "bowl"]["map_at_r"]).all()
    [bowl] = [entry for entry in report["per_label"] if entry["label"] == "bowl"]
    assert (bowl["n_queries"], bowl["n_skipped"], bowl["map_at_r"]) == (0, 1, None)


def test_labels_that_the_two_sides_do_not_share_are_refused(gallery: Gallery) -> None:
    with pytest.raises(
        UsageError, match="no picture that asks has another of its label to find; choose sides that share"
    ):
        evaluated(gallery, queries=parse(["label=cup"]))


def test_queries_of_another_encoder_are_refused_with_the_remedy(gallery: Gallery, tmp_path: Path) -> None:
    other, _ = fill(photos(tmp_path / "more", 6), name="more", spec=OTHER)
    with pytest.raises(
        GalleryError, match=r"do not compare; run: python -m pipeline reencode more --encoder color_histogram:grid=2"
    ):
        evaluated(gallery, asking=other)


def test_an_empty_split_is_told_with_those_that_there_are(gallery: Gallery) -> None:
    with pytest.raises(
        UsageError, match=r"no picture of small matches split=dev; split is one of: train \(15\), test \(9\)"
    ):
        evaluated(gallery, queries=parse(["split=dev"]))
    with pytest.raises(UsageError, match=r"no picture of small is left beside split!=dev"):
        evaluated(gallery, queries=parse(["split!=dev"]))
    with pytest.raises(UsageError, match="no field 'colours' to filter by; this gallery has"):
        evaluated(gallery, queries=parse(["colours=red"]))


def test_an_embedding_on_disk_that_is_not_finite_is_named(gallery: Gallery) -> None:
    [part] = parts.files(gallery.folder())
    table = pq.read_table(part)
    values = np.stack(table["embedding"].to_pylist()).astype(np.float32)
    values[4, 2] = np.nan
    rows = parts.from_arrow(table, values.shape[1])
    rows.embeddings = values
    pq.write_table(parts.to_arrow(rows), part)
    with pytest.raises(
        GalleryError, match=f"1 embeddings of small are not finite, first that of {rows.table['id'][4]}; see"
    ):
        evaluated(gallery)
    assert not reports.names(gallery, "evaluation")


@pytest.mark.parametrize("texts", [["gallery=a,b"], ["gallery!=a"], ["gallery=a", "gallery=b"]])
def test_queries_come_from_one_gallery(texts: list[str]) -> None:
    assert evaluate.parse_queries(["gallery=other", "split=test"]) == (parse(["split=test"]), "other")
    assert evaluate.parse_queries([]) == (Filter(), "")
    with pytest.raises(UsageError, match="queries come from one gallery; write gallery=NAME once"):
        evaluate.parse_queries(texts)


def test_a_gallery_with_each_label_once_is_measured_with_those_that_ask(home: Path, tmp_path: Path) -> None:
    once, _ = fill(photos(tmp_path / "once", 3))
    many, _ = fill(photos(tmp_path / "many", 9, first=10), name="many")
    name = evaluate.evaluate(once, asking=many)
    report = reports.read(once, name)
    assert (report["n_queries"], report["scores"]["pairs"], report["clusters"]["pictures"]) == (9, 9, 9)
    back = evaluate.evaluate(many, asking=once)  # each label once among those that ask: no clusters
    assert reports.read(many, back)["clusters"] is None
    file = once.root / "reports" / f"{name}.json"
    file.write_text(json.dumps(report | {"scores": None}))
    assert "Scores of pairs" not in report_page.page(once, name, gate={})
    assert run("evaluate", "small", "--queries", "gallery=many", "--progress", "none").returncode == 0


# two evaluations


def test_differences_are_paired_and_the_queries_that_disagree_come_first(gallery: Gallery) -> None:
    one = evaluated(gallery)[1]
    other = one.sample(frac=1, random_state=0).reset_index(drop=True)  # in another order, as any second run may be
    better = other["id"] == one["id"][5]
    other.loc[better, "map_at_r"] += 0.5
    table = disagreement.differences(one, other, ["map_at_r", "recall_at_1"], seed=0).set_index("metric")
    assert table.loc["map_at_r", "difference"] == pytest.approx(0.5 / 24)
    assert table.loc["map_at_r", "other"] - table.loc["map_at_r", "one"] == pytest.approx(0.5 / 24)
    assert (table.loc["recall_at_1", ["difference", "low", "high"]] == 0).all()
    apart = disagreement.most_apart(one, other, "map_at_r")
    assert apart["id"].tolist() == [one["id"][5]]
    assert disagreement.most_apart(other, one, "map_at_r").empty


# gates and the page


def test_gates_pass_at_their_value_and_fail_below() -> None:
    report = {"metrics": {"recall_at_1": {"value": 0.6}, "map_at_r": {"value": 0.2}}}
    verdicts = gates.judge(gates.parse(["recall_at_1=0.6", "map_at_r=0.3"]), report)
    assert [verdict["passed"] for verdict in verdicts] == [True, False]
    for text, said in (
        ("recall_at_1", "cannot read the gate"),
        ("recall_at_1=2", "not between 0 and 1"),
        ("f1=0.2", "no metric 'f1'"),
    ):
        with pytest.raises(UsageError, match=said):
            gates.parse([text])


def test_the_page_needs_no_other_file_and_shows_labels_as_text(home: Path, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 12, labels=("<script>alert(1)<&", "cup"))
    gallery, _ = fill(tmp_path / "photos")
    name = evaluate.evaluate(gallery)
    text = report_page.page(gallery, name, gate={"map_at_r": 1.0})
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;&amp;" in text
    assert not re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,)', text)
    assert "://" not in re.sub(r"data:image/jpeg;base64,[^\"]*", "", text)
    assert text.count("<img") == 3 * (1 + report_page.MAX_HITS)
    value = reports.read(gallery, name)["metrics"]["map_at_r"]["value"]
    assert f"<b>{value:.3f}</b>" in text
    assert "✗ a gate failed" in text


def test_the_command_prints_keeps_and_gates(gallery: Gallery, tmp_path: Path) -> None:
    done = run(
        "evaluate", "small", "--queries", "split=test", "--json", "--progress", "none", "--html", tmp_path / "page.html"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"metrics", "n_queries", "n_skipped", "per_label", "encoder", "fingerprint", "seed", "command"} <= set(said)
    assert said["n_queries"] == 9
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    failed = run("evaluate", "small", "--require", "map_at_r=1", "--metrics", "recall_at_1", "--progress", "none")
    assert (failed.returncode, "below 1" in failed.stderr) == (1, True)
    both = run(
        "evaluate",
        "small",
        "--encoder",
        "color_histogram:grid=2,bins=2",
        "--encoder",
        OTHER,
        "--json",
        "--progress",
        "none",
    )
    assert next(json.loads(line)["dim"] for line in both.stdout.splitlines()) == gallery.encoder()["dim"]
    assert open_gallery("small", Settings()).encoder()["spec"] == "color_histogram:grid=2,bins=2"  # it stays
    assert len(reports.names(gallery, "evaluation")) == 4
    again = run("evaluate", "small", "--encoder", OTHER, "--progress", "none")
    assert again.returncode == 0, again.stderr
    assert len(list(parts.files(gallery.folder(json.loads(both.stdout.splitlines()[1])["fingerprint"][:8])))) == 1
