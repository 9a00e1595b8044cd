"""A small head over another encoder's embedding, as arrays in a file: what fine-tuning learns and an encoder applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UsageError


@dataclass(frozen=True)
class Head:
    """Standardise, a hidden layer with ReLU, a last layer, L2 norm.

    mean, scale: (base dim,). first: (hidden, base dim). bias: (hidden,). last: (dim, hidden).
    """

    mean: np.ndarray
    scale: np.ndarray
    first: np.ndarray
    bias: np.ndarray
    last: np.ndarray

    @property
    def dim(self) -> int:
        return len(self.last)

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, base dim) to (n, dim) float32 of unit length; an output of zeros becomes the first axis."""
        hidden = np.maximum(((embeddings - self.mean) * self.scale) @ self.first.T + self.bias, 0)  # (n, hidden)
        embeddings = hidden @ self.last.T  # (n, dim)
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return np.where(norms > 1e-12, embeddings / np.maximum(norms, 1e-12), np.eye(1, self.dim)).astype(np.float32)


def to_bytes(head: Head, *, base: str, fingerprint: str) -> bytes:
    """safetensors with the base encoder's spec and fingerprint."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in asdict(head).items()}
    return save(tensors, metadata={"base": base, "base_fingerprint": fingerprint})


def read(file: Path) -> tuple[Head, Mapping[str, str]]:
    """The head, and {"base", "base_fingerprint"}. UsageError for a file that is gone, damaged or of something else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as tensors:
            found = Head(**{name: tensors.get_tensor(name) for name in tensors.keys()})  # noqa: SIM118  # no mapping
            about: dict[str, str] = tensors.metadata()
        shapes = found.first.shape == (len(found.bias), len(found.mean)) and found.last.shape[1:] == found.bias.shape
        if not shapes or found.scale.shape != found.mean.shape:
            raise ValueError("its arrays do not fit each other")
        return found, {name: about[name] for name in ("base", "base_fingerprint")}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"cannot read {file} ({error}); make one with: python -m training finetune --gallery NAME"
        ) from None
