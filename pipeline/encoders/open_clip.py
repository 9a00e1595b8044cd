"""CLIP and its family: two networks trained together, so that words lie where the pictures lie that they describe."""

from __future__ import annotations

import difflib
import json
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SemblanceError, UsageError
from pipeline.networks.cropping import Cropping
from pipeline.networks.frozen import seeded
from pipeline.networks.two_towers import TwoTowerEncoder
from pipeline.networks.weights import fetch_from_hub, read
from pipeline.plugins import Card, PathText

if TYPE_CHECKING:
    import torch

CARD = Card(
    summary="CLIP and its family (ViT-B-32, SigLIP, …) by open_clip: a picture or words; 512 numbers for ViT-B-32",
    licence="MIT; weights: each set's own, read its page",
    source="https://github.com/mlfoundations/open_clip",
    requires=("torch", "open_clip"),
    install="pip install torch open_clip_torch",
    words=True,
)
CONFIG = "open_clip_config.json"
_USUAL = "laion2b_s34b_b79k"
_NO_EMBEDDING = (  # what a weight file may hold or lack, as no embedding depends on it
    *("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size"),
    "text.transformer.embeddings.position_ids",
)


@dataclass(frozen=True)
class _Model:
    """config: open_clip's model_cfg. pictures: its preprocess_cfg. weights: a file, None for random ones."""

    name: str
    config: dict[str, Any]
    pictures: dict[str, Any]
    weights: Path | None
    folder: Path | None = None


def build(
    *,
    arch: str = "ViT-B-32",
    weights: str = "default",
    folder: PathText = PathText(""),
    seed: int = 0,
    device: str = "auto",
) -> TwoTowerEncoder:
    """An encoder of pictures and of words, with the preprocessing that belongs to the weights.

    arch: a name of open_clip.list_models. weights: a set that was published for it (downloaded once), `default` for
    the only one or ViT-B-32's laion2b_s34b_b79k, `none` (random, drawn from `seed`), or a .safetensors or .pt file,
    which is taken to want its pictures as the arch's first published set does. folder: in the place of arch, a folder
    with open_clip_config.json, as hub pages and open_clip.push_to_hf_hub have it; `default` is then the file in it.
    Raises UsageError, and SemblanceError when a download fails.
    """
    model = _of_folder(Path(folder).expanduser(), weights) if folder else _of_library(arch, weights)
    with seeded(seed):
        network = _network(model)
    if model.weights:
        _load(network, read(model.weights), model.name)
    text = model.config["text_cfg"]
    tokens = text.get("context_length", 77)
    return TwoTowerEncoder(
        network,
        tokenizer=_tokenizer(model, tokens),
        tokens=tokens,
        dim=model.config["embed_dim"],
        cropping=_cropping(model, network.visual.image_size),
        device=device,
        architecture="open_clip",
        config=model.config,
    )


def _of_library(arch: str, weights: str) -> _Model:
    import open_clip

    name = arch.replace("/", "-")  # CLIP's paper writes ViT-B/32
    config = open_clip.get_model_config(name) if name in open_clip.list_models() else None
    if config is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), n=3, cutoff=0.5) or ["ViT-B-32", "RN50"]
        raise UsageError(
            f"open_clip has no network {arch!r}; did you mean {', '.join(near)}? A folder of yours is folder=PATH"
        )
    sets = open_clip.list_pretrained_tags_by_model(name)
    if weights == "default":
        weights = sets[0] if len(sets) == 1 else _USUAL
    about = open_clip.get_pretrained_cfg(name, weights)
    if about:
        if about.get("quick_gelu"):  # these weights were trained with it, though the arch's name does not say so
            config["quick_gelu"] = True
        return _Model(name, config, about, _downloaded(name, weights, about["hf_hub"]))
    pictures = open_clip.get_pretrained_cfg(name, sets[0]) if sets else {}
    if weights == "none":
        return _Model(name, config, pictures, None)
    file = Path(weights).expanduser()
    if not file.is_file():
        raise UsageError(
            f"open_clip has no weights {weights!r} for {name}; choose from {', '.join([*sets, 'none'])}, or a file"
        )
    return _Model(name, config, pictures, file)


