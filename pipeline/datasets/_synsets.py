"""ImageNet's words: labels that people read, one for each wnid."""

from __future__ import annotations

from collections import Counter


def labels_of(wnids: list[str], words: dict[str, list[str]]) -> dict[str, str]:
    """wnid to a label of its own: the first word, with the second where that is shared, else with the wnid."""
    labels = {wnid: words.get(wnid, [wnid])[0] for wnid in wnids}
    for longer in (lambda wnid: words.get(wnid, [wnid])[1:2], lambda wnid: [wnid]):
        uses = Counter(labels.values())
        shared = [wnid for wnid in wnids if uses[labels[wnid]] > 1]
        labels |= {wnid: f"{labels[wnid]} ({longer(wnid)[0]})" for wnid in shared if longer(wnid)}
    return labels
