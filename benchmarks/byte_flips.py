"""Damage a gallery's files by chance and ask whether anybody is told: `python -m benchmarks.byte_flips --cases 200`.

Every case is a fresh copy of a small gallery in which one file has one flipped bit, one other byte, a block of 512 zeros,
or lacks its end. The product is then asked everything that it answers from that file.

refused   a sentence for the user at the first question
named     the answer is given, and `verify` names the file
harmless  every answer is bit for bit what it was, and `verify` says nothing
SILENT    another answer without a word, or an error that is no sentence
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import measuring
from pipeline import ROOT

HOW = ("bit", "byte", "block", "cut")
BLOCK = 512
PICTURES = 24
Ask = Callable[[Path], Any]


@dataclass(frozen=True)
class Kind:
    """One kind of file: where in the gallery's home, and what is asked of the product about it."""

    name: str
    pattern: str
    ask: Ask
    checked: bool = True  # by `verify`; a model is not a gallery's file


def damaged(data: bytes, how: str, chance: random.Random) -> bytes:
    """The file's bytes with one thing wrong; never the same bytes."""
    found = bytearray(data)
    place = chance.randrange(len(data))
    if how == "cut":
        return data[:place]
    if how == "bit":
        found[place] ^= 1 << chance.randrange(8)
    elif how == "byte":
        found[place] ^= chance.randrange(1, 256)
    else:
        start = place // BLOCK * BLOCK
        found[start : start + BLOCK] = bytes(len(found[start : start + BLOCK]))
    return bytes(found) if bytes(found) != data else damaged(data, how, chance)


def outcome(kind: Kind, home: Path, before: Any) -> tuple[str, str]:
    """What the product says of a damaged home, and in which words."""
    from pipeline.errors import SemblanceError
    from pipeline.gallery import integrity
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    try:
        answer = kind.ask(home)
    except SemblanceError as error:
        return "refused", str(error)
    except Exception as error:  # whatever it is, a user would see a stack
        return "SILENT", f"{type(error).__name__}: {error}"
    problems = integrity.check_files(open_gallery("flips", Settings(home=home))) if kind.checked else []
    if problems:
        return "named", problems[0]
    return ("harmless", "") if _known(answer, before) == before else ("SILENT", "another answer")


def _known(answer: Any, before: Any) -> Any:
    """Without the keys that nobody reads: what becomes of `checksum` when its own name is hit."""
    if isinstance(before, dict):
        return {key: _known(answer[key], before[key]) for key in before if key in answer}
    if isinstance(before, tuple):
        return tuple(_known(one, two) for one, two in zip(answer, before, strict=True))
    return answer