def _downloaded(name: str, weights: str, place: str) -> Path:
    """place: "organisation/name/" on the hub, with or without a file's name at the end."""
    repository, _, file = place.rpartition("/")
    names = [f"{file.rpartition('.')[0]}.safetensors", file] if file else []
    try:
        return fetch_from_hub(repository, names or ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
    except (OSError, RuntimeError) as error:
        raise SemblanceError(
            f"cannot download the weights {weights} of open_clip's {name}: {str(error).splitlines()[0].rstrip('.')}; save {CONFIG} "
            f"and {names[0] if names else 'open_clip_model.safetensors'} from https://huggingface.co/{repository} into a "
            "folder yourself and give folder=PATH, or give weights=none for random weights"
        ) from error


def _of_folder(folder: Path, weights: str) -> _Model:
    file = folder / CONFIG
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        config, pictures = dict(about["model_cfg"]), dict(about.get("preprocess_cfg", {}))
        operator.itemgetter("vision_cfg", "text_cfg", "embed_dim")(config)  # or a KeyError that says which is missing
    except FileNotFoundError:
        raise UsageError(
            f"folder={folder} has no {CONFIG}; save it from the model's page, beside its weights"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} does not describe a network of open_clip ({error!r}); save it again") from error
    if weights == "none":
        return _Model(str(folder), config, pictures, None, folder)
    if weights != "default":
        return _Model(str(folder), config, pictures, Path(weights).expanduser(), folder)
    # a page that serves other libraries too has their model.safetensors beside it
    files = [file for end in ("safetensors", "bin", "pt", "pth") for file in sorted(folder.glob(f"*.{end}"))]
    if not files:
        raise UsageError(f"folder={folder} has no weights; put open_clip_model.safetensors there, or give weights=none")
    files.sort(key=lambda file: not file.name.startswith("open_clip"))
    return _Model(str(folder), config, pictures, files[0], folder)


def _network(model: _Model) -> Any:
    """With random weights. Made directly: open_clip.create_model may download base weights, and logs to stderr."""
    import open_clip

    vision, text = dict(model.config["vision_cfg"]), dict(model.config["text_cfg"])
    rest = {key: value for key, value in model.config.items() if key != "custom_text"}
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        text["hf_model_pretrained"] = False
    kind = open_clip.CLIP
    if model.config.get("custom_text") or "hf_model_name" in text:
        kind = open_clip.CoCa if "multimodal_cfg" in rest else open_clip.CustomTextCLIP
    try:
        network = kind(**rest | {"vision_cfg": vision, "text_cfg": text})
    except (TypeError, ValueError, KeyError, AssertionError, RuntimeError, OSError, ImportError) as error:
        raise UsageError(f"open_clip cannot make {model.name}: {str(error).splitlines()[0] or error!r}") from error
    if hasattr(network.visual, "output_tokens"):
        network.visual.output_tokens = False  # CoCa's goes on to caption with them
    return network


def _load(network: Any, state: dict[str, torch.Tensor], name: str) -> None:
    """Copy `state` in whole, or UsageError."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    fault = "they have no names of its layers"
    try:
        state = convert_state_dict(network, dict(state))
        if not hasattr(network, "positional_embedding"):  # from before text towers had a module of their own
            state = convert_to_custom_text_state_dict(state)
        missing, more = network.load_state_dict(state, strict=False)
        lost = [layer for layer in (*missing, *more) if layer not in _NO_EMBEDDING]
        fault = f"{lost[0]} is {'missing' if lost[0] in missing else 'too much'}" if lost else ""
    except (RuntimeError, KeyError) as error:
        fault = str(error).splitlines()[-1].strip()[:200]
    if fault:
        raise UsageError(f"these weights are not of open_clip's {name}: {fault}")


def _tokenizer(model: _Model, tokens: int) -> Any:
    """Words to token numbers: by the list that open_clip carries, else by one of the hub or of the folder."""
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    text = model.config["text_cfg"]
    options = {key: value for key, value in text.get("tokenizer_kwargs", {}).items() if key != "reduction_mask"}
    if not (named := text.get("hf_tokenizer_name")):
        return SimpleTokenizer(context_length=tokens, **options)
    place = str(model.folder or named)
    try:
        return HFTokenizer(place, context_length=tokens, tokenizer_mode=text.get("tokenizer_mode"), **options)
    except ImportError as error:
        raise UsageError(f"the words of open_clip's {model.name} need a library: pip install transformers") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise SemblanceError(
            f"cannot have the tokenizer of open_clip's {model.name} from {place}: {str(error).splitlines()[0]}; choose "
            "a network that needs none, such as ViT-B-32, or put its files into a folder and give folder=PATH"
        ) from error


def _cropping(model: _Model, size: int | tuple[int, int]) -> Cropping:
    about, (height, width) = model.pictures, size if isinstance(size, tuple | list) else (size, size)
    mode = about.get("resize_mode", "shortest")
    if mode not in ("shortest", "squash") or (mode == "shortest" and height != width):
        raise UsageError(
            f"open_clip's {model.name} wants pictures with a border, which is not supported; choose another"
        )
    return Cropping(
        size=(height, width),
        resize=(height, width),
        interpolation=about.get("interpolation", "bicubic"),
        mean=tuple(about.get("mean", (0.48145466, 0.4578275, 0.40821073))),  # of the pictures that CLIP learned from
        std=tuple(about.get("std", (0.26862954, 0.26130258, 0.27577711))),
        squash=mode == "squash",
    )
