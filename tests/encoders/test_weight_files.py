"""A weight file with changed bytes is refused in a sentence, or its tensors are read; nothing else happens."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
from pathlib import Path

import pytest
import torch

from pipeline.errors import UsageError
from pipeline.networks import weights


def good(*, zipped: bool) -> bytes:
    data = io.BytesIO()
    torch.save({"a": torch.ones(3), "b": torch.zeros(2, 2)}, data, _use_new_zipfile_serialization=zipped)
    return data.getvalue()


FILES = {
    "zip.pth": good(zipped=True),
    "pickle.pth": good(zipped=False),
    "list.pth": pickle.dumps({"a": [1, 2]}),
    "short.pth": b"\x80\x02.",
    "tensors.safetensors": (16).to_bytes(8, "little") + b'{"a":{"dtype":1}',
}


@pytest.mark.parametrize("name", FILES)
def test_changed_bytes_are_a_sentence(tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    for _ in range(150):
        data = bytearray(FILES[name])
        for _ in range(chance.randint(0, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file = tmp_path / name
        file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data) + 1)))])
        with contextlib.suppress(UsageError):
            assert all(isinstance(tensor, torch.Tensor) for tensor in weights.read(file).values())
