"""Pictures of a map in the cells of a grid, one each, neighbours staying near: an assignment problem (Jonker and Volgenant)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST = 1_600  # pictures: so many are placed in about a second; of more a sample
WIDER = 1.4  # the grid is wider than high, as screens are


def placed(points: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, int, int]:
    """points: (n, 2 or 3) of a map, the first two count. (n, 2) float32: column and row of each, from 0 at the upper left,
    nan for one that the sample left out; and how many columns and rows there are.

    Each axis counts by rank, so that crowded places get as many cells as they have pictures.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import rankdata

    chosen = np.sort(np.random.default_rng(seed).permutation(len(points))[:MOST])
    columns = max(1, math.ceil(math.sqrt(len(chosen) * WIDER)))
    rows = max(1, math.ceil(len(chosen) / columns))
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows), indexing="xy"), axis=-1).reshape(-1, 2)
    spread = np.stack([rankdata(points[chosen, axis]) / len(chosen) for axis in (0, 1)], axis=1)  # (m, 2) in (0, 1]
    wanted = np.stack([spread[:, 0] * columns - 0.5, (1 - spread[:, 1]) * rows - 0.5], axis=1)  # row 0 is the highest y
    costs = ((wanted[:, None] - cells[None]) ** 2).sum(axis=2)  # (m, cells)
    picture, cell = linear_sum_assignment(costs)
    found = np.full((len(points), 2), np.nan, np.float32)
    found[chosen[picture]] = cells[cell]
    return found, columns, rows
