"""Kill an ingest at random instants and count what was lost: `python -m benchmarks.kill_rounds [FOLDER] [--server]`.

Each round starts `python -m pipeline ingest` in a process group of its own and ends the group with SIGKILL after a
random time. Rounds go on with a gallery until it is complete, then begin a fresh one, so that kills fall into every
phase: start, encoding, part commits, upserts, the last sync. In the end each gallery is resumed without a kill and
checked against the files. The index is the embedded Milvus, or with --server a real server, which lives on.
Exits 1 when anything was lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring, milvus_process
from pipeline import ROOT

ENCODER = "color_histogram"
BUSY = "the index was not updated"  # on a machine that is too busy for Milvus' 5 s; parts are committed all the same
STARTS = 3  # that a gallery gets in the end, should the machine be so busy


@dataclass
class Round:
    """What one start came to."""

    gallery: str
    seconds: float
    killed: bool
    resumed: bool  # the start before it was killed in the same gallery
    rows: int  # committed afterwards
    torn: int  # temporary files left by the kill


@dataclass
class Verdict:
    """One finished gallery against the files it was made of."""

    gallery: str
    pictures: int  # distinct, by content
    lost: int
    doubled: int
    surplus: int
    wrong: int  # of `encoded_again`
    encoded_again: int
    thumbnails: int  # missing or cut
    verify: int  # exit code
    resumed: bool  # had its last start been killed
    seconds: float  # of the last start

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.surplus or self.wrong or self.thumbnails or self.verify)


def kill_rounds(
    folder: Path,
    home: Path,
    *,
    rounds: int,
    seed: int,
    shortest: float = 0.3,
    longest: float = 6.0,
    sample: int = 200,
    uri: str = "",
) -> tuple[list[Round], list[Verdict]]:
    """Start and kill `rounds` times, then finish and check every gallery that was begun. uri: of a Milvus server."""
    home.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    done: list[Round] = []
    number, names = 0, ["kill0"]
    for _ in range(rounds):
        wait = chance.uniform(shortest, longest)
        resumed = bool(done) and done[-1].killed
        killed, seconds = _start_and_kill(names[-1], folder, home, wait, uri)
        torn = sum(1 for _ in (home / "galleries" / names[-1]).rglob(".*.tmp"))
        done.append(Round(names[-1], seconds, killed, resumed, _rows(home, names[-1]), torn))
        if not killed:  # complete: a fresh gallery takes the next kills
            number += 1
            names.append(f"kill{number}")
    begun = {one.gallery: one.killed for one in done}  # one killed before its first write is finished too
    return done, [
        _finish(name, folder, home, sample=sample, seed=seed, uri=uri, resumed=killed) for name, killed in begun.items()
    ]


def resume_seconds(rounds: list[Round], verdicts: list[Verdict]) -> list[float]:
    """How long each start took that followed a kill and was left to end: interpreter, comparison and rest included."""
    ended = [one.seconds for one in rounds if one.resumed and not one.killed]
    return ended + [two.seconds for two in verdicts if two.resumed]


def _command(verb: str, *rest: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", verb, *rest]


def _environment(home: Path, uri: str) -> dict[str, str]:
    ours = {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": uri, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return os.environ | ours


def _ingest(name: str, folder: Path) -> list[str]:
    return _command("ingest", name, "--dataset", f"folder:root={folder}", "--encoder", ENCODER, "--progress", "none")


def _start_and_kill(name: str, folder: Path, home: Path, wait: float, uri: str) -> tuple[bool, float]:
    """Whether the process was still at work when its time was up, and how long it had."""
    said = home / "stderr.txt"
    begun = time.perf_counter()
    with said.open("wb") as errors:
        process = subprocess.Popen(
            _ingest(name, folder),
            env=_environment(home, uri),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        code = process.wait(wait)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True, wait
    if code and BUSY not in said.read_text():
        raise SystemExit(f"the ingest of {name} ended with exit code {code} by itself: {said.read_text()}")
    return bool(code), time.perf_counter() - begun  # one that was too busy has as much left to do as a killed one


def _rows(home: Path, name: str) -> int:
    from pipeline.errors import GalleryError
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    try:
        return len(open_gallery(name, Settings(home=home)).ids())
    except GalleryError:
        return 0


def _finish(name: str, folder: Path, home: Path, *, sample: int, seed: int, uri: str, resumed: bool) -> Verdict:
    import numpy as np

    from pipeline import plugins
    from pipeline.fingerprints import file_id
    from pipeline.gallery.opening import open_gallery
    from pipeline.images.opening import open_image
    from pipeline.settings import Settings

    begun = time.perf_counter()
    for _ in range(STARTS):
        done = subprocess.run(_ingest(name, folder), env=_environment(home, uri), capture_output=True, text=True)
        if done.returncode == 0:
            break
    else:
        raise SystemExit(f"the ingest of {name} does not end well: {done.stderr}")
    seconds = time.perf_counter() - begun
    records = plugins.build("datasets", f"folder:root={folder}").records()
    files = {file_id((folder / record.path).read_bytes()): folder / record.path for record in records}
    gallery = open_gallery(name, Settings(home=home))
    rows = gallery.rows()
    found = rows.table["id"].tolist()
    place = {picture: i for i, picture in enumerate(found)}
    encoder = plugins.build("encoders", ENCODER, device="cpu")
    chosen = random.Random(seed).sample(sorted(set(files) & set(found)), min(sample, len(found)))
    wrong = 0
    for picture in chosen:
        image = open_image(files[picture].read_bytes()).image
        again = encoder.encode(encoder.preprocess(image)[None])[0]
        wrong += not np.allclose(again, rows.embeddings[place[picture]], atol=1e-5)
    verified = subprocess.run(_command("verify", name), env=_environment(home, uri), capture_output=True)
    return Verdict(
        gallery=name,
        pictures=len(files),
        lost=len(set(files) - set(found)),
        doubled=len(found) - len(set(found)),
        surplus=len(set(found) - set(files)),
        wrong=wrong,
        encoded_again=len(chosen),
        thumbnails=sum(not gallery.has_thumbnail(picture) for picture in found),
        verify=verified.returncode,
        resumed=resumed,
        seconds=seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("SEMBLANCE_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("folder", type=Path, nargs="?", default=data / "clothing")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=6.0, help="seconds until the kill, at most")
    parser.add_argument("--server", action="store_true", help="a real Milvus server is the index")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-rounds-"))
        uri = stack.enter_context(milvus_process.running()) if given.server else ""
        rounds, verdicts = kill_rounds(
            given.folder.absolute(), Path(home), rounds=given.rounds, seed=given.seed, longest=given.longest, uri=uri
        )
    index = "a Milvus server" if given.server else "Milvus Lite"
    print(
        f"{given.rounds} rounds on {given.folder.name} with {index}, seed {given.seed}, "
        f"kill after 0.3 to {given.longest:g} s; {measuring.machine()}"
    )
    print(f"{'round':>5} {'gallery':>8} {'after':>7} {'end':>9} {'rows':>6} {'temporary files left':>21}")
    for number, one in enumerate(rounds, 1):
        end = "killed" if one.killed else "complete"
        print(f"{number:>5} {one.gallery:>8} {one.seconds:>5.2f} s {end:>9} {one.rows:>6,} {one.torn:>21}")
    print()
    print("gallery  pictures  lost  doubled  surplus  wrong embeddings  thumbnails bad  verify  last start")
    for two in verdicts:
        print(
            f"{two.gallery:7}  {two.pictures:8,}  {two.lost:4}  {two.doubled:7}  {two.surplus:7}  "
            f"{two.wrong:6} of {two.encoded_again:<6} {two.thumbnails:16}  {two.verify:6}  {two.seconds:8.1f} s"
        )
    kills = sum(one.killed for one in rounds)
    good = all(two.good for two in verdicts)
    if resumes := resume_seconds(rounds, verdicts):
        print(f"\n{len(resumes)} starts after a kill that were left to end: p50 {statistics.median(resumes):.1f} s")
    print(
        f"{kills} kills, {len(verdicts)} galleries: "
        + ("nothing lost, doubled or wrong" if good else "FAULTS, see above")
    )
    sys.exit(not good)


if __name__ == "__main__":
    main()
