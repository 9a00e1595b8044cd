"""What runs in each of Ray's worker processes: chunks of records in, embeddings and thumbnails out."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import pickle
import sys
import threading
from collections.abc import Collection, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import plugins
from pipeline.errors import PictureError, SemblanceError
from pipeline.files.remote import RemoteFolder
from pipeline.images import opening
from pipeline.ingest.encoding import Chunk, encode_chunk, readable
from pipeline.records import ImageRecord

if TYPE_CHECKING:
    import numpy as np

RESTARTS = 5  # of one actor: what kills it is then no picture, and would go on for ever
CRASHED = "opening it ends the process: a picture that the decoder crashes on"


def as_bytes(ids: Collection[str]) -> np.ndarray:
    """(n,) S16, sorted: 16 bytes an id, which all actors of a machine read in one shared place."""
    import numpy as np

    return np.sort(np.array([bytes.fromhex(one) for one in ids], dtype="S16"))


class EncodingActor:
    """Called in several threads at once. Raises SemblanceError when this machine's encoder is another one."""

    def __init__(
        self,
        *,
        root: Path | RemoteFolder,
        spec: str,
        fingerprint: str,
        device: str,
        existing_ids: Any,
        facts: tuple[str, ...],
    ) -> None:
        import ray

        restarts = _restarts()
        if restarts > RESTARTS:
            raise SemblanceError(
                f"a Ray worker died {restarts} times; the usual cause is a lack of memory: try fewer --workers, or a "
                "smaller encoder"
            )
        self.root, self.facts = root, facts
        self.encoder = plugins.build("encoders", spec, device=device)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)  # our threads fill the cores that Ray gave
        if self.encoder.fingerprint != fingerprint:
            raise SemblanceError(
                f"a Ray worker's {spec} has other weights or another version than this one (fingerprint "
                f"{self.encoder.fingerprint[:8]}, not {fingerprint[:8]}); install the same Semblance and files there"
            )
        self.existing_ids = ray.get(existing_ids)
        self.restarted = restarts > 0
        self._of_thread = threading.local()

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        """A row with `records`, pickled by the engine, to one with `chunk`: (Chunk, [(id, JPEG)]), pickled too."""
        records: Sequence[ImageRecord] = pickle.loads(row["records"])
        crashed: list[ImageRecord] = []
        if self.restarted:  # perhaps by a picture of these; who knows which has to look at each
            opened = [self._survives(record) for record in records]
            crashed = [record for record, whole in zip(records, opened, strict=True) if not whole]
            records = [record for record, whole in zip(records, opened, strict=True) if whole]
        existing = _ExistingElsewhere(self.existing_ids)
        chunk: Chunk = encode_chunk(self.root, records, self.encoder, existing, self.facts)
        chunk.rejected += [(readable(record).place, CRASHED) for record in crashed]
        chunk.size += len(crashed)
        return {"chunk": pickle.dumps((chunk, existing.thumbnails))}

    def _survives(self, record: ImageRecord) -> bool:
        """Whether a process lives that opens it; twice, because a lack of memory ends one too."""
        for _ in range(2):
            child = getattr(self._of_thread, "child", None)
            if child is None:
                spawn = multiprocessing.get_context("spawn")
                child = self._of_thread.child = concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn)
            try:
                child.submit(_open, self.root, record.path).result()
                return True
            except BrokenProcessPool:
                self._of_thread.child = None
        return False


class _ExistingElsewhere:
    """encoding.Existing where the gallery is not: ids as they were at the start, thumbnails to be sent."""

    def __init__(self, existing_ids: np.ndarray) -> None:
        self.existing_ids = existing_ids
        self.thumbnails: list[tuple[str, bytes]] = []

    def knows(self, picture_id: str) -> bool:
        import numpy as np

        wanted = np.array(bytes.fromhex(picture_id), dtype="S16")
        i = int(np.searchsorted(self.existing_ids, wanted))
        return i < len(self.existing_ids) and bool(self.existing_ids[i] == wanted)

    def is_whole(self, picture_id: str) -> bool:
        return True  # the engine looks: thumbnails lie on its machine

    def keep(self, picture_id: str, thumbnail: bytes) -> None:
        self.thumbnails.append((picture_id, thumbnail))


def _restarts() -> int:
    """How often Ray has started this actor anew; it tells only whether, so they are counted in its session's folder."""
    import ray

    context = ray.get_runtime_context()
    if not context.was_current_actor_reconstructed:
        return 0
    note = Path(context.get_temp_dir()) / context.get_session_name() / f"restarts-{context.get_actor_id()}"
    with note.open("a") as file:
        file.write(".")
    return note.stat().st_size


def _open(root: Path | RemoteFolder, path: str) -> None:
    with contextlib.suppress(PictureError):  # refused without a crash: the chunk says why
        opening.open_image(opening.read_inside(root, path))
