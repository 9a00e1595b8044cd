"""A fine-tuned encoder: another one's embedding through a small head that learned one gallery's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline import plugins
from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint, spec_today
from pipeline.networks import head as heads
from pipeline.networks.head import Head
from pipeline.plugins import Card
from pipeline.records import Encoder
from pipeline.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

CARD = Card(
    summary="another encoder's embedding through a head that learned a gallery's labels; made by `training finetune`",
    requires=("safetensors",),
    weak=False,  # it draws all of a label together: one random pair in ten may be as close as the best of hits
)


def build(*, file: str, device: str = "auto") -> HeadEncoder:
    """file: what `training finetune` wrote. A relative path begins at SEMBLANCE_HOME, so that a home can be moved.

    Raises UsageError, also when the base encoder is not the one that the head learned over.
    """
    head, about = heads.read(Settings().home / file)  # an absolute path stays as it is
    base = plugins.build("encoders", spec_today(about["base"], about["base_fingerprint"]), device=device)
    if base.fingerprint != about["base_fingerprint"]:
        raise UsageError(
            f"{file} learned over {about['base']} with other weights than there are now ({base.fingerprint[:8]}, not "
            f"{about['base_fingerprint'][:8]}); bring them back, or fine-tune again"
        )
    return HeadEncoder(base, head)


class HeadEncoder:
    """See records.Encoder."""

    def __init__(self, base: Encoder, head: Head) -> None:
        self.base, self.head = base, head
        self.dim = head.dim
        arrays = {name: getattr(head, name) for name in ("mean", "scale", "first", "bias", "last")}
        self.fingerprint = encoder_fingerprint(arrays, base=base.fingerprint)

    def preprocess(self, image: Image) -> np.ndarray:
        return self.base.preprocess(image)

    def encode(self, batch: np.ndarray) -> np.ndarray:
        return self.of_base(self.base.encode(batch))

    def of_base(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, base dim) of unit length to (n, dim) of unit length."""
        return self.head(embeddings)
