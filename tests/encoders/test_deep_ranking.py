"""The network against the paper's arithmetic, its model folder on the disk, and the encoders made from one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.networks import deep_ranking, model_folder
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import _folded, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

GOLDEN = Path(__file__).parent / "golden_deep_ranking.json"


def network(backbone: str = "dr10", *, seed: int = 0, **options) -> deep_ranking.DeepRanking:
    with seeded(seed):
        made = deep_ranking.build(backbone, **options)
        for module in made.modules():  # statistics and scales as after some training
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
                if module.weight is not None:
                    nn.init.uniform_(module.weight, 0.5, 1.5)
    return made


def noise(n: int, side: int, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def pixels(n: int, side: int, *, seed: int = 0) -> np.ndarray:
    """Soft blobs, (n, side, side, 3) uint8, by integer arithmetic and Pillow alone."""
    random = np.random.default_rng(seed)
    blobs = random.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(b).resize((side, side), Image.Resampling.BILINEAR)) for b in blobs])


# the network


@pytest.mark.parametrize(
    ("backbone", "side", "dim"),
    [
        ("dr10", 64, 128),
        ("dr18", 32, 256),
        ("resnet18", 64, 4096),
        ("resnet50", 64, 4096),
        ("resnet101", 64, 4096),
        ("alexnet", 225, 4096),
    ],
)
def test_every_backbone_gives_its_dim_at_unit_length(backbone: str, side: int, dim: int) -> None:
    made = deep_ranking.build(backbone).eval()
    with torch.inference_mode():
        found = made(noise(2, side))
    assert found.shape == (2, dim)
    for row in found:
        assert sum(float(x) ** 2 for x in row) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("side", [32, 40, 56, 64])
def test_the_small_ones_take_pictures_of_several_sizes_and_the_embedding_stays_the_same_size(side: int) -> None:
    with torch.inference_mode():
        assert network(dim=24).eval()(noise(2, side)).shape == (2, 24)


def test_the_papers_numbers_come_out() -> None:
    """Figure 3: 57 px to 15 × 15 to 4 × 4, 29 px to 8 × 8 to 4 × 4, 96 maps each: 3,072 beside 4,096."""
    made = deep_ranking.build("alexnet")
    for path, side, between in zip(made.paths, (57, 29), (15, 8), strict=True):
        assert path.shrink(noise(1, 225)).shape == (1, 3, side, side)
        sides: list[tuple[int, ...]] = []
        path.conv.register_forward_hook(lambda module, given, found, sides=sides: sides.append(found.shape))
        path.pool.register_forward_hook(lambda module, given, found, sides=sides: sides.append(found.shape))
        assert path(noise(1, 225)).shape == (1, 1536)
        assert sides == [(1, 96, between, between), (1, 96, 4, 4)]
    assert made.head.weight.shape == (4096, 4096 + 2 * 1536)
    assert [m.p for m in made.modules() if isinstance(m, nn.Dropout)] == [0.4, 0.4]


def test_the_shallow_pair_is_normalised_together_and_the_deep_path_alone() -> None:
    made = network(dim=24).eval()
    x = noise(3, 64)
    with torch.inference_mode():
        found, deep = made(x), made.stages(x)
        pair = [path(x) for path in made.paths]
        for i in range(3):
            one = deep[i] / sum(float(v) ** 2 for v in deep[i]) ** 0.5
            both = torch.cat([pair[0][i], pair[1][i]])
            both = both / sum(float(v) ** 2 for v in both) ** 0.5
            assert float(both[:768].norm()) < 0.999  # neither of them has unit length by itself
            out = made.head.weight @ torch.cat([one, both])
            out = (out - made.norm.running_mean) / (made.norm.running_var + made.norm.eps).sqrt()
            np.testing.assert_allclose(found[i], out / out.norm(), atol=1e-5)


def test_a_low_resolution_path_sees_the_picture_averaged() -> None:
    path = network().paths[1]
    x = noise(1, 64)
    small = torch.zeros(1, 3, 8, 8)
    for row in range(8):
        for column in range(8):
            small[0, :, row, column] = x[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].mean((1, 2))
    torch.testing.assert_close(path(x), path(small))


def test_single_scale_has_no_paths_and_is_the_deep_one_alone() -> None:
    made = network(dim=24, multiscale=False).eval()
    assert not len(made.paths)
    assert made.head.in_features == 384
    x = noise(2, 64)
    with torch.inference_mode():
        torch.testing.assert_close(made(x), F.normalize(made.norm(made.head(F.normalize(made.stages(x))))))


@pytest.mark.parametrize("backbone", ["dr10", "resnet18"])
def test_frozen_stages_keep_their_weights_and_statistics_and_the_others_learn(backbone: str) -> None:
    made = network(backbone, dim=16, frozen=2).train()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in made.parameters() if p.requires_grad], lr=1.0, weight_decay=0.1)
    made(noise(4, 32))[:, 0].sum().backward()
    optimiser.step()
    for name, tensor in made.state_dict().items():
        still = name.startswith(("stages.0.", "stages.1."))
        if still or "num_batches" not in name:
            assert torch.equal(tensor, before[name]) == still, name


def test_sizes_are_those_promised() -> None:
    dr18, dr10 = (deep_ranking.build(name) for name in ("dr18", "dr10"))
    assert sum(p.numel() for p in dr18.parameters()) == 11_697_824
    assert sum(p.numel() for p in dr10.parameters()) < 4e6
    for made, most in ((dr18, 23.5e6), (dr10, 8e6)):
        assert sum(2 * tensor.numel() for tensor in made.state_dict().values()) < most  # bytes of fp16


def test_folding_takes_out_every_batch_norm_and_changes_the_answer_by_rounding_only() -> None:
    plain, folded = network().eval(), _folded(network().eval())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in plain.modules()) > 10
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(noise(4, 56)), plain(noise(4, 56)), atol=1e-5, rtol=1e-4)


def test_a_seed_makes_the_same_network_again() -> None:
    one, two, other = (network(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbone": "dr11"}, r"unknown backbone 'dr11'; choose from dr10, dr18, resnet18"),
        ({"backbone": "dr10", "kept": 0.5}, r"kept=0.5 is not a share between 0 and 0.9, or there is no grid"),
        ({"backbone": "dr10", "dim": 1}, r"dim=1 is not between 2 and 32,768"),
        ({"backbone": "dr10", "frozen": 6}, r"frozen=6: dr10 has 5 stages, so give 0 to 5"),
        ({"backbone": "dr10", "pretrained": True}, r"dr10 has no published weights"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        deep_ranking.build(**options)


# its files


def test_the_grid_path_is_the_mean_of_each_cell_normalised_alone() -> None:
    made = network(grid=2, dim=8).eval()
    batch = noise(2, 64)
    with torch.no_grad():
        maps = batch
        for stage in made.stages[:-1]:
            maps = stage(maps)  # (2, 192, 8, 8)
        cells = [maps[:, :, y : y + 4, x : x + 4].mean(dim=(2, 3)) for y in (0, 4) for x in (0, 4)]
        wanted = torch.stack(cells, dim=2).flatten(1)  # (2, 192 · 4), cells of a map side by side
        joined = made.join(batch)
    torch.testing.assert_close(joined[:, -192 * 4 :], torch.nn.functional.normalize(wanted, dim=1))
    assert joined.shape[1] - 192 * 4 == network(dim=8).join(batch).shape[1]


def test_a_larger_network_begins_with_what_a_smaller_one_says() -> None:
    small, large = network(dim=8).eval(), network(seed=1, dim=12, grid=2).eval()
    large.begin_with(small)
    batch = noise(3, 64)
    with torch.no_grad():
        torch.testing.assert_close(large.head(large.join(batch))[:, :8], small.head(small.join(batch)))
        assert large.head(large.join(batch))[:, 8:].std() > 0
    single = network(seed=2, dim=8, multiscale=False).eval()
    single.begin_with(small)
    with torch.no_grad():
        deep = small.columns["deep"]
        torch.testing.assert_close(
            single.head(single.join(batch)), small.join(batch)[:, deep] @ small.head.weight[:, deep].T
        )
    for other in (network(dim=16), network("dr18", dim=8), network(dim=8, grid=3)):
        with pytest.raises(UsageError, match="cannot begin"):
            large.begin_with(other)


def test_a_settled_head_gives_numbers_of_mean_0_and_variance_1() -> None:
    made = network(dim=8).eval()
    joined = torch.from_numpy(np.random.default_rng(0).normal(size=(64, made.head.in_features))).float()
    made.settle(joined)
    with torch.no_grad():
        outputs = made.norm(made.head(joined))
    torch.testing.assert_close(outputs.mean(0), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(outputs.var(0), torch.ones(8), atol=1e-2, rtol=0)


def test_kept_numbers_are_the_grids_principal_components_and_weigh_as_much_as_the_others() -> None:
    from sklearn.decomposition import PCA

    made = network(dim=12, grid=2, kept=1 / 3).eval()
    joined = torch.from_numpy(np.random.default_rng(0).normal(size=(2_000, made.head.in_features))).float()
    joined[:, -4:] *= torch.tensor([9.0, 7.0, 5.0, 3.0])
    assert not made.kept.weight.any()
    assert made.head.out_features == 8
    with torch.no_grad():
        made.settle(joined)
        outputs = made.norm(made._numbers(joined))
    grid = joined[:, -192 * 4 :].numpy()
    wanted = PCA(4, svd_solver="full", whiten=True).fit_transform(grid)[:, ::-1]
    agree = np.abs((outputs[:, 8:].numpy() * wanted).mean(axis=0))  # of unit variance, so this is the correlation
    np.testing.assert_allclose(agree, 1, atol=2e-3)
    assert not made.kept.weight.requires_grad


def test_a_few_pictures_keep_no_more_components_than_they_have() -> None:
    made = network(dim=12, grid=2, kept=0.5).eval()
    joined = torch.from_numpy(np.random.default_rng(0).normal(size=(3, made.head.in_features))).float()
    made.settle(joined)
    assert [bool(row.any()) for row in made.kept.weight] == [False] * 4 + [True] * 2
    assert torch.isfinite(made.project(joined)).all()


def written(folder: Path, *, half: bool = False, **options) -> Path:
    """A model folder of an untrained network."""
    made = network(**({"dim": 24} | options))
    folder.mkdir(parents=True, exist_ok=True)
    state = made.state_dict().items()
    save_file({k: v.half() if half and v.is_floating_point() else v for k, v in state}, folder / "w.safetensors")
    cropping = Cropping((56, 56), (56, 56), mean=(0.48, 0.45, 0.4), std=(0.27, 0.26, 0.28))
    model_folder.write(folder, options=made.options, cropping=cropping, weights="w.safetensors", note="for a test")
    return folder


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(axis=1)


def test_what_is_written_is_what_is_loaded(tmp_path: Path) -> None:
    model = model_folder.load(written(tmp_path))
    assert model.cropping == Cropping((56, 56), (56, 56), mean=(0.48, 0.45, 0.4), std=(0.27, 0.26, 0.28))
    assert model.about["note"] == "for a test"
    before = network(dim=24).state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())


def test_a_copy_elsewhere_has_the_same_fingerprint_and_other_weights_or_another_cropping_have_not(
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / "one")
    fingerprint = model_folder.load(folder).encoder("cpu").fingerprint
    shutil.copytree(folder, tmp_path / "two")
    assert model_folder.load(tmp_path / "two").encoder("cpu").fingerprint == fingerprint
    assert model_folder.load(written(tmp_path / "three", seed=1)).encoder("cpu").fingerprint != fingerprint
    about = json.loads((folder / "model.json").read_text())
    about["preprocessing"]["mean"][0] = 0.5
    del about["checksum"]  # it tells that this was not exported so
    (folder / "model.json").write_text(json.dumps(about))
    assert model_folder.load(folder).encoder("cpu").fingerprint != fingerprint


def _no_json(folder: Path) -> None:
    (folder / "model.json").unlink()


def _torn_json(folder: Path) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text[: len(text) // 2])


def _changed(**changes) -> object:
    def change(folder: Path) -> None:
        about = json.loads((folder / "model.json").read_text())
        del about["checksum"]  # as who changes it by hand must
        (folder / "model.json").write_text(json.dumps(about | changes))

    return change


def _other_weights(folder: Path) -> None:
    save_file(network("dr10", dim=32).state_dict(), folder / "w.safetensors")


def _fewer_weights(folder: Path) -> None:
    save_file(network(dim=24, multiscale=False).state_dict(), folder / "w.safetensors")


def _torn_weights(folder: Path) -> None:
    data = (folder / "w.safetensors").read_bytes()
    (folder / "w.safetensors").write_bytes(data[: len(data) // 2])


def _no_weights(folder: Path) -> None:
    (folder / "w.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_no_json, r"holds no model.json; give the folder of an exported model or of a run"),
        (_torn_json, r"model.json is damaged .*export the model again"),
        (_changed(options={"dim": 24}), r"model.json is damaged .*'backbone'.*export the model again"),
        (_changed(options=[]), r"model.json is damaged"),
        (_changed(preprocessing={"size": 56}), r"model.json is damaged"),
        (_changed(preprocessing=3), r"model.json is damaged"),
        (_changed(weights=3), r"model.json is damaged"),
        (_changed(format=2), r"describes deep_ranking in format 2"),
        (_changed(architecture="vit"), r"describes vit in format 1"),
        (_changed(options={"backbone": "dr18", "dim": 24, "multiscale": True}), r"w.safetensors is not of the network"),
        (_other_weights, r"w.safetensors is not of the network that model.json beside it describes: .*norm"),
        (_fewer_weights, r"w.safetensors is not of the network"),
        (_torn_weights, r"w.safetensors is not a file of plain tensors"),
        (_no_weights, r"has no weights yet"),
    ],
)
def test_a_model_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, damage, said: str) -> None:
    damage(written(tmp_path))
    with pytest.raises(UsageError, match=said) as raised:
        model_folder.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_batch_of_512_gives_what_batches_of_one_give(tmp_path: Path) -> None:
    encoder = model_folder.load(written(tmp_path)).encoder("cpu")
    batch = pixels(512, 56)
    together = encoder.encode(batch)
    alone = np.concatenate([encoder.encode(batch[i : i + 1]) for i in range(0, 512, 8)])
    np.testing.assert_allclose(together[::8], alone, atol=1e-5)


def test_fp16_weights_move_no_picture_by_more_than_a_thousandth(tmp_path: Path) -> None:
    full = model_folder.load(written(tmp_path / "full")).encoder("cpu")
    half = model_folder.load(written(tmp_path / "half", half=True)).encoder("cpu")
    assert load_file(tmp_path / "half" / "w.safetensors")["head.weight"].dtype == torch.float16
    batch = pixels(32, 56)
    assert cosines(full.encode(batch), half.encode(batch)).min() >= 0.999


def test_golden_embeddings_of_generated_pictures(tmp_path: Path) -> None:
    """A seeded network's embeddings of four pictures as they were when this test was written."""
    encoder = model_folder.load(written(tmp_path)).encoder("cpu")
    golden = np.array(json.loads(GOLDEN.read_text()), np.float32)
    assert golden.shape == (4, 24)
    assert np.all(cosines(golden[:1], golden[1:]) < 0.999)  # else any network would pass
    found = encoder.encode(pixels(4, 56))
    assert cosines(found, golden).min() >= 0.9999
    np.testing.assert_allclose(found, golden, atol=1e-3)


