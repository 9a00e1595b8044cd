"""CLIP networks as encoders: open_clip's own pixels, towers and tokens; weights strictly checked."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from file_server import Site
from PIL import Image
from safetensors.torch import load_file, save, save_file
from test_timm import hub as hub  # a hub on this machine with nothing on it yet
from tiny_clip import TEXT, VISION, config, network, tiny_clip
from tiny_gallery import draw
from torch.nn.functional import normalize

from pipeline import plugins
from pipeline.errors import SemblanceError, UsageError
from pipeline.networks.two_towers import TwoTowerEncoder

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = ["a red shoe", "Blue jeans, with holes!", "ein gestreiftes Kleid 👗"]
TOWERS: dict[str, dict[str, Any]] = {
    "transformer": {},
    "transformer, as CustomTextCLIP": {"custom_text": True},
    "resnet": {"vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}},
    "timm": {
        "vision_cfg": {"timm_model_name": "test_vit", "image_size": 160, "timm_pool": "avg", "timm_proj": "linear"},
        "custom_text": True,
    },
    "coca": {
        "custom_text": True,
        "vision_cfg": VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": TEXT | {"context_length": 76, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": TEXT | {"context_length": 76, "attn_pooler_heads": 2},
    },
}
SQUASHED = {"resize_mode": "squash", "interpolation": "bilinear", "mean": [0.5, 0.4, 0.3], "std": [0.5, 0.6, 0.7]}


def build(spec: str) -> TwoTowerEncoder:
    return plugins.build("encoders", f"open_clip:{spec}", device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_clip(tmp_path / "clip")


def as_open_clip_does(folder: Path, pictures: list[Image.Image], texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    model, _, pixels = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    with torch.inference_mode():
        images = model.eval().encode_image(torch.stack([pixels(picture) for picture in pictures]))
        return normalize(images), normalize(model.encode_text(tokens))


def embed(encoder: TwoTowerEncoder, pictures: list[Image.Image]) -> torch.Tensor:
    return torch.from_numpy(encoder.encode(np.stack([encoder.preprocess(picture) for picture in pictures])))


@pytest.mark.parametrize("pictures", [{}, SQUASHED], ids=["cropped", "squashed"])
@pytest.mark.parametrize("tower", TOWERS)
def test_pictures_and_words_are_embedded_as_open_clip_itself_does(tower: str, pictures: dict, tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "clip", pictures=pictures, **TOWERS[tower])
    encoder = build(f"folder={folder}")
    asked = [Image.open(draw(tmp_path / f"{n}.png", n, size=(100, 70 + 20 * n))) for n in range(3)]
    images, texts = as_open_clip_does(folder, asked, TEXTS)
    assert ((embed(encoder, asked) * images).sum(1) >= 0.9999).all()
    assert float(embed(encoder, asked[:1])[0] @ images[0]) >= 0.9999
    rows = encoder.encode_text(TEXTS)
    assert (rows.dtype, rows.shape) == (np.float32, (3, 16))
    assert ((torch.from_numpy(rows) * texts).sum(1) >= 0.9999).all()
    np.testing.assert_allclose(encoder.encode_text(TEXTS[1:2])[0], rows[1], atol=1e-5)
    assert encoder.encode_text([]).shape == (0, 16)


def test_photos_at_the_usual_size_agree_with_open_clip_too(clothing: Path, tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "clip", vision_cfg=VISION | {"image_size": 224, "patch_size": 32})
    photos = [Image.open(file).convert("RGB") for file in sorted((clothing / "test").rglob("*.jpg"))[:60:10]]
    images, _ = as_open_clip_does(folder, photos, TEXTS)
    assert ((embed(build(f"folder={folder}"), photos) * images).sum(1) >= 0.9999).all()


def changed(folder: Path, to: Path, layer: str) -> Path:
    shutil.copytree(folder, to)
    state = load_file(to / "open_clip_model.safetensors")
    state[layer] = state[layer] + 0.5
    save_file(state, to / "open_clip_model.safetensors")
    return to


def test_the_fingerprint_covers_both_towers_and_what_their_weights_do_not_say(folder: Path, tmp_path: Path) -> None:
    plain = build(f"folder={folder}").fingerprint
    prints = {plain}
    for layer in ("visual.proj", "token_embedding.weight", "text_projection"):
        prints.add(build(f"folder={changed(folder, tmp_path / layer, layer)}").fingerprint)
    assert len(prints) == 4
    assert build(f"folder={shutil.copytree(folder, tmp_path / 'copy')}").fingerprint == plain
    quick = tiny_clip(tmp_path / "quick", quick_gelu=True)
    shutil.copy(folder / "open_clip_model.safetensors", quick)
    assert build(f"folder={quick}").fingerprint not in prints


def test_seed_draws_random_weights_for_a_folders_network(folder: Path) -> None:
    one, same, other = (build(f"folder={folder},weights=none,seed={seed}").fingerprint for seed in (1, 1, 2))
    assert one == same != other
    assert one != build(f"folder={folder}").fingerprint


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3}])
@pytest.mark.parametrize("before", ["", "module."])
def test_a_torch_file_of_tensors_gives_the_same_encoder(folder: Path, tmp_path: Path, wrap, before: str) -> None:
    state = {before + name: tensor for name, tensor in network().state_dict().items()}
    torch.save(wrap(state), tmp_path / "w.pt")
    assert build(f"folder={folder},weights={tmp_path / 'w.pt'}").fingerprint == build(f"folder={folder}").fingerprint


def test_text_weights_from_before_the_tower_had_a_module_are_read(folder: Path, tmp_path: Path) -> None:
    newer = tiny_clip(tmp_path / "newer", custom_text=True)
    shutil.copy(folder / "open_clip_model.safetensors", newer)
    np.testing.assert_allclose(
        build(f"folder={newer}").encode_text(TEXTS), build(f"folder={folder}").encode_text(TEXTS), atol=1e-6
    )


class Bomb:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path(sys.argv[0]).parent / "boom",))


def test_a_file_that_would_run_code_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "x")])
    torch.save({"visual.proj": Bomb()}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="could run code"):
        build(f"folder={folder},weights={tmp_path / 'w.pt'}")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: state.pop("visual.proj"), "visual.proj is missing"),
        (lambda state: state.update(extra=torch.zeros(2)), "extra is too much"),
        (lambda state: state.update({"visual.proj": torch.zeros(3, 4)}), "size mismatch for visual.proj"),
        (lambda state: state.clear(), "is missing"),
    ],
)
def test_weights_that_do_not_fit_whole_are_refused(folder: Path, tmp_path: Path, spoil, said: str) -> None:
    state = load_file(folder / "open_clip_model.safetensors")
    spoil(state)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=f"not of open_clip's .*{said}"):
        build(f"folder={folder},weights={tmp_path / 'w.safetensors'}")


def test_a_folder_that_does_not_hold_a_network_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no open_clip_config\.json"):
        build(f"folder={tmp_path / 'nowhere'}")
    weights, about = folder / "open_clip_model.safetensors", folder / "open_clip_config.json"
    weights.rename(folder / "notes.txt")
    with pytest.raises(UsageError, match="has no weights"):
        build(f"folder={folder}")
    for text in ("{ torn", "[]", json.dumps({"model_cfg": {"embed_dim": 16, "vision_cfg": VISION}})):
        about.write_text(text)
        with pytest.raises(UsageError, match="does not describe a network of open_clip"):
            build(f"folder={folder}")
    about.write_text(json.dumps({"model_cfg": config(vision_cfg=VISION | {"width": "wide"})}))
    with pytest.raises(UsageError, match="open_clip cannot make"):
        build(f"folder={folder},weights=none")
    about.write_text(json.dumps({"model_cfg": config(), "preprocess_cfg": {"resize_mode": "longest"}}))
    with pytest.raises(UsageError, match="wants pictures with a border"):
        build(f"folder={folder},weights=none")


def test_misspelt_networks_and_weights_are_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no network 'ViT-B-33'; did you mean .*ViT-B-32"):
        build("arch=ViT-B-33")
    with pytest.raises(UsageError, match=r"no weights 'laion3b' for ViT-B-32; choose from openai, .*none, or a file"):
        build("arch=ViT-B/32,weights=laion3b")
    with pytest.raises(UsageError, match=r"for RN50; choose from openai, yfcc15m, cc12m"):
        build("arch=RN50")


def test_a_text_that_would_be_cut_is_refused_with_the_words_that_would_be_lost(folder: Path) -> None:
    encoder = build(f"folder={folder}")
    tokens = open_clip.SimpleTokenizer()
    room = 77 - 2  # a token marks the begin, one the end
    text = " ".join(["embroidered", *["shoe"] * 200])
    words = text.split()
    fitting = max(n for n in range(len(words)) if len(tokens.encode(" ".join(words[:n]))) <= room)
    encoder.encode_text([" ".join(words[:fitting])])
    with pytest.raises(UsageError, match=r"reads 77 tokens.*would not read 'lace'; say it shorter"):
        encoder.encode_text(["short", " ".join([*words[:fitting], "lace"])])
    with pytest.raises(UsageError, match="would not read 'xyz"):
        encoder.encode_text(["xyz" * 300])


def test_a_tokenizer_that_cannot_be_had_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"model_cfg": config(text_cfg=TEXT | {"hf_tokenizer_name": "nobody/nothing"})}
    (folder / "open_clip_config.json").write_text(json.dumps(about))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match="pip install transformers"):
        build(f"folder={folder}")

    def away(*args: object, **options: object) -> None:
        raise OSError("no such file")

    monkeypatch.setattr("open_clip.tokenizer.HFTokenizer.__init__", away)
    with pytest.raises(
        SemblanceError, match=r"cannot have the tokenizer .*no such file; choose a network that needs none"
    ):
        build(f"folder={folder}")


# downloads


PAGE = "/someone/tiny-clip/resolve/main"


@pytest.fixture
def published(hub: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A hub on this machine, and an arch `tiny` of open_clip with one published set of weights there."""
    about = {"hf_hub": "someone/tiny-clip/", "quick_gelu": True, **SQUASHED}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", config())
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", {"trained": about})
    return hub


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_published_weights_come_from_the_hub_once_with_their_preprocessing(
    published: Site, file: str, tmp_path: Path
) -> None:
    folder = tiny_clip(tmp_path / "same", seed=5, quick_gelu=True, pictures=SQUASHED)
    state = load_file(folder / "open_clip_model.safetensors")
    torch.save(state, tmp_path / "w.bin")
    published.files[f"{PAGE}/{file}"] = (
        save(state) if file.endswith("safetensors") else (tmp_path / "w.bin").read_bytes()
    )
    fingerprint = build("arch=tiny").fingerprint
    assert fingerprint == build(f"folder={folder}").fingerprint
    published.files.clear()
    assert build("arch=tiny,weights=trained").fingerprint == fingerprint


def test_a_failed_download_says_the_page_and_what_else_to_give(published: Site) -> None:
    with pytest.raises(SemblanceError) as caught:
        build("arch=tiny")
    for part in (
        "weights trained of open_clip's tiny",
        "huggingface.co/someone/tiny-clip",
        "folder=PATH",
        "weights=none",
    ):
        assert part in str(caught.value)
    assert caught.value.exit_code == 1


def test_random_weights_and_a_file_need_no_hub(published: Site, tmp_path: Path) -> None:
    build("arch=tiny,weights=none")
    file = tiny_clip(tmp_path / "file", seed=5) / "open_clip_model.safetensors"
    build(f"arch=tiny,weights={file}")
    assert published.asked == []
