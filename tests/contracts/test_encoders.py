"""What every encoder promises. A new file in pipeline/encoders is tested here without an edit when its defaults need
no download; otherwise it fails until TINY says how to make a small one."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline import ROOT, plugins
from pipeline.records import Encoder

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = plugins.available("encoders")


@functools.cache
def pca_file() -> Path:
    from safetensors.numpy import save_file

    base = plugins.build("encoders", "color_histogram")
    random = np.random.default_rng(0)
    file = Path(tempfile.mkdtemp(prefix="semblance-")) / "pca.safetensors"
    axes = np.linalg.qr(random.normal(size=(base.dim, 16)))[0].T.astype(np.float32).copy()
    save_file({"mean": np.zeros(base.dim, np.float32), "components": axes}, file, metadata={"base": "color_histogram"})
    return file


@functools.cache
def head_file() -> Path:
    from pipeline.networks import head as heads

    base = plugins.build("encoders", "color_histogram")
    random = np.random.default_rng(0)
    file = Path(tempfile.mkdtemp(prefix="semblance-")) / "head.safetensors"
    shapes = {"mean": base.dim, "scale": base.dim, "first": (24, base.dim), "bias": 24, "last": (16, 24)}
    made = heads.Head(**{name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    file.write_bytes(heads.to_bytes(made, base="color_histogram", fingerprint=base.fingerprint))
    return file


@functools.cache
def model(seed: int) -> Path:
    """The folder of an untrained network, as training writes it."""
    from safetensors.torch import save_file

    from pipeline.networks import deep_ranking, model_folder
    from pipeline.networks.cropping import Cropping
    from pipeline.networks.frozen import seeded

    folder = Path(tempfile.mkdtemp(prefix="semblance-"))
    with seeded(seed):
        save_file(deep_ranking.build("dr10", dim=16).state_dict(), folder / "best.safetensors")
    options = {"backbone": "dr10", "dim": 16, "multiscale": True}
    model_folder.write(folder, options=options, cropping=Cropping((32, 32), (32, 32)), weights="best.safetensors")
    return folder


@functools.cache
def clip() -> Path:
    """The folder of a CLIP with random weights."""
    from tiny_clip import tiny_clip

    return tiny_clip(Path(tempfile.mkdtemp(prefix="semblance-")))


TINY: dict[str, Callable[[], str]] = {
    "checkpoint": lambda: f"checkpoint:run={model(0)}",
    "deep_ranking": lambda: f"deep_ranking:weights={model(1)}",
    "open_clip": lambda: f"open_clip:folder={clip()}",
    "head": lambda: f"head:file={head_file()}",
    "mask_rcnn": lambda: "mask_rcnn:weights=none,side=64",
    "pca": lambda: f"pca:file={pca_file()}",
    "timm": lambda: "timm:arch=test_vit,weights=none",
    "torchvision": lambda: "torchvision:arch=mobilenet_v3_small,weights=none",
}


@functools.cache
def spec_of(name: str) -> str:
    if name in TINY:
        return TINY[name]()
    needed = [o.name for o in plugins.options("encoders", name) if o.default is inspect.Parameter.empty]
    if needed:
        pytest.fail(f"{name} needs {', '.join(needed)}: add a line to TINY that makes a small one")
    return name


@functools.cache
def encoder_of(name: str) -> Encoder:
    return plugins.build("encoders", spec_of(name), device="cpu")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    if install := plugins.missing("encoders", request.param):
        pytest.skip(install)
    return request.param


@pytest.fixture
def encoder(name: str) -> Encoder:
    return encoder_of(name)


def drawing(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A picture with smooth ground, edges and several colours."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    image = Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = random.random(4) * (size * 2)
        draw.ellipse((x - w, y - h, x, y), fill=tuple(random.integers(0, 256, 3).tolist()))
    return image


ODD = {
    "black": Image.new("RGB", (50, 40)),
    "white": Image.new("RGB", (50, 40), "white"),
    "grey": Image.new("RGB", (50, 40), (127, 127, 127)),
    "one pixel": Image.new("RGB", (1, 1), (200, 10, 30)),
    "wide": drawing(1, (3000, 2)),
    "tall": drawing(2, (1, 9000)),
    "large": drawing(3, (1900, 1400)),
}


def embed(encoder: Encoder, *images: Image.Image) -> np.ndarray:
    return encoder.encode(np.stack([encoder.preprocess(image) for image in images]))


def test_embeddings_are_float32_of_the_promised_dim_and_unit_length(encoder: Encoder) -> None:
    embeddings = embed(encoder, *(drawing(seed) for seed in range(5)))
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (5, encoder.dim)
    for row in embeddings:
        assert sum(float(x) ** 2 for x in row) == pytest.approx(1, abs=1e-4)


def test_a_picture_does_not_depend_on_the_others_of_its_batch(encoder: Encoder) -> None:
    images = [drawing(seed) for seed in range(5)]
    for row, image in zip(embed(encoder, *images), images, strict=True):
        assert float(row @ embed(encoder, image)[0]) >= 0.9999


def test_the_same_pictures_always_give_the_same_embeddings(encoder: Encoder) -> None:
    images = [drawing(seed) for seed in range(3)]
    np.testing.assert_array_equal(embed(encoder, *images), embed(encoder, *images))


def test_different_pictures_differ_and_a_slightly_darker_copy_is_nearest(encoder: Encoder) -> None:
    images = [drawing(seed) for seed in range(6)]
    darker = [image.point(lambda value: value * 0.97) for image in images]
    scores = embed(encoder, *darker) @ embed(encoder, *images).T  # (6, 6), cosine
    assert scores.argmax(axis=1).tolist() == list(range(6))
    assert np.all(scores[~np.eye(6, dtype=bool)] < 0.99999)


@pytest.mark.parametrize("odd", ODD)
def test_odd_pictures_have_an_embedding_too(encoder: Encoder, odd: str) -> None:
    usual = encoder.preprocess(drawing(0))
    pixels = encoder.preprocess(ODD[odd])
    assert (pixels.shape, pixels.dtype) == (usual.shape, usual.dtype)
    embedding = encoder.encode(pixels[None])
    assert np.isfinite(embedding).all()
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-4)


def test_an_empty_batch_is_an_empty_answer(encoder: Encoder) -> None:
    none = encoder.encode(np.stack([encoder.preprocess(drawing(0))])[:0])
    assert none.shape == (0, encoder.dim)
    assert none.dtype == np.float32


def test_encoding_changes_neither_the_picture_nor_the_batch(encoder: Encoder) -> None:
    image = drawing(0)
    before = image.tobytes()
    batch = np.stack([encoder.preprocess(image)])
    pixels = batch.copy()
    encoder.encode(batch)
    assert image.tobytes() == before
    np.testing.assert_array_equal(batch, pixels)


def test_threads_may_preprocess_and_encode_at_once(encoder: Encoder) -> None:
    images = [drawing(seed, (80 + seed, 60)) for seed in range(12)]
    alone = embed(encoder, *images)
    together = threading.Barrier(4)

    def work(start: int) -> np.ndarray:
        together.wait()
        return embed(encoder, *images[start : start + 3])

    with ThreadPoolExecutor(4) as pool:
        rows = np.concatenate(list(pool.map(work, range(0, 12, 3))))
    assert np.all((rows * alone).sum(axis=1) >= 0.9999)


def test_words_have_an_embedding_where_the_card_says_so_and_only_there(name: str, encoder: Encoder) -> None:
    assert hasattr(encoder, "encode_text") == plugins.card("encoders", name).words
    if hasattr(encoder, "encode_text"):
        texts = ["a red shoe", "striped trousers"]
        rows = encoder.encode_text(texts)
        assert (rows.dtype, rows.shape) == (np.float32, (2, encoder.dim))
        assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1], abs=1e-4)
        assert float(rows[1] @ encoder.encode_text(texts[1:])[0]) >= 0.9999
        assert float(rows[0] @ rows[1]) < 0.9999
        assert encoder.encode_text([]).shape == (0, encoder.dim)


def test_two_builds_have_the_same_fingerprint(name: str) -> None:
    fingerprint = encoder_of(name).fingerprint
    assert len(fingerprint) == 64
    assert set(fingerprint) <= set("0123456789abcdef")
    assert plugins.build("encoders", spec_of(name), device="cpu").fingerprint == fingerprint


@pytest.fixture(scope="module")
def fingerprints_elsewhere() -> dict[str, str]:
    """The fingerprints as another process computes them."""
    names = [name for name in NAMES if not plugins.missing("encoders", name)]
    code = (
        "import sys; from pipeline import plugins\n"
        "for spec in sys.argv[1:]: print(plugins.build('encoders', spec, device='cpu').fingerprint)"
    )
    command = [sys.executable, "-c", code, *map(spec_of, names)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return dict(zip(names, answer.stdout.split(), strict=True))


def test_another_process_finds_the_same_fingerprint(name: str, fingerprints_elsewhere: dict[str, str]) -> None:
    assert fingerprints_elsewhere[name] == encoder_of(name).fingerprint


def test_no_two_encoders_share_a_fingerprint() -> None:
    names = [name for name in NAMES if not plugins.missing("encoders", name)]
    assert len({encoder_of(name).fingerprint for name in names}) == len(names)


def test_no_network_inside_is_left_in_training_mode(encoder: Encoder) -> None:
    torch = pytest.importorskip("torch")
    for inside in vars(encoder).values():
        if isinstance(inside, torch.nn.Module):
            assert not any(module.training for module in inside.modules())
            assert not any(parameter.requires_grad for parameter in inside.parameters())


def test_building_leaves_the_callers_chance_alone(name: str) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    state = np.random.get_state()[1].copy()
    plugins.build("encoders", spec_of(name), device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_writing_the_defaults_out_changes_nothing(name: str) -> None:
    spec = spec_of(name)
    plugin, texts = plugins.parse(spec)
    assert plugin == name
    defaults = {o.name: str(o.default) for o in plugins.options("encoders", name) if o.default not in (None, "")}
    written = ",".join(f"{key}={value}" for key, value in (defaults | texts | {"device": "cpu"}).items())
    assert plugins.build("encoders", f"{name}:{written}").fingerprint == encoder_of(name).fingerprint
