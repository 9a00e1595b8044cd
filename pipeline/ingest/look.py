"""What an ingest would bring in, looked at before it: the first records of a dataset and what it says of itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.gallery.originals import is_there
from pipeline.records import Dataset

if TYPE_CHECKING:
    import pandas as pd

MAX_RECORDS = 2_000


@dataclass(frozen=True)
class Look:
    """table: path, label, split, found (whether the file is there). whole: these are all records, so notes are too."""

    table: pd.DataFrame
    notes: list[str]
    whole: bool


def look(dataset: Dataset, *, limit: int = MAX_RECORDS) -> Look:
    """The first records in the dataset's order. Raises what `records` raises."""
    import pandas as pd

    records = dataset.records()
    first = list(itertools.islice(records, limit))
    whole = len(first) < limit or next(records, None) is None
    rows = [(one.path, one.label, one.split, is_there(dataset.root, one.path)) for one in first]
    unreadable = [f"{place}: {reason}" for place, reason in getattr(dataset, "unreadable", [])]
    notes = [*getattr(dataset, "notes", []), *unreadable]
    return Look(pd.DataFrame(rows, columns=["path", "label", "split", "found"]), notes, whole)
