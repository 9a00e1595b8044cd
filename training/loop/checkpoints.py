"""What a run leaves on the disk while it goes: the resume checkpoint, the best weights, what the training page shows."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pipeline.errors import SemblanceError
from pipeline.files import atomic
from training.runs import Run, RunError

if TYPE_CHECKING:
    from training.data.pixels import Pixels

FORMAT = 1


class Checkpoint:
    """The state of one run's training. Only the first process writes."""

    def __init__(
        self, run: Run, network: nn.Module, average: nn.Module, losses: nn.Module, optimiser: torch.optim.Optimizer,
        *, every: float,
    ) -> None:  # fmt: skip
        """every: seconds between resume checkpoints."""
        self.run, self.every = run, every
        self._parts = {"network": network, "average": average, "losses": losses, "optimiser": optimiser}
        self._average = average
        self._saved = time.monotonic()
        self._best = float("-inf")

    def due(self) -> bool:
        return time.monotonic() - self._saved >= self.every

    def save(self, step: int, sums: dict[str, list[float]]) -> None:
        """Replace last.pt. A full disk stops nothing: the last good one stays, and the run says so."""
        state = {name: part.state_dict() for name, part in self._parts.items()}
        self._saved = time.monotonic()
        state |= {"format": FORMAT, "step": step, "best": self._best, "sums": sums}
        try:
            with atomic.replacing(self.run.last) as temporary:
                _save(state, temporary)
        except SemblanceError as error:
            print(f"warning: {error}. Training goes on, from step {step:,}", file=sys.stderr, flush=True)
            with contextlib.suppress(SemblanceError):  # run.json may not fit either
                self.run.update(warning=f"no checkpoint at step {step:,}: {error}")

    def load(self, device: torch.device) -> tuple[int, dict[str, list[float]]]:
        """(steps done, figures begun), everything else put back. RunError for a damaged file or another network."""
        try:
            state = torch.load(self.run.last, map_location=device, weights_only=True)
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self._best = float(state["best"])
            return int(state["step"]), state["sums"]
        except Exception as error:  # a damaged file makes torch and pickle raise what has no common class
            raise RunError(_unusable(self.run, error)) from error

    def forget_best(self) -> None:
        """The next phase's best counts anew: its first weights may well be worse by the last phase's measure."""
        self._best = float("-inf")

    def keep_best(self, figures: dict[str, float], *, last: bool) -> None:
        """Write best.safetensors when dev recall_at_1 is the best of the phase so far; last: in any case."""
        figure = figures.get("recall_at_1", 0.0)  # without labels nothing is to be found
        if last or figure >= self._best:
            self._best = figure
            write_weights(self._average, self.run.best)
            self.run.update(figures=figures)

    def keep_phase(self, name: str) -> None:
        write_weights(self._average, self.run.root / f"{name}.safetensors")

    def show(self, shown: dict[str, Any], pixels: Pixels) -> None:
        """triplets.json, its pictures, distances.json."""
        from PIL import Image

        self.run.pictures.mkdir(exist_ok=True)
        for triplet in shown["triplets"]:
            for part in ("anchor", "positive", "negative"):
                row, file = triplet[part].pop("row"), self.run.pictures / triplet[part]["picture"]
                if not file.exists():
                    Image.fromarray(pixels.picture(row)).save(file, quality=92)
        atomic.write_json(self.run.root / "triplets.json", shown["triplets"])
        atomic.write_json(self.run.root / "distances.json", shown["distances"])


def write_weights(network: nn.Module, file: Path) -> None:
    """Float32 safetensors, there whole or not at all."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic.replacing(file) as temporary:
        temporary.write_bytes(save(tensors))  # its save_file does not say OSError when the disk is full


def collapse_advice(figures: dict[str, float], *, dim: int, n_labels: int) -> str:
    """What to do when the embeddings have lost their dimensions; empty while they have not."""
    rank = figures["effective_rank"]
    if rank >= min(max(2.0, 0.03 * dim), (n_labels - 1) / 2):  # two labels need no more than a line
        return ""
    return (
        f"the embeddings use {rank:.1f} of {dim} dimensions: they are collapsing. Train with a lower --lr, begin with "
        "classification (--classification-share 0.7), or take a smaller --margin"
    )


def _save(state: dict[str, Any], file: Path) -> None:
    try:
        with file.open("wb") as out:
            torch.save(state, out)
    except RuntimeError as error:  # torch's own, over what the disk said
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def _unusable(run: Run, error: Exception) -> str:
    detail = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return (
        f"{run.last} cannot be gone on from ({detail}); it is damaged or of another network. "
        f"best.safetensors beside it may still be used; train again under a new --name"
    )
