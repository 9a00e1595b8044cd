"""Encoders side by side: figures against plain loops, rows that say why, and what the command line makes of a list."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gallery import SPEC, draw, encoder, fill, photos, run

from pipeline import filters, plugins
from pipeline.comparison import encoders as comparing
from pipeline.comparison import labelled_pictures
from pipeline.errors import UsageError
from pipeline.gallery import reports
from pipeline.images.opening import open_image
from pipeline.metrics import intervals, retrieval

SMALL = "torchvision:arch=mobilenet_v3_small"
QUICK = {"batch_sizes": (1,), "device": "cpu"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "SECONDS", 0.0)


def source(folder: Path | str) -> labelled_pictures.Source:
    spec = folder if isinstance(folder, str) else f"folder:root={folder}"
    return labelled_pictures.of_dataset(plugins.build("datasets", spec), spec)


def splits(root: Path, *, test: int = 6, train: int = 9) -> str:
    """A table of pictures in two splits, three labels in turn; returns its spec."""
    lines = ["path,label,split"]
    for number in range(test + train):
        draw(root / f"{number}.png", number)
        lines.append(f"{number}.png,{'abc'[number % 3]},{'test' if number < test else 'train'}")
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    return f"table:file={root / 'table.csv'}"


def slow_figures(embeddings: np.ndarray, labels: list[str], asks: list[bool]) -> dict[str, float]:
    """Mean recall_at_1, map_at_r and knn_20, query by query."""
    found: dict[str, list[float]] = {"recall_at_1": [], "map_at_r": [], "knn_20": []}
    everyone = all(asks)
    for q in range(len(labels)):
        if not asks[q]:
            continue
        others = [i for i in range(len(labels)) if (i != q if everyone else not asks[i])]
        scores = {i: float(np.float32(embeddings[q].astype(float) @ embeddings[i].astype(float))) for i in others}
        order = sorted(others, key=lambda i: (-scores[i], i))
        r = sum(labels[i] == labels[q] for i in others)
        if not r:
            continue
        found["recall_at_1"].append(labels[order[0]] == labels[q])
        right, total = 0, 0.0
        for rank, i in enumerate(order[:r], 1):
            if labels[i] == labels[q]:
                right += 1
                total += right / rank
        found["map_at_r"].append(total / r)
        votes: dict[str, float] = {}
        for i in order[:20]:
            votes[labels[i]] = votes.get(labels[i], 0) + math.exp(scores[i] / 0.07)
        found["knn_20"].append(max(sorted(votes), key=lambda label: votes[label]) == labels[q])
    return {name: sum(values) / len(values) for name, values in found.items()}


def embedded(root: Path, names: list[str], spec: str = SPEC) -> np.ndarray:
    built = encoder(spec)
    return np.concatenate(
        [built.encode(built.preprocess(open_image((root / name).read_bytes()).image)[None]) for name in names]
    )


def check_figures(row: dict, truth: dict[str, float]) -> None:
    for name, value in truth.items():
        assert row["metrics"][name]["value"] == pytest.approx(value, abs=1e-6), name
        assert row["metrics"][name]["low"] <= value <= row["metrics"][name]["high"]


# figures


def test_each_picture_asks_all_others_and_the_figures_are_those_of_a_loop(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 30)
    draw(folder / "alone" / "one.png", 99)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    labels = [name.split("/")[0] for name in names]
    untrained = "deep_ranking:trained=false,multiscale=false"
    report = comparing.compare(source(folder), [SPEC, untrained], **QUICK)
    assert (report["pictures"], report["labels"], report["n_queries"], report["n_skipped"]) == (31, 4, 30, 1)
    for row in report["rows"]:
        check_figures(row, slow_figures(embedded(folder, names, row["encoder"]), labels, [True] * 31))
    first, second = (row["metrics"]["map_at_r"]["value"] for row in report["rows"])
    assert first >= second


def test_queries_ask_the_rest(tmp_path: Path) -> None:
    spec = splits(tmp_path)
    report = comparing.compare(source(spec), [SPEC], queries=filters.parse(["split=test"]), **QUICK)
    assert (report["queries"], report["n_queries"], report["pictures"]) == ("split=test", 6, 15)
    embeddings = embedded(tmp_path, [f"{n}.png" for n in range(15)])
    truth = slow_figures(embeddings, ["abc"[n % 3] for n in range(15)], [n < 6 for n in range(15)])
    check_figures(report["rows"][0], truth)


def test_intervals_are_those_of_the_bootstrap_and_the_seed_repeats_them(tmp_path: Path) -> None:
    data = source(photos(tmp_path / "photos", 24))
    first, again = (comparing.compare(data, [SPEC], seed=3, **QUICK)["rows"][0]["metrics"] for _ in range(2))
    assert first == again
    pictures = labelled_pictures.open_all(data, np.arange(24))
    embeddings = encoder().encode(np.stack([encoder().preprocess(pictures[i]) for i in range(24)]))
    labels = data.table["label"].to_numpy(str)
    hits = retrieval.nearest(embeddings, embeddings, k=1, exclude=np.arange(24))[1]
    expected = intervals.interval(retrieval.recall_at_k(labels[hits], labels, 1), seed=3)
    assert first["recall_at_1"] == expected.rounded()


def test_pictures_that_do_not_fit_in_memory_are_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = source(photos(tmp_path / "photos", 12))
    whole = comparing.compare(data, [SPEC], **QUICK)["rows"][0]["metrics"]
    monkeypatch.setattr(labelled_pictures, "MAX_HELD", 3 * 40 * 32 * 3)
    held = labelled_pictures.open_all(data, np.arange(12)).held
    assert [picture is not None for picture in held] == [True] * 3 + [False] * 9
    assert comparing.compare(data, [SPEC], **QUICK)["rows"][0]["metrics"] == whole


# size and speed


def test_parameters_size_and_speed_of_a_network_and_of_none(tmp_path: Path) -> None:
    import torch
    from torchvision import models

    data = source(photos(tmp_path / "photos", 6))
    torch.manual_seed(7)  # not the encoder's own
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), tmp_path / "w.pth")
    specs = [SPEC, f"{SMALL},weights=none", f"{SMALL},weights={tmp_path / 'w.pth'}"]
    report = comparing.compare(data, specs, batch_sizes=(1, 4), device="cpu")
    plain, random, loaded = (next(row for row in report["rows"] if row["encoder"] == spec) for spec in specs)
    assert (plain["parameters"], plain["bytes"], plain["bytes_of"]) == (0, 0, "")
    published = sum(
        p.numel() for name, p in models.mobilenet_v3_small().named_parameters() if "classifier.3" not in name
    )
    assert 0.98 * published < random["parameters"] < published  # BatchNorm is folded
    assert (random["bytes"], random["bytes_of"]) == (4 * random["parameters"], "memory")
    assert (loaded["bytes"], loaded["bytes_of"]) == ((tmp_path / "w.pth").stat().st_size, "file")
    assert random["fingerprint"] != loaded["fingerprint"]
    for row in report["rows"]:
        assert set(row["pictures_per_second"]) == {"1", "4"}
        assert min(row["pictures_per_second"].values()) > 0
    json.dumps(report)


def test_an_encoder_may_state_its_parameters() -> None:
    class Stated:
        parameters, network = 12, None

    assert comparing.size_of(Stated()) == 12


# encoders that cannot be had


def test_an_encoder_that_cannot_be_had_is_a_row_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("pipeline.files.downloads.time.sleep", lambda seconds: None)
    monkeypatch.setattr("pipeline.plugins.missing", lambda kind, name: "pip install timm" if name == "timm" else "")

    def refused(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refused)
    (tmp_path / "damaged.pth").write_bytes(b"no weights")
    specs = [SMALL, "timm", "nonsense", f"{SMALL},weights={tmp_path / 'damaged.pth'}", "color_histogram:bins=99", SPEC]
    rows = comparing.compare(source(photos(tmp_path / "photos", 6)), specs, **QUICK)["rows"]
    assert rows[0]["encoder"] == SPEC
    assert rows[0]["metrics"]
    reasons = {row["encoder"]: row["error"] for row in rows[1:]}
    assert list(reasons) == specs[:-1]
    assert reasons[SMALL].startswith("cannot download https://download.pytorch.org/models/mobilenet_v3_small")
    assert "weights=PATH" in next(row["remedy"] for row in rows if row["encoder"] == SMALL)
    assert reasons["timm"] == "timm needs a library that is not installed: pip install timm"
    assert reasons["nonsense"].startswith("unknown encoder 'nonsense'; choose from")
    assert "not a file of plain tensors" in reasons[specs[3]]
    assert "bins=99 is not between 2 and 12" in reasons[specs[4]]
    assert not any(". " in reason or "\n" in reason for reason in reasons.values())


def test_an_encoder_that_fails_while_it_encodes_loses_no_other_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, batch: np.ndarray) -> np.ndarray:
        raise RuntimeError("not enough memory: you tried to allocate 9 GB")

    monkeypatch.setattr("pipeline.encoders.raw_pixels.RawPixels.encode", full)
    rows = comparing.compare(source(photos(tmp_path / "photos", 6)), ["raw_pixels", SPEC], **QUICK)["rows"]
    assert [row["error"] for row in rows] == ["", "not enough memory: you tried to allocate 9 GB"]


# which pictures


def test_a_sample_gives_each_label_its_share_and_the_seed_repeats_it() -> None:
    labels = np.array(["many"] * 900 + ["some"] * 90 + ["few"] * 10, dtype=object)
    everyone = np.ones(1000, bool)
    rows = labelled_pictures.sample(labels, everyone, limit=100, seed=1)
    counts = {label: int((labels[rows] == label).sum()) for label in ("many", "some", "few")}
    assert len(rows) == len(set(rows.tolist())) == 100
    assert 86 <= counts["many"] <= 90
    assert 8 <= counts["some"] <= 10
    assert counts["few"] == 2
    assert list(rows) == sorted(rows)
    assert np.array_equal(rows, labelled_pictures.sample(labels, everyone, limit=100, seed=1))
    assert not np.array_equal(rows, labelled_pictures.sample(labels, everyone, limit=100, seed=2))
    assert np.std(rows[rows < 900]) > 200  # from all over, not the first of each label
    assert np.array_equal(labelled_pictures.sample(labels, everyone, limit=5000, seed=1), np.arange(1000))


def test_a_small_sample_of_many_labels_holds_pairs() -> None:
    labels = np.array([f"label {n // 5}" for n in range(500)], dtype=object)
    rows = labelled_pictures.sample(labels, np.ones(500, bool), limit=60, seed=0)
    assert set(np.unique(labels[rows], return_counts=True)[1]) == {2}
    asks = np.arange(500) % 5 == 0
    rows = labelled_pictures.sample(labels, asks, limit=60, seed=0)
    assert asks[rows].sum() == 30  # of each pair one asks


def test_copies_and_files_that_are_no_pictures_take_no_part(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 9)
    shutil.copy(folder / "cup" / "000.png", folder / "cup" / "copy.png")
    (folder / "cup" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    Image.new("RGB", (30, 30)).save(folder / "unlabelled.png")
    report = comparing.compare(source(folder), [SPEC], **QUICK)
    assert (report["labelled"], report["unlabelled"], report["pictures"]) == (11, 1, 9)
    assert (report["copies"], report["unreadable"]) == (1, 1)


def test_a_limit_is_kept(tmp_path: Path) -> None:
    report = comparing.compare(source(photos(tmp_path / "photos", 30)), [SPEC], limit=12, **QUICK)
    assert (report["labelled"], report["sampled"], report["pictures"], report["labels"]) == (30, 12, 12, 3)


def test_pictures_that_cannot_tell_encoders_apart_are_refused_in_one_sentence(tmp_path: Path) -> None:
    def refused(folder: Path | str, *queries: str) -> str:
        with pytest.raises(UsageError) as caught:
            comparing.compare(source(folder), [SPEC], queries=filters.parse(queries), **QUICK)
        return str(caught.value)

    draw(tmp_path / "flat" / "one.png", 1)
    assert "no picture has a label in folder:root=" in refused(tmp_path / "flat")
    assert "the only label is 'cup'" in refused(photos(tmp_path / "one", 4, labels=("cup",)))
    pairless = photos(tmp_path / "pairless", 3)
    assert "no picture that asks has another of its label to find" in refused(pairless)
    spec = splits(tmp_path / "splits")
    assert "no labelled picture passes split=tset" in refused(spec, "split=tset")
    assert "none is left to search" in refused(spec, "split=test,train")
    assert "no field 'colour' to filter by" in refused(spec, "colour=red")
    for number, file in enumerate(sorted(pairless.rglob("*.png"))):
        shutil.copy(file, file.with_name("again.png"))
        if number:
            file.write_bytes(b"")
            file.with_name("again.png").write_bytes(b"")
    assert "(4 could not, first: the file is empty" in refused(pairless)
    with pytest.raises(UsageError, match="device 'cuda:99' is not on this machine"):
        comparing.compare(source(spec), [SPEC], device="cuda:99")


# the list of encoders


@pytest.mark.parametrize(
    ("texts", "specs"),
    [
        (["color_histogram"], ["color_histogram"]),
        (["color_histogram,deep_ranking"], ["color_histogram", "deep_ranking"]),
        (
            ["torchvision:arch=resnet50,weights=x,color_histogram:bins=4,grid=2,raw_pixels"],
            ["torchvision:arch=resnet50,weights=x", "color_histogram:bins=4,grid=2", "raw_pixels"],
        ),
        (["torchvision:arch=vgg16,timm:arch=xception41"], ["torchvision:arch=vgg16", "timm:arch=xception41"]),
        (["torchvision:weights=a,b.pth"], ["torchvision:weights=a,b.pth"]),
        (["timm:arch=x,weights=timm.pth,raw_pixels"], ["timm:arch=x,weights=timm.pth", "raw_pixels"]),
        (["raw_pixels,nonsense,timm:arch=x"], ["raw_pixels", "nonsense", "timm:arch=x"]),
        (["nonsense:arch=x,raw_pixels"], ["nonsense:arch=x", "raw_pixels"]),
        (["raw_pixels , deep_ranking"], ["raw_pixels", "deep_ranking"]),
        (["raw_pixels", "deep_ranking,raw_pixels"], ["raw_pixels", "deep_ranking"]),
        ([], []),
    ],
)
def test_a_comma_begins_an_encoder_only_where_a_plugins_name_follows(texts: list[str], specs: list[str]) -> None:
    assert plugins.split("encoders", texts) == specs


@pytest.mark.parametrize("text", ["", ",", "raw_pixels,", "raw_pixels,,deep_ranking", " "])
def test_an_empty_place_in_the_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="nothing between two commas or at an end; write a,b,c"):
        plugins.split("encoders", [text])


def test_the_usual_encoders_can_be_asked_for() -> None:
    for spec in comparing.USUAL:
        name, given = plugins.parse(spec)
        assert set(given) <= {option.name for option in plugins.options("encoders", name)}
    assert plugins.split("encoders", [",".join(comparing.USUAL)]) == list(comparing.USUAL)


def test_every_network_of_the_documents_is_known_to_its_library() -> None:
    import timm
    from torchvision import models

    known = {"torchvision": models.list_models(module=models), "timm": timm.list_models()}
    for spec in comparing.USUAL:
        name, given = plugins.parse(spec)
        assert name not in known or given["arch"] in known[name]


# the command


def test_a_dataset_is_compared_on_the_command_line(home: Path, tmp_path: Path) -> None:
    words = ["compare-encoders", "--dataset", splits(tmp_path), "--encoders", f"nonsense,{SPEC}", "--batch-sizes", "2"]
    words += ["--queries", "split=test", "--progress", "none", "--device", "cpu"]
    told = run(*words)
    assert told.returncode == 0, told.stderr
    assert "nonsense" in told.stdout
    assert "unknown encoder 'nonsense'" in told.stdout
    assert "15 of 15 labelled pictures" in told.stdout
    assert "those with split=test ask the rest: 6 queries" in told.stdout
    found = json.loads(run(*words, "--json").stdout)
    assert [bool(row["metrics"]) for row in found["rows"]] == [True, False]
    assert found["seed"] == 0
    assert "compare-encoders" in found["command"]


def test_a_gallerys_comparison_is_kept_in_its_reports(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 9))
    words = ["compare-encoders", "--gallery", "small", "--encoders", SPEC, "--batch-sizes", "1", "--progress", "json"]
    told = run(*words)
    assert told.returncode == 0, told.stderr
    [name] = reports.names(gallery, comparing.KIND)
    assert told.stdout.splitlines()[-1] == f"kept as {name}"
    report = reports.read(gallery, name)
    truth = slow_figures(gallery.rows().embeddings, gallery.rows().table["label"].tolist(), [True] * 9)
    check_figures(report["rows"][0], truth)
    assert report["source"] == "gallery small"


def test_without_a_single_figure_the_command_fails_and_keeps_nothing(home: Path, tmp_path: Path) -> None:
    gallery, _ = fill(photos(tmp_path / "photos", 9))
    told = run("compare-encoders", "--gallery", "small", "--encoders", "nonsense", "--progress", "none")
    assert told.returncode == 1
    assert "unknown encoder 'nonsense'" in told.stdout
    assert "no encoder gave figures" in told.stderr
    assert reports.names(gallery, comparing.KIND) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of --dataset SPEC and --gallery NAME"),
        (["--dataset", "folder:root=.", "--gallery", "small"], "one of --dataset SPEC and --gallery NAME"),
        (["--dataset", "folder:root=.", "--batch-sizes", "1,x"], "write 1,8,32"),
        (["--dataset", "folder:root=.", "--batch-sizes", "0"], "numbers from 1 to 1024"),
        (["--dataset", "folder:root=.", "--encoders", "a,,b"], "nothing between two commas"),
        (["--dataset", "fodler:root=."], "unknown dataset 'fodler'"),
        (["--gallery", "nothing"], "no gallery 'nothing'"),
    ],
)
def test_a_wrong_request_is_one_sentence(home: Path, words: list[str], said: str) -> None:
    told = run("compare-encoders", *words, "--progress", "none")
    assert told.returncode in (1, 2)
    assert said in told.stderr
    assert "Traceback" not in told.stderr
