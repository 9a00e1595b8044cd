"""A full disk under every verb that writes: `python -m benchmarks.full_disk`, on Linux or macOS.

Each verb runs on a fresh copy of a small home with Milvus Lite, and no file may grow beyond a limit (RLIMIT_FSIZE): a
write beyond it fails as on a full disk, first in one file and with a larger limit in another. The verb has to end with
one sentence and exit 1, or with a success that is whole. Then it runs again without the limit, `verify` has to be
clean, and what was there before has to be there still. With --mount DIR, as root, an ingest with Lite also meets a real
disk that is full: a tmpfs of a few sizes is mounted there.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measuring
from benchmarks.forked import Ended, pipeline

LADDER = (512, 4_096, 32_768)
ENCODER = "color_histogram"
TMPFS = (0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8)  # megabytes
HALF = 24  # pictures of the gallery before; as many again are brought by the ingest that is measured
VERBS = {
    "ingest, new": "ingest fresh --dataset folder:root={photos} --encoder color_histogram",
    "ingest, more": "ingest small --dataset folder:root={photos}",
    "sync": "sync small --to {home}/other.db",
    "remove": "remove small --ids {first}",
    "restore": "restore small --ids {gone}",
    "compact": "compact small --yes",
    "reencode": "reencode small --encoder raw_pixels",
    "reencode --pca": "reencode small --pca 8",
    "set-index": "set-index small flat",
    "export .parquet": "export small {home}/out.parquet",
    "export .npz": "export small {home}/out.npz",
    "import": "import again {home}/given.parquet",
    "backup .zip": "backup small {home}/out.zip",
    "backup .tar": "backup small {home}/out.tar",
    "restore-backup": "restore-backup {home}/given.zip --name again",
    "project": "project small --method pca",
    "evaluate --html": "evaluate small --html {home}/out.html",
    "duplicates": "duplicates small",
    "cluster": "cluster small --method kmeans --clusters 3",
    "outliers": "outliers small",
    "label-errors": "label-errors small",
    "terms": "terms small",
    "compare-encoders": "compare-encoders --gallery small --encoders raw_pixels --batch-sizes 1",
    "embedding-length": "embedding-length small --dims 8",
    "search --montage": "search small --id {first} --montage {home}/out.png",
}
AFTER = {  # what the verb itself says is still to do
    "import": "ingest {name} --dataset folder:root={photos}",
    "restore-backup": "sync {name}",
}


@dataclass
class Row:
    """A verb over the ladder."""

    runs: int = 0
    refused: int = 0  # exit 1 and a sentence
    faults: list[str] = field(default_factory=list)


def small_home(folder: Path) -> Path:
    """A gallery of HALF pictures with one removed, in Lite too; an export, a backup, and twice the pictures."""
    import numpy as np
    from PIL import Image

    for number in range(2 * HALF):
        blobs = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        file = folder / "photos" / ("cup", "bowl", "shoe")[number % 3] / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(blobs).resize((160, 120), Image.Resampling.BICUBIC).save(file)
    shutil.copyfile(file, file.with_name("copy.png"))
    file.with_name("bad.png").write_text("no picture")
    home = folder / "home"
    dataset = f"folder:root={folder / 'photos'}"
    _done(pipeline(["ingest", "small", "--dataset", dataset, "--encoder", ENCODER, "--limit", str(HALF)], home))
    _done(pipeline(["remove", "small", "--ids", sorted(_ids(home))[0]], home))
    _done(pipeline(["export", "small", str(home / "given.parquet")], home))
    _done(pipeline(["backup", "small", str(home / "given.zip")], home))
    return home


def _done(ended: Ended) -> None:
    if ended.code:
        raise SystemExit(f"the home could not be made: {ended.err}")


def _ids(home: Path, name: str = "small") -> set[str]:
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    return open_gallery(name, Settings(home=home)).ids()


def tried(original: Path, verb: str, limit: int) -> tuple[bool, list[str]]:
    """Whether the verb was refused under this limit, and what it did that it must not."""
    with tempfile.TemporaryDirectory(prefix="full-disk-") as folder:
        home = Path(shutil.copytree(original, Path(folder) / "home"))
        before = sorted(_ids(home))
        gone, first = before[0], before[1]
        places = {"photos": original.parent / "photos", "home": home, "first": first, "gone": gone}
        words = VERBS[verb].format(**places).split()
        said = _judgments(home)
        ended = pipeline(words, home, limit=limit)
        faults = _of_ending(ended)
        faults += [f"half a file: {problem}" for problem in half(home)]
        if ended.code:
            made = [file.name for file in (*home.glob("out.*"), *home.rglob(".*.tmp")) if file.is_file()]
            faults += [f"left behind: {name}" for name in made]
            named = re.search(r"python -m pipeline (sync \w+)", ended.err)
            if named and words[0] in ("import", "restore-backup"):  # done, but for the index
                words = named[1].split()
            again = pipeline(words, home)
            if again.code:
                faults.append(f"again without the limit: exit {again.code}: {again.err.strip()[-300:]}")
        for name in [folder.parent.name for folder in home.glob("galleries/*/gallery.json")]:
            if verb in AFTER:
                pipeline(AFTER[verb].format(name=name, **places).split(), home)
            verified = pipeline(["verify", name], home)
            if verified.code:
                faults.append(f"verify {name}: {(verified.out + verified.err).strip()[-300:]}")
        if lost := set(before) - _ids(home) - ({gone} if verb == "compact" else set()):
            faults.append(f"{len(lost)} pictures lost")
        if not _judgments(home).startswith(said):
            faults.append("judgments lost")
    return bool(ended.code), faults


def _judgments(home: Path) -> str:
    return (home / "galleries" / "small" / "judgments.jsonl").read_text(encoding="utf-8")


def _of_ending(ended: Ended) -> list[str]:
    sentence = [line for line in ended.err.splitlines() if line.strip()]
    return [
        *([f"exit {ended.code}: {ended.err.strip()[-300:]}"] if ended.code not in (0, 1) else []),
        *([f"a stack: {ended.err.strip()[-300:]}"] if "Traceback" in ended.err else []),
        *(["exit 1 without a sentence"] if ended.code == 1 and not sentence else []),
    ]


def half(home: Path) -> Iterator[str]:
    """What the product finds wrong with the files under their final names, before anything is mended."""
    from pipeline.analysis import map_files
    from pipeline.errors import GalleryError
    from pipeline.gallery import integrity, reports
    from pipeline.gallery.opening import names, open_gallery
    from pipeline.settings import Settings

    settings = Settings(home=home)
    for name in names(settings):
        gallery = open_gallery(name, settings)
        yield from integrity.check_files(gallery)
        yield from (f"map {one}" for one in map_files.names(gallery) if not map_files.whole(gallery, one))
        for file in (gallery.root / "reports").glob("*.json"):
            try:
                reports.read(gallery, file.stem)
                if file.with_suffix(".parquet").exists():
                    reports.table(gallery, file.stem)
            except GalleryError as error:
                yield str(error)


def full_disk(original: Path, verb: str, *, ladder: Sequence[int] = LADDER) -> Row:
    row = Row()
    for limit in ladder:
        refused, faults = tried(original, verb, limit)
        row.runs += 1
        row.refused += refused
        row.faults += [f"{verb}, at most {limit:,} bytes a file: {fault}" for fault in faults]
    return row


def real_disk(folder: Path, photos: Path, megabytes: float) -> tuple[Ended, list[str]]:
    """An ingest with Lite on a tmpfs of that size; then the disk gets room. Needs root."""
    with contextlib.ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", folder], check=True)
        stack.callback(subprocess.run, ["umount", folder], check=True)
        words = ["ingest", "small", "--dataset", f"folder:root={photos}", "--encoder", ENCODER, "--progress", "none"]
        ended = pipeline(words, folder / "home")
        faults = _of_ending(ended) + [f"half a file: {problem}" for problem in half(folder / "home")]
        kept = _ids(folder / "home") if (folder / "home/galleries/small/gallery.json").exists() else set()
        subprocess.run(["mount", "-o", "remount,size=400m", folder], check=True)
        for again in (words, ["verify", "small"]):
            after = pipeline(again, folder / "home")
            if after.code:
                faults.append(
                    f"with room again, {again[0]}: exit {after.code}: {(after.out + after.err).strip()[-300:]}"
                )
        if lost := kept - _ids(folder / "home"):
            faults.append(f"{len(lost)} pictures lost")
    return ended, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbs", nargs="*", choices=list(VERBS), default=list(VERBS))
    parser.add_argument("--mount", type=Path, help="an empty folder: as root, also a real full disk")
    given = parser.parse_args()
    print(f"{measuring.machine()}; at most {', '.join(f'{limit:,}' for limit in LADDER)} bytes a file\n")
    print("| verb | runs | refused, exit 1 | done whole | faults |\n|---|---|---|---|---|")
    faults = []
    with tempfile.TemporaryDirectory(prefix="full-disk-") as folder:
        original = small_home(Path(folder))
        for verb in given.verbs:
            row = full_disk(original, verb)
            faults += row.faults
            print(f"| {verb} | {row.runs} | {row.refused} | {row.runs - row.refused} | {len(row.faults)} |", flush=True)
            print(*row.faults, sep="\n", end="\n" if row.faults else "", file=sys.stderr, flush=True)
        if given.mount:
            print("\n| tmpfs | ingest ended | in these words | faults |\n|---|---|---|---|")
            for megabytes in TMPFS:
                ended, wrong = real_disk(given.mount, original.parent / "photos", megabytes)
                faults += wrong
                words = " ".join(ended.err.split())[:150]
                print(f"| {megabytes:g} MB | exit {ended.code} | {words} | {len(wrong)} |", flush=True)
    print("", *faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
