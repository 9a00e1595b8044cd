"""What every picture of a gallery says of itself: its label, metadata, tags and cluster, as numbered terms.

Read from the table, the judgments and small reports: nothing is computed from embeddings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import filters
from pipeline.analysis import clustering
from pipeline.errors import GalleryError, UsageError
from pipeline.filters import Clause, Filter
from pipeline.gallery import reports, tags
from pipeline.gallery.gallery import Gallery

if TYPE_CHECKING:
    import pandas as pd

LABEL, METADATA, TAG, CLUSTER, WORD = "label", "metadata", "tag", "cluster", "word"
KINDS = (LABEL, METADATA, TAG, CLUSTER, WORD)
KIND = "terms"  # of the report that `terms.build` keeps; its column `word` is each picture's visual word


@dataclass(frozen=True)
class Term:
    """kind: one of the five above. field: the metadata key, else ''. text: what people read, different for each term."""

    kind: str
    value: str
    text: str
    field: str = ""

    @property
    def clause(self) -> str:
        """The filter that finds its pictures, such as `label=pants`; '' for what no filter can name."""
        field = {LABEL: "label", METADATA: self.field}.get(self.kind, "")
        if not field or (self.kind == METADATA and field in filters.COLUMNS):
            return ""
        made = Clause(field, (self.value,))
        text = str(Filter((made,)))
        with contextlib.suppress(UsageError):
            if filters.parse([text]).clauses == (made,):
                return text
        return ""


@dataclass(frozen=True)
class Carried:
    """Which of V terms each of n pictures carries, and how many pictures carry each.

    Row i carries numbers[starts[i]:starts[i + 1]], int32. counts: (V,). starts: (n + 1,). places: id to row.
    """

    ids: np.ndarray
    terms: tuple[Term, ...]
    starts: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray
    places: Mapping[str, int]

    def of(self, row: int) -> np.ndarray:
        return self.numbers[self.starts[row] : self.starts[row + 1]]

    def rows(self, ids: Iterable[str], *, gallery: str) -> np.ndarray:
        """(q,) rows of these ids. GalleryError for one that is not in the gallery."""
        try:
            return np.array([self.places[picture] for picture in ids], np.int64)
        except KeyError as error:
            raise GalleryError(f"gallery {gallery} has no picture {error.args[0]}") from None

    def pairs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For rows (q,): places 0 to q - 1 and the terms carried there, both (m,), in the order of the rows."""
        sizes = self.starts[rows + 1] - self.starts[rows]
        places = np.repeat(np.arange(len(rows)), sizes)
        inside = np.arange(len(places)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return places, self.numbers[self.starts[rows][places] + inside]

    def with_term(self, number: int) -> np.ndarray:
        """Rows that carry it, in the order of the gallery."""
        return np.searchsorted(self.starts, np.flatnonzero(self.numbers == number), side="right") - 1


def stamp(gallery: Gallery) -> tuple[Any, ...]:
    """Changes whenever `carried` would: for a cache of it."""
    judged = gallery.judgments_file.stat().st_size if gallery.judgments_file.exists() else 0
    return *gallery.version, judged, clustering.newest(gallery), newest(gallery)


def newest(gallery: Gallery) -> str | None:
    """Name of the newest report on terms; None when there is none."""
    return next(iter(reports.names(gallery, KIND)), None)


def carried(gallery: Gallery, *, words: bool = True) -> Carried:
    """All pictures that are not removed, in the order of their ingest.

    Terms are labels; `key: value` of metadata that two pictures or more share; tags; names of the newest clusters; with
    `words` the visual words of the newest report. The split is none: it says nothing about what a picture shows.
    """
    table = gallery.table()
    ids = table["id"].to_numpy(object)
    places = dict(zip(ids.tolist(), range(len(ids)), strict=True))
    kinds: list[tuple[str, str, str, np.ndarray]] = [*_columns(table, gallery.manifest()["metadata_keys"])]
    for name, tagged in tags.tags(gallery).items():
        rows = sorted(places[picture] for picture in tagged if picture in places)
        kinds += [(TAG, "", name, np.array(rows, np.int64))] if rows else []
    kinds += _of_report(CLUSTER, lambda: _clusters(gallery), places)
    kinds += _of_report(WORD, lambda: _words(gallery), places) if words else []
    return numbered(ids, places, kinds)


def with_words(carried: Carried, rows: np.ndarray, words: np.ndarray, names: Sequence[str]) -> Carried:
    """The same and a visual word for each of rows (q,): words (q,) are numbers into `names`."""
    first = len(carried.terms)
    all_rows = np.concatenate([np.repeat(np.arange(len(carried.ids)), np.diff(carried.starts)), rows])
    numbers = np.concatenate([carried.numbers, (words + first).astype(np.int32)])
    order = np.argsort(all_rows, kind="stable")
    starts = np.searchsorted(all_rows[order], np.arange(len(carried.ids) + 1))
    counts = np.concatenate([carried.counts, np.bincount(words, minlength=len(names))])
    terms = (*carried.terms, *(Term(WORD, name, name) for name in names))
    return Carried(carried.ids, terms, starts, numbers[order], counts, carried.places)


def find(carried: Carried, text: str) -> int:
    """The number of the term that reads so. UsageError names some that read alike."""
    for number, term in enumerate(carried.terms):
        if term.text == text:
            return number
    import difflib

    texts = [term.text for term in carried.terms]
    alike = difflib.get_close_matches(text, texts, n=5, cutoff=0.5) or texts[:5]
    raise UsageError(f"no picture has the term {text[:80]!r}; there is {', '.join(alike) or 'none at all'}")


def _columns(table: pd.DataFrame, keys: Sequence[str]) -> Iterable[tuple[str, str, str, np.ndarray]]:
    yield from ((LABEL, "", value, rows) for value, rows in grouped(table["label"].tolist(), least=1))
    metadata = table["metadata"].tolist()
    for key in keys:
        for value, rows in grouped([row.get(key, "") for row in metadata], least=2):
            yield METADATA, key, value, rows


def grouped(values: Sequence[str], *, least: int) -> list[tuple[str, np.ndarray]]:
    """Each text but '' that stands at least so often, and its rows; by text."""
    import pandas as pd

    codes, kinds = pd.factorize(np.array(values, object), sort=True)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(kinds) + 1))
    return [
        (kinds[code], order[bounds[code] : bounds[code + 1]])
        for code in range(len(kinds))
        if kinds[code] and bounds[code + 1] - bounds[code] >= least
    ]


