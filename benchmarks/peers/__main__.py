"""Our work beside that of other projects, in one run, on the same data: time, memory, and how good the answer is.

    python -m benchmarks.peers [--tasks search map evaluate duplicates ingest] [--folder FOLDER] [--rounds 1]

Each project has a virtual environment of its own under FOLDER, made by pip the first time; what it does not bring itself
(torch, faiss) it takes from ours. Every answer is a process of its own, ours too, one after the other (answers.py).

search      100,000 made-up rows × 256 (benchmarks.scale), 200 queries one at a time, k = 10
map         4,000 made-up rows × 256 (benchmarks.projection); trustworthiness at 15, measured by map_trust for all
evaluate    3,781 made-up rows × 256 of 20 labels, all against all: map_at_r
duplicates  clothing photos × 15 edits and others (benchmarks.duplicates): mean recall, precision of the pairs
ingest      400 clothing photos into Milvus Lite by one network with random weights

A project that cannot be installed or run here gets a line that says so. Exit code 1 where one is ahead of us by more than
a twentieth in time, or in quality by more than 0.002.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import duplicates, measuring, projection, scale
from benchmarks.peers.answers import ANSWERS
from pipeline import ROOT
from pipeline.metrics import map_trust

NEEDS = {
    "Milvus' tutorial": (),
    "autofaiss": ("autofaiss", "pyarrow<18", "pandas<3"),
    "umap-learn": (),
    "openTSNE": ("openTSNE",),
    "scikit-learn t-SNE": (),
    "pacmap": ("pacmap",),
    "pytorch-metric-learning": ("--no-deps", "pytorch-metric-learning"),  # or pip brings 5 GB of torch again
    "imagededup": (
        "--no-deps",
        "imagededup",
        "PyWavelets",
        "matplotlib",
        "contourpy",
        "cycler",
        "kiwisolver",
        "pyparsing",
    ),
    "fastdup": ("fastdup",),
}
"""What pip installs for each project; nothing where it is a library that we stand on ourselves, used plainly."""
QUALITY = {"search": "recall", "map": "trustworthiness", "evaluate": "map_at_r", "duplicates": "recall"}
MORE = {"search": "p50_ms", "duplicates": "precision", "ingest": "pictures_per_second"}
SPEED = {"search": "p50_ms"}  # what is compared, where it is not the seconds
RIVALS = {"ours umap": ("umap-learn",), "ours tsne": ("openTSNE", "scikit-learn t-SNE")}
PATIENCE = 1200  # seconds for an answer
PHOTOS, OTHERS = 40, 300


def environment(folder: Path, project: str) -> str:
    """The Python of its environment. RuntimeError when pip cannot make it."""
    if not NEEDS.get(project):
        return sys.executable
    place = folder / "environments" / project
    python = place / "bin" / "python"
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        measuring.say(f"installing {project}")
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        ran = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *NEEDS[project]], capture_output=True, text=True
        )
        if ran.returncode:
            raise RuntimeError(f"pip cannot install it: {ran.stderr.strip().splitlines()[-1][:200]}")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        ours = place / "lib" / version / "site-packages" / "zz_ours.pth"  # searched last: its own come first
        ours.write_text(sysconfig.get_paths()["purelib"] + "\n")
        (place / "made").touch()
    return str(python)


def answer(folder: Path, task: str, project: str, data: Path) -> dict[str, float]:
    """RuntimeError with the last line that it said."""
    python = environment(folder, project)
    paths = str(ROOT) if project.startswith("ours") else ""
    env = os.environ | {"PYTHONPATH": paths, "SEMBLANCE_HOME": str(data / "home"), "SEMBLANCE_MILVUS_URI": ""}
    command = [python, str(Path(__file__).with_name("answers.py")), project, task, str(data)]
    try:
        ran = subprocess.run(command, env=env, cwd=data, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer after {PATIENCE} s") from None
    if ran.returncode:
        raise RuntimeError((ran.stderr.strip().splitlines() or ["it said nothing"])[-1][:200])
    found: dict[str, float] = json.loads(ran.stdout.strip().splitlines()[-1])
    return found


def _search(data: Path) -> Callable[[str], dict[str, float]]:
    np.save(data / "rows.npy", scale.embeddings(100_000, 256, seed=0))
    np.save(data / "queries.npy", scale.embeddings(200, 256, seed=0, of=1))
    return lambda project: {}


def _map(data: Path) -> Callable[[str], dict[str, float]]:
    rows = projection.embeddings(4_000, 256, 0)
    np.save(data / "rows.npy", rows)

    def trust(project: str) -> dict[str, float]:
        points = np.load(data / f"{project}.npy")
        return {"trustworthiness": map_trust.measure(rows, points, seed=0).trustworthiness}

    return trust


def _evaluate(data: Path) -> Callable[[str], dict[str, float]]:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 20, 3_781)
    rows = chance.standard_normal((20, 256))[labels] + 3 * chance.standard_normal((3_781, 256))
    np.save(data / "labels.npy", labels)
    np.save(data / "rows.npy", (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    return lambda project: {}


def _duplicates(data: Path) -> Callable[[str], dict[str, float]]:
    files = duplicates.photos_of("held out")
    truth = duplicates.make(data / "pictures", files[:PHOTOS], files[PHOTOS : PHOTOS + OTHERS], files[-60:])
    originals = {photo: path for path, (photo, kind) in truth.items() if kind == "original"}
    edits = [(path, photo) for path, (photo, kind) in truth.items() if photo in originals and kind != "original"]

    def scored(project: str) -> dict[str, float]:
        pairs = {tuple(pair) for pair in json.loads((data / f"{project}.json").read_text())}
        found = [tuple(sorted((path, originals[photo]))) in pairs for path, photo in edits]
        right = [truth[one][0] == truth[other][0] for one, other in pairs]
        return {"recall": sum(found) / len(found), "precision": sum(right) / max(1, len(right))}

    return scored


def _ingest(data: Path) -> Callable[[str], dict[str, float]]:
    (data / "pictures").mkdir()
    for file in sorted(measuring.CLOTHING.rglob("*.jpg"))[:400]:
        shutil.copy(file, data / "pictures" / file.name)
    return lambda project: {}


TASKS = {"search": _search, "map": _map, "evaluate": _evaluate, "duplicates": _duplicates, "ingest": _ingest}


def judged(task: str, found: dict[str, dict[str, float]]) -> bool:
    """Whether nobody is ahead of ours; a line for each that is."""
    met, speed, quality = True, SPEED.get(task, "seconds"), QUALITY.get(task)
    for mine in (project for project in found if project.startswith("ours")):
        for theirs in RIVALS.get(mine, tuple(one for one in found if not one.startswith("ours"))):
            if theirs not in found:
                continue
            times = found[theirs][speed] / found[mine][speed]
            worse = found[theirs][quality] - found[mine][quality] if quality else 0.0
            met &= times >= 0.95 and worse <= 0.002
            sign = "met   " if times >= 0.95 and worse <= 0.002 else "BEHIND"
            better = f", {quality} {-worse:+.3f}" if quality else ""
            print(f"{sign} {task}, {mine} beside {theirs}: {times:.2f} times as fast{better}", flush=True)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--folder", type=Path, help="where the environments stay")
    asked = parser.parse_args()
    met, clock, lines = True, measuring.Clock(), []
    with contextlib.ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peers-")))
        folder = (asked.folder or temporary).absolute()
        for task in asked.tasks:
            data = temporary / task
            data.mkdir()
            measure, found = TASKS[task](data), {}
            for project in (project for of, project in ANSWERS if of == task):
                try:
                    found[project] = answer(folder, task, project, data) | {}
                    found[project] |= measure(project)
                except RuntimeError as error:
                    lines.append([task, project, f"not run: {error}", "", "", ""])
                    measuring.say(f"{task}, {project}: {error}")
                    continue
                one = found[project]
                better = QUALITY.get(task)
                told = f"{better} {one[better]:.4f}" if better else ""
                more = f"{MORE[task]} {one[MORE[task]]:.2f}" if task in MORE else ""
                lines.append([task, project, f"{one['seconds']:.1f}", f"{one['MB']:,.0f}", told, more])
                measuring.say(" | ".join(map(str, lines[-1])))
            met &= judged(task, found)
    print(
        f"\n{measuring.machine()}; others took {clock.pace(1).others:.0%} of the cores or were the projects themselves\n"
    )
    print(measuring.table(["task", "project", "seconds", "MB", "quality", ""], lines))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
