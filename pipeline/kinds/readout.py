"""How likely a picture shows each of the 1,000 kinds, told from its embedding alone: a row of numbers for each kind.

An encoder has them when `models/kinds.safetensors` was fitted to it: `python -m training fit-kinds`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import ROOT
from pipeline.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

FILE = ROOT / "models" / "kinds.safetensors"
MAX_DIRECTIONS = 16  # searches for one word: more found nothing more
ROUNDS = 10  # of grouping
SWITCH = "kinds"  # in a gallery's manifest: false where nothing is named after what pictures show


@dataclass(frozen=True)
class Readout:
    """weights: (kinds, dim) float32. bias: (kinds,)."""

    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, dim) of unit length to (n, kinds); a row adds up to 1, as if every picture showed one of the kinds."""
        import numpy as np

        scores = embeddings @ self.weights.T + self.bias  # (n, kinds)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def directions(self, kinds: Sequence[int]) -> np.ndarray:
        """(m, dim) of unit length, along which pictures of these kinds lie; m is at most MAX_DIRECTIONS."""
        import numpy as np

        rows = _unit(self.weights[list(kinds)] - self.weights.mean(axis=0))
        if len(rows) <= MAX_DIRECTIONS:
            return rows
        middles = rows[np.linspace(0, len(rows) - 1, MAX_DIRECTIONS).astype(int)]
        for _ in range(ROUNDS):  # spherical k-means; a group that loses all its kinds keeps its middle
            group = (rows @ middles.T).argmax(axis=1)
            sums = np.zeros_like(middles)
            np.add.at(sums, group, rows)
            middles = np.where(sums.any(axis=1, keepdims=True), _unit(sums), middles)
        return middles

    def direction(self, kinds: Sequence[int]) -> np.ndarray:
        """(dim,) of unit length: the mean of them, for a query that holds more than a word."""
        return _unit(self.directions(kinds).sum(axis=0)[None])[0]


def of(fingerprint: str) -> Readout | None:
    """The readout of the encoder with this fingerprint; None when it has none."""
    return _read(FILE) if fingerprint == _fitted_to(FILE) else None


def of_gallery(manifest: Mapping[str, Any], fingerprint8: str = "") -> Readout | None:
    """That of a gallery's encoder, unless the gallery does not want to be told what its pictures show."""
    entry = manifest["encoders"][fingerprint8 or manifest["current"]]
    return of(entry["fingerprint"]) if manifest.get(SWITCH, True) else None


@functools.cache
def _fitted_to(file: Path) -> str:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        return ""
    try:
        with safe_open(file, "np") as tensors:
            return str((tensors.metadata() or {}).get("fingerprint", ""))
    except (OSError, SafetensorError) as error:
        raise _damaged(file, error) from error


@functools.cache
def _read(file: Path) -> Readout:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        held = load_file(file)
        return Readout(held["weights"].astype(np.float32), held["bias"].astype(np.float32))
    except (OSError, SafetensorError, KeyError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> UsageError:
    return UsageError(f"{file} cannot be read ({error}); copy it again from the same release")


def _unit(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
