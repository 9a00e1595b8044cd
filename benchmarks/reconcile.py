"""Whether a gallery follows its files: random histories of two small folders against a plain model written as loops.

    python -m benchmarks.reconcile [--histories 2000] [--seed 0]

A history is 6 to 14 steps: a file is added, copied, moved, swapped with another, edited, put back, broken or deleted;
a label or split is changed; a picture is removed or restored; and a folder is ingested, now and then killed with
SIGKILL at a random write and begun again. After each ingest rows, labels, merged files, removals and gone pictures are
compared with the model, the plan with the report, and the index with the rows. Exit 1 at the first difference.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measuring import machine, say, verdict
from benchmarks.reconcile_model import Model
from pipeline.records import ImageRecord

SPEC = "color_histogram:grid=2,bins=2"
NAMES = [f"{folder}{name}.png" for folder in ("", "x/") for name in "abc"]
LABELS, SPLITS = ("cat", "dog", ""), ("train", "test", "")
BROKEN = b"no picture"


def drawn(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((12, 12)).save(file, "PNG")
    return file.getvalue()


PICTURES = [drawn(seed) for seed in range(8)]


class Listed:
    """A dataset that says of its files what the model's disk says."""

    def __init__(self, root: Path, disk: dict[str, list[Any]]) -> None:
        self.root, self.disk = root, disk

    def prepare(self, progress: Any = None) -> None:
        """They are there."""

    def records(self) -> Iterator[ImageRecord]:
        return iter([ImageRecord(path, label, split) for path, (_, label, split) in sorted(self.disk.items())])


