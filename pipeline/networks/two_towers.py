"""A trained network with two towers, one for pictures and one for words, used as an encoder."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pipeline.errors import UsageError
from pipeline.fingerprints import encoder_fingerprint
from pipeline.networks.frozen import TorchEncoder, arrays

if TYPE_CHECKING:
    import torch

    from pipeline.networks.cropping import Cropping

_SHOWN = 60  # characters of a text's end that an error repeats


class Tokenizer(Protocol):
    """As open_clip's are."""

    def __call__(self, texts: list[str], context_length: int) -> torch.Tensor:
        """(n, context_length) token numbers; what is longer is cut, what is shorter is filled up with one number."""


class TwoTowerEncoder(TorchEncoder):
    """records.TextEncoder around a module with `visual` (pictures) and `encode_text` (tokens), both to (n, dim).

    The fingerprint covers both towers: the gallery's embeddings come from the first alone, but words of another second
    one would ask for something else. `facts` name the tokenizer too.
    """

    def __init__(
        self,
        model: Any,
        *,
        tokenizer: Tokenizer,
        tokens: int,
        dim: int,
        cropping: Cropping,
        device: str,
        **facts: Any,
    ) -> None:
        model = model.float().eval().requires_grad_(False)
        pictures, model.visual = model.visual, None
        text = encoder_fingerprint(arrays(model), tokens=tokens)
        super().__init__(pictures, dim=dim, cropping=cropping, device=device, text=text, **facts)
        self.text = model.to(self.device)
        self.tokenizer, self.tokens = tokenizer, tokens

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 of unit length. UsageError for a text of more tokens than the text tower reads."""
        import torch

        for text in texts:
            if rest := self._unread(text):
                shown = rest if len(rest) <= _SHOWN else f"{rest[: _SHOWN - 1]}…"
                raise UsageError(
                    f"the words are too many: this encoder reads {self.tokens} tokens, a word is one or more, and would "
                    f"not read {shown!r}; say it shorter"
                )
        if not texts:
            return np.empty((0, self.dim), np.float32)
        with torch.inference_mode():
            outputs = self.text.encode_text(self.tokenizer(list(texts), self.tokens).to(self.device)).float()
            return torch.nn.functional.normalize(outputs, dim=1).cpu().numpy()  # (n, dim)

    def _unread(self, text: str) -> str:
        """The words that do not fit; '' when all do."""
        words = text.split()
        if self._fits(text):
            return ""
        fitting = bisect.bisect(range(1, len(words) + 1), False, key=lambda n: not self._fits(" ".join(words[:n])))
        return " ".join(words[fitting:])

    def _fits(self, text: str) -> bool:
        long = max(self.tokens, len(text.encode())) + 3  # no tokenizer makes more tokens of it, begin and end included
        [row] = self.tokenizer([text], long)
        return bool((row[self.tokens :] == row[-1]).all())  # nothing but filling
