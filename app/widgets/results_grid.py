"""The grid of pictures that the pages share: instant marks, keyboard, no picture bytes through the websocket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.server.routes import film_url, thumbnail_url, whole_url
from app.widgets import component
from pipeline.errors import display_name
from pipeline.gallery import films
from pipeline.records import SearchHit, hit_of
from pipeline.search import sorting
from pipeline.search.search import SearchResult


def results_grid(
    tiles: Sequence[dict[str, Any]],
    *,
    key: str,
    actions: Sequence[str] = ("search", "like", "unlike", "open", "remove"),
    like: Sequence[str] = (),
    unlike: Sequence[str] = (),
    small: bool = False,
    side: int = 0,
    query: str = "",
    of: str = "",
    asked: str = "",
    on_action: Callable[[], None] | None = None,
    on_feedback: Callable[[], None] | None = None,
) -> Any:
    """Draw tiles from `tile`, `heading` and `divider`; `.action` is {kind, id}, `.feedback` is {like, unlike}.

    With `choose` among the actions tiles can be ticked, which needs `of`, the gallery: the page's tray knows of it.
    asked: what tells this question from others; marks that are not sent yet stay for as long as it is the same.
    query: the address of the picture asked with, which can be laid over an opened hit. side: least width of a tile in pixels; 0 = the usual one. small: pictures alone.
    """
    ignore: Callable[[], None] = lambda: None  # noqa: E731
    return component("results_grid", ("selection.js", "viewer.js", "results_grid.js"))(
        data={
            "tiles": list(tiles),
            "actions": list(actions),
            "like": list(like),
            "unlike": list(unlike),
            "small": small,
            "side": side,
            "query": query,
            "of": of,
            "asked": asked,
        },
        key=key,
        on_action_change=on_action or ignore,
        on_feedback_change=on_feedback or ignore,
    )


def tile(
    gallery: str,
    hit: SearchHit,
    *,
    percentile: float | None = None,
    weak: bool = False,
    match: str = "",
    alike: Mapping[str, tuple[float, float]] = {},
) -> dict[str, Any]:
    """One picture. With no percentile it is shown without a score; nan: a score of which only the order is known.

    match: what else its score means. alike: of each aspect the cosine and its percentile.
    """
    name = display_name(hit.path)
    facts = [("file", name), ("label", hit.label), ("split", hit.split), ("size", f"{hit.width} × {hit.height}")]
    made: dict[str, Any] = {
        "id": hit.id,
        "src": thumbnail_url(gallery, hit.id),
        "whole": whole_url(gallery, hit.id),
        "alt": f"{hit.label}, {name}" if hit.label else name,
        "label": hit.label or name.rsplit("/", 1)[-1],
    }
    if percentile is not None:
        known = percentile == percentile
        than = (
            f"{percentile:.1f} % of random pairs of this gallery"
            if percentile < 99.95
            else "any random pair we sampled"
        )
        meaning = f"more similar than {than}" if known else "only the order counts"
        meaning = f"{match}; {meaning}" if match else meaning
        made |= {"score": f"{hit.score:.3f}", "meaning": meaning, "weak": weak, "folded": len(hit.folded)}
        made |= {"meter": round(100 * hit.score)} if known else {}
        facts += [("score", f"{hit.score:.4f}, {meaning}")]
    if alike:
        than = {
            name: "" if p != p else f", more alike than {p:.1f} % of random pairs" for name, (_, p) in alike.items()
        }
        said = [(name, f"{cosine:.2f}{than[name]}") for name, (cosine, _) in alike.items()]
        made |= {
            "alike": [
                [name, f"{cosine:.2f}", f"{name} {text}"]
                for (name, text), (cosine, _) in zip(said, alike.values(), strict=True)
            ]
        }
        facts += said
    if hit.box:
        made |= {"part": f"a part of {name}: {hit.box}"}
        facts += [("part", f"{hit.box} (x, y, width, height)")]
    if moment := films.moment(hit):
        film = display_name(moment.film)
        made |= {
            "part": f"{film} at {moment.clock}",
            "badge": moment.clock,
            "film": film_url(gallery, hit.id, moment.seconds),
        }
        made |= {} if hit.label else {"label": film.rsplit("/", 1)[-1]}
    facts += [*sorted(hit.metadata.items()), ("id", hit.id)]
    return made | {"details": [(key, value) for key, value in facts if value]}


def tile_of(gallery: str, row: Any) -> dict[str, Any]:
    """Of a row of the gallery's table, as itertuples gives it."""
    return tile(gallery, hit_of(row))


def tiles_of(gallery: str, result: SearchResult, *, group: str = "", divided: bool = True) -> list[dict[str, Any]]:
    """A result in its order, `divided` where only weak matches follow; or in groups by the value of a field."""
    pairs = list(zip(result.hits, result.percentiles, strict=True))
    bands = result.bands or ["weak" if hit.score < result.weak_below else "" for hit in result.hits]
    sure = [
        f"{band} match, {share:.0%} likely right" for band, share in zip(result.bands, result.confidences, strict=True)
    ]
    drawn = [
        tile(gallery, hit, percentile=percentile, weak=band == "weak", match=match, alike=alike)
        for (hit, percentile), band, match, alike in zip(
            pairs, bands, sure or [""] * len(pairs), result.alike or [{}] * len(pairs), strict=True
        )
    ]
    if group:
        return _grouped(result.hits, drawn, group)
    if not divided:
        return drawn
    first_weak = max((i for i, made in enumerate(drawn, 1) if not made["weak"]), default=0)
    if 0 < first_weak < len(drawn):  # where none is strong, the page says so above them
        said = f"weak matches: below {result.weak_below:.3f}, no more similar than one random pair in a hundred"
        if result.understood:
            said = "weak matches: likelier something else"
        elif result.bands:
            said = "weak matches: more likely wrong than right, as this gallery's labels show"
        drawn.insert(first_weak, {"divider": said})
    return drawn


def tiles_alone(gallery: str, hits: Sequence[SearchHit], *, group: str = "") -> list[dict[str, Any]]:
    """Pictures that nothing is compared with, in their order; or in groups by the value of a field."""
    drawn = [tile(gallery, hit) for hit in hits]
    return _grouped(hits, drawn, group) if group else drawn


def _grouped(hits: Sequence[SearchHit], tiles: Sequence[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for hit, made in zip(hits, tiles, strict=True):
        groups.setdefault(sorting.group_of(hit, by) or f"no {by}", []).append(made)
    return [made for name, group in groups.items() for made in [{"heading": name, "note": len(group)}, *group]]
