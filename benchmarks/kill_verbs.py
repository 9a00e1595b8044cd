"""Kill every verb that writes, and run contradictory ones at once: `python -m benchmarks.kill_verbs [--server]`.

Kills: on a fresh copy of a small home a verb is begun and killed (SIGKILL, with all it started) after a random share of
the time that it takes; then the files are read, the same command is run again, and `sync` and `verify` follow. Pairs: for
so many seconds two verbs, drawn at random, work on one copy at the same time; each has to end with exit 0, or 1 and a
sentence. Nothing that was there may be lost, doubled or half there. The index is Milvus Lite, or with --server a real
server, which lives on. Exits 1 when anything was.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import kill_views, measuring, milvus_process
from benchmarks.forked import Ended, pipeline
from benchmarks.full_disk import half, small_home

if TYPE_CHECKING:
    from pipeline.gallery.saved_views import SavedView

CASE = "street"
VERBS = {
    "ingest": "ingest small --dataset folder:root={photos}",
    "ingest, relabelled": "ingest small --dataset folder:root={photos} --limit 24",
    "remove": "remove small --ids {first}",
    "restore": "restore small --ids {gone}",
    "duplicates --remove": "duplicates small --tier lookalike --threshold 0.6 --remove --yes",
    "compact": "compact small --yes",
    "sync": "sync small",
    "set-index": "set-index small flat",
    "reencode": "reencode small --encoder raw_pixels",
    "reencode --pca": "reencode small --pca 8",
    "finetune": "training finetune --gallery small --switch always --no-maps --threads 1",
    "project": "project small --method pca",
    "cluster": "cluster small --method kmeans --clusters 3",
    "export": "export small {home}/out.parquet",
    "import": "import again {home}/given.parquet",
    "backup": "backup small {home}/out.zip",
    "restore-backup": "restore-backup {home}/given.zip --name again",
    "drop": "drop small --yes",
    "views --save": "views small --save New --link where=label=cup",
    "views --rename": "views small Kept --rename Renamed",
    "views --remove": "views small Kept --remove",
    "identity add": "identity add small Ann --picture {photos}/cup/000.png",
    "hard-cases start": "hard-cases start other --pictures {scenes} --truth {files}/truth.json --predictions {files}/predictions.json",
    "hard-cases encode": "hard-cases encode street --encoder color_histogram",
    "hard-cases needles": "hard-cases needles street --kind fn",
    "hard-cases shortlist": "hard-cases shortlist street -k 5",
    "hard-cases compare": "hard-cases compare street --rounds 100",
    "hard-cases export": "hard-cases export street {home}/out",
    "hard-cases import": "hard-cases import street --predictions {files}/predictions.json",
    "hard-cases next": "hard-cases next street",
}
MAKES = {"import": "again", "restore-backup": "again"}
DONE = re.compile(
    r"exists|there is a gallery|there is a saved view|no saved view|already|no gallery|choose 2 to|no corrected annotations yet"  # the next round has begun
)  # of a command that had ended but for its answer


@dataclass
class Row:
    """What one verb, or all pairs, came to."""

    kills: int = 0
    ended: int = 0  # before its time was up
    refused: int = 0  # exit 1 and a sentence
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Home:
    """A copy that a round may spoil. uri: of a server; "" = Lite."""

    root: Path
    photos: Path
    uri: str
    before: tuple[str, ...]  # ids of `small`
    said: str  # its judgments
    views: tuple[SavedView, ...] = ()  # saved ones of it

    def run(self, words: str, *, kill_after: float = float("inf")) -> Ended:
        return pipeline(words.split(), self.root, uri=self.uri, kill_after=kill_after)

    def words(self, verb: str) -> str:
        files = self.photos.with_name("files")
        places = {"photos": self.photos, "home": self.root, "gone": self.before[0], "first": self.before[1]}
        places |= {"files": files, "scenes": files / "scenes"}
        return VERBS[verb].format(**places)

    def faults(self, *verbs: str) -> Iterator[str]:
        """What is lost or wrong after these verbs, once everything was synced."""
        from pipeline.gallery.opening import names, open_gallery
        from pipeline.settings import Settings

        settings = Settings(home=self.root)
        for name in names(settings):
            for again in ("sync", "verify"):
                ended = self.run(f"{again} {name}")
                if ended.code:
                    yield f"{again} {name}: {(ended.out + ended.err).strip()[-300:]}"
        if CASE in "".join(verbs) or any("hard" in verb for verb in verbs):
            ended = self.run(f"hard-cases show {CASE}")
            if ended.code:
                yield f"the case: {ended.err.strip()[-300:]}"
        if "small" not in names(settings):
            if "drop" not in verbs:
                yield "the gallery is gone"
            return
        small = open_gallery("small", settings)
        now = small.table().get("id").tolist() if small.current else []
        kept = small.rows(as_ingested=True).table["id"].tolist() if small.current else []
        if len(kept) != len(set(kept)):
            yield f"{len(kept) - len(set(kept))} doubled"
        if lost := set(self.before) - set(kept) - (set(self.before) - set(now) if "compact" in verbs else set()):
            yield f"{len(lost)} pictures lost"
        if (
            "compact" in verbs
            and (lost := set(self.before) - set(kept) - {self.before[0]})
            and not {"remove", "duplicates --remove"} & {*verbs}
        ):
            yield f"{len(lost)} pictures dropped that nobody removed"
        if (
            not (self.root / "galleries" / "small" / "judgments.jsonl")
            .read_text(encoding="utf-8")
            .startswith(self.said)
        ):
            yield "judgments lost"
        yield from kill_views.faults(small, self.views, verbs)


@contextlib.contextmanager
def copied(original: Path, uri: str) -> Iterator[Home]:
    from pipeline.gallery import saved_views
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    with tempfile.TemporaryDirectory(prefix="kill-verbs-", ignore_cleanup_errors=True) as folder:
        root = Path(shutil.copytree(original, Path(folder) / "home"))
        ids = sorted(open_gallery("small", Settings(home=root)).ids())
        said = (root / "galleries" / "small" / "judgments.jsonl").read_text(encoding="utf-8")
        views = tuple(saved_views.views(open_gallery("small", Settings(home=root))))
        home = Home(root, original.parent / "photos", uri, tuple(ids), said, views)
        if uri:  # the last round's rows are there
            home.run("sync small")
        yield home


@contextlib.contextmanager
def relabelled(photos: Path, wanted: bool) -> Iterator[None]:
    """Three files lie in another label's folder meanwhile."""
    moves = [(file, photos / "shoe" / f"was-cup-{file.name}") for file in sorted((photos / "cup").glob("*.png"))[:3]]
    for old, new in moves if wanted else ():
        old.rename(new)
    try:
        yield
    finally:
        for old, new in moves if wanted else ():
            new.rename(old)


