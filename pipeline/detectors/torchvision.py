"""Faster R-CNN and Mask R-CNN of torchvision: boxes, labels, scores and, from the latter, masks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import devices
from pipeline.annotations import masks as annotation_masks
from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint
from pipeline.networks import detection
from pipeline.plugins import Card, PathText
from pipeline.records import Detected

if TYPE_CHECKING:
    import torch

    from pipeline.records import Picture

CARD = Card(
    summary="Mask R-CNN and Faster R-CNN, 80 labels of COCO or your own; masks from the former",
    licence="BSD-3-Clause; weights trained on COCO (annotations CC BY 4.0, pictures under Flickr's terms)",
    source="https://docs.pytorch.org/vision/stable/models.html#object-detection",
    requires=("torch", "torchvision"),
    install="pip install torch torchvision",
)


def build(
    *,
    arch: str = "maskrcnn_resnet50_fpn",
    weights: str = "default",
    labels: PathText = PathText(""),
    score: float = 0.05,
    side: int = 0,
    seed: int = 0,
    device: str = "auto",
) -> TorchvisionDetector:
    """arch: maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2, fasterrcnn_resnet50_fpn, …

    weights: `default` (downloaded once), `none` (random, drawn from `seed`), or a .pth or .safetensors file.
    labels: a text file, one label a line in the order of training, for weights with other labels than COCO's.
    score: the least of a box. side: pixels that a picture's shorter side gets before the network sees it; 0 = as published.
    """
    if not 0 <= score < 1:
        raise UsageError(f"score is {score:g}; choose from 0 to below 1, e.g. 0.05")
    if side and not 32 <= side <= 2048:
        raise UsageError(f"side is {side}; choose from 32 to 2048, or 0 for the published one")
    sides = {"min_size": side, "max_size": side * 5 // 3} if side else {}
    network = detection.build(arch, weights=weights, seed=seed, box_score_thresh=score, **sides)
    return TorchvisionDetector(network, _names(network, arch, labels), device=device, arch=arch, score=score)


class TorchvisionDetector:
    """records.Detector; one picture at a time."""

    def __init__(self, network: torch.nn.Module, names: list[str], *, device: str, arch: str, score: float) -> None:
        state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        transform: Any = network.get_submodule("transform")
        self._sides = int(transform.min_size[-1]), int(transform.max_size)
        facts = {"architecture": f"torchvision {arch}", "labels": names, "score": score, "sides": self._sides}
        self.fingerprint = encoder_fingerprint(state, **facts)
        self.labels = names  # by the network's number; the first is the background
        self.device = devices.choose(device)
        self.network = network.to(self.device)
        self._turn = threading.Lock()

    def detect(self, picture: Picture) -> list[Detected]:
        import torch

        with torch.inference_mode(), self._turn:
            pixels = self._pixels(picture)
            [found] = self.network([pixels])
            across, down = picture.width / pixels.shape[2], picture.height / pixels.shape[1]
            boxes = found["boxes"].cpu() * torch.tensor([across, down, across, down])
            masks = found.get("masks")  # (n, 1, height, width) of `pixels`, in [0, 1]
            answer = []
            for i, (left, top, right, bottom) in enumerate(boxes.tolist()):
                if right - left < 1 or bottom - top < 1:
                    continue
                mask = "" if masks is None else self._mask(masks[i : i + 1], picture)
                label, score = self.labels[int(found["labels"][i])], float(found["scores"][i])
                answer.append(Detected(label, score, (left, top, right - left, bottom - top), mask))
        return answer

    def _pixels(self, picture: Picture) -> torch.Tensor:
        """(3, height, width) in [0, 1], never larger than the network works at.

        It would shrink the picture itself, in the same way, but then make every mask as large as the picture: gigabytes.
        """
        import numpy as np
        import torch

        pixels = torch.from_numpy(np.array(picture.image)).to(self.device).permute(2, 0, 1).float().div_(255)
        shorter, longer = sorted(pixels.shape[1:])
        scale = min(self._sides[0] / shorter, self._sides[1] / longer)
        if scale >= 1:
            return pixels
        return torch.nn.functional.interpolate(
            pixels[None], scale_factor=scale, mode="bilinear", align_corners=False, recompute_scale_factor=True
        )[0]

    def _mask(self, mask: torch.Tensor, picture: Picture) -> str:
        import torch

        large = torch.nn.functional.interpolate(mask, (picture.height, picture.width), mode="bilinear")[0, 0]
        return annotation_masks.encode((large >= 0.5).cpu().numpy())


def _names(network: torch.nn.Module, arch: str, file: str) -> list[str]:
    n = detection.n_labels(network)
    if not file:
        names = detection.categories(arch)
        if n != len(names):
            raise UsageError(
                f"these weights have {n - 1} labels and not COCO's; name them, one a line in the order of training: "
                "labels=FILE"
            )
        return names
    path = Path(file).expanduser()
    if not path.is_file():
        raise UsageError(f"labels={file}: there is no such file; check the spelling or give the full path")
    names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if len(names) != n - 1:
        raise UsageError(f"{path.name} has {len(names)} labels and these weights {n - 1}, the background not counted")
    return ["background", *names]
