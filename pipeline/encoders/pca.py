"""A shorter encoder: another one's embedding, centred, projected on its principal components, L2-normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.fingerprints import OLD_BASE, encoder_fingerprint, spec_today
from pipeline.plugins import Card
from pipeline.records import Encoder
from pipeline.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

CARD = Card(
    summary="another encoder's embedding, shortened by PCA; made by `reencode NAME --pca D`",
    requires=("safetensors",),
)


def build(*, file: str, device: str = "auto") -> PCAEncoder:
    """file: safetensors with `mean` (base dim,), `components` (dim, base dim) and the base's spec as metadata `base`.

    A relative path begins at SEMBLANCE_HOME, so that a gallery can be moved with its home.
    """
    from safetensors import SafetensorError, safe_open

    path = Settings().home / file  # an absolute one stays as it is
    try:
        with safe_open(path, "np") as tensors:
            mean, components = tensors.get_tensor("mean"), tensors.get_tensor("components")
            about = tensors.metadata()
            base = spec_today(about["base"], about.get("base_fingerprint", OLD_BASE))
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise UsageError(
            f"cannot read {path} ({error}); make one with: python -m pipeline reencode NAME --pca D"
        ) from None
    return PCAEncoder(plugins.build("encoders", base, device=device), mean, components)


class PCAEncoder:
    """See records.Encoder."""

    def __init__(self, base: Encoder, mean: np.ndarray, components: np.ndarray) -> None:
        self.base, self.mean, self.components = base, mean, components
        self.dim = len(components)
        self.fingerprint = encoder_fingerprint({"mean": mean, "components": components}, base=base.fingerprint)

    def preprocess(self, image: Image) -> np.ndarray:
        return self.base.preprocess(image)

    def encode(self, batch: np.ndarray) -> np.ndarray:
        return self.of_base(self.base.encode(batch))

    def of_base(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, base dim) to (n, dim), unit length; a picture exactly at the mean becomes the first axis."""
        short = (embeddings - self.mean) @ self.components.T  # (n, dim)
        norms = np.linalg.norm(short, axis=1, keepdims=True)
        short = np.where(norms > 1e-12, short / np.maximum(norms, 1e-12), np.eye(1, self.dim))
        return short.astype(np.float32)