def kills(original: Path, verb: str, *, rounds: int, chance: random.Random, uri: str = "") -> Row:
    row, photos = Row(), original.parent / "photos"
    with relabelled(photos, "relabelled" in verb):
        with copied(original, uri) as home:
            begun = time.perf_counter()
            ended = home.run(home.words(verb))
            took = time.perf_counter() - begun
            if ended.code:
                row.faults.append(f"{verb}, not killed: exit {ended.code}: {ended.err.strip()[-300:]}")
        for _ in range(rounds):
            with copied(original, uri) as home:
                wait = chance.uniform(0.05, 1.05) * took
                killed = home.run(home.words(verb), kill_after=wait)
                row.kills += killed.code == -9
                row.ended += killed.code != -9
                row.faults += [f"{verb}, killed after {wait:.2f} s: {fault}" for fault in _after_kill(home, verb)]
    return row


def _after_kill(home: Home, verb: str) -> Iterator[str]:
    yield from (f"half a file: {problem}" for problem in half(home.root))
    again = home.run(home.words(verb))
    if "Traceback" in again.err or (again.code and not (again.code in (1, 2) and DONE.search(again.err))):
        yield f"again: exit {again.code}: {again.err.strip()[-300:]}"
    yield from home.faults(verb)
    left = [str(file.relative_to(home.root)) for file in (home.root / "galleries").rglob(".*.tmp")]
    if left := [
        name for name in left if "/reports/" not in name and "/projections/" not in name
    ]:  # those go after a day
        yield f"left behind after it was run again: {', '.join(left[:3])}"


