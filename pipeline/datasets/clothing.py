"""3,781 photos of ten kinds of clothing, public domain, with a train, validation and test split.

GitHub packs an archive anew when asked, so its bytes have no checksum to rely on, no stated size and no way to go on
after a break (such a download starts again). What does not change is the commit: after unpacking, the git tree ids of
the three folders are computed and must be those of the pinned commit, which covers every name and every byte.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets._folders import Published
from pipeline.files.archives import DamagedArchive, Source
from pipeline.files.picture_files import parent_name, picture_files
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord

CARD = Card(
    summary="3,781 photos of 10 kinds of clothing in three splits (a download of 100 MB)",
    licence="CC0 1.0",
    source="https://github.com/alexeygrigorev/clothing-dataset-small",
)
COMMIT = "11961516512414bf9f6c150a832cfd21b54a6b54"
URL = f"https://github.com/alexeygrigorev/clothing-dataset-small/archive/{COMMIT}.zip"
TREES = {  # split to git tree id: `git ls-tree` of the commit
    "train": "cc90b85bb4b32560a4316e6f6031b73a17860e97",
    "validation": "d64391f0dd7a926616fd01c77a65d4b9d3fc78d9",
    "test": "4244b1e77de7016ecac9b89f87c993381f0a448d",
}


def build(*, root: PathText = PathText("")) -> Clothing:
    """root: a copy you have, folder or archive, taken as it is; empty: download into the cache."""
    source = Source(f"clothing-{COMMIT[:8]}", tuple(TREES), url=URL, check=check_trees)
    return Clothing(source.at(root))


class Clothing(Published):
    """Layout: {train,validation,test}/LABEL/*.jpg. Records come split by split in that order."""

    def records(self) -> Iterator[ImageRecord]:
        self._origin.check_prepared()
        for split in TREES:
            for path in picture_files(self.root / split):
                yield ImageRecord(f"{split}/{path}", label=parent_name(path), split=split)


def check_trees(folder: Path) -> None:
    """Raises DamagedArchive unless the three splits are, byte for byte, those of the pinned commit."""
    changed = [split for split, tree in TREES.items() if git_tree(folder / split) != tree]
    if changed:
        raise DamagedArchive(
            f"{URL} did not bring the photos of commit {COMMIT[:8]}: {', '.join(changed)} differ and were deleted. "
            "Try again later, or give a copy you trust as root=FOLDER"
        )


def git_tree(folder: Path) -> str:
    """40 hex digits: git's own id of a folder of plain files (no links, nothing executable)."""
    entries = []
    for path in folder.iterdir():
        if path.is_dir():
            entries.append((f"{path.name}/", b"40000", git_tree(path)))
        else:
            entries.append((path.name, b"100644", _git_object(b"blob", path.read_bytes())))
    # git sorts by bytes and a folder as if its name ended in a slash
    rows = sorted((os.fsencode(name), mode, digest) for name, mode, digest in entries)
    return _git_object(
        b"tree",
        b"".join(b"%s %s\0%s" % (mode, name.rstrip(b"/"), bytes.fromhex(digest)) for name, mode, digest in rows),
    )


def _git_object(kind: bytes, data: bytes) -> str:
    # git's identity, not a secret: SHA-1 is what the commit was made with
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(data), data), usedforsecurity=False).hexdigest()
