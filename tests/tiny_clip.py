"""A CLIP of a few thousand numbers with random weights, saved as a hub page has one: real files for the real loading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

VISION = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


def config(**changes: Any) -> dict[str, Any]:
    return {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT} | changes


def network(seed: int = 0, **changes: Any) -> torch.nn.Module:
    """open_clip's own module, weights wide enough apart that pictures and words differ clearly."""
    import open_clip

    made = config(**changes)
    kind = (
        open_clip.CoCa
        if "multimodal_cfg" in made
        else open_clip.CustomTextCLIP
        if made.get("custom_text")
        else open_clip.CLIP
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = kind(**{key: value for key, value in made.items() if key != "custom_text"})
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape) * 0.2)
    return model.eval()


def tiny_clip(folder: Path, *, seed: int = 0, pictures: dict[str, Any] | None = None, **changes: Any) -> Path:
    """folder/open_clip_config.json and open_clip_model.safetensors; returns the folder. changes: of `config`."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    about = {"model_cfg": config(**changes), "preprocess_cfg": pictures or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(about), encoding="utf-8")
    state = {name: tensor.contiguous() for name, tensor in network(seed, **changes).state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder
