"""Triplets as strips of three pictures: anchor, positive, negative, with what the network makes of them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.server.routes import run_picture_url
from pipeline.errors import SemblanceError


@dataclass(frozen=True)
class Strip:
    """Pictures and labels of anchor, positive, negative; squared distances of the anchor to the other two."""

    pictures: tuple[str, str, str]
    labels: tuple[str, str, str]
    d_positive: float
    d_negative: float

    @property
    def lead(self) -> float:
        """How much farther the negative is than the positive; above 0 is right."""
        return self.d_negative - self.d_positive

    @property
    def right(self) -> bool:
        return self.lead > 0


def strips(triplets: Sequence[Any], run: str) -> list[Strip]:
    """Hardest first. SemblanceError when one of them is not a triplet."""
    try:
        made = [_strip(triplet) for triplet in triplets]
    except (KeyError, TypeError, ValueError) as error:
        raise SemblanceError(
            f"the triplets of {run} cannot be shown ({error!r}); its triplets.json is damaged"
        ) from None
    return sorted(made, key=lambda strip: strip.lead)


def _strip(triplet: dict[str, Any]) -> Strip:
    three = [triplet[role] for role in ("anchor", "positive", "negative")]
    pictures = tuple(str(one["picture"]).removesuffix(".jpg") for one in three)
    labels = tuple(str(one["label"]) for one in three)
    return Strip(pictures, labels, float(triplet["d_positive"]), float(triplet["d_negative"]))


def as_html(shown: Sequence[Strip], run: str, version: int) -> str:
    """version: changes when the run writes its pictures anew, so that no browser shows an old one."""
    return f'<div class="triplets" role="list">{"".join(_drawn(strip, run, version) for strip in shown)}</div>'


def _drawn(strip: Strip, run: str, version: int) -> str:
    distances = ("", f"{strip.d_positive:.3f}", f"{strip.d_negative:.3f}")
    pictures = "".join(
        f'<figure><img src="{html.escape(run_picture_url(run, picture, version))}"'
        f' alt="{role}, {html.escape(label)}" loading="lazy">'
        f'<figcaption><span class="role">{role} <b>{distance}</b></span>'
        f'<span class="label" title="{html.escape(label)}">{html.escape(label) or "no label"}</span></figcaption></figure>'
        for role, picture, label, distance in zip(
            ("anchor", "positive", "negative"), strip.pictures, strip.labels, distances, strict=True
        )
    )
    verdict = "✓ right: the negative is farther" if strip.right else "✗ wrong: the negative is no farther"
    return (
        f'<div class="triplet {"right" if strip.right else "wrong"}" role="listitem"><div class="three">{pictures}</div>'
        f'<div class="verdict"><span>{verdict}</span><b>{strip.lead:+.3f}</b></div></div>'
    )