# the encoders


def test_deep_ranking_takes_a_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "mine")
    encoder = plugins.build("encoders", f"deep_ranking:weights={folder}", device="cpu")
    assert (encoder.dim, encoder.fingerprint) == (24, model_folder.load(folder).encoder("cpu").fingerprint)
    with pytest.raises(UsageError, match=r"holds no model\.json"):
        plugins.build("encoders", f"deep_ranking:weights={tmp_path}", device="cpu")


def test_untrained_weights_are_drawn_from_the_seed_alone() -> None:
    def made(**options) -> str:
        spec = ",".join(f"{key}={value}" for key, value in ({"trained": "false", "dim": 24} | options).items())
        return plugins.build("encoders", f"deep_ranking:{spec}", device="cpu").fingerprint

    assert made() == made(seed=0)
    assert len({made(), made(seed=1), made(dim=32), made(multiscale="false")}) == 4


def test_checkpoint_takes_a_run_by_its_name_or_its_folder(home: Path) -> None:
    folder = written(home / "runs" / "first")
    by_name = plugins.build("encoders", "checkpoint:run=first", device="cpu")
    by_path = plugins.build("encoders", f"checkpoint:run={folder}", device="cpu")
    assert by_name.fingerprint == by_path.fingerprint == model_folder.load(folder).encoder("cpu").fingerprint
    with pytest.raises(UsageError, match=r"no run 'second' has weights \(there are: first\)"):
        plugins.build("encoders", "checkpoint:run=second", device="cpu")
    _no_weights(folder)
    with pytest.raises(
        UsageError, match=r"has no weights yet: a run writes w\.safetensors when it first measures on dev"
    ):
        plugins.build("encoders", "checkpoint:run=first", device="cpu")
