"""Embedding files: every picture once, in order, with the values the encoder gives it alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import ROOT
from pipeline.encoders.color_histogram import build as color_histogram
from pipeline.errors import UsageError
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import seeded
from pipeline.settings import Settings
from training import runs
from training.data import prepared
from training.loop.checkpoints import write_weights
from training.results.embed import embed, model_of

SPLITS = ["train", "dev", "test", "train", "train"]


def prepared_folder(folder: Path, *, n: int = 20, splits: list[str] = SPLITS, labels: list[str] | None = None) -> Path:
    """What `prepare` leaves: `n` pictures of noise, 16 px, splits and labels in turn."""
    labels = labels or ["black widow", "brain coral, alive"]
    rows = [(f"{i:032x}", f"{i}.png", labels[i % len(labels)], splits[i % len(splits)], False) for i in range(n)]
    folder.mkdir()
    np.save(folder / "pixels.npy", np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), np.uint8))
    table = pd.DataFrame(rows, columns=["id", "path", "label", "split", "open"])
    table.to_parquet(folder / "pictures.parquet", index=False)
    about = {"format": 1, "side": 16, "labels": sorted(set(table["label"])), "dataset": "noise"}
    (folder / "prepared.json").write_text(json.dumps(about))
    return folder


def exported(folder: Path) -> Path:
    """An untrained network as a model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with seeded(0):
        network = deep_ranking.build("dr10", dim=8, multiscale=False)
    write_weights(network, folder / "best.safetensors")
    options = {"backbone": "dr10", "dim": 8, "multiscale": False}
    model_folder.write(folder, options=options, cropping=Cropping((16, 16), (16, 16)), weights="best.safetensors")
    return folder


def rows(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text(encoding="utf-8").removesuffix("\n").split("\n")]


def test_each_picture_of_a_split_has_one_row_in_the_tables_order(tmp_path: Path) -> None:
    data = prepared.load(prepared_folder(tmp_path / "data", n=2 * 64 + 3))
    written = embed(color_histogram(), data, folder=tmp_path / "out")
    assert [(file.path.name, file.count) for file in written] == [
        ("train_embedding.txt", sum(split == "train" for split in data.table["split"])),
        ("test_embedding.txt", sum(split == "test" for split in data.table["split"])),
    ]
    for file, split in zip(written, ("train", "test"), strict=True):
        expected = [(row.id, row.label) for row in data.table.itertuples() if row.split == split]
        assert [(row[0], row[1]) for row in rows(file.path)] == expected
        assert len({row[0] for row in rows(file.path)}) == file.count


def test_the_values_are_those_of_the_picture_encoded_alone(tmp_path: Path) -> None:
    data = prepared.load(prepared_folder(tmp_path / "data"))
    encoder = model_folder.load(exported(tmp_path / "model")).encoder("cpu")
    [_, test] = embed(encoder, data, folder=tmp_path)
    found = {row[0]: [float(value) for value in row[2:]] for row in rows(test.path)}
    assert len(found) == 4
    for i, row in data.table.iterrows():
        if row["split"] == "test":
            picture = encoder.preprocess(Image.fromarray(data.pixels[i]))
            assert found[row["id"]] == pytest.approx(encoder.encode(picture[None])[0].tolist(), abs=2e-6)


def test_dev_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    data = prepared.load(prepared_folder(tmp_path / "data"))
    [without, _] = embed(color_histogram(), data, folder=tmp_path)
    assert without.count == 12
    [train, _] = embed(color_histogram(), data, folder=tmp_path, with_dev=True)
    assert [row[0] for row in rows(train.path)] == data.table["id"][data.table["split"] != "test"].tolist()


