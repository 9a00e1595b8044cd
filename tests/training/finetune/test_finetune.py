"""Fine-tuning on a gallery's own labels and tags: learned on some pictures, measured on others, switched to when better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_gallery import fill, lite, photos
from tiny_training import photos as stripes
from typer.testing import CliRunner

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.exchange import backup
from pipeline.gallery import reports, tags
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.ingest import reencode, sync
from pipeline.metrics import retrieval
from pipeline.networks import head as heads
from pipeline.search.search import Query, search
from pipeline.settings import Settings
from training.__main__ import app
from training.finetune import gallery_labels
from training.finetune.finetune import finetune
from training.finetune.head import Judged, learn

LABELS = ("apple", "brick", "cloud", "dune")


@pytest.fixture
def striped(home: Path, tmp_path: Path) -> Gallery:
    """160 striped pictures of four labels; the colour histogram tells them apart badly enough to be taught."""
    return fill(stripes(tmp_path / "stripes", labels=LABELS, each=40), name="striped", spec="raw_pixels:side=8")[0]


def embeddings(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three labels that differ in 2 of 20 dimensions; the others are louder noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    values = random.normal(size=(n, 20)) * ([0.3] * 2 + [1.5] * 18)
    values[:, :2] += np.array([(0, 1), (1, -0.5), (-1, -0.5)])[labels] * 1.5
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32), labels.astype(str)


def split(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.random.default_rng(1).permutation(n)
    return rows[: n // 2], rows[n // 2 : 3 * n // 4], rows[3 * n // 4 :]


def test_a_head_finds_the_dimensions_that_tell_labels_apart() -> None:
    found, labels = embeddings()
    train, dev, test = split(300)
    learned = learn(found, labels, train, dev, dim=8, hidden=32, steps=300)
    made = learned.head(found)
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(300), abs=1e-5)
    before, after = (retrieval.map_at_r_between(e[test], labels[test], e[train], labels[train]) for e in (found, made))
    assert after > 1.3 * before
    best = max(figure for _, figure in learned.looks)
    kept = retrieval.map_at_r_between(made[dev], labels[dev], made[train], labels[train])
    assert kept == pytest.approx(best, abs=1e-6)


def test_the_same_seed_learns_the_same_head_and_leaves_torch_as_it_was() -> None:
    import torch

    found, labels = embeddings()
    train, dev, _ = split(300)
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    one, two = (learn(found, labels, train, dev, dim=8, hidden=16, steps=60).head(found) for _ in range(2))
    assert (one == two).all()
    assert torch.rand(1) == wanted


def test_what_people_judged_outweighs_chance() -> None:
    found, labels = embeddings()
    train, dev, _ = split(300)
    anchors = train[labels[train] == "0"]
    triplets = np.array([(a, b, c) for a in anchors[:10] for b in anchors[10:15] for c in anchors[15:25]])
    pairs = np.array([(a, b) for a in anchors[:5] for b in anchors[15:25]])
    options = {"dim": 8, "hidden": 32, "steps": 300}
    plain = learn(found, labels, train, dev, **options).head(found)
    taught = learn(found, labels, train, dev, judged=Judged(triplets, pairs, np.zeros(len(pairs), bool)), **options)
    right = [np.mean([e[a] @ e[b] > e[a] @ e[c] for a, b, c in triplets]) for e in (plain, taught.head(found))]
    assert right[1] > max(0.8, right[0])


def test_a_gallery_switches_to_what_is_better_and_comes_back(striped: Gallery) -> None:
    before = striped.encoder()["spec"]
    with lite() as store:
        report = reports.read(striped, finetune(striped, store=store, maps=False))
        assert report["better"] is True
        assert striped.encoder()["spec"] == report["after"] != before
        assert not sync.compare(striped, store)
        picture = striped.table()["id"][0]
        result = search(striped, store, None, Query(ids=(picture,)), k=3)
        assert len(result.hits) == 3
        assert result.weak_below == -1, "as close as many random pairs, which are of one label, is not weak"
        reencode.go_back(striped, store)
    assert striped.encoder()["spec"] == before


def test_its_figures_are_those_of_the_held_out_pictures(striped: Gallery) -> None:
    name = finetune(striped, switch="always", maps=True)
    report = reports.read(striped, name)
    lesson = gallery_labels.lesson(striped, striped.rows())
    train, test = lesson.part("train"), lesson.part("test")
    assert report["counts"] == {"train": len(train), "dev": len(lesson.part("dev")), "test": len(test)}
    for when, spec in (("before", report["before"]), ("after", report["after"])):
        (key,) = (key for key, entry in striped.manifest()["encoders"].items() if entry["spec"] == spec)
        rows = striped.rows(key)
        assert rows.table["id"].tolist() == lesson.rows.table["id"].tolist()
        recalls = []
        for row in test:
            scores = [(float(rows.embeddings[row] @ rows.embeddings[other]), lesson.labels[other]) for other in train]
            recalls.append(max(scores)[1] == lesson.labels[row])
        assert report["metrics"]["recall_at_1"][when]["value"] == pytest.approx(np.mean(recalls), abs=2e-4)
    by_label = {row["label"]: row["map_at_r before"] for row in report["labels"]}
    assert report["worst"] == sorted(by_label, key=lambda label: by_label[label])[:6]
    table = reports.table(striped, name)
    assert table["id"].tolist() == lesson.rows.table["id"][test].tolist()
    assert np.isfinite(table[["before_x", "before_y", "after_x", "after_y"]]).all(axis=None)


def test_a_second_one_begins_from_what_is_beneath_the_first(striped: Gallery) -> None:
    first = reports.read(striped, finetune(striped, switch="always", maps=False))
    second = reports.read(striped, finetune(striped, switch="never", maps=False, seed=1))
    assert second["before"] == first["after"]
    assert second["base"] == first["base"] == first["before"]
    assert striped.encoder()["spec"] == first["after"]


def test_it_may_begin_from_another_encoder(striped: Gallery) -> None:
    report = reports.read(
        striped, finetune(striped, encoder="color_histogram:grid=2,bins=3", switch="never", maps=False)
    )
    assert report["base"].startswith("color_histogram")
    assert report["before"].startswith("raw_pixels")


def test_new_pictures_get_the_embedding_that_the_old_ones_have(striped: Gallery, tmp_path: Path) -> None:
    finetune(striped, switch="always", maps=False)
    made = plugins.build("encoders", striped.encoder()["spec"], device="cpu")
    from PIL import Image

    row = striped.rows()
    with Image.open(tmp_path / "stripes" / row.table["path"][3]) as picture:
        fresh = made.encode(made.preprocess(picture.convert("RGB"))[None])
    assert fresh[0] @ row.embeddings[3] == pytest.approx(1, abs=1e-5)


def test_a_backup_brings_its_head_along(striped: Gallery, tmp_path: Path) -> None:
    finetune(striped, switch="always", maps=False)
    backup.back_up(striped, tmp_path / "kept.zip")
    backup.restore(tmp_path / "kept.zip", Settings(), name="other")
    restored = open_gallery("other", Settings())
    made = plugins.build("encoders", restored.encoder()["spec"], device="cpu")
    assert "galleries/other/" in restored.encoder()["spec"]
    assert made.fingerprint == restored.encoder()["fingerprint"]


def test_tags_teach_where_there_are_no_labels_and_two_tags_teach_nothing(striped: Gallery) -> None:
    table = striped.table()
    for name, label in (("warm", "apple"), ("cold", "brick")):
        tags.tag(striped, table["id"][table["label"] == label].tolist(), name)
    tags.tag(striped, [table["id"][table["label"] == "apple"].iloc[0]], "cold")
    lesson = gallery_labels.lesson(striped, striped.rows(), source="tags")
    assert sorted(set(lesson.labels)) == ["cold", "warm"]
    assert len(lesson.labels) == 79
    assert lesson.notes == ["1 pictures have more than one tag and were left out"]
    both = gallery_labels.lesson(striped, striped.rows(), source="both")
    assert sorted(set(both.labels)) == ["cloud", "cold", "dune", "warm"]


def test_judgments_of_training_pictures_teach_and_a_later_one_replaces_an_earlier(striped: Gallery) -> None:
    plain = gallery_labels.lesson(striped, striped.rows())
    ids = plain.rows.table["id"].tolist()
    train, (test, *_) = plain.part("train"), plain.part("test")
    anchor, near, far, held = ids[train[0]], ids[train[1]], ids[train[2]], ids[test]
    for kind, other in (("like", far), ("like", near), ("unlike", far), ("unlike", held)):
        striped.judge(kind, [anchor, other])
    striped.judge("not_same", [near, far])
    found = gallery_labels.lesson(striped, striped.rows())
    assert found.judged.triplets.tolist() == [[train[0], train[1], train[2]]]
    assert found.judged.pairs.tolist() == [sorted([train[1], train[2]])]
    assert found.judged.same.tolist() == [False]
    assert found.notes[0].startswith("1 judgments contradict a later one")


def test_labels_of_one_picture_each_are_too_few(home: Path, tmp_path: Path) -> None:
    made = fill(photos(tmp_path / "few", 2, labels=("cup", "bowl")), name="few")[0]
    with pytest.raises(
        UsageError, match=r"labels of gallery few are too few .* bowl \(1\), cup \(1\)|cup \(1\), bowl \(1\)"
    ):
        finetune(made, maps=False)
    said = CliRunner().invoke(app, ["finetune", "--gallery", "few", "--labels-from", "tags"])
    assert "the tags of gallery few are too few to learn from and to measure with: none" in str(said.exception)
    assert open_gallery("few", Settings()).encoder()["spec"].startswith("color_histogram")


def test_the_command_prints_the_table_and_json(striped: Gallery) -> None:
    said = CliRunner().invoke(app, ["finetune", "--gallery", "striped", "--no-maps", "--progress", "none"])
    assert said.exit_code == 0
    assert "worst labels before, map_at_r: " in said.stdout
    assert "striped: now head:file=galleries/striped/head-" in said.stdout
    report = json.loads(
        CliRunner()
        .invoke(app, ["finetune", "--gallery", "striped", "--no-maps", "--progress", "none", "--json"])
        .stdout
    )
    assert report["metrics"]["map_at_r"].keys() == {"before", "after", "rise"}


def test_a_head_over_other_weights_and_a_damaged_one_are_refused(striped: Gallery) -> None:
    finetune(striped, switch="always", maps=False)
    spec = striped.encoder()["spec"]
    file = Settings().home / spec.partition("file=")[2]
    head, about = heads.read(file)
    file.write_bytes(heads.to_bytes(head, base=about["base"], fingerprint="0" * 64))
    with pytest.raises(UsageError, match="with other weights than there are now"):
        plugins.build("encoders", spec)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UsageError, match="finetune --gallery NAME"):
        plugins.build("encoders", spec)


def test_the_whole_network_may_learn_and_the_gallery_is_encoded_anew(home: Path, tmp_path: Path) -> None:
    made = fill(stripes(tmp_path / "stripes", labels=LABELS[:3], each=20), name="small", spec="deep_ranking")[0]
    report = reports.read(made, finetune(made, tune="whole", epochs=3, switch="always", maps=False, device="cpu"))
    assert report["after"] == made.encoder()["spec"] == "checkpoint:run=small-finetuned-1"
    assert report["base"] == "deep_ranking"
    assert report["counts"] == {"train": 36, "dev": 12, "test": 12}
    encoder = plugins.build("encoders", report["after"], device="cpu")
    assert made.encoder()["fingerprint"] == encoder.fingerprint
    lesson = gallery_labels.lesson(made, made.rows())
    prepared_splits = pd.read_parquet(home / "prepared" / "small-finetuned-1" / "pictures.parquet").set_index("path")
    for path, split in zip(lesson.rows.table["path"], lesson.split, strict=True):
        assert prepared_splits["split"][path] == split, "what is measured was not learned"


def test_an_encoder_without_our_network_is_taught_by_a_head_only(striped: Gallery) -> None:
    with pytest.raises(UsageError, match="raw_pixels:side=8 cannot be trained whole"):
        finetune(striped, tune="whole", maps=False)


def test_pictures_that_have_moved_cannot_teach_the_whole_network(home: Path, tmp_path: Path) -> None:
    made = fill(stripes(tmp_path / "stripes", labels=LABELS[:3], each=10), name="small", spec="deep_ranking")[0]
    (tmp_path / "stripes").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="not all below one folder"):
        finetune(made, tune="whole", maps=False)
    assert reports.read(made, finetune(made, switch="never", maps=False))["counts"]["test"] > 0, "a head needs no files"
