"""A torch network run by ONNX Runtime on the CPU: exported once, kept in the cache, the same embeddings in less time.

What it wins over torch: python -m benchmarks.engines.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import logs
from pipeline.files import atomic
from pipeline.settings import Settings

if TYPE_CHECKING:
    import torch

PAYS_FROM = 64  # pictures after which the seconds of an export are worth it
ALIKE = 0.9999  # least cosine between its embedding and torch's
VERSION = 1  # of what `_export` writes
MAX_KEPT = 8  # graphs in the cache; the least recently made go
MAX_BYTES = 1_900_000_000  # of weights: a graph in one file ends at 2 GB


class OnnxRuntime:
    """Runs one `from_pixels.FromPixels` from several threads at once, as soon as that pays.

    name: of the graph in the cache, one for each fingerprint and size of picture.
    """

    def __init__(self, whole: torch.nn.Module, name: str) -> None:
        self._whole, self._name = whole, f"{name}.v{VERSION}"
        self._sessions: dict[int, Any] = {}  # by number of threads
        self._graph: Path | None = None
        self._looking = threading.Lock()
        self._looked, self._seen = False, 0
        self._open = _is_there() and sum(array.nbytes for array in whole.state_dict().values()) < MAX_BYTES

    def encode(self, pixels: np.ndarray, *, threads: int) -> np.ndarray | None:
        """(n, height, width, 3) uint8 to (n, dim), or None where torch has to do it: too few pictures yet, or a fault."""
        if not self._open:
            return None
        try:
            if self._graph is None and self._looking.acquire(blocking=False):  # the other threads go on with torch
                try:
                    self._graph = self._kept() or self._made(pixels)
                finally:
                    self._looking.release()
            return None if self._graph is None else self._run(pixels, threads)
        except Exception as error:  # what the exporter or ONNX Runtime has no word for; a full disk
            self._open = False
            logs.trouble("onnx runtime not used", network=self._name, reason=" ".join(str(error).split())[:300])
            return None

    def _run(self, pixels: np.ndarray, threads: int) -> np.ndarray:
        if threads not in self._sessions:
            self._sessions[threads] = _session(self._graph, threads)
        return np.asarray(self._sessions[threads].run(None, {"pixels": pixels})[0])

    def _kept(self) -> Path | None:
        """The graph of an earlier process, if its bytes are those that were written."""
        if self._looked:
            return None
        self._looked = True
        for file in _folder().glob(f"{self._name}.*.onnx"):
            if file.name == self._file_name(file.read_bytes()):
                return file
            file.unlink(missing_ok=True)
        return None

    def _file_name(self, data: bytes) -> str:
        return f"{self._name}.{hashlib.sha256(data).hexdigest()[:16]}.onnx"

    def _made(self, pixels: np.ndarray) -> Path | None:
        """A new graph, compared with torch on these pixels before anybody relies on it; None while it does not pay."""
        import torch

        self._seen += len(pixels)
        if self._seen < PAYS_FROM or len(pixels) < 2:
            return None
        data = _export(self._whole, pixels[:2])
        session = _session(data, 1)
        with torch.inference_mode():
            truth = self._whole(torch.from_numpy(pixels)).numpy()
        for some in (slice(0, 1), slice(None)):
            rows = session.run(None, {"pixels": pixels[some]})[0]
            if not np.all((rows * truth[some]).sum(axis=1) >= ALIKE):
                raise ValueError("its embeddings differ from torch's")
        return _keep(self._file_name(data), data)


def _is_there() -> bool:
    return all(importlib.util.find_spec(library) is not None for library in ("onnxruntime", "onnx"))


def _folder() -> Path:
    return Settings().cache / "onnx"


def _keep(name: str, data: bytes) -> Path:
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(folder / name) as temporary:
        temporary.write_bytes(data)
    for old in sorted(folder.glob("*.onnx"), key=os.path.getmtime)[:-MAX_KEPT]:
        old.unlink(missing_ok=True)
    return folder / name


def _session(graph: Path | bytes | None, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would steal from decoding
    model = str(graph) if isinstance(graph, Path) else graph
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _export(whole: torch.nn.Module, pixels: np.ndarray) -> bytes:
    import torch

    target: Any = io.BytesIO()
    # the exporter speaks through warnings of what it cannot know; `_made` compares instead
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (torch.from_numpy(np.array(pixels)),),
            target,
            dynamo=False,  # the newer exporter needs a further library and five times as long
            input_names=["pixels"],
            output_names=["embeddings"],
            dynamic_axes={"pixels": {0: "n"}, "embeddings": {0: "n"}},
        )
    return target.getvalue()