def test_a_label_with_a_tab_or_a_line_break_still_makes_one_row(tmp_path: Path) -> None:
    labels = ["a\tb", "c\nd", 'e "f", g']
    data = prepared.load(prepared_folder(tmp_path / "data", labels=labels))
    [train, _] = embed(color_histogram(), data, folder=tmp_path)
    found = rows(train.path)
    assert {row[1] for row in found} == {"a b", "c d", 'e "f", g'}
    assert {len(row) for row in found} == {2 + color_histogram().dim}


def test_the_files_are_read_as_training_md_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared.load(prepared_folder(tmp_path / "data", labels=["NA", '5" nails, "long"', "7"]))
    encoder = color_histogram()
    embed(encoder, data, folder=tmp_path)
    [example] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/training.md").read_text(), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(example, found)
    train = data.split("train")
    assert found["ids"].tolist() == data.table["id"][train].tolist()
    assert found["labels"].tolist() == data.table["label"][train].tolist()
    assert found["embeddings"].shape == (len(train), encoder.dim)
    assert found["embeddings"] == pytest.approx(
        encoder.encode(np.stack([encoder.preprocess(Image.fromarray(data.pixels[i])) for i in train])), abs=2e-6
    )


def test_a_failure_leaves_the_earlier_file_as_it_was(tmp_path: Path) -> None:
    class Breaks:
        dim = 4

        def preprocess(self, image: Image.Image) -> np.ndarray:
            return np.asarray(image)

        def encode(self, batch: np.ndarray) -> np.ndarray:
            raise MemoryError("no room")

    (tmp_path / "train_embedding.txt").write_text("earlier\n")
    data = prepared.load(prepared_folder(tmp_path / "data"))
    with pytest.raises(MemoryError):
        embed(Breaks(), data, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "train_embedding.txt"]
    assert (tmp_path / "train_embedding.txt").read_text() == "earlier\n"


def test_without_test_pictures_nothing_is_written(tmp_path: Path) -> None:
    data = prepared.load(prepared_folder(tmp_path / "data", splits=["train"]))
    with pytest.raises(UsageError, match="no test pictures"):
        embed(color_histogram(), data, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_tells_how_many_of_how_many(tmp_path: Path) -> None:
    data = prepared.load(prepared_folder(tmp_path / "data", n=1_000))
    said: list[tuple[str, int, int]] = []
    embed(color_histogram(), data, folder=tmp_path, progress=lambda *event: said.append(event))
    expected = {"embed train": 600, "embed test": 200}
    assert said == [(stage, min(n, of), of) for stage, of in expected.items() for n in range(64, of + 64, 64)]


def test_a_model_is_found_by_its_runs_name_its_runs_folder_or_its_own_folder(home: Path, tmp_path: Path) -> None:
    run = runs.create_run("first", Settings(), data={"folder": "/somewhere"})
    with pytest.raises(runs.RunError, match="no weights yet"):
        model_of("first", Settings())
    exported(run.root)
    assert model_of("first", Settings()) == model_of(str(run.root), Settings()) == (run.root, Path("/somewhere"))
    folder = exported(tmp_path / "models")
    assert model_of(str(folder), Settings()) == (folder, None)
    with pytest.raises(runs.RunError, match=r"no run 'second' \(there is: first\)"):
        model_of("second", Settings())


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", "embed", *words],
        cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_command_writes_into_the_current_folder_and_an_exported_model_needs_data(
    home: Path, tmp_path: Path
) -> None:
    data, model = prepared_folder(tmp_path / "data"), exported(tmp_path / "model")
    refused = command(str(model), cwd=tmp_path)
    assert refused.returncode == 2
    assert "--data FOLDER" in refused.stderr
    done = command(str(model), "--data", str(data), "--with_dev", "--device", "cpu", "--progress", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "train_embedding.txt: 16 pictures, 8 values each",
        "test_embedding.txt: 4 pictures, 8 values each",
    ]
    assert json.loads(done.stderr.splitlines()[-1])["stage"] == "embed test"
    assert len(rows(tmp_path / "train_embedding.txt")) == 16
