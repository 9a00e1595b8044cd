"""What re-rankers that compare the pictures themselves are worth: by labels, and where a part asks for its whole.

    python -m benchmarks.matched_places GALLERY [--queries FOLDER] [--rerank patches geometric] [--crops 150] [--only FILE]

GALLERY and FOLDER hold a folder a label. Without --queries two pictures of each label ask for --each others of it. A crop is a
quarter of a picture's area, drawn at random, and asks for its whole among all pictures of the gallery. Printed: map_at_r by score and
re-ranked, over the first `depth` hits, with 95 % query by query; share of the wholes that come first; time of a query.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import measuring
from pipeline import plugins
from pipeline.gallery.small_pictures import small
from pipeline.images.opening import open_file
from pipeline.metrics.intervals import interval
from pipeline.metrics.retrieval import average_precision_at_r
from pipeline.records import Encoder
from pipeline.rerank import Matcher, Places


@dataclass
class Pictures:
    images: list[Image.Image]
    labels: np.ndarray  # (n,)
    embeddings: np.ndarray  # (n, dim)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("gallery", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--only", type=Path, help="a file with a path in GALLERY a line")
    parser.add_argument("--rerank", nargs="+", default=["patches", "geometric"])
    parser.add_argument("--encoder", default=plugins.DEFAULT_ENCODER)
    parser.add_argument("--each", type=int, default=15)
    parser.add_argument("--asking", type=int, default=200)
    parser.add_argument("--limit", type=int, default=1500)
    parser.add_argument("--crops", type=int, default=150)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    matchers: dict[str, Matcher] = {spec: plugins.build("rerank", spec) for spec in given.rerank}
    encoder = plugins.build("encoders", given.encoder, device="cpu")
    known, asking = _split(given, random)
    gallery, queries = _opened(known, encoder), _opened(asking, encoder)
    wholes = random.permutation(len(known))[: given.crops]
    crops = [_crop(open_file(known[row])[1].image, random) for row in wholes]
    parts = Pictures(crops, wholes, _embeddings(crops, encoder))
    table = []
    for spec, matcher in matchers.items():
        begun = time.perf_counter()
        places = matcher.places(encoder, gallery.images, asking=False)
        each = 1000 * (time.perf_counter() - begun) / len(places)
        orders, spent = _orders(matcher, encoder, gallery, queries, places)
        plain, ranked = (_map_at_r(one, gallery, queries) for one in orders)
        gain = interval(ranked - plain, seed=0)
        (scored, matched), _ = _orders(matcher, encoder, gallery, parts, places)
        first = [float(np.mean(one[:, 0] == wholes)) for one in (scored, matched)]
        there = float(np.mean((scored[:, : matcher.depth] == wholes[:, None]).any(axis=1)))
        kilobytes = float(np.mean([one.features.nbytes + one.boxes.nbytes for one in places])) / 1000
        table.append(
            (
                spec, f"{plain.mean():.3f}", f"{ranked.mean():.3f}", f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
                f"{first[0]:.3f}", f"{first[1]:.3f}", f"{there:.3f}", f"{spent:.0f}", f"{each:.1f}", f"{kilobytes:.1f}",
            )
        )  # fmt: skip
    print(measuring.machine())
    print(f"{given.gallery.name}: {len(queries.labels)} queries, {len(gallery.labels)} pictures, {len(wholes)} crops")
    heading = (
        "re-ranker", "map_at_r by score", "re-ranked", "difference, 95 %", "whole first by score", "re-ranked",
        "whole among those compared", "ms a query", "ms a picture, once", "kB a picture",
    )  # fmt: skip
    print(measuring.table(heading, table))


def _split(given: argparse.Namespace, random: np.random.Generator) -> tuple[list[Path], list[Path]]:
    """Paths of the gallery and of the queries."""
    files = sorted(given.gallery.glob("*/*.jpg"))
    if given.only:
        kept = set(given.only.read_text().split())
        files = [file for file in files if file.relative_to(given.gallery).as_posix() in kept]
    files = [file for file in files if "BACKGROUND" not in file.parent.name]
    if given.queries:
        asking = sorted(given.queries.glob("*/*.jpg"))
        return [_drawn(some, limit, random) for some, limit in ((files, given.limit), (asking, given.asking))]  # type: ignore[return-value]
    by_label: dict[str, list[Path]] = {}
    for row in random.permutation(len(files)):
        by_label.setdefault(files[row].parent.name, []).append(files[row])
    known = [file for some in by_label.values() for file in some[2 : 2 + given.each]]
    return known, _drawn([file for some in by_label.values() for file in some[:2]], given.asking, random)


def _drawn(files: list[Path], most: int, random: np.random.Generator) -> list[Path]:
    return [files[row] for row in random.permutation(len(files))[:most]]


def _opened(files: list[Path], encoder: Encoder) -> Pictures:
    images = [small(open_file(file)[1].image) for file in files]
    return Pictures(images, np.array([file.parent.name for file in files]), _embeddings(images, encoder))


def _embeddings(images: list[Image.Image], encoder: Encoder) -> np.ndarray:
    some = [images[at : at + 32] for at in range(0, len(images), 32)]
    return np.concatenate([encoder.encode(np.stack([encoder.preprocess(one) for one in few])) for few in some])


def _crop(image: Image.Image, random: np.random.Generator) -> Image.Image:
    width, height = image.width // 2, image.height // 2
    x, y = int(random.integers(image.width - width + 1)), int(random.integers(image.height - height + 1))
    return small(image.crop((x, y, x + width, y + height)))


def _orders(
    matcher: Matcher, encoder: Encoder, gallery: Pictures, asking: Pictures, places: list[Places]
) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """(q, n) rows of the gallery by score and re-ranked, and milliseconds a query where hits are known already."""
    by_score, ranked, spent = [], [], 0.0
    for image, embedding in zip(asking.images, asking.embeddings, strict=True):
        scores = gallery.embeddings @ embedding
        order = np.argsort(-scores, kind="stable")
        first = order[: matcher.depth]
        begun = time.perf_counter()
        [own] = matcher.places(encoder, [image], asking=True)
        matches = np.array([one.score for one in matcher.match(own, [places[row] for row in first])])
        better = matcher.merged(scores[first], matches)
        spent += time.perf_counter() - begun
        by_score.append(order)
        ranked.append(np.concatenate([first[better], order[matcher.depth :]]))
    return (np.stack(by_score), np.stack(ranked)), 1000 * spent / len(asking.images)


def _map_at_r(orders: np.ndarray, gallery: Pictures, queries: Pictures) -> np.ndarray:
    counts = np.array([(gallery.labels == label).sum() for label in queries.labels])
    return average_precision_at_r(gallery.labels[orders], queries.labels, counts)


if __name__ == "__main__":
    main()
