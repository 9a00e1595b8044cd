"""What a picture shows in a word: the narrowest that is likely enough."""

from __future__ import annotations

import numpy as np

from pipeline.kinds import tags
from pipeline.kinds.readout import Readout
from pipeline.kinds.words import names_of_kinds


def sees(*pictures: dict[str, float]) -> Readout:
    """A readout that gives picture i, row i of the identity, these probabilities; the rest is shared by all other kinds."""
    names, weights = names_of_kinds(), np.zeros((1000, len(pictures)), np.float32)
    for column, shown in enumerate(pictures):
        weights[:, column] = np.log((1 - sum(shown.values())) / (1000 - len(shown)))
        for name, share in shown.items():
            weights[names.index(name), column] = np.log(share)
    return Readout(weights, np.zeros(1000, np.float32))


def told(*pictures: dict[str, float]) -> list[dict[str, str]]:
    return tags.tags(sees(*pictures), np.eye(len(pictures), dtype=np.float32))


def test_a_likely_kind_is_named_and_the_best_few_stand_beside_it() -> None:
    [one] = told({"beagle": 0.8, "basset": 0.1, "collie": 0.04})
    assert one == {"shows": "beagle", "shows_kinds": "beagle 0.80, basset 0.10"}


def test_where_no_kind_is_likely_what_several_are_of_is_named() -> None:
    hound, dog, nothing = told(
        {"beagle": 0.4, "basset": 0.4}, {"beagle": 0.3, "collie": 0.3, "pug": 0.3}, {"beagle": 0.3, "airliner": 0.3}
    )
    assert hound["shows"] == "hound"
    assert dog == {}  # 118 kinds are dogs: too wide a name
    assert nothing == {}


def test_pictures_have_in_common_the_narrowest_name_that_tells_them_from_all() -> None:
    pictures = [{"beagle": 0.9}, {"basset": 0.9}, {"collie": 0.9}, {"airliner": 0.9}, {"warplane": 0.9}, {"tabby": 0.9}]
    rows = sees(*pictures).probabilities(np.eye(6, dtype=np.float32))
    everywhere = rows.mean(axis=0)
    ask = {"everywhere": everywhere, "share": 0.5, "lift": 1.5}
    assert tags.in_common(rows[:2], **ask) == "hound"
    assert tags.in_common(rows[:3], **ask) == "hound"  # two of the three
    assert tags.in_common(rows[[0, 2]], **ask) == "dog"
    assert tags.in_common(rows, **ask) == ""  # what all are tells nothing
