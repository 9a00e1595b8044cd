"""The loop on six kinds of stripes: what it learns, what it leaves, and what it refuses before it begins."""

from __future__ import annotations

import errno
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file
from tiny_training import LABELS, Said, cut_at, figures, new, tiny, trained, variant

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.metrics import retrieval
from pipeline.networks import model_folder
from training import recipes
from training.data import prepared
from training.data.pixels import Pixels
from training.data.prepare import prepare
from training.data.prepared import Prepared
from training.loop import checkpoints, loop, schedule, start
from training.loop.checkpoints import collapse_advice
from training.loop.dev import Dev
from training.objectives import classification
from training.runs import Run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of figures every few steps, and the command line's cpu recipe on thumbnails."""
    monkeypatch.setattr(loop, "RECORD", 10)
    facts = {"batch_size": 24, "test_side": 16, "dim": 16}
    monkeypatch.setitem(recipes.BASES, "cpu", recipes.Base(0.1, ((1.0, 16),), 5e-4, 0.8, facts))


def recall(run: Run, data: Prepared, rows: np.ndarray) -> float:
    """Of the last averaged weights; the best on dev may be others."""
    network = model_folder.load(run.root).network
    network.load_state_dict(torch.load(run.last, weights_only=True)["average"])
    return retrieval.recall_at_1(Pixels(data, CPU).embed(network, rows, side=16), data.labels[rows])


FLOOR = -sum(share * math.log(share) for share in [0.9 + 0.1 / 6] + [0.1 / 6] * 5)  # smoothed labels cost that much


def two_batches(data: Prepared, folder: Path, **columns) -> Prepared:
    """48 pictures to train on, the same dev split."""
    split = np.array(data.table["split"], object)
    split[np.random.default_rng(0).permutation(np.flatnonzero(split == "train"))[48:]] = "test"
    return variant(data, folder, split=split, **columns)


def test_two_batches_are_learned_by_heart(data: Prepared, tmp_path: Path) -> None:
    small = two_batches(data, tmp_path / "small")
    run = trained("small", small, tiny(weight_decay=0.0, crop_min=1.0), steps=60)
    assert recall(run, small, small.split("train")) == 1.0
    assert FLOOR <= run.metrics("train")[-1]["loss"] < FLOOR + 0.05


def test_labels_by_chance_are_learned_by_heart_too_and_tell_nothing_of_other_pictures(
    data: Prepared, tmp_path: Path
) -> None:
    shuffled = np.random.default_rng(0).permutation(np.array(data.table["label"], object))
    nonsense = two_batches(data, tmp_path / "nonsense", label=shuffled)
    run = trained("nonsense", nonsense, tiny(weight_decay=0.0, crop_min=1.0), steps=120)
    assert FLOOR <= run.metrics("train")[-1]["loss"] < FLOOR + 0.25 < math.log(6)
    assert recall(run, nonsense, nonsense.split("dev")) < 0.45  # chance: 1 / 6
    assert run.metrics("dev")[-1]["map_at_r"] < 0.3


