"""How much faster ONNX Runtime encodes than torch on this CPU: the same network, in turn, in one run.

    python -m benchmarks.engines ["ENCODER SPEC" …] [--pictures 64] [--rounds 5]

Processor time decides, so that other programs on the machine do not; one thread each. Exit code 1 when an encoder's
ratio is below 1.5 or an embedding differs from torch's by more than a cosine of 0.9999.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from benchmarks import measuring
from pipeline import plugins
from pipeline.networks.onnx_runtime import ALIKE, PAYS_FROM

SPECS = ("torchvision:arch=resnet50,weights=none", "torchvision:arch=mobilenet_v3_small,weights=none", "deep_ranking")
BAR = 1.5


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measured(spec: str, pictures: int, rounds: int) -> tuple[str, float, float, float, float]:
    """spec, pictures a second of one core by torch and by ONNX Runtime, their ratio, least cosine between them."""
    import torch

    torch.set_num_threads(1)
    encoder = plugins.build("encoders", spec, device="cpu")
    height, width = encoder.cropping.size
    batch = np.random.default_rng(0).integers(0, 256, (pictures, height, width, 3), dtype=np.uint8)
    onnx, encoder._onnx = encoder._onnx, None
    by_torch = encoder.encode(batch)
    made = None
    for _ in range(-(-PAYS_FROM // pictures) + 1):
        made = onnx.encode(batch, threads=1)
    assert made is not None, f"{spec} runs by torch alone here; the log says why"
    times = [
        (seconds(lambda: encoder.encode(batch)), seconds(lambda: onnx.encode(batch, threads=1))) for _ in range(rounds)
    ]
    slow, quick = (statistics.median(column) for column in zip(*times, strict=True))
    return spec, pictures / slow, pictures / quick, slow / quick, float((made * by_torch).sum(axis=1).min())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("specs", nargs="*", default=SPECS)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SEMBLANCE_HOME"] = home
        rows = [measured(spec, asked.pictures, asked.rounds) for spec in asked.specs]
    print(measuring.machine())
    heading = ("encoder", "torch, pictures/s a core", "ONNX Runtime", "ratio", "least cosine")
    print(measuring.table(heading, [(s, f"{a:.0f}", f"{b:.0f}", f"{r:.2f}", f"{c:.6f}") for s, a, b, r, c in rows]))
    return int(any(ratio < BAR or cosine < ALIKE for *_, ratio, cosine in rows))


if __name__ == "__main__":
    raise SystemExit(main())
