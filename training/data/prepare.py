"""A dataset made ready for training: every picture decoded once, to one size, with splits that never change.

FOLDER/pixels.npy         (n, side, side, 3) uint8
FOLDER/pictures.parquet   id, path, label, split (train, dev, test), open: the label is one of the open set's; item and
                          category: what the Siamese losses pair by, empty where nothing was named
FOLDER/prepared.json      where it came from, counts, labels, mean and std, what was dropped and why
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import plugins
from pipeline.errors import PictureError, UsageError
from pipeline.files import atomic
from pipeline.fingerprints import file_id
from pipeline.images import opening
from pipeline.networks.cropping import Cropping
from pipeline.parallel import in_order
from pipeline.records import Dataset, ImageRecord, Progress, silent

if TYPE_CHECKING:
    import numpy as np

TEST_SPLITS = (
    "test",
    "query",
    "validation",
    "val",
)  # the first that is labelled is the test; of the last two, another is dev


@dataclass
class _Read:
    """A picture that opened. digest: of its pixels, which tells copies that were saved anew."""

    record: ImageRecord
    id: str
    digest: bytes
    pixels: np.ndarray


def prepare(
    dataset: Dataset,
    folder: Path,
    *,
    spec: str,
    side: int = 64,
    dev_share: float = 0.1,
    open_labels: int = 20,
    seed: int = 0,
    limit: int = 0,
    labels: int = 0,
    item: str = "",
    category: str = "",
    unlabelled: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Fill `folder` and return what prepared.json says. An earlier preparation there is replaced when all is read.

    dev_share: of each label's training pictures, held out for every choice. open_labels: labels that a run may leave
    out of its training, to be measured on what it never saw. limit: pictures a label; 0 = all. labels: so many, drawn by the seed; 0 = all. item, category: metadata
    by which the Siamese losses pair pictures; without an item the label is it, with one and no category the label is
    the category. unlabelled: every picture, and all have the label "".
    Pictures whose pixels occur under two labels are dropped, and a training picture that is also a test picture.
    Raises UsageError for a dataset without labels or with fewer than two of them, or without that metadata.
    """
    import numpy as np
    import pandas as pd

    dataset.prepare(progress)
    records = _unlabelled(dataset, limit) if unlabelled else _labelled(dataset, limit)
    records = _drawn(records, labels, seed)
    _check_metadata(records, item, category)
    square = Cropping((side, side), (side, side), "bicubic")
    read: list[_Read] = []
    rejected: list[tuple[str, str]] = []

    def work(some: Sequence[ImageRecord]) -> list[_Read | tuple[str, str]]:
        return [_read(dataset.root, record, square) for record in some]

    done = 0
    for chunk in in_order(records, work, chunk=64):
        for result in chunk:
            if isinstance(result, _Read):
                read.append(result)
            else:
                rejected.append(result)
        done += len(chunk)
        progress("prepare", done, len(records))
    test_split = next((name for name in TEST_SPLITS if any(x.record.split == name for x in read)), "")
    kept, dropped = _without_copies(read, test_split)
    if not kept:
        raise UsageError(
            f"{spec}: no picture could be read; the first said: {rejected[0][1] if rejected else 'nothing'}"
        )
    cut = splits([x.record for x in kept], test_split, dev_share=dev_share, seed=seed)
    names = sorted({x.record.label for x in kept})
    if not unlabelled:
        _two_labels(names)
    opened = set(np.random.default_rng(seed).permutation(names)[: min(open_labels, len(names) // 4)].tolist())
    table = pd.DataFrame(
        [
            (x.id, x.record.path, x.record.label, split, x.record.label in opened, *_paired(x.record, item, category))
            for x, split in zip(kept, cut, strict=True)
        ],
        columns=["id", "path", "label", "split", "open", "item", "category"],
    )
    if "train" not in cut:
        raise UsageError(
            f"{spec}: all its {len(kept):,} labelled pictures are of the split {test_split}, none to train on"
        )
    pixels = np.stack([x.pixels for x in kept])
    mean, std = _statistics(pixels[(table["split"] == "train").to_numpy()])
    about = {
        "format": 1,
        "dataset": spec,
        "side": side,
        "seed": seed,
        "splits": dict(Counter(cut)),
        "labels": names,
        "open": sorted(opened),
        "mean": mean,
        "std": std,
        "dropped": dropped,
        "rejected": rejected,
    }
    folder.mkdir(parents=True, exist_ok=True)
    atomic.clean(folder)
    (folder / "prepared.json").unlink(missing_ok=True)  # last of an old one first, last of the new one last
    with atomic.replacing(folder / "pixels.npy") as temporary, temporary.open("wb") as file:
        np.save(file, pixels)
    with atomic.replacing(folder / "pictures.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    atomic.write_json(folder / "prepared.json", about)
    return about


def prepared_once(spec: str, home: Path, *, needs_labels: bool = True, progress: Progress = silent) -> Path:
    """The folder under home/prepared of this dataset as its files are listed now; filled first where it is not there.

    spec: absolute. needs_labels: else a dataset with fewer than two of them will do, unread. What was prepared from an earlier
    list stays: a run that is continued needs it. UsageError as `prepare`.
    """
    dataset = plugins.build("datasets", spec)
    dataset.prepare(progress)
    listed, labels = hashlib.sha256(spec.encode()), set[str]()
    for record in dataset.records():
        labels.add(record.label)
        listed.update(f"\n{record.path}\t{record.label}\t{record.split}".encode("utf-8", "surrogateescape"))
    folder = home / "prepared" / f"{plugins.parse(spec)[0]}-{listed.hexdigest()[:12]}"
    if not (folder / "prepared.json").is_file():
        prepare(dataset, folder, spec=spec, unlabelled=not needs_labels and len(labels - {""}) < 2, progress=progress)
    return folder


def _unlabelled(dataset: Dataset, limit: int) -> list[ImageRecord]:
    records = [dataclasses.replace(record, label="") for record in dataset.records()]
    if len(records) < 2:
        raise UsageError(f"training needs pictures and this dataset has {len(records)}")
    return records[:limit] if limit else records


def _labelled(dataset: Dataset, limit: int) -> list[ImageRecord]:
    records, seen = [], Counter[tuple[str, str]]()
    for record in dataset.records():
        seen[record.split, record.label] += 1
        if record.label and not (limit and seen[record.split, record.label] > limit):
            records.append(record)
    _two_labels({record.label for record in records})
    return records


def _drawn(records: list[ImageRecord], count: int, seed: int) -> list[ImageRecord]:
    """Those of `count` labels."""
    import numpy as np

    names = sorted({record.label for record in records})
    if count > len(names):
        raise UsageError(f"{count} labels are asked for and this dataset has {len(names)}")
    chosen = set(np.random.default_rng(seed).permutation(names)[:count].tolist()) if count else set(names)
    return [record for record in records if record.label in chosen]


def _check_metadata(records: Sequence[ImageRecord], *keys: str) -> None:
    present = sorted({key for record in records for key in record.metadata})
    for key in keys:
        if key and key not in present:
            raise UsageError(f"no picture of this dataset has metadata {key!r}; it has {', '.join(present) or 'none'}")


def _paired(record: ImageRecord, item: str, category: str) -> tuple[str, str]:
    """What the record is paired by: its item and its category, '' where nothing is named."""
    return record.metadata.get(item, ""), record.metadata.get(category, record.label if item and not category else "")


def _two_labels(labels: Collection[str]) -> None:
    if len(labels) < 2:
        raise UsageError(
            f"training needs pictures of at least two labels and this dataset has {len(labels)}; "
            "for a folder, name its subfolders after the labels; --loss reconstruction needs none: prepare --unlabelled"
        )


def _read(root: Path, record: ImageRecord, square: Cropping) -> _Read | tuple[str, str]:
    try:
        data = opening.read_file(opening.inside(root, record.path))
        picture = opening.open_image(data)
    except PictureError as error:
        return record.path, str(error)
    whole = hashlib.sha256(f"{picture.image.size}".encode() + picture.image.tobytes()).digest()
    return _Read(record, file_id(data), whole, square.pixels(picture.image))


def _without_copies(read: list[_Read], test_split: str) -> tuple[list[_Read], list[dict[str, str]]]:
    """Of pictures with the same pixels: none when their labels differ, else one, and that a test picture if any is."""
    groups = defaultdict(list)
    for x in read:
        groups[x.digest].append(x)
    gone: dict[int, str] = {}
    for group in groups.values():
        if len({x.record.label for x in group}) > 1:
            gone |= {id(x): "the same picture has another label too" for x in group}
        else:
            keep = next((x for x in group if x.record.split == test_split), group[0])
            gone |= {id(x): f"a copy of {keep.record.path}" for x in group if x is not keep}
    dropped = [{"path": x.record.path, "label": x.record.label, "why": gone[id(x)]} for x in read if id(x) in gone]
    return [x for x in read if id(x) not in gone], dropped


def splits(records: list[ImageRecord], test_split: str, *, dev_share: float, seed: int) -> list[str]:
    """train, dev or test for each: a dataset's own test and validation, or as much of train as dev_share says."""
    import numpy as np

    random = np.random.default_rng(seed)
    named = dict.fromkeys(TEST_SPLITS, "dev") | {test_split: "test"} if test_split else {}
    if test_split == "query":  # its pictures are searched among those of `gallery`, which no training may see either
        named["gallery"] = "test"
    split = [named.get(record.split, "train") for record in records]
    given = set(split)
    members = defaultdict(list)
    for i, record in enumerate(records):
        if split[i] == "train":
            members[record.label].append(i)
    for label in sorted(members):
        order = random.permutation(members[label])
        cut = round(len(order) * dev_share)
        for i in order[:cut] if "dev" not in given else ():
            split[i] = "dev"
        for i in order[cut : 2 * cut] if not test_split else ():
            split[i] = "test"
    return split


def _statistics(pixels: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of R, G, B in [0, 1], from exact counts: a float32 sum would saturate."""
    import numpy as np

    levels = np.arange(256) / 255
    counts = np.stack([np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(3)])
    shares = counts / counts.sum(1, keepdims=True)  # (3, 256)
    mean = shares @ levels
    std = np.sqrt(shares @ levels**2 - mean**2)
    return [round(float(x), 4) for x in mean], [round(float(x), 4) for x in std]
