"""A gallery on disk: the truth. Milvus is an index that can be rebuilt from it (docs/architecture.md)."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import GalleryError
from pipeline.files import atomic, checksummed
from pipeline.fingerprints import spec_today
from pipeline.gallery import judgments, ledgers, parts
from pipeline.gallery import manifest as manifest_file
from pipeline.records import GalleryInfo, Rows
from pipeline.schema import with_every_key

if TYPE_CHECKING:
    import pandas as pd

DAY = 86_400.0  # seconds
LOCKS = (".writing", ".changing")
IMPORTED = "imported"  # in the manifest: pictures came without thumbnails, and not all of them have one since


class Gallery:
    """One gallery's folder. Holds no state of its own: every call reads what is on the disk now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name
        self.manifest_file = root / "gallery.json"
        self.judgments_file = root / "judgments.jsonl"

    def manifest(self) -> dict[str, Any]:
        """gallery.json. GalleryError when it is damaged or from a newer Semblance."""
        return manifest_file.read(self.manifest_file)

    def update(self, **changes: Any) -> None:
        """Change the manifest; the generation grows, so readers notice.

        Safe against other processes. What is computed from the manifest needs `writing` around both.
        """
        with self.changing():
            manifest = self.manifest()
            manifest_file.write(self.manifest_file, manifest | changes | {"generation": manifest["generation"] + 1})

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Held for the instant that a change of the manifest takes; `writing` is held for a whole run."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.root / ".changing", timeout=10):
                yield
        except Timeout:
            raise GalleryError(f"{self.manifest_file} is locked by another process; look for one that hangs") from None
        except OSError as error:
            raise atomic.disk_error(error, self.root) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One writer per gallery. GalleryError at once when another process writes."""
        from filelock import FileLock, Timeout

        try:
            lock = FileLock(self.root / ".writing").acquire(timeout=0)
        except Timeout:
            raise GalleryError(
                f"gallery {self.name} is being written by another process; wait for it or stop it"
            ) from None
        except OSError as error:
            raise atomic.disk_error(error, self.root) from error
        with lock:
            yield

    def clean(self) -> None:
        """Delete temporary files of killed runs. Needs the lock."""
        with self.changing():
            atomic.clean(self.root, *self.root.glob("embeddings/*"), *self.root.glob("thumbnails/*"))
            # results are written without the lock: only what no command can be at work on any more
            atomic.clean(self.root / "reports", self.root / "projections", older_than=DAY)

    @property
    def generation(self) -> int:
        return int(self.manifest()["generation"])

    @property
    def version(self) -> tuple[str, str, int]:
        """Folder, birth and generation: what is kept under it is of these very rows, also when another gallery was made
        under the name of one that was deleted. One made before births were drawn has the time it was made."""
        manifest = self.manifest()
        return str(self.root), str(manifest.get("birth") or manifest["created"]), int(manifest["generation"])

    @property
    def current(self) -> str:
        """First 8 digits of the current encoder's fingerprint; '' before the first ingest."""
        return str(self.manifest()["current"])

    def encoder(self, fingerprint8: str = "") -> dict[str, Any]:
        """spec, fingerprint, dim and calibration of an encoder of this gallery, by default the current one."""
        manifest = self.manifest()
        entry = manifest["encoders"].get(fingerprint8 or manifest["current"])
        if entry is None:
            raise GalleryError(
                f"gallery {self.name} holds no pictures yet; run: python -m pipeline ingest {self.name} …"
            )
        return entry | {"spec": spec_today(entry["spec"], entry["fingerprint"])}

    def add_encoder(self, spec: str, fingerprint: str, dim: int) -> str:
        """Note an encoder and return its fingerprint8; the first one becomes the current one. Needs the lock."""
        manifest = self.manifest()
        short = fingerprint[:8]
        if short not in manifest["encoders"]:
            entry = {"spec": spec, "fingerprint": fingerprint, "dim": dim, "calibration": []}
            self.update(encoders=manifest["encoders"] | {short: entry}, current=manifest["current"] or short)
        return short

    def set_calibration(self, fingerprint8: str, quantiles: list[float]) -> None:
        """Needs the lock."""
        encoders = self.manifest()["encoders"]
        if encoders[fingerprint8]["calibration"] != quantiles:
            encoders[fingerprint8]["calibration"] = quantiles
            self.update(encoders=encoders)

    def collection(self, fingerprint8: str = "") -> str:
        """The Milvus collection that copies this gallery; the alias `name` points to the current one."""
        return f"{self.name}__{fingerprint8 or self.current}"

    def folder(self, fingerprint8: str = "") -> Path:
        return self.root / "embeddings" / (fingerprint8 or self.current)

    def commit(self, fingerprint8: str, rows: Rows) -> None:
        """Write the rows as the next part; on the disk when this returns. Needs the lock."""
        manifest = self.manifest()
        keys = manifest["metadata_keys"]
        if new := sorted({key for row in rows.table["metadata"] for key in row}.difference(keys)):
            self.update(metadata_keys=keys + new)  # before the part: a key that no row has yet does no harm
        parts.write(self.folder(fingerprint8), rows, birth=manifest.get("birth", ""))
        self.update()  # after it: readers that see the new generation find the rows

    def change_rows(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Give rows other values of some columns, by id, under every encoder. Needs the lock; call `update` after it."""
        keys = self.manifest()["metadata_keys"]
        named = {key for values in changes.values() for key in values.get("metadata", ())}
        if new := sorted(named.difference(keys)):
            self.update(metadata_keys=keys + new)
        others = [fingerprint8 for fingerprint8 in self.manifest()["encoders"] if fingerprint8 != self.current]
        for fingerprint8 in (
            *others,
            self.current,
        ):  # the current one last: an ingest looks there for what is to change
            parts.change(self.folder(fingerprint8), changes)

    def rows(self, fingerprint8: str = "", *, as_ingested: bool = False) -> Rows:
        """All rows in the order of their ingest, removed ones left out, labels as people corrected them, every metadata key
        filled in. as_ingested: removed ones too, and the labels of their datasets."""
        rows = parts.read(self.folder(fingerprint8), self.encoder(fingerprint8)["dim"])
        rows.table["metadata"] = with_every_key(rows.table["metadata"], self.manifest()["metadata_keys"])
        if as_ingested:
            return rows
        rows = Rows(self.corrected(rows.table), rows.embeddings)
        return rows.take(~rows.table["id"].isin(gone).to_numpy()) if (gone := self.removed()) else rows

    def table(self) -> pd.DataFrame:
        """Like `rows` without the embeddings: small, also for a large gallery."""
        table = self.corrected(parts.read_table(self.folder()))
        table["metadata"] = with_every_key(table["metadata"], self.manifest()["metadata_keys"])
        return table[~table["id"].isin(self.removed())].reset_index(drop=True)

    def corrected(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows with the labels that people gave in place of their datasets'."""
        return judgments.labelled(table, judgments.labels(self.judgments_file))

    def ids(self, fingerprint8: str = "") -> set[str]:
        """Every id on disk, removed ones too. Reads the id column only."""
        return parts.ids(self.folder(fingerprint8)) if self.current else set()

    def count(self) -> int:
        """How many rows are not removed; far cheaper than reading them."""
        gone = self.removed()
        return len(self.ids() - gone) if gone else parts.count(self.folder())

    def removed(self) -> set[str]:
        return judgments.removed(self.judgments_file)

    def gone(self) -> dict[str, str]:
        """id to path of pictures in the gallery whose file was not there at the last ingest of its dataset."""
        listed, out = ledgers.read(self.root / ledgers.GONE), self.removed()
        return {picture: path for picture, path in listed if picture not in out}

    def remove(self, ids: Sequence[str]) -> None:
        """Take pictures out of every answer; `restore` undoes it. Unknown ids: GalleryError, nothing removed."""
        self._judge_removed(ids, True, existing=self.ids())

    def restore(self, ids: Sequence[str]) -> None:
        """Take a removal back. What `compact` has dropped comes again at the next ingest of its folder."""
        self._judge_removed(ids, False, existing=self.ids() | self.removed())

    def _judge_removed(self, ids: Sequence[str], value: bool, *, existing: set[str]) -> None:
        if unknown := sorted(set(ids) - existing):
            raise GalleryError(f"gallery {self.name} has no picture {unknown[0]}; nothing was changed")
        judgments.add(self.judgments_file, "removed", ids, value)  # also during an ingest: one append, one change
        self.update()

    def relabel(self, labels: Mapping[str, str | None]) -> dict[str, str | None]:
        """Give pictures other labels by id; None: that of their dataset again. Returns what takes it back.

        The rows stay as they were ingested: every reader sees the label, and an ingest never undoes it. Unknown ids or a
        label that no row can hold: an error, nothing changed.
        """
        if unknown := sorted(labels.keys() - self.ids()):
            raise GalleryError(f"gallery {self.name} has no picture {unknown[0]}; nothing was changed")
        wanted = dict.fromkeys(labels.values())
        for text in filter(None, wanted):
            judgments.check_label(text)
        given = judgments.labels(self.judgments_file)
        for label in wanted:
            ids = [picture for picture, its in labels.items() if its == label]
            judgments.add(self.judgments_file, "label", ids, False if label is None else label)
        self.update()
        return {picture: given.get(picture) for picture in labels}

    def judge(self, kind: str, ids: Sequence[str], value: Any = True) -> None:
        """Keep what somebody said about pictures; the generation stays, because no row changes."""
        judgments.add(self.judgments_file, kind, ids, value)
        with self.changing():
            manifest_file.write(self.manifest_file, self.manifest())

    def compact(self) -> int:
        """Rewrite the parts without the removed pictures, for good; returns how many rows went."""
        with self.writing():
            self.clean()
            gone = self.removed()
            count = 0
            for fingerprint8 in self.manifest()["encoders"]:
                count += parts.drop(self.folder(fingerprint8), gone)
            for picture in gone:
                self.thumbnail(picture).unlink(missing_ok=True)
            self.update()
        return count

    def thumbnail(self, picture_id: str) -> Path:
        return self.root / "thumbnails" / picture_id[:2] / f"{picture_id}.jpg"

    def has_thumbnail(self, picture_id: str) -> bool:
        return bool(self.thumbnail_data(picture_id))

    def thumbnail_data(self, picture_id: str) -> bytes:
        """The JPEG; b"" when it is missing, cut by a power cut, or not what was written."""
        return checksummed.read_jpeg(self.thumbnail(picture_id))

    @property
    def originals(self) -> Path:
        """Pictures that came by upload; the only files a gallery keeps whole."""
        return self.root / "originals"

    def info(self) -> GalleryInfo:
        manifest = self.manifest()
        encoder: dict[str, Any] = self.encoder() if manifest["current"] else {"spec": "", "fingerprint": "", "dim": 0}
        ids, gone = self.ids(), self.removed()
        return GalleryInfo(
            name=self.name,
            title=manifest["title"],
            dataset=", ".join(manifest["datasets"]),
            created=manifest["created"],
            encoder=encoder["spec"],
            fingerprint=encoder["fingerprint"],
            dim=encoder["dim"],
            rows=len(ids - gone),
            removed=len(ids & gone),
            merged=len(ledgers.read(self.root / ledgers.MERGED)),
            rejected=len(ledgers.read(self.root / ledgers.REJECTED)),
            gone=len(ids & self.gone().keys()),
        )

    def discard_if_empty(self) -> None:
        """Delete a gallery that was made for an ingest that failed before its first encoder was noted."""
        with contextlib.suppress(GalleryError), self.writing():
            if not self.current:
                self.delete()

    def delete(self) -> None:
        """Remove the whole folder. The collections in Milvus are the caller's to drop. Needs the lock.

        It goes out of sight first, and whole: what a kill leaves is no part of a later gallery of this name.
        """
        dropped = self.root.with_name(f".{self.name}.dropped")
        shutil.rmtree(dropped, ignore_errors=True)  # what an earlier kill left
        try:
            self.manifest_file.unlink() if sys.platform == "win32" else self.root.rename(dropped)
        except OSError as error:
            raise atomic.disk_error(error, self.root) from error
        shutil.rmtree(self.root if sys.platform == "win32" else dropped, ignore_errors=True)