class History:
    """One gallery, its two folders and the model, changed side by side."""

    def __init__(self, home: Path, seed: int) -> None:
        from pipeline import plugins
        from pipeline.fingerprints import file_id
        from pipeline.gallery.opening import create_gallery
        from pipeline.settings import Settings

        self.random, self.home, self.model, self.told = random.Random(seed), home, Model(), []
        self.names = {file_id(data): str(number) for number, data in enumerate(PICTURES)}
        self.ids = {name: picture for picture, name in self.names.items()}
        self.roots = [home / "one", home / "two"]
        for root in self.roots:
            root.mkdir(parents=True)
        self.gallery = create_gallery("g", Settings(home=home))
        self.encoder = plugins.build("encoders", SPEC, device="cpu")
        self.store = plugins.build("stores", "exact") if seed % 4 == 0 else None  # it takes half the time
        self.done: Counter[str] = Counter()

    def run(self) -> str:
        """'' or the first difference, with the steps that led to it."""
        steps = [
            "add",
            "copy",
            "move",
            "swap",
            "edit",
            "back",
            "break",
            "delete",
            "label",
            "split",
            "remove",
            "restore",
        ]
        for _ in range(3):
            self.step("add")
        for _ in range(self.random.randint(6, 14)):
            step = self.random.choice([*steps, *["ingest"] * 6, *["killed"] * 2])
            if step in ("ingest", "killed"):
                if difference := self.ingest(killed=step == "killed"):
                    return f"{difference}\nafter: " + "; ".join(self.told)
            else:
                self.step(step)
        return self.ingest(killed=False)

    def step(self, step: str) -> None:
        pick, dataset = self.random.choice, self.random.choice((0, 0, 1))
        disk = self.model.disk[dataset]
        paths, free = sorted(disk), [name for name in NAMES if name not in disk]
        if step in ("remove", "restore"):
            self.judge(step)
            return
        if step == "add" and free:
            self.write(dataset, pick(free), str(pick(range(len(PICTURES)))), pick(LABELS), pick(SPLITS))
        elif step == "copy" and paths and free:
            self.write(dataset, pick(free), disk[pick(paths)][0], pick(LABELS), pick(SPLITS))
        elif step == "move" and paths and free:
            old, new = pick(paths), pick(free)
            self.write(dataset, new, *disk.pop(old))
            (self.roots[dataset] / old).unlink()
        elif step == "swap" and len(paths) > 1:
            one, other = self.random.sample(paths, 2)
            contents = disk[one], disk[other]
            self.write(dataset, one, *contents[1])
            self.write(dataset, other, *contents[0])
        elif step in ("edit", "back", "break") and paths:
            path = pick(paths)
            picture = "broken" if step == "break" else str(pick(range(len(PICTURES))))
            self.write(dataset, path, picture, *disk[path][1:])
        elif step == "delete" and paths:
            path = pick(paths)
            del disk[path]
            (self.roots[dataset] / path).unlink()
        elif step in ("label", "split") and paths:
            entry = disk[pick(paths)]
            entry[1 if step == "label" else 2] = pick(LABELS if step == "label" else SPLITS)
        else:
            return
        self.done[step] += 1
        self.told.append(f"{step} in {dataset}: {disk}")

    def write(self, dataset: int, path: str, picture: str, label: str, split: str) -> None:
        file = self.roots[dataset] / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(BROKEN if picture == "broken" else PICTURES[int(picture)])
        self.model.disk[dataset][path] = [picture, label, split]

    def judge(self, step: str) -> None:
        model = self.model
        out = sorted(picture for picture in model.rows if model.removal.get(picture))
        live = sorted(model.rows.keys() - set(out))
        if chosen := live if step == "remove" else out:
            picture = self.random.choice(chosen)
            (self.gallery.remove if step == "remove" else self.gallery.restore)([self.ids[picture]])
            model.removal[picture] = step == "remove"
            self.done[step] += 1
            self.told.append(f"{step} {picture}")

    def ingest(self, *, killed: bool) -> str:
        from pipeline.gallery import integrity, ledgers
        from pipeline.ingest import ingest, sync

        dataset = self.random.choice((0, 0, 1))
        if killed:
            self.killed(dataset)
        self.told.append(f"{'killed, then ' if killed else ''}ingest {dataset}")
        self.model.ingest(dataset)
        self.model.ingested += (dataset,)
        self.done["killed" if killed else "ingest"] += 1
        source, spec = self.dataset(dataset)
        planned = ingest.plan(self.gallery, source, dataset_spec=spec)
        report = self.bring_in(dataset)
        facts = [
            (one.added, one.known, one.merged, one.removed, one.rejected, one.followed) for one in (planned, report)
        ]
        table = self.gallery.rows(as_ingested=True).table
        names = self.names
        state = {
            "rows": {names[row.id]: (row.path, row.label, row.split) for row in table.itertuples()},
            "removed": {names[picture] for picture in self.gallery.removed()},
            "merged": sorted(
                (names[picture], path, label, split)
                for picture, path, label, split in ledgers.read(self.gallery.root / ledgers.MERGED)
            ),
            "gone": {names[picture] for picture in self.gallery.gone()},
        }
        for name, value in self.model.state().items():
            if state[name] != value:
                return f"{name}: {state[name]}, and the model says {value}"
        if facts[0] != facts[1]:
            return f"planned {facts[0]}, then {facts[1]}"
        if problems := integrity.check_files(self.gallery):
            return str(problems)
        difference = self.store and sync.compare(self.gallery, self.store)
        return f"index: {difference}" if difference else ""

    def dataset(self, dataset: int) -> tuple[Listed, str]:
        return Listed(self.roots[dataset], self.model.disk[dataset]), f"folder:root={self.roots[dataset]}"

    def bring_in(self, dataset: int) -> Any:
        from pipeline.ingest import ingest
        from pipeline.ingest.engines import Threads

        source, spec = self.dataset(dataset)
        return ingest.ingest(
            self.gallery, source, self.encoder, spec=SPEC, store=self.store, dataset_spec=spec, engine=Threads(1)
        )

    def killed(self, dataset: int) -> None:
        """An ingest in a process of its own, which dies by SIGKILL at the nth file that it puts in place."""
        from pipeline.files import atomic

        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        left = self.random.randint(1, 14)

        def fatal(act: Any) -> Any:
            def acted(*given: Any, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                return act(*given, **named)

            return acted

        os.replace, atomic.append = fatal(os.replace), fatal(atomic.append)  # type: ignore[assignment]
        try:
            self.bring_in(dataset)
        finally:
            os._exit(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long; 0 = do all")
    asked = parser.parse_args()
    begun, done, total = time.perf_counter(), 0, Counter[str]()
    differences = 0
    for seed in range(asked.seed, asked.seed + asked.histories):
        with tempfile.TemporaryDirectory(
            prefix="reconcile-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        ) as at:
            history = History(Path(at), seed)
            difference = history.run()
        done, total = done + 1, total + history.done
        if difference:
            print(f"history {seed}: {difference}", file=sys.stderr)
            differences += 1
            break
        if done % 100 == 0:
            say(f"{done:,} histories")
        if asked.seconds and time.perf_counter() - begun > asked.seconds:
            break
    steps = ", ".join(f"{count:,} × {step}" for step, count in sorted(total.items()))
    print(f"{machine()}; {done:,} histories from seed {asked.seed} in {time.perf_counter() - begun:.0f} s: {steps}")
    return 0 if verdict("differences", differences, 0, at_least=False) else 1


if __name__ == "__main__":
    raise SystemExit(main())