def _of_report(kind: str, read: Any, places: Mapping[str, int]) -> list[tuple[str, str, str, np.ndarray]]:
    """Of a report's table with id and name; a report that is gone or damaged has no terms, its own section says so."""
    with contextlib.suppress(GalleryError, KeyError, TypeError, ValueError):
        table = read()
        if table is not None:
            table = table[[picture in places for picture in table["id"]]]
            rows = table["id"].map(places).to_numpy(np.int64)
            return [(kind, "", name, np.sort(rows[here])) for name, here in grouped(table["name"].tolist(), least=1)]
    return []


def _clusters(gallery: Gallery) -> pd.DataFrame | None:
    name = clustering.newest(gallery)
    if name is None:
        return None
    table = clustering.assignment(gallery, name)
    return table[table["cluster"] >= 0].reset_index(drop=True)


def _words(gallery: Gallery) -> pd.DataFrame | None:
    name = newest(gallery)
    if name is None:
        return None
    names = {one["word"]: one["name"] for one in reports.read(gallery, name)["words"]}
    table = reports.table(gallery, name)
    return table[["id"]].assign(name=[names[word] for word in table["word"].tolist()])


def numbered(ids: np.ndarray, places: Mapping[str, int], kinds: list[tuple[str, str, str, np.ndarray]]) -> Carried:
    taken: set[str] = set()
    terms = []
    for kind, field, value, _ in kinds:
        text = {LABEL: value, METADATA: f"{field}: {value}", WORD: value}.get(kind, f"{kind}: {value}")
        while text in taken:  # a label that reads like a metadata value
            text = f"{kind}: {text}"
        taken.add(text)
        terms.append(Term(kind, value, text, field))
    sizes = np.array([len(rows) for *_, rows in kinds], np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for *_, rows in kinds)])
    order = np.argsort(rows, kind="stable")
    numbers = np.repeat(np.arange(len(kinds), dtype=np.int32), sizes)[order]
    starts = np.searchsorted(rows[order], np.arange(len(ids) + 1))
    return Carried(ids, tuple(terms), starts, numbers, sizes, places)