def pairs(
    original: Path,
    *,
    seconds: float,
    chance: random.Random,
    uri: str = "",
    most: int = 10**9,
    verbs: Sequence[str] = (),
) -> Row:
    """Two of `verbs`, by default of all, at a time until the seconds are over, or `most` pairs were run."""
    row, end = Row(), time.monotonic() + seconds
    while time.monotonic() < end and row.ended < 2 * most:
        two = chance.choices(list(verbs) or [verb for verb in VERBS if "relabelled" not in verb], k=2)
        with copied(original, uri) as home, ThreadPoolExecutor(2) as both:
            ended = list(both.map(lambda verb, home=home: home.run(home.words(verb)), two))
            named = " and ".join(two)
            for one in ended:
                row.ended += 1
                row.refused += one.code in (1, 2)
                if "Traceback" in one.err or one.code not in (0, 1, 2) or (one.code and not one.err.strip()):
                    row.faults.append(f"{named}: exit {one.code}: {one.err.strip()[-400:]}")
            row.faults += [f"{named}: {fault}" for fault in (*half(home.root), *home.faults(*two))]
    return row


def home_of_all(folder: Path, *, case: bool = True) -> Path:
    """`full_disk`'s small home with saved views, and a case of hard cases as far as its comparison."""
    home = small_home(folder)
    kill_views.save(home)
    if not case:
        return home
    words = f"hard-cases demo {CASE} --scenes 60 --encoder color_histogram"
    ended = pipeline(words.split(), home)
    if ended.code:
        raise SystemExit(f"the case could not be made: {ended.err}")
    _annotation_files(home, folder / "files")
    ended = pipeline(f"hard-cases import {CASE} --predictions {folder / 'files' / 'predictions.json'}".split(), home)
    if ended.code:
        raise SystemExit(f"nothing could be imported: {ended.err}")
    return home


def _annotation_files(home: Path, folder: Path) -> None:
    """The case's pictures and annotations as people bring them."""
    from pipeline.annotations import annotations
    from pipeline.hard_cases.case import open_case
    from pipeline.settings import Settings

    round = open_case(CASE, Settings(home=home)).round()
    folder.mkdir()
    annotations.write(round.truth, folder / "truth.json")
    annotations.write(round.predictions, folder / "predictions.json")
    (folder / "scenes").symlink_to(round.case.root.absolute())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verbs", nargs="*", choices=list(VERBS), default=list(VERBS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pairs", type=float, default=600.0, help="seconds of contradictory pairs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", action="store_true", help="a real Milvus server is the index")
    given = parser.parse_args()
    print(f"{measuring.machine()}; seed {given.seed}, {'a Milvus server' if given.server else 'Milvus Lite'}\n")
    print("| verb | kills | had ended | faults |\n|---|---|---|---|")
    chance, faults = random.Random(given.seed), []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-verbs-"))
        case = bool(given.pairs) or any(verb.startswith("hard-cases") for verb in given.verbs)
        original = home_of_all(Path(folder), case=case)
        uri = stack.enter_context(milvus_process.running()) if given.server else ""
        for verb in given.verbs if given.rounds else ():
            row = kills(original, verb, rounds=given.rounds, chance=chance, uri=uri)
            faults += row.faults
            print(f"| {verb} | {row.kills} | {row.ended} | {len(row.faults)} |", flush=True)
            print(*row.faults, sep="\n", end="\n" if row.faults else "", file=sys.stderr, flush=True)
        if given.pairs:
            row = pairs(original, seconds=given.pairs, chance=chance, uri=uri)
            faults += row.faults
            print(f"\n{row.ended // 2} pairs in {given.pairs:.0f} s: {row.refused} refused, {len(row.faults)} faults")
            print(*row.faults, sep="\n", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
