"""Makes `home.tar.xz` and `answers.json`: a home, and what the Semblance that made it answered about it.

They were made by commit 0491442 with the command line and the app of that commit; made again, they would no longer be
old. Run there, at the root of a clean checkout: `python -m tests.old_home.make`. `tests/test_old_home.py` reads them.

The archive holds `home/` ($SEMBLANCE_HOME without milvus.db, which `sync` makes), `prepared/` (the run's pictures),
`street/` (the case's pictures, and what came back from the annotators) and `files/` (exports and a backup).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PLACE = "/home/me/semblance"  # what paths in the files begin with; the test puts the real folder in its place
CATALOGUE = "catalogue:items=16,views=2,size=64"
COLOURS = "color_histogram:grid=2,bins=4"
OTHER = "color_histogram:grid=2,bins=2"
STREET = "street:scenes=24,size=80,share=0.4"
SMALL = ["--batch-size", "12", "--dim", "8", "--single-scale", "--grid", "0", "--frozen", "5", "--threads", "1"]


def semblance(package: str, *words: str | Path) -> str:
    """What `python -m PACKAGE WORDS` prints."""
    print(f"python -m {package}", *words, file=sys.stderr)
    command = [sys.executable, "-m", package, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        place = Path(made).resolve() / "semblance"
        place.mkdir()
        os.environ |= {"SEMBLANCE_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}
        for name in [name for name in os.environ if name.startswith("SEMBLANCE_MILVUS")]:
            del os.environ[name]
        answers = gallery(place) | case(place) | run(place)
        tidy(place)
        written = json.dumps(answers, indent=1).replace(str(place), PLACE)
        (HERE / "answers.json").write_text(written + "\n", encoding="utf-8")
        pack(place, HERE / "home.tar.xz")


def gallery(place: Path) -> dict[str, object]:
    """Pictures with a merged file, one that cannot be opened, judgments, a map and reports; exported and backed up."""
    semblance("pipeline", "ingest", "scratch", "--dataset", CATALOGUE, "--encoder", OTHER)  # renders the pictures
    semblance("pipeline", "drop", "scratch", "--yes")
    [cache] = (place / "home" / "cache").glob("catalogue-*")
    pictures = sorted(cache.rglob("*.jpg"))
    shutil.copyfile(pictures[0], pictures[-1])  # the same bytes under another label
    pictures[10].write_bytes(pictures[10].read_bytes()[:300])  # cut off
    semblance("pipeline", "ingest", "shelf", "--dataset", CATALOGUE, "--encoder", COLOURS, "--title", "The old shelf")
    hits = json.loads(semblance("pipeline", "search", "shelf", pictures[0], "-k", "6", "--json"))["hits"]
    semblance("pipeline", "remove", "shelf", "--ids", hits[-1]["id"])
    semblance("pipeline", "identity", "add", "shelf", "the one", "--id", hits[0]["id"])
    semblance("pipeline", "project", "shelf", "--method", "pca")
    subprocess.run([sys.executable, "-m", "tests.old_home.make", "tag"], cwd=ROOT, check=True)
    for words in (
        ["duplicates", "shelf"],
        ["cluster", "shelf", "--method", "kmeans", "--clusters", "4"],
        ["oddities", "shelf"],
        ["pairs", "shelf"],
        ["embedding-length", "shelf", "--dims", "4,16"],
        ["compare-encoders", "--gallery", "shelf", "--encoders", f"{COLOURS},{OTHER}", "--batch-sizes", "1"],
        ["compare-indexes", "shelf", "--indexes", "brute_force,lsh,milvus:index=FLAT", "-k", "3", "--seconds", "0.2"],
    ):
        semblance("pipeline", *words)
    measured = json.loads(semblance("pipeline", "evaluate", "shelf", "--encoder", COLOURS, "--json"))
    files = place / "files"
    files.mkdir()
    for name in ("shelf.parquet", "shelf.npz"):
        semblance("pipeline", "export", "shelf", files / name)
    semblance("pipeline", "backup", "shelf", files / "shelf.tar")
    asked = ["search", "shelf", "--id", hits[0]["id"], "-k", "5", "--json"]
    return {
        "asked": hits[0]["id"],
        "removed": hits[-1]["id"],
        "hits": scored(semblance("pipeline", *asked)),
        "hits_of_test": scored(semblance("pipeline", *asked, "--where", "split=test")),
        "metrics": {name: figure["value"] for name, figure in measured["metrics"].items()},
    }


def scored(answer: str) -> dict[str, float]:
    return {hit["id"]: hit["score"] for hit in json.loads(answer)["hits"]}


def tag() -> None:
    """Select the whole map on the Explore page and save a tag; the command line has no verb for it."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120).run()
    app.switch_page("views/explore.py")
    app.query_params["gallery"] = "shelf"
    app.query_params["select"] = "-2,-2;2,-2;2,2;-2,2"
    app.run()
    next(field for field in app.text_input if field.key == "map-tag").set_value("seen in 2026").run()
    next(button for button in app.button if button.label == "Save").click().run()
    assert not app.exception


