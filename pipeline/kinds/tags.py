"""What pictures show in a word each: the narrowest kind, or what several kinds are of, that is likely enough."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pipeline.kinds import words
from pipeline.kinds.readout import Readout

if TYPE_CHECKING:
    import numpy as np

SHOWS, SHOWS_KINDS = KEYS = ("shows", "shows_kinds")  # keys of metadata: `dog`; `beagle 0.54, basset 0.31`
LIKELY = 0.6  # of a name in SHOWS: of photos, nine in ten are right (docs/words.md)
WIDEST = 60  # kinds of a name: what is of more says too little
FIRST, LEAST = 3, 0.05  # kinds in SHOWS_KINDS, and how likely each is at least


def tags(readout: Readout, embeddings: np.ndarray) -> list[dict[str, str]]:
    """Metadata of each row of (n, dim): both of KEYS, or {} where nothing is likely enough to be said."""
    import numpy as np

    probabilities = readout.probabilities(embeddings)  # (n, kinds)
    names, shares, sizes = _shares(probabilities)
    shares[:, sizes > WIDEST] = 0
    fitting = np.where(shares >= LIKELY, sizes - shares / 2, np.inf)  # the narrowest; of equal ones the likeliest
    made: list[dict[str, str]] = []
    for row, best in enumerate(fitting.argmin(axis=1)):
        if not np.isfinite(fitting[row, best]):
            made.append({})
            continue
        kinds = np.argsort(-probabilities[row], kind="stable")[:FIRST]
        said = [f"{names[kind]} {probabilities[row, kind]:.2f}" for kind in kinds if probabilities[row, kind] >= LEAST]
        made.append({SHOWS: names[best], SHOWS_KINDS: ", ".join(said)})
    return made


def in_common(probabilities: np.ndarray, everywhere: np.ndarray, *, share: float, lift: float) -> str:
    """The narrowest name of what these pictures (n, kinds) show by `share` of their say; '' when there is none.

    everywhere: (kinds,) the mean over all pictures; the name has `lift` times its share there.
    """
    import numpy as np

    names, shares, sizes = _shares(np.stack([probabilities.mean(axis=0), everywhere]))
    fitting = (shares[0] >= share) & (shares[0] >= lift * shares[1])
    order = np.where(fitting, sizes - shares[0] / 2, np.inf)
    return names[int(order.argmin())] if fitting.any() else ""


def _shares(probabilities: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of kinds and groups, how likely each row (n, kinds) shows each, and of how many kinds each is."""
    import numpy as np

    names, members = _groups()
    sizes = np.concatenate([np.ones(members.shape[1]), members.sum(axis=1)])
    return names, np.concatenate([probabilities, probabilities @ members.T], axis=1), sizes


@functools.cache
def _groups() -> tuple[list[str], np.ndarray]:
    """Names of kinds, then of groups, and (groups, kinds) which are of each."""
    import numpy as np

    kinds = words.names_of_kinds()
    groups = [(name, of) for name, of in words.groups() if len(of) > 1]
    members = np.zeros((len(groups), len(kinds)), np.float32)
    for row, (_, of) in enumerate(groups):
        members[row, list(of)] = 1
    return [*kinds, *(name for name, _ in groups)], members