def test_a_run_learns_and_leaves_everything_that_its_folder_promises(data: Prepared) -> None:
    run = trained("both", data, tiny(then="deep_ranking"), steps=40)
    lines = run.metrics("train")
    assert [line["step"] for line in lines] == [10, 20, 30, 40]
    assert [line["stage"] for line in lines] == ["classification"] * 2 + ["deep_ranking"] * 2
    for line in lines:
        assert {"loss", "active_share", "d_positive", "d_negative", "images_per_second", "seconds_left"} <= set(line)
    assert lines[-1]["seconds_left"] == 0
    measured = run.metrics("dev")
    assert [line["step"] for line in measured] == [10, 20, 30, 40]
    assert len((run.root / "metrics.jsonl").read_text().splitlines()) == 8  # no step was measured twice
    names = {"recall_at_1", "map_at_r", "similarity_precision", "effective_rank", "similarity_precision_in_class"}
    assert names <= set(measured[-1])
    assert measured[-1]["recall_at_1"] > 0.9
    about = run.about()
    assert (about["status"], about["steps"], about["network"]["dim"]) == ("finished", 40, 16)
    assert about["relevance"]["gap"] > 0
    assert run.triplets()[0]["d_negative"] - run.triplets()[0]["d_positive"] < 1
    assert all((run.pictures / t["anchor"]["picture"]).exists() for t in run.triplets())
    assert sum(run.distances()["positive"]) == sum(run.distances()["negative"]) > 0
    assert plugins.build("encoders", "checkpoint:run=both", device="cpu").dim == 16
    assert start.go_on(run, device="cpu") == "finished"  # and does nothing

    # statistics of triplet batches are not those of the data, so they stay as classification left them
    before, after = load_file(run.root / "classification.safetensors"), load_file(run.root / "deep_ranking.safetensors")
    running = [name for name in before if "running_" in name]
    assert len(running) > 20
    assert all(torch.equal(before[name], after[name]) for name in running)
    assert not torch.equal(before["head.weight"], after["head.weight"])

    # the semantic part of the golden feature is the network's when the phase began
    network = model_folder.load(run.root).network
    network.load_state_dict(before)
    rows = data.split("train")
    expected = Pixels(data, CPU).embed(network, rows, side=16)
    found = np.load(run.root / "semantic.npy")
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_averaged_weights_are_those_of_a_plain_loop_and_the_best_are_averaged_ones(
    data: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    real = loop.Loop.step

    def step(self, number: int) -> torch.Tensor:
        if not seen:
            seen.append(self.network.head.weight.detach().clone())
        loss = real(self, number)
        seen.append(self.network.head.weight.detach().clone())
        return loss

    monkeypatch.setattr(loop.Loop, "step", step)
    run = trained("averaged", data, tiny(averaging=0.2), steps=30)
    assert len(seen) == 31
    average = seen[0].double()
    for weight in seen[1:]:
        average = average + (weight - average) / (0.2 * 30)
    last = torch.load(run.last, weights_only=True)
    torch.testing.assert_close(last["average"]["head.weight"].double(), average, atol=1e-5, rtol=1e-5)
    assert torch.equal(last["network"]["head.weight"], seen[-1])
    assert not torch.allclose(last["network"]["head.weight"], last["average"]["head.weight"], atol=1e-5)
    assert [line["recall_at_1"] for line in run.metrics("dev")][-1] == 1.0  # so the last measured are the best
    assert torch.equal(load_file(run.best)["head.weight"], last["average"]["head.weight"])


def test_the_same_seed_gives_the_same_run_and_another_one_another(data: Prepared) -> None:
    one, two, other = (trained(f"run{i}", data, tiny(seed=seed), steps=10) for i, seed in enumerate((0, 0, 1)))
    assert figures(one) == figures(two) != figures(other)
    assert one.best.read_bytes() == two.best.read_bytes()


@pytest.mark.parametrize("optim", ["sgd", "adam", "rms"])
def test_every_optimiser_lowers_the_loss(data: Prepared, optim: str) -> None:
    run = trained(optim, data, tiny(optim=optim, lr=0.1 if optim == "sgd" else 0.001), steps=20)
    first, last = run.metrics("train")
    assert last["loss"] < first["loss"] < 4


@pytest.mark.parametrize("loss", ["multi_similarity", "proxy_anchor", "contrastive", "triplet_hinge"])
def test_every_metric_loss_can_be_trained_with(data: Prepared, loss: str) -> None:
    run = trained("metric", data, tiny(objective=loss), steps=10)
    assert math.isfinite(run.metrics("train")[-1]["loss"])
    assert run.about()["recipe"]["labels_per_batch"] == 6  # all that there are, though the recipe says 32


def test_the_gpu_recipe_s_views_can_be_learned_from(data: Prepared) -> None:
    run = trained("views", data, tiny(cutmix=0.5, mixup=0.25, jitter=0.3, erase=0.1), steps=10)
    assert math.isfinite(run.metrics("train")[-1]["loss"])


def test_the_open_sets_labels_are_neither_learned_nor_measured(data: Prepared) -> None:
    run = new("open", data, tiny(open_set=True), steps=10)
    made = loop.Loop(
        run,
        data,
        start._network(tiny(), ""),
        tiny(open_set=True),
        device=CPU,
        plan=lambda pace: schedule.by_steps(tiny(), 1),
    )
    opened = LABELS.index(data.about["open"][0])
    assert opened not in data.labels[made.train_rows]
    assert opened not in made.dev.labels
    assert len(made.train_rows) == 140
    assert start.go_on(run, device="cpu") == "finished"


def test_minutes_become_steps_once_and_the_timed_ones_leave_no_trace(data: Prepared) -> None:
    recipe = tiny()
    run = start.new_run("timed", data, recipe, minutes=0.005, epochs=0, init="", command=[])
    stopped = []

    def progress(stage: str, done: int, total: int) -> None:
        stopped.append(stage)
        if stage == "timing" and done == total:
            made = run.about()
            assert "schedule" not in made

    assert start.go_on(run, device="cpu", progress=progress) == "finished"
    assert stopped.count("timing") == 50
    steps = run.about()["steps"]
    assert run.about()["schedule"] == [{"phase": 0, "start": 0, "end": steps, "side": 16}]
    same = trained("same", data, recipe, steps=steps)
    assert figures(same) == figures(run)


def test_weights_to_begin_from_are_used_and_a_resume_does_not_need_them_again(data: Prepared, tmp_path: Path) -> None:
    first = trained("first", data, tiny(), steps=20)
    folder = shutil.copytree(first.root, tmp_path / "weights")
    second = new("second", data, tiny(lr=1e-6), steps=20, init=str(folder))
    with pytest.raises(KeyboardInterrupt):
        start.go_on(second, device="cpu", checkpoint_seconds=0, progress=cut_at(10))
    shutil.rmtree(folder)
    assert start.go_on(second, device="cpu") == "finished"
    torch.testing.assert_close(
        load_file(second.best)["head.weight"], load_file(first.best)["head.weight"], atol=1e-4, rtol=0
    )


def test_a_metric_run_that_is_cut_off_goes_on_with_the_very_figures_it_would_have_had(data: Prepared) -> None:
    recipe = tiny(objective="multi_similarity", cutmix=0.5)
    whole, run = trained("whole", data, recipe, steps=20), new("cut", data, recipe, steps=20)
    with pytest.raises(KeyboardInterrupt):
        start.go_on(run, device="cpu", checkpoint_seconds=0.1, progress=cut_at(10))
    assert torch.load(run.last, weights_only=True)["step"] < 10
    assert start.go_on(run, device="cpu") == "finished"
    assert figures(run) == figures(whole)
    assert run.best.read_bytes() == whole.best.read_bytes()


def test_dropout_is_drawn_by_step_too(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """As alexnet has it."""
    real = start._network

    def network(*given, **options):
        made = real(*given, **options)
        made.stages[4].append(torch.nn.Dropout(0.5))
        return made

    monkeypatch.setattr(start, "_network", network)
    whole, run = trained("whole", data, tiny(), steps=20), new("cut", data, tiny(), steps=20)
    with pytest.raises(KeyboardInterrupt):
        start.go_on(run, device="cpu", checkpoint_seconds=0.1, progress=cut_at(10))
    assert start.go_on(run, device="cpu") == "finished"
    assert figures(run) == figures(whole)


def test_embeddings_that_collapse_are_warned_of_with_advice(
    data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = variant(data, tmp_path / "grey", pixels=np.full_like(data.pixels, 128))
    run = trained("grey", grey, tiny(), steps=10)
    warning = run.about()["warning"]
    assert "of 16 dimensions: they are collapsing" in warning
    assert "lower --lr" in warning
    assert capsys.readouterr().err.strip() == f"warning: {warning}"
    healthy = {"dim": 128, "n_labels": 200}
    assert collapse_advice({"effective_rank": 1.0}, **healthy)
    assert collapse_advice({"effective_rank": 3.0}, **healthy)
    assert not collapse_advice({"effective_rank": 30.0}, **healthy)
    assert not collapse_advice({"effective_rank": 1.0}, dim=128, n_labels=2)  # two points lie on a line


def test_a_label_with_one_picture_stops_no_objective(tmp_path: Path, stripes: Path) -> None:
    root = shutil.copytree(stripes, tmp_path / "photos")
    (root / "lonely").mkdir()
    shutil.copy(root / "apple" / "01.png", root / "lonely" / "x.png")
    shutil.rmtree(root / "apple")
    prepare(plugins.build("datasets", f"folder:root={root}"), tmp_path / "out", spec="photos")
    lonely = prepared.load(tmp_path / "out")
    assert (lonely.table["label"] == "lonely").sum() == 1
    trained("golden", lonely, tiny(objective="deep_ranking"), steps=6)
    with pytest.raises(UsageError, match="only 5 labels have 4 pictures and a batch takes 6 labels"):
        new("metric", lonely, tiny(objective="contrastive"), steps=6)
    trained("five", lonely, tiny(objective="contrastive", labels_per_batch=5), steps=6)


# what goes wrong on the way


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_good(
    data: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new("diverged", data, tiny(), steps=40)
    real, calls = classification.Classification.loss, 0

    def loss(self, *given) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return real(self, *given) * (float("nan") if calls > 25 else 1)

    monkeypatch.setattr(classification.Classification, "loss", loss)
    with pytest.raises(SemblanceError, match=r"no finite number any more at step 26: .*lower --lr"):
        start.go_on(run, device="cpu", checkpoint_seconds=0)
    assert run.about()["status"] == "failed"
    last = torch.load(run.last, weights_only=True)
    assert last["step"] == 25
    assert all(torch.isfinite(tensor).all() for tensor in last["network"].values())
    assert all(torch.isfinite(tensor).all() for tensor in load_file(run.best).values())
    monkeypatch.setattr(classification.Classification, "loss", real)
    assert start.go_on(run, device="cpu") == "finished"


@pytest.mark.parametrize("damage", ["torn", "empty", "text", "other"])
def test_a_damaged_checkpoint_is_refused_in_a_sentence_and_the_best_weights_stay(
    data: Prepared, said: Said, damage: str
) -> None:
    run = trained("damaged", data, tiny(), steps=10)
    run.update(status="stopped")
    whole = run.last.read_bytes()
    if damage == "other":
        torch.save({"format": 1, "network": {}}, run.last)
    else:
        run.last.write_bytes({"torn": whole[: len(whole) // 2], "empty": b"", "text": b"no checkpoint"}[damage])
    code, out, err = said("train", "--resume", "damaged")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {run.last} cannot be gone on from (")
    assert "it is damaged or of another network. best.safetensors beside it may still be used" in err
    assert "\n" not in err
    assert model_folder.load(run.root)


@pytest.fixture(scope="module")
def roomy(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Figures of 20 steps with room on the disk."""
    with pytest.MonkeyPatch.context() as here:
        here.setenv("SEMBLANCE_HOME", str(tmp_path_factory.mktemp("roomy")))
        here.setattr(loop, "RECORD", 10)
        torch.set_num_threads(1)
        return figures(trained("roomy", data, tiny(), steps=20))


def test_a_full_disk_at_a_checkpoint_stops_nothing_and_the_last_good_one_stays_whole(
    roomy: list[dict], data: Prepared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = new("full", data, tiny(), steps=20)
    real, kept = torch.save, []

    def save(state: dict, file) -> None:
        """From step 11 on there is no room: torch says RuntimeError, and why only in its context."""
        if state["step"] <= 10:
            return real(state, file)
        kept[:] = [run.last.read_bytes()]

        class Full:
            def write(self, some: bytes) -> int:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            def flush(self) -> None:
                pass

        return real(state, Full())

    with monkeypatch.context() as full:
        full.setattr(checkpoints.torch, "save", save)
        assert start.go_on(run, device="cpu", checkpoint_seconds=0) == "finished"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 11  # steps 11 to 20, and the phase's end
    assert said[0].startswith("warning: the disk is full: last.pt was not written to ")
    assert said[0].endswith("Training goes on, from step 11")
    assert "no checkpoint at step 20: the disk is full" in run.about()["warning"]
    assert not list(run.root.glob(".*.tmp"))
    assert run.last.read_bytes() == kept[0]
    assert torch.load(run.last, weights_only=True)["step"] == 10
    run.update(status="stopped")
    assert start.go_on(run, device="cpu") == "finished"
    assert figures(run) == roomy


@pytest.mark.parametrize("file", ["best.safetensors", "metrics.jsonl", "triplets.json"])
def test_a_full_disk_elsewhere_ends_with_a_sentence_and_the_run_can_go_on(
    roomy: list[dict], data: Prepared, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    run = new("full", data, tiny(), steps=20)
    real = os.fsync

    def fsync(handle: int) -> None:
        if file in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        with pytest.raises(SemblanceError, match=f"the disk is full: {file} was not written"):
            start.go_on(run, device="cpu", checkpoint_seconds=0)
    assert run.about()["status"] == "failed"
    assert "the disk is full" in run.about()["error"]
    assert start.go_on(run, device="cpu") == "finished"
    assert figures(run) == roomy


def test_a_run_is_trained_by_one_process_only_and_leftovers_of_a_killed_one_go(data: Prepared) -> None:
    run = new("one", data, tiny(), steps=5)
    (run.root / ".last.pt.123-4.tmp").write_bytes(b"half")
    with FileLock(run.root / ".training"), pytest.raises(SemblanceError, match="run one is being trained by another"):
        start.go_on(run, device="cpu")
    assert start.go_on(run, device="cpu") == "finished"
    assert not list(run.root.glob(".*.tmp"))


# measuring


def test_the_dev_sample_is_even_fixed_and_its_figures_are_those_of_all_pictures(data: Prepared) -> None:
    rows, pixels = data.split("dev"), Pixels(data, CPU)
    one, two = (Dev(data, pixels, side=16, rows=rows) for _ in range(2))
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.within, two.within)
    assert sorted(one.rows) == sorted(rows)
    assert set(np.unique(one.labels, return_counts=True)[1]) == {6}
    for anchor, positive, negative in one.across:
        assert one.labels[anchor] == one.labels[positive] != one.labels[negative]
    for anchor, positive, negative in one.within:
        assert one.labels[anchor] == one.labels[positive] == one.labels[negative]
    network = start._network(tiny(), "").train()
    before = network.state_dict()["norm.running_mean"].clone()
    found, shown = one.figures(network)
    assert network.training
    assert torch.equal(network.state_dict()["norm.running_mean"], before)  # measured in eval mode
    embeddings = pixels.embed(network, one.rows, side=16)
    right = 0
    for i in range(36):
        scores = [-2 if i == j else float(embeddings[i] @ embeddings[j]) for j in range(36)]
        right += one.labels[int(np.argmax(scores))] == one.labels[i]
    assert found["recall_at_1"] == pytest.approx(right / 36, abs=1e-6)
    gaps = [t["d_negative"] - t["d_positive"] for t in shown["triplets"]]
    assert gaps == sorted(gaps)


def test_pictures_are_embedded_alike_in_any_batch_and_as_the_run_s_encoder_does(data: Prepared) -> None:
    run = trained("encoder", data, tiny(), steps=10)
    network = model_folder.load(run.root).network.eval()
    rows = data.split("test")
    pixels = Pixels(data, CPU)
    together = pixels.embed(network, rows, side=16)
    alone = np.concatenate([pixels.embed(network, rows[i : i + 1], side=16) for i in range(len(rows))])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    encoder = plugins.build("encoders", "checkpoint:run=encoder", device="cpu")
    batch = np.stack([encoder.preprocess(Image.fromarray(data.pixels[row])) for row in rows])
    assert (encoder.encode(batch) * together).sum(1).min() > 0.99  # both shrink by a triangle, Pillow to whole levels