def byte_flips(kind: Kind, original: Path, *, cases: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How `cases` cases of a kind ended, and a line for each that was silent."""
    chance = random.Random(f"{seed} {kind.name}")
    before = kind.ask(original)
    ends, silent = Counter[str](), []
    for number in range(cases):
        how = HOW[number % len(HOW)]
        with tempfile.TemporaryDirectory(prefix="byte-flips-") as folder:
            home = Path(shutil.copytree(original, Path(folder) / "home"))
            file = chance.choice(sorted(home.glob(kind.pattern)))
            data = file.read_bytes()
            wrong = damaged(data, how, chance)
            file.write_bytes(wrong)
            end, words = outcome(kind, home, before)
        ends[end] += 1
        if end == "SILENT":
            place = next((i for i, (a, b) in enumerate(zip(data, wrong, strict=False)) if a != b), len(wrong))
            silent.append(f"{kind.name}: {how} at byte {place:,} of {len(data):,} in {file.name}: {words[:160]}")
    return ends, silent


def answers(home: Path) -> Any:
    """What a gallery says of itself, its rows, and the hits of a fixed query by the exact store."""
    from pipeline.fingerprints import row_digest
    from pipeline.gallery import ledgers
    from pipeline.gallery.opening import open_gallery
    from pipeline.ingest import sync
    from pipeline.search import search
    from pipeline.settings import Settings

    gallery = open_gallery("flips", Settings(home=home))
    rows = gallery.rows()
    digests = [row_digest(row, rows.embeddings[i]) for i, row in enumerate(rows.table.to_dict("records"))]
    query = search.Query(ids=(rows.table["id"][0],))
    result = search.search(gallery, sync.exact_store(gallery), None, query, k=10)
    hits = [(hit.id, hit.path, hit.label, hit.score) for hit in result.hits]
    lists = [ledgers.read(gallery.root / name) for name in (ledgers.MERGED, ledgers.REJECTED)]
    return gallery.info(), gallery.manifest(), gallery.count(), digests, hits, result.percentiles, lists


def judged(home: Path) -> Any:
    from pipeline.gallery import judgments

    return answers(home), list(judgments.read(home / "galleries" / "flips" / "judgments.jsonl"))


def thumbnails(home: Path) -> Any:
    """The pixels that a visitor is shown, by the app's own route; 404 is a sentence of a kind: no wrong picture."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.images.opening import open_image
    from pipeline.settings import Settings

    gallery = open_gallery("flips", Settings(home=home))
    found = ((picture, gallery.thumbnail_data(picture)) for picture in sorted(gallery.ids()))
    return {
        picture: hashlib.sha256(open_image(data).image.tobytes()).digest() if data else b"" for picture, data in found
    }


def embeddings(home: Path) -> Any:
    """What the gallery's encoder makes of a fixed picture; its facts as they are shown."""
    from pipeline.gallery.opening import open_gallery
    from pipeline.networks import model_folder
    from pipeline.search import search
    from pipeline.settings import Settings
    from training.results.export import drawings

    gallery = open_gallery("model", Settings(home=home))
    spec = f"deep_ranking:weights={home / 'model'}"
    encoder = search.load_encoder(gallery, device="cpu", spec=spec)
    about = model_folder.load(home / "model").about
    return encoder.encode(encoder.preprocess(drawings(1)[0])[None]).tobytes(), about


KINDS = (
    Kind("parts", "galleries/flips/embeddings/*/part-*.parquet", answers),
    Kind("gallery.json", "galleries/flips/gallery.json", answers),
    Kind("thumbnails", "galleries/flips/thumbnails/*/*.jpg", thumbnails),
    Kind("judgments.jsonl", "galleries/flips/judgments.jsonl", judged),
    Kind("merged.csv", "galleries/flips/merged.csv", answers),
    Kind("rejected.csv", "galleries/flips/rejected.csv", answers),
    Kind("model.json", "model/model.json", embeddings, checked=False),
    Kind("model.safetensors", "model/model.safetensors", embeddings, checked=False),
)


def small_home(home: Path, *, model: bool = True) -> Path:
    """A gallery in two parts with merged, rejected and judged pictures; with `model` one made by a copy of models/."""
    import numpy as np
    from PIL import Image

    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    photos = home.parent / "photos"
    photos.mkdir(parents=True)
    for number in range(PICTURES):
        blobs = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        file = photos / f"{number:02d}.png"
        Image.fromarray(blobs).resize((120, 100), Image.Resampling.BICUBIC).save(file)
        if number % 4 == 0:
            shutil.copyfile(file, photos / f"again-{number:02d}.png")
            (photos / f"bad-{number:02d}.png").write_text("no picture")
    for limit in (PICTURES // 2, 0):
        _ingest("flips", photos, "color_histogram", home, limit)
    gallery = open_gallery("flips", Settings(home=home))
    ids = sorted(gallery.ids())
    gallery.remove(ids[:3])
    gallery.restore(ids[1:2])
    gallery.judge("tag", ids[4:6], ["keep", True])
    if model:
        shutil.copytree(ROOT / "models", home / "model")
        _ingest("model", photos, f"deep_ranking:weights={home / 'model'}", home, 4)
    return home


def _ingest(name: str, photos: Path, spec: str, home: Path, limit: int) -> None:
    from pipeline import plugins
    from pipeline.gallery.opening import create_gallery
    from pipeline.ingest import ingest
    from pipeline.settings import Settings

    gallery = create_gallery(name, Settings(home=home))
    dataset = plugins.build("datasets", f"folder:root={photos}")
    encoder = plugins.build("encoders", spec, device="cpu")
    ingest.ingest(gallery, dataset, encoder, spec=spec, store=None, limit=limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=[kind.name for kind in KINDS])
    given = parser.parse_args()
    os.environ.pop("SEMBLANCE_MILVUS_URI", None)
    print(f"{given.cases} cases of each kind, seed {given.seed}; {measuring.machine()}\n")
    print("| file | cases | refused | named by verify | harmless | SILENT |\n|---|---|---|---|---|---|")
    all_silent = []
    with tempfile.TemporaryDirectory(prefix="byte-flips-") as folder:
        original = small_home(Path(folder) / "home")
        for kind in KINDS:
            if given.kinds and kind.name not in given.kinds:
                continue
            ends, silent = byte_flips(kind, original, cases=given.cases, seed=given.seed)
            all_silent += silent
            counts = [ends[end] for end in ("refused", "named", "harmless", "SILENT")]
            print(f"| {kind.name} | {given.cases} | {' | '.join(map(str, counts))} |", flush=True)
    print("", *all_silent, sep="\n")
    sys.exit(bool(all_silent))


if __name__ == "__main__":
    main()
