"""The share of out-of-class negatives against similarity precision and score-at-30: the paper's figure 6, on photos of clothing.

    python -m benchmarks.out_of_class [--data FOLDER] [--encoder deep_ranking] [--steps 300] [--seeds 3] [--plot FILE.svg]

A linear head of 128 dimensions over the encoder's embeddings learns by the hinge alone from triplets of the train split, drawn
as `train --sampler` draws them: exact (weighted) and uniform. Measured on golden triplets of validation and test pictures,
which taught nothing: the golden feature is the judge, as it is the teacher, so this shows the trade and no agreement with
people. Printed: means over the seeds, and the embeddings as they are; --plot draws them as SVG.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks import measuring
from pipeline import plugins
from pipeline.features import relevance
from pipeline.gallery.appearances import square
from pipeline.images import opening
from pipeline.metrics import retrieval, triplets
from training.losses.triplet_hinge import hinge
from training.results.evaluate import encode, of_files
from training.sampling.triplets import TripletSampler

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SAMPLERS = ("exact", "uniform")
DIM, BATCH, MARGIN, RATE, K = 128, 1_024, 0.1, 0.05, 30
FIGURES = ("similarity_precision_in_class", f"score_at_{K}", "similarity_precision", "recall_at_1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=measuring.CLOTHING, help="the clothing dataset's folder")
    parser.add_argument("--encoder", default="deep_ranking")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="an SVG")
    asked = parser.parse_args()
    begun = time.perf_counter()
    pictures = Pictures(asked.data, asked.encoder)
    print(f"{measuring.machine()}; {asked.encoder}; {asked.steps} steps of {BATCH:,} triplets, {asked.seeds} seeds")
    print(f"{pictures.teaches.sum():,} photos teach, {(~pictures.teaches).sum():,} are asked", flush=True)
    print(f"\n| sampler | out of class | {' | '.join(FIGURES)} |\n{'|---' * (len(FIGURES) + 2)}|")
    print(_row("none", "", pictures.figures(pictures.embeddings[~pictures.teaches])), flush=True)
    drawn: dict[str, list[dict[str, float]]] = defaultdict(list)
    for name in SAMPLERS:
        for share in SHARES:
            runs = [pictures.figures(pictures.taught(name, share, asked.steps, seed)) for seed in range(asked.seeds)]
            means = {key: statistics.mean(run[key] for run in runs) for key in FIGURES}
            drawn[name].append(means)
            print(_row(name, f"{share:.1f}", means), flush=True)
    print(f"\n{time.perf_counter() - begun:.0f} s")
    if asked.plot:
        asked.plot.write_text(plot(drawn), encoding="utf-8")
    return 0


class Pictures:
    """Embeddings (n, dim), golden features and labels of all photos; teaches: (n,) bool, those of the train split."""

    def __init__(self, root: Path, spec: str) -> None:
        dataset = plugins.build("datasets", f"clothing:root={root}")
        records = [record for record in dataset.records() if record.label]
        self.labels = np.unique([record.label for record in records], return_inverse=True)[1]
        self.teaches = np.array([record.split == "train" for record in records])
        paths = [record.path for record in records]
        self.embeddings = encode(plugins.build("encoders", spec, device="cpu"), len(paths), of_files(root, paths))
        small = np.stack([square(opening.open_image(opening.read_file(root / path)).image) for path in paths])
        self.golden = relevance.features(small) | {"semantic": self.embeddings}
        self.taught_by = self._relevances(self.teaches)
        members, matrices = self._relevances(~self.teaches)
        self.judged = relevance.golden_triplets(
            members, matrices, gap=relevance.thresholds(matrices)[1], each=1_000, seed=0
        )
        asked = self.labels[~self.teaches]
        self.across = triplets.category_triplets(asked, 10_000, seed=0)
        most = int(np.bincount(asked).max())
        self.candidates = triplets.draw_candidates(asked, self.judged[:, 0], same=max(500, most), others=500, seed=0)

    def _relevances(self, some: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        return relevance.relevances({name: rows[some] for name, rows in self.golden.items()}, self.labels[some])

    def taught(self, sampler: str, share: float, steps: int, seed: int) -> np.ndarray:
        """(n, 128) of the asked photos by a head that learned from the others."""
        members, matrices = self.taught_by
        cap, gap = relevance.thresholds(matrices)
        draws = TripletSampler(matrices, members, out_of_class=share, cap=cap, gap=gap, weighted=sampler == "exact")
        torch.manual_seed(seed)
        head = torch.nn.Linear(self.embeddings.shape[1], DIM, bias=False)
        optimiser = torch.optim.Adam(head.parameters(), lr=RATE / 10)
        known = torch.from_numpy(self.embeddings[self.teaches])
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = RATE / 10 * (1 - step / steps)
            rows = torch.from_numpy(draws.sample(BATCH, seed=(seed, step)).T)
            loss = hinge(*(F.normalize(head(known[part])) for part in rows), margin=MARGIN).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            return F.normalize(head(torch.from_numpy(self.embeddings[~self.teaches]))).numpy()

    def figures(self, embeddings: np.ndarray) -> dict[str, float]:
        labels = self.labels[~self.teaches]
        values = (
            float(triplets.similarity_precision(embeddings, self.judged).mean()),
            float(triplets.score_at_top_k(embeddings, self.judged, self.candidates, k=K)[0]),
            float(triplets.similarity_precision(embeddings, self.across).mean()),
            retrieval.recall_at_1(embeddings, labels),
        )
        return dict(zip(FIGURES, values, strict=True))


def _row(name: str, share: str, found: dict[str, float]) -> str:
    cells = [f"{found[key]:,.0f}" if key.startswith("score") else f"{found[key]:.3f}" for key in FIGURES]
    return f"| {name} | {share} | {' | '.join(cells)} |"


def plot(drawn: dict[str, list[dict[str, float]]]) -> str:
    """Two charts side by side, of the first two figures over the share: a line a sampler."""
    width, height, left, bottom, top = 380, 280, 62, 44, 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{2 * width}" height="{height}" fill="#fff"/>',
    ]
    for place, key in enumerate(FIGURES[:2]):
        values = [run[key] for runs in drawn.values() for run in runs]
        low, high = min(values), max(values)
        x0, plain = place * width + left, key.replace("_", " ")

        def across(share: float, x0: int = x0) -> float:
            return x0 + share * (width - left - 20)

        def up(value: float, low: float = low, high: float = high) -> float:
            return top + (height - top - bottom) * (1 - (value - low) / ((high - low) or 1))

        parts.append(f'<text x="{x0}" y="18" font-weight="bold">{plain}</text>')
        parts.append(f'<path d="M{x0} {top}V{height - bottom}H{across(1):.0f}" fill="none" stroke="#555"/>')
        for share in SHARES:
            parts.append(
                f'<text x="{across(share):.0f}" y="{height - bottom + 16}" text-anchor="middle">{share:g}</text>'
            )
        parts.append(f'<text x="{across(0.5):.0f}" y="{height - 8}" text-anchor="middle">out-of-class share</text>')
        for value in (low, (low + high) / 2, high):
            said = f"{value:,.0f}" if key.startswith("score") else f"{value:.3f}"
            parts.append(f'<text x="{x0 - 6}" y="{up(value) + 4:.0f}" text-anchor="end">{said}</text>')
        styles = zip(drawn.items(), ("#0072b2", "#d55e00"), ("", "5 4"), (40, 22), strict=True)
        for (name, runs), colour, dash, lower in styles:
            points = [(across(share), up(run[key])) for share, run in zip(SHARES, runs, strict=True)]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            )
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
            y = height - bottom - lower
            parts.append(
                f'<path d="M{x0 + 12} {y - 4}h28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            )
            parts.append(f'<text x="{x0 + 46}" y="{y}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    raise SystemExit(main())
