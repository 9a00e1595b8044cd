"""All that the Search page is asked, as its address says it: what to search with, filters, order and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from pipeline import filters, plugins
from pipeline.errors import UsageError
from pipeline.filters.clauses import Clause, Either, Filter
from pipeline.gallery.appearances import Appearances
from pipeline.gallery.confidence import LEVELS
from pipeline.gallery.gallery import Gallery
from pipeline.images.regions import Box, box_text, parse_box
from pipeline.search import by_aspect, text
from pipeline.search.query import Query, QueryPicture

FLAGS = ("by_label", "by_picture", "keep_query")
LISTS = ("texts", "not_texts", "ids", "like", "unlike", "where")
UPLOAD = "upload"  # the parameter of an address that names a picture which came by upload
Params = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Ask:
    """What can be asked without bytes of a picture; see `of` for how an address says it."""

    gallery: str = ""
    ids: tuple[str, ...] = ()
    region: str = ""  # x,y,w,h in pixels of the one picture of ids: only that part of it is asked with
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    not_texts: tuple[str, ...] = ()
    where: tuple[str, ...] = ()  # filters as typed, those chosen with one value each: label=cup, width>=1000
    k: int = 24
    collapse: float = 0.0  # 0: off
    rerank: str = ""  # a name of rerank/; '' = what did best on the gallery itself
    max_wrong: float = 1.0  # 1: off
    aspects: str = ""  # what by_aspect.parse reads; '' = as a whole
    beside: str = ""  # the second answer: order:NAME of rerank/ or gallery:NAME; '' = none
    sort: str = ""  # a field, -field for the last first; '' = by likeness
    group: str = ""  # a field
    page: int = 1  # of the pictures that pass the filter, where nothing is searched with
    by_label: bool = False
    by_picture: bool = False
    keep_query: bool = False

    @classmethod
    def of(cls, params: Params) -> Self:
        """The ask that an address' parameters describe; what of them cannot be read is passed over."""
        one = {name: values[0] for name, values in params.items() if values}
        many = {name: tuple(filter(str.strip, params.get(name, ()))) for name in LISTS}
        try:
            filters.parse(many["where"])
        except UsageError:
            many["where"] = ()
        return cls(
            gallery=one.get("gallery", ""),
            k=_number(one.get("k", ""), Ask.k, 1, 1000),
            page=_number(one.get("page", ""), 1, 1, 1_000_000),
            collapse=_fraction(one.get("collapse", "")),
            max_wrong=nearest_level(one.get("max_wrong", "")),
            region=_box(one.get("region", "")),
            rerank=given if (given := one.get("rerank", "")) in plugins.available("rerank") else "",
            aspects=_aspects(one.get("aspects", "")),
            beside=_beside(one.get("beside", "")),
            sort=one.get("sort", ""),
            group=one.get("group", ""),
            **many,  # type: ignore[arg-type]
            **{name: one.get(name) == "1" for name in FLAGS},  # type: ignore[arg-type]
        )

    def address(self) -> dict[str, str | list[str]]:
        """Query parameters that repeat this ask: what `of` reads."""
        made: dict[str, str | list[str]] = {"gallery": self.gallery} if self.gallery else {}
        for name in LISTS:
            if values := getattr(self, name):
                made[name] = list(values)
        made |= {name: str(value) for name in _DEFAULT if (value := getattr(self, name)) != _DEFAULT[name]}
        made |= {name: "1" for name in FLAGS if getattr(self, name)}
        return made | ({"region": self.part} if self.part else {})

    @property
    def part(self) -> str:
        """The region, where there is one picture that it can be of."""
        return self.region if len(self.ids) == 1 else ""

    def filter(self) -> Filter:
        """Clauses of one field and sign are joined: label=cup with label=bowl means any of them."""
        joined: dict[tuple[str, bool], list[str]] = {}
        others: list[Clause | Either] = []
        for clause in filters.parse(self.where).clauses:
            if isinstance(clause, Clause) and clause.operator == "=":
                joined.setdefault((clause.field, clause.negate), []).extend(clause.values)
            else:
                others.append(clause)
        return Filter((*(Clause(name, tuple(values), negate) for (name, negate), values in joined.items()), *others))

    def query(self, pictures: Sequence[QueryPicture] = ()) -> Query:
        """What `search` is asked with; a `part` is one of the pictures already, and takes the place of its id."""
        ids = () if self.part else self.ids
        return Query(tuple(pictures), ids, self.like, self.unlike, self.texts, self.not_texts)

    def options(self, gallery: Gallery, query: Query, appearances: Appearances | None) -> dict[str, Any]:
        """Of `search`. appearances: the gallery's, where the aspects of the ask need them and they are known."""
        # a link, or the gallery before this one, may bring a cut that nothing is known for here
        pictures = not (query.has_words or query.learned) and gallery.encoder().get("confidence")
        known = text.kinds_of(gallery) if query.words_alone else pictures
        return {
            "appearances": appearances,
            "k": self.k,
            "where": self.filter(),
            "collapse": self.collapse or None,
            "by_picture": self.by_picture,
            "exclude_query": not self.keep_query,
            "rerank": "" if appearances else self.rerank,
            "max_wrong": self.max_wrong if self.max_wrong < 1 and known and not appearances else None,
            "aspects": self.aspects if appearances else "",
        }

    def said(self, *, uploads: int = 0) -> list[str]:
        """What is asked, for people. uploads: pictures that came beside it."""
        pictures = len(self.ids) + uploads
        made = [f"{'a part of ' * bool(self.part)}{'one picture' if pictures == 1 else f'{pictures} pictures'}"]
        made = made if pictures else []
        made += [f"“{one}”" for one in self.texts] + [f"not “{one}”" for one in self.not_texts]
        made += [f"{len(marked)} {name}d" for name, marked in (("like", self.like), ("dislike", self.unlike)) if marked]
        made += list(self.where)
        made += [f"by {self.sort[1:]}, last first" if self.sort.startswith("-") else f"by {self.sort}"] * bool(
            self.sort
        )
        return made + [f"in groups by {self.group}"] * bool(self.group)


def upload_named(text: str) -> tuple[str, Box | None]:
    """What an address says of an upload, NAME or NAME@x,y,w,h: the beginning of its id, and the part asked with."""
    name, _, box = text.partition("@")
    return name, parse_box(read) if (read := _box(box)) else None


_DEFAULT = {one.name: one.default for one in fields(Ask) if one.name not in ("gallery", "region", *LISTS, *FLAGS)}


def _number(text: str, otherwise: int, low: int, high: int) -> int:
    return min(max(int(text), low), high) if text.isdecimal() and len(text) < 10 else otherwise


def _box(text: str) -> str:
    try:
        return box_text(parse_box(text)) if text else ""
    except UsageError:
        return ""


def _aspects(text: str) -> str:
    try:
        return by_aspect.written(by_aspect.parse(text))
    except UsageError:
        return ""


def _beside(text: str) -> str:
    kind, _, name = text.partition(":")
    known = name in ("", *plugins.available("rerank")) if kind == "order" else kind == "gallery" and name
    return text if known else ""


def nearest_level(text: str) -> float:
    """Of LEVELS, the strictest that allows this share of wrong hits; 1 = off."""
    share = _fraction(text)
    return max((level for level in LEVELS if level <= share), default=1.0) if 0 < share < 1 else 1.0


def _fraction(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        return 0.0
    return min(max(share, 0.0), 1.0) if share == share else 0.0
