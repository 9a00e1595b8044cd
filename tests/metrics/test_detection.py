"""Detection figures against pycocotools as COCO runs it, and against loops a child could check."""

from __future__ import annotations

import contextlib
import io
import math
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.annotations import annotations
from pipeline.annotations.annotations import Annotations
from pipeline.metrics.detection import FPPI, bootstrap, evaluate, match
from pipeline.metrics.detection_bootstrap import _recalls

LABELS = ("cat", "dog", "hat")


def made(seed: int, n_pictures: int = 30, *, crowds: bool = True) -> tuple[Annotations, Annotations]:
    """Random objects of all three sizes, and predictions that find some, miss some, double some, invent some."""
    random = np.random.default_rng(seed)
    pictures = [{"path": f"{at:03d}.jpg", "width": 640, "height": 480} for at in range(n_pictures)]
    objects: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for picture in pictures[:-2]:  # the last have no objects
        for _ in range(int(random.integers(0, 7))):
            size = random.uniform(8, 200, 2)
            x, y = random.uniform(0, 400, 2)
            label = str(random.choice(LABELS))
            one = {"path": picture["path"], "label": label, "x": x, "y": y, "width": size[0], "height": size[1]}
            objects.append(one | {"crowd": crowds and bool(random.random() < 0.1)})
            for _ in range(int(random.choice([0, 1, 1, 1, 2, 3]))):
                shift = random.normal(0, 0.12, 4) * np.tile(size, 2)
                box = {"x": x + shift[0], "y": y + shift[1]}
                box |= {"width": abs(size[0] + shift[2]) + 1, "height": abs(size[1] + shift[3]) + 1}
                wrong = str(random.choice([*LABELS, "ghost"])) if random.random() < 0.15 else label
                found.append({"path": picture["path"], "label": wrong, "score": random.random(), **box})
    for picture in pictures:
        if random.random() < 0.5:
            box = {"x": random.uniform(0, 500), "y": 5.0, "width": 60.0, "height": 40.0, "score": random.random()}
            found.append({"path": picture["path"], "label": str(random.choice(LABELS)), **box})
    return annotations.of(pictures, objects), annotations.of(pictures, found)