def case(place: Path) -> dict[str, object]:
    """Two rounds on street scenes, with a detector that calls striped things by another name, and when retrained every other one."""
    root = place / "street"
    semblance("pipeline", "ingest", "scratch", "--dataset", f"{STREET},root={root}", "--encoder", OTHER)
    semblance("pipeline", "drop", "scratch", "--yes")
    [rendered] = root.glob("street-*")
    truth = json.loads((rendered / "annotations.json").read_text())
    (root / "truth.json").write_text(json.dumps(truth))
    for name, retrained in (("predictions.json", False), ("retrained.json", True)):
        (root / name).write_text(json.dumps(list(detected(truth, retrained))))
    shutil.move(rendered / "scenes", root / "scenes")
    cases = ["pipeline", "hard-cases"]
    given = ["--pictures", root, "--truth", root / "truth.json", "--predictions", root / "predictions.json"]
    semblance(*cases, "start", "signs", *given, "--reference", "0.3", "--title", "Old signs")
    semblance(*cases, "encode", "signs", "--objects", "--encoder", COLOURS)
    needles = json.loads(semblance(*cases, "needles", "signs", "--json"))["rows"]
    semblance(*cases, "review", "signs", "--drop", needles[0]["needle"])
    rows = json.loads(semblance(*cases, "shortlist", "signs", "-k", "2", "--most", "4", "--json"))["rows"]
    semblance(*cases, "review", "signs", "--remove", rows[-1]["path"])
    semblance(*cases, "compare", "signs", "--rounds", "100")
    semblance(*cases, "export", "signs", root / "sent")
    back = ["--truth", root / "truth.json", "--predictions", root / "retrained.json"]
    semblance(*cases, "import", "signs", *back)
    semblance(*cases, "next", "signs")
    semblance(*cases, "encode", "signs", "--pictures", "--encoder", COLOURS)
    return {"case": json.loads(semblance(*cases, "show", "signs", "--json"))}


def detected(truth: dict, retrained: bool) -> Iterator[dict]:
    """A detector's list of results."""
    names = [category["id"] for category in truth["categories"]]
    for number, box in enumerate(truth["annotations"]):
        wrong = box["attributes"]["pattern"] == "stripes" and (not retrained or number % 2 == 0)
        label = names[(names.index(box["category_id"]) + wrong) % len(names)]
        found = {"image_id": box["image_id"], "category_id": label, "bbox": box["bbox"]}
        yield found | {"score": 0.9 if wrong else 0.6 + number % 4 / 10}


def run(place: Path) -> dict[str, object]:
    """A run that was stopped in its first phase. Its frozen network is made of ones and zeros, so that it packs small."""
    from safetensors.torch import load_file, save_file

    data, runs = place / "prepared", place / "home" / "runs"
    shapes(place / "drawn")
    semblance("training", "prepare", f"folder:root={place / 'drawn'}", data, "--dev-share", "0.2")
    asked = ["train", "--data", data, *SMALL]
    semblance("training", *asked, "--loss", "classification", "--epochs", "1", "--name", "start")
    weights = load_file(runs / "start" / "best.safetensors")
    for name, tensor in weights.items():
        if name.startswith("stages.") and tensor.ndim == 4:
            tensor.zero_()
            for channel in range(len(tensor)):
                tensor[channel, channel % tensor.shape[1], tensor.shape[2] // 2, tensor.shape[3] // 2] = 1
    save_file(weights, runs / "start" / "best.safetensors")
    asked += [
        "--loss",
        "triplet_hinge",
        "--tune",
        "whole",
        "--classification-share",
        "0.5",
        "--epochs",
        "60",
        "--name",
        "old",
    ]
    command = [sys.executable, "-m", "training", *map(str, asked), "--init", str(runs / "start"), "--progress", "json"]
    command += ["--checkpoint-seconds", "0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            print(line, end="", file=sys.stderr)
            if line.startswith("{") and json.loads(line).get("done", 0) >= 20:
                child.send_signal(signal.SIGINT)
                break
        child.communicate()
    assert child.returncode == 130, child.returncode
    shutil.rmtree(runs / "start")
    shutil.rmtree(place / "drawn")
    report = json.loads(semblance("training", "evaluate", "old", "--json"))
    del report["pictures_per_second"]
    return {"run": report}


def shapes(folder: Path) -> None:
    """Flat shapes on flat grounds: SPLIT/LABEL/NN.png."""
    for split, each in (("train", 14), ("test", 4)):
        for number, label in enumerate(("disc", "square", "stripe")):
            (folder / split / label).mkdir(parents=True)
            for i in range(each):
                picture = Image.new("RGB", (64, 64), (40 + 11 * i, 200 - 40 * number, 90 if split == "train" else 120))
                box = (8 + i, 12, 40 + i, 44 if number < 2 else 20)
                colour = (250 - 9 * i, 60 + 50 * number, 30 + 12 * i)
                draw = ImageDraw.Draw(picture)
                (draw.ellipse if label == "disc" else draw.rectangle)(box, fill=colour)
                picture.save(folder / split / label / f"{i:02d}.png")


def tidy(place: Path) -> None:
    """Leave out what is made again, and write no path of this machine."""
    for pattern in ("home/milvus.db*", "home/logs", "home/jobs", "street/s*-*"):
        for leftover in place.glob(pattern):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
    for file in place.rglob("*.json"):
        if str(place) in (text := file.read_text(encoding="utf-8")):
            told = json.loads(text.replace(str(place), PLACE))
            told.pop("checksum", None)  # of a file that was changed by hand; one that never had one is taken as it is
            file.write_text(json.dumps(told, indent=1), encoding="utf-8")
    for file in (file for file in place.rglob("*") if file.is_file()):
        written = file.read_bytes()
        assert not any(os.fsencode(path) in written for path in (place, ROOT)), file


def pack(place: Path, archive: Path) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for part in sorted(place.iterdir()):
            packed.add(part, part.name, filter=plain)
    print(f"{archive}: {archive.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    tag() if sys.argv[1:] == ["tag"] else main()
