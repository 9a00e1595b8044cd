"""How close a training step comes to what the device can multiply: images a second, and their share of a matmul's rate.

    python -m benchmarks.training_speed [--recipe gpu] [--device auto] [--side 64] [--steps 30] [--compile]

The ceiling is measured in the same run: one large bf16 matrix product, again and again. A step is forward, backward and
update of the recipe's network at the recipe's batch, on random pixels that lie on the device; its operations are counted
by torch. Augmentation and reading are left out: `train` prints the rate with them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from benchmarks import measuring
from pipeline import devices


def main() -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from pipeline.networks import deep_ranking
    from training import recipes

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=list(recipes.BASES), default="gpu")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=0, help="px; 0 = the recipe's last size")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()

    device = devices.choose(asked.device)
    recipe = recipes.recipe(asked.recipe)
    side = asked.side or recipe.phases[0].sizes[-1][1]
    network = deep_ranking.build(**recipe.network).to(device).to(memory_format=torch.channels_last)
    forward = torch.compile(network) if asked.compile else network
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    pixels = torch.randn(recipe.batch_size, 3, side, side, device=device).to(memory_format=torch.channels_last)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            embeddings = forward(pixels)
        optimiser.zero_grad(set_to_none=True)
        (embeddings.float() * embeddings.float().roll(1, 0)).sum().backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counter:
        step()
    operations = counter.get_total_flops()
    n = 8192 if device.type == "cuda" else 2048
    a = torch.randn(n, n, device=device, dtype=torch.bfloat16)
    product = _seconds(lambda: a @ a, device, asked.steps)
    seconds = _seconds(step, device, asked.steps)
    ceiling, reached = 2 * n**3 / product, operations / seconds
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else measuring.machine()
    print(f"{name}; torch {torch.__version__}; {recipe.backbone}, batch {recipe.batch_size}, {side} px")
    print(f"matmul {n} bf16: {ceiling / 1e12:.2f} TFLOP/s")
    print(f"training: {recipe.batch_size / seconds:,.0f} images/s, {reached / 1e12:.2f} TFLOP/s")
    print(f"share of the ceiling: {reached / ceiling:.1%}")
    return 0


def _seconds(action: Callable[[], object], device: object, times: int) -> float:
    """Median of one call, after three that warm up."""
    import statistics

    import torch

    taken = []
    for _ in range(times + 3):
        begun = time.perf_counter()
        action()
        if getattr(device, "type", "") == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[3:])


if __name__ == "__main__":
    raise SystemExit(main())
