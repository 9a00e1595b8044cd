"""What the detector's box head sees, against torchvision's own way to it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline import plugins
from pipeline.errors import UsageError

torch = pytest.importorskip("torch")

SPEC = "mask_rcnn:weights=none,side=64,layer=roi"


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (40, 60, 3), np.uint8)) for _ in range(3)]


def test_the_box_heads_features_are_those_of_torchvision_for_one_box_around_the_picture() -> None:
    from pipeline.networks import detection

    encoder = plugins.build("encoders", SPEC)
    batch = np.stack([encoder.preprocess(image) for image in pictures()])
    found = encoder.encode(batch)
    network = detection.build("maskrcnn_resnet50_fpn", weights="none", seed=0).eval()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (encoder.cropping.mean, encoder.cropping.std))
    pixels = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255 - mean) / std
    with torch.inference_mode():
        boxes = [torch.tensor([[0.0, 0.0, 64.0, 64.0]])] * len(pixels)
        pooled = network.roi_heads.box_roi_pool(network.backbone(pixels), boxes, [(64, 64)] * len(pixels))
        known = torch.nn.functional.normalize(network.roi_heads.box_head(pooled)).numpy()
    assert found.shape == (3, 1024)
    np.testing.assert_allclose(found, known, atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 1e-3, "different pictures differ"


def test_it_is_another_encoder_than_the_averages_and_keeps_no_places() -> None:
    made = [plugins.build("encoders", SPEC.replace("roi", layer)) for layer in ("backbone", "pyramid", "roi")]
    assert len({encoder.fingerprint for encoder in made}) == 3
    with pytest.raises(UsageError, match="keeps no places"):
        made[-1].cells(pictures(), 4)
