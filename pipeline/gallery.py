"""A gallery on disk: the truth. Milvus is an index that can be rebuilt from it (docs/architecture.md)."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import atomic, judgments, parts
from pipeline.errors import GalleryError, UsageError
from pipeline.records import GalleryInfo, Rows

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings import Settings

FORMAT = 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def check_name(name: str) -> str:
    """The name itself, or UsageError: it becomes a folder and a Milvus collection."""
    if not _NAME.fullmatch(name) or "__" in name:
        raise UsageError(
            f"bad gallery name {name!r}: write 1 to 64 of a-z, 0-9 and single _, beginning with a letter, e.g. my_photos"
        )
    return name


def names(settings: Settings) -> list[str]:
    return sorted(path.parent.name for path in settings.galleries.glob("*/gallery.json"))


def open_gallery(name: str, settings: Settings) -> Gallery:
    """GalleryError lists the galleries that exist when this one does not."""
    root = settings.galleries / check_name(name)
    if not (root / "gallery.json").is_file():
        known = ", ".join(names(settings)) or "none yet"
        raise GalleryError(f"no gallery {name!r} (there is: {known}); make it with: python -m pipeline ingest {name} …")
    return Gallery(root)


def create_gallery(name: str, settings: Settings, *, title: str = "") -> Gallery:
    """Open the gallery, making an empty one when there is none."""
    root = settings.galleries / check_name(name)
    root.mkdir(parents=True, exist_ok=True)
    gallery = Gallery(root)
    if not gallery.manifest_file.exists():
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        gallery._write(
            {"format": FORMAT, "title": title or name, "datasets": [], "created": created, "generation": 0}
            | {"current": "", "previous": "", "metadata_keys": [], "encoders": {}}
        )
    return gallery


class Gallery:
    """One gallery's folder. Holds no state of its own: every call reads what is on the disk now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name
        self.manifest_file = root / "gallery.json"
        self.judgments_file = root / "judgments.jsonl"

    def manifest(self) -> dict[str, Any]:
        """gallery.json. GalleryError when it is damaged or from a newer Semblance."""
        try:
            manifest: dict[str, Any] = json.loads(self.manifest_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GalleryError(f"cannot read {self.manifest_file}: {error}; restore it from a backup") from error
        if manifest["format"] > FORMAT:
            raise GalleryError(f"gallery {self.name} was made by a newer Semblance (format {manifest['format']})")
        return manifest

    def update(self, **changes: Any) -> None:
        """Change the manifest; the generation grows, so readers notice. Needs the lock."""
        manifest = self.manifest()
        self._write(manifest | changes | {"generation": manifest["generation"] + 1})

    def _write(self, manifest: dict[str, Any]) -> None:
        atomic.write_json(self.manifest_file, manifest)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One writer per gallery. GalleryError at once when another process writes."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.root / ".writing", timeout=0):
                yield
        except Timeout:
            raise GalleryError(
                f"gallery {self.name} is being written by another process; wait for it or stop it"
            ) from None

    @property
    def generation(self) -> int:
        return int(self.manifest()["generation"])

    @property
    def current(self) -> str:
        """First 8 digits of the current encoder's fingerprint; '' before the first ingest."""
        return str(self.manifest()["current"])

    def encoder(self, fingerprint8: str = "") -> dict[str, Any]:
        """spec, fingerprint, dim and calibration of an encoder of this gallery, by default the current one."""
        manifest = self.manifest()
        found = manifest["encoders"].get(fingerprint8 or manifest["current"])
        if found is None:
            raise GalleryError(
                f"gallery {self.name} holds no pictures yet; run: python -m pipeline ingest {self.name} …"
            )
        return dict(found)

    def add_encoder(self, spec: str, fingerprint: str, dim: int) -> str:
        """Note an encoder and return its fingerprint8; the first one becomes the current one."""
        manifest = self.manifest()
        short = fingerprint[:8]
        if short not in manifest["encoders"]:
            entry = {"spec": spec, "fingerprint": fingerprint, "dim": dim, "calibration": []}
            self.update(encoders=manifest["encoders"] | {short: entry}, current=manifest["current"] or short)
        return short

    def set_calibration(self, fingerprint8: str, quantiles: list[float]) -> None:
        encoders = self.manifest()["encoders"]
        encoders[fingerprint8]["calibration"] = quantiles
        self.update(encoders=encoders)

    def collection(self, fingerprint8: str = "") -> str:
        """The Milvus collection that copies this gallery; the alias `name` points to the current one."""
        return f"{self.name}__{fingerprint8 or self.current}"

    def folder(self, fingerprint8: str = "") -> Path:
        return self.root / "embeddings" / (fingerprint8 or self.current)

    def commit(self, fingerprint8: str, rows: Rows) -> None:
        """Write the rows as the next part; on the disk when this returns. Needs the lock."""
        parts.write(self.folder(fingerprint8), rows)
        keys = self.manifest()["metadata_keys"]
        new = sorted({key for row in rows.table["metadata"] for key in row}.difference(keys))
        self.update(metadata_keys=keys + new)

    def rows(self, fingerprint8: str = "", *, with_removed: bool = False) -> Rows:
        """All rows in the order of their ingest, removed ones left out, every metadata key filled in."""
        rows = parts.read(self.folder(fingerprint8), self.encoder(fingerprint8)["dim"])
        empty = dict.fromkeys(self.manifest()["metadata_keys"], "")
        rows.table["metadata"] = [empty | row for row in rows.table["metadata"]]
        if with_removed or not (gone := self.removed()):
            return rows
        keep = ~rows.table["id"].isin(gone).to_numpy()
        return Rows(rows.table[keep].reset_index(drop=True), rows.embeddings[keep])

    def table(self) -> pd.DataFrame:
        """Like `rows` without the embeddings: small, also for a large gallery."""
        table = parts.read_table(self.folder())
        empty = dict.fromkeys(self.manifest()["metadata_keys"], "")
        table["metadata"] = [empty | row for row in table["metadata"]]
        return table[~table["id"].isin(self.removed())].reset_index(drop=True)

    def ids(self, fingerprint8: str = "") -> set[str]:
        """Every id on disk, removed ones too. Reads the id column only."""
        return parts.ids(self.folder(fingerprint8)) if self.current else set()

    def removed(self) -> set[str]:
        return judgments.removed(self.judgments_file)

    def remove(self, ids: Sequence[str]) -> None:
        """Take pictures out of every answer; `restore` undoes it. Unknown ids: GalleryError, nothing removed."""
        self._judge_removed(ids, True)

    def restore(self, ids: Sequence[str]) -> None:
        self._judge_removed(ids, False)

    def _judge_removed(self, ids: Sequence[str], value: bool) -> None:
        if unknown := sorted(set(ids) - self.ids()):
            raise GalleryError(f"gallery {self.name} has no picture {unknown[0]}; nothing was changed")
        with self.writing():
            judgments.add(self.judgments_file, "removed", ids, value)
            self.update()

    def compact(self) -> int:
        """Rewrite the parts without the removed pictures, for good; returns how many rows went."""
        with self.writing():
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

    @property
    def originals(self) -> Path:
        """Pictures that came by upload; the only files a gallery keeps whole."""
        return self.root / "originals"

    def info(self) -> GalleryInfo:
        manifest = self.manifest()
        encoder = manifest["encoders"].get(manifest["current"], {"spec": "", "fingerprint": "", "dim": 0})
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
            merged=_lines(self.root / "merged.csv"),
            rejected=_lines(self.root / "rejected.csv"),
        )

    def delete(self) -> None:
        """Remove the whole folder. The collections in Milvus are the caller's to drop."""
        with self.writing():
            shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)


def _lines(file: Path) -> int:
    """Rows of a CSV file, its heading left out."""
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return max(0, sum(1 for _ in lines) - 1)
