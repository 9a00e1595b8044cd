"""What a search gives: hits with what their scores mean, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.gallery import confidence
from pipeline.gallery.gallery import Gallery
from pipeline.records import SearchHit


@dataclass
class SearchResult:
    """Hits, best first, with what their scores mean here and where the time went.

    A score is the cosine to the query itself, also where a re-ranker gave another order; of words that name kinds, to the
    nearest direction of one.

    Nothing is known of the scores of words: the random pairs that a score is held against are pairs of pictures, which
    score far higher than a text and a picture do. Then percentiles are nan, no hit is weak, and the order is the answer.
    """

    hits: list[SearchHit]
    percentiles: list[float]  # per hit: share of random pairs of this gallery that score lower, in percent
    weak_below: float  # hits under this score are weak matches; -1 when nothing is known
    milliseconds: dict[str, float] = field(default_factory=dict)  # open, encode, search, total
    rerank: str = "none"  # the spec of what put the hits in order
    confidences: list[float] = field(
        default_factory=list
    )  # per hit: how likely it is right; empty when nothing is known
    bands: list[confidence.Band] = field(default_factory=list)  # per hit, with confidences
    left_out: int = 0  # hits among the nearest that max_wrong or min_score took away
    understood: str = (
        ""  # what words were taken for, where they name kinds; then confidences say how likely a hit shows it
    )
    aspects: str = ""  # the weights that put the hits in order
    alike: list[dict[str, tuple[float, float]]] = field(
        default_factory=list
    )  # per hit, with aspects: the cosine of each and its percentile among random pairs; a score is that of meaning
    unseen: int = 0  # with aspects: pictures with neither thumbnail nor file, which are no hits
    novel: bool | None = None  # the gallery seems to have nothing of the query's kind; None when that is not known
    unmatched: str = ""  # what a re-ranker that compares pictures could not compare, as a sentence

    @property
    def close(self) -> bool:
        """Whether there is a match worth the name."""
        if self.novel is not None:
            return not self.novel
        if self.bands:
            enough = ("strong", "possible") if self.understood else ("strong",)
            return any(band in enough for band in self.bands)
        return any(hit.score >= self.weak_below for hit in self.hits)


def as_json(gallery: Gallery, query_text: Sequence[str], result: SearchResult) -> dict[str, object]:
    """The `search --json` object of the command line."""
    return {
        "query": list(query_text),
        "gallery": gallery.name,
        "encoder": gallery.encoder()["spec"],
        "weak_below": result.weak_below,
        "rerank": result.rerank,
        "unmatched": result.unmatched,
        "left_out": result.left_out,
        "understood": result.understood,
        "aspects": result.aspects,
        "unseen": result.unseen,
        "no_strong_match": not result.close,
        "hits": [
            {"rank": rank, "id": hit.id, "path": hit.path, "label": hit.label, "score": round(hit.score, 6)}
            | {
                "percentile": percentile if percentile == percentile else None,
                "split": hit.split,
                "metadata": hit.metadata,
                "folded": list(hit.folded),
                "parent": hit.parent,
                "box": hit.box,
            }
            | (
                {"confidence": round(result.confidences[rank - 1], 4), "band": result.bands[rank - 1]}
                if result.bands
                else {}
            )
            | ({"alike": {n: round(c, 4) for n, (c, _) in result.alike[rank - 1].items()}} if result.alike else {})
            for rank, (hit, percentile) in enumerate(zip(result.hits, result.percentiles, strict=True), 1)
        ],
        "milliseconds": {key: round(value, 2) for key, value in result.milliseconds.items()},
    }