def official(truth: Annotations, predictions: Annotations) -> COCOeval:
    """COCO's own way: a ground truth, a list of results, summarize."""
    pictures = {path: at for at, path in enumerate(truth.pictures["path"], 10)}
    labels = {label: at for at, label in enumerate(truth.labels, 3)}
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in pictures.values()],
        "categories": [{"id": number} for number in labels.values()],
        "annotations": [
            {
                "id": at + 1,
                "image_id": pictures[row.path],
                "category_id": labels[row.label],
                "bbox": [row.x, row.y, row.width, row.height],
                "area": row.area,
                "iscrowd": int(row.crowd),
            }
            for at, row in enumerate(truth.boxes.itertuples())
        ],
    }
    results = [
        {
            "image_id": pictures[row.path],
            "category_id": labels[row.label],
            "bbox": [row.x, row.y, row.width, row.height],
            "score": row.score,
        }
        for row in predictions.boxes.itertuples()
        if row.label in labels and row.path in pictures
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    truth, predictions = made(seed)
    run, found = official(truth, predictions), evaluate(truth, predictions)
    figures = [found.map, found.ap50, found.ap75, found.map_small, found.map_medium, found.map_large]
    assert figures == pytest.approx(run.stats[:6], abs=1e-6)
    precision = run.eval["precision"]  # (IoU, recall, label, area, number)
    for at, row in enumerate(found.per_label.itertuples()):
        assert row.label == truth.labels[at]
        assert row.map == pytest.approx(precision[:, :, at, 0, -1].mean(), abs=1e-6)
        assert row.ap50 == pytest.approx(precision[0, :, at, 0, -1].mean(), abs=1e-6)
        assert found.curves[row.label] == pytest.approx(precision[0, :, at, 0, -1])
    assert 0.05 < found.map < found.ap50 < 0.95


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    evaluate(*made(0))
    bootstrap(*made(0), {"all": {"000.jpg", "001.jpg"}}, rounds=3)
    assert capfd.readouterr() == ("", "")


def slow_iou(a: Any, b: Any) -> float:
    wide = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    high = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    shared = max(wide, 0) * max(high, 0)
    return shared / (a.width * a.height + b.width * b.height - shared)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("score", [0.0, 0.4])
def test_precision_recall_and_f1_are_those_of_a_loop(seed: int, score: float) -> None:
    truth, predictions = made(seed, crowds=False)
    right = wrong = 0
    for path in truth.pictures["path"]:
        left = [row for row in truth.boxes.itertuples() if row.path == path]
        told = [row for row in predictions.boxes.itertuples() if row.path == path and row.score >= score]
        for one in sorted(told, key=lambda row: -row.score):
            best = max((o for o in left if o.label == one.label), key=lambda o: slow_iou(one, o), default=None)
            if best is not None and slow_iou(one, best) >= 0.5:
                left.remove(best)
                right += 1
            else:
                wrong += 1
    found = evaluate(truth, predictions, score=score)
    missed = len(truth.boxes) - right
    assert (found.counts["TP"], found.counts["FP"], found.counts["FN"]) == (right, wrong, missed)
    assert found.precision == pytest.approx(right / (right + wrong))
    assert found.recall == pytest.approx(right / len(truth.boxes))
    assert found.f1 == pytest.approx(2 / (1 / found.precision + 1 / found.recall))
    assert min(right, wrong, missed) > 5


def test_the_best_f1_is_that_of_trying_every_score() -> None:
    truth, predictions = made(5, 12)
    tried = {score: evaluate(truth, predictions, score=score).f1 for score in predictions.boxes["score"]}
    found = evaluate(truth, predictions)
    assert found.f1_best == pytest.approx(max(tried.values()))
    assert tried[found.score_best] == pytest.approx(found.f1_best)


@pytest.mark.parametrize("seed", range(3))
def test_matches_of_one_label_agree_with_pycocotools_also_with_groups(seed: int) -> None:
    truth, predictions = made(seed)
    run, found = official(truth, predictions), match(truth, predictions)
    right = ignored = 0
    for one in run.evalImgs[:]:
        if one is not None and one["aRng"] == [0, 1e10]:
            right += int(((one["dtMatches"][0] > 0) & ~one["dtIgnore"][0]).sum())
            ignored += int(one["dtIgnore"][0].sum())
    assert found.counts["TP"] == right
    assert (found.predictions["outcome"] == "ignored").sum() == ignored > 0
    assert (found.truth["outcome"] == "ignored").sum() == truth.boxes["crowd"].sum()


def test_a_match_names_both_sides() -> None:
    truth, predictions = made(1)
    found = match(truth, predictions)
    told, known = found.predictions.set_index("number"), found.truth.set_index("number")
    for number, row in known[known["outcome"] == "TP"].iterrows():
        other = told.loc[row["prediction"]]
        assert (other["truth"], other["outcome"], other["label"]) == (number, "TP", row["label"])
        assert other["iou"] == pytest.approx(slow_iou(other, row))
        assert other["kind"] == ""
    assert set(known[known["outcome"] == "FN"]["prediction"]) == {-1}


def test_each_false_positive_has_its_kind() -> None:
    picture = {"path": "a.jpg", "width": 200, "height": 100}
    cat = {"path": "a.jpg", "label": "cat", "x": 10, "y": 10, "width": 40, "height": 40, "number": 7}
    dog = cat | {"label": "dog", "x": 110, "number": 8}
    told = [
        cat | {"score": 0.9, "number": 0},
        cat | {"score": 0.8, "number": 1, "x": 12},
        dog | {"score": 0.7, "number": 2, "label": "cat"},
        dog | {"score": 0.6, "number": 3, "x": 132},
        cat | {"score": 0.5, "number": 4, "y": 33, "label": "hat"},
        cat | {"score": 0.4, "number": 5, "x": 60, "y": 60},
    ]
    found = match(annotations.of([picture], [cat, dog]), annotations.of([picture], told))
    assert found.predictions[["outcome", "kind", "truth"]].to_numpy().tolist() == [
        ["TP", "", 7],
        ["FP", "duplicate", 7],
        ["FP", "confused class", 8],
        ["FP", "poor box", 8],
        ["FP", "confused class", 7],
        ["FP", "background", -1],
    ]
    assert found.truth["outcome"].tolist() == ["TP", "FN"]
    assert found.counts == {
        "TP": 1, "FP": 5, "FN": 1, "background": 1, "confused class": 2, "poor box": 1, "duplicate": 1
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_miss_rate_is_that_of_a_loop_over_scores(seed: int) -> None:
    truth, predictions = made(seed, crowds=False)
    n = len(truth.pictures)
    for label, told in evaluate(truth, predictions).per_label.set_index("label")["miss_rate"].items():
        own = annotations.of(truth.pictures, truth.boxes[truth.boxes["label"] == label])
        curve = []
        mine = predictions.boxes[predictions.boxes["label"] == label]
        for score in sorted(mine["score"]):
            at = match(own, annotations.of(truth.pictures, mine), score=score).counts
            curve.append((at["FP"] / n, at["FN"] / len(own.boxes)))
        logs = []
        for rate in FPPI:
            reached = [missed for wrong, missed in curve if wrong <= rate]
            logs.append(math.log(max(min(reached, default=1.0), 1e-10)))
        assert told == pytest.approx(math.exp(sum(logs) / 9))
        assert 0.05 < told < 1


def test_only_the_pictures_asked_for_count() -> None:
    truth, predictions = made(2)
    some = truth.pictures["path"][:11].tolist()
    part = evaluate(truth, predictions, paths=some)
    assert part.map == evaluate(truth.only(some), predictions.only(some)).map
    assert part.pictures == 11
    assert part.map != evaluate(truth, predictions).map


def test_predictions_for_pictures_without_truth_change_nothing() -> None:
    truth, predictions = made(3)
    strange = predictions.boxes.assign(path="strange.jpg")
    more = annotations.of(predictions.pictures, [*_rows(predictions.boxes), *_rows(strange)])
    before, after = evaluate(truth, predictions), evaluate(truth, more)
    assert (after.map, after.counts, after.miss_rate) == (before.map, before.counts, before.miss_rate)


def test_no_predictions_find_nothing_and_no_objects_give_no_figure() -> None:
    truth, predictions = made(4)
    none = evaluate(truth, annotations.of(truth.pictures, []))
    assert (none.map, none.recall, none.f1, none.miss_rate) == (0, 0, 0, 1)
    assert math.isnan(none.precision)
    empty = evaluate(annotations.of(truth.pictures, []), predictions)
    assert math.isnan(empty.map)
    assert math.isnan(empty.recall)
    assert empty.counts["FP"] == (predictions.boxes["score"] >= 0.5).sum()
    assert math.isnan(evaluate(truth, predictions, paths=[]).map)


@pytest.mark.parametrize("seed", range(3))
def test_the_bootstraps_value_is_the_map_of_each_subset(seed: int) -> None:
    truth, predictions = made(seed)
    paths = truth.pictures["path"].tolist()
    subsets = {"all": set(paths), "first": set(paths[:12]), "other": set(paths[12:]), "none": set()}
    told = bootstrap(truth, predictions, subsets, rounds=20)
    for name in ("all", "first", "other"):
        assert told[name].value == pytest.approx(evaluate(truth, predictions, paths=subsets[name]).map, abs=1e-9)
        assert told[name].low <= np.median(told[name].draws) <= told[name].high
        assert len(told[name].draws) == 20
    assert math.isnan(told["none"].value)


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_is_the_map_of_the_pictures_written_down_as_often_as_they_were_drawn(seed: int) -> None:
    truth, predictions = made(seed)
    paths = truth.pictures["path"].tolist()
    told = bootstrap(truth, predictions, {"half": set(paths[:15]), "all": set(paths)}, rounds=4, seed=seed)
    random = np.random.default_rng(seed)
    for at in range(4):
        times = np.bincount(random.integers(len(paths), size=len(paths)), minlength=len(paths))
        for name, chosen in (("half", paths[:15]), ("all", paths)):
            copies = [(path, f"{path}-{copy}") for path, n in zip(paths, times, strict=True) for copy in range(n)]
            again = [copied(one, [c for c in copies if c[0] in chosen]) for one in (truth, predictions)]
            assert told[name].draws[at] == pytest.approx(evaluate(*again).map, abs=1e-9)


def copied(one: Annotations, copies: list[tuple[str, str]]) -> Annotations:
    pictures = [{"path": new} for _, new in copies]
    boxes = [row | {"path": new} for old, new in copies for row in _rows(one.boxes) if row["path"] == old]
    return annotations.of(pictures, [row | {"number": at} for at, row in enumerate(boxes)])


def _rows(boxes: Any) -> list[dict[str, Any]]:
    return list(boxes.to_dict("records"))


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, predictions = made(0)
    subsets = {"all": set(truth.pictures["path"])}
    first, again, other = (bootstrap(truth, predictions, subsets, rounds=30, seed=seed)["all"] for seed in (1, 1, 2))
    assert (first.low, first.high) == (again.low, again.high) != (other.low, other.high)
    assert first.low < first.value < first.high


def test_recalls_are_counted_as_coco_compares_them() -> None:
    for n in range(1, 140):
        found = np.arange(1, n + 1)[None]
        reached = _recalls(found, np.array([n]))[0]
        assert reached.tolist() == [int((np.linspace(0, 1, 101) <= count / n).sum()) for count in found[0]]
