"""A decision in plain words: the verdict, the score against the threshold, and what the rate means in this gallery."""

from __future__ import annotations

import html

import streamlit as st

from pipeline.gallery import calibration
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import verification
from pipeline.recognition.verification import Curve, Decision


def verdict(gallery: Gallery, curve: Curve | None, score: float, *, rate: float, of: str = "") -> None:
    """of: the name compared with, whose best picture gave the score; "" = another picture."""
    if curve is None:
        st.html(card("No verdict", f"score <b>{score:.3f}</b>", "open"))
        percentile = calibration.percentile(score, gallery.encoder()["calibration"])
        if percentile == percentile:
            st.markdown(f"Higher than **{percentile:.1f} %** of random pairs of this gallery.")
        return
    decided = verification.decide(curve, score, rate=rate)
    name = html.escape(of)
    title = (f"Same as {name}" if of else "Same") if decided.same else (f"Not {name}" if of else "Different")
    st.html(card(title, against_threshold(decided), "yes" if decided.same else "no"))
    st.markdown(at_this_score(decided))
    st.caption(what_the_rate_means(curve, rate))
    if of:
        st.caption(
            f"The score is the highest over all pictures of {_plain(of)}. The rate is of one pair: the more pictures there are, the "
            "likelier one is taken for the same by mistake."
        )


def card(title: str, said: str, kind: str) -> str:
    """Markup; texts are the caller's to escape. kind: yes, no or open."""
    sign = {"yes": "=", "no": "≠", "open": "?"}[kind]
    return f'<div class="pair-verdict {kind}" role="status"><i>{sign}</i><div><b>{title}</b><span>{said}</span></div></div>'


def against_threshold(decided: Decision) -> str:
    sign = "≥" if decided.same else "&lt;"
    said = f"score <b>{decided.score:.3f}</b> {sign} threshold <b>{decided.threshold:.3f}</b>"
    return said + (": two pictures that differ are copies, so no score is enough" if decided.threshold > 1 else "")


def at_this_score(decided: Decision) -> str:
    return (
        f"**{decided.higher:,}** of {decided.n_different:,} different pairs of this gallery score at least as high "
        f"({percent(decided.higher / decided.n_different)}), **{decided.lower:,}** of {decided.n_same:,} same pairs score lower "
        f"({percent(decided.lower / decided.n_same)})."
    )


def what_the_rate_means(curve: Curve, rate: float) -> str:
    point = verification.point_of(curve, rate)
    accepted, mistaken = point["true_accept"], point["false_accept"]
    said = (
        f"The threshold was chosen on half of the pictures so that at most {percent(rate)} of different pairs reach it. On the other "
        f"half {interval(mistaken)} of different pairs did, and {interval(accepted)} of same pairs."
    )
    if not point["enough"]:
        n = curve.about["pairs"][verification.CHOOSE]["different"]
        said += (
            f" A rate of {percent(rate)} needs at least {1 / rate:,.0f} different pairs; here it was chosen on {n:,}."
        )
    if accepted["value"] < 0.5:
        said += " Most same pairs stay below it, so “different” says little; a higher rate finds more of them."
    return said


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def interval(figure: dict[str, float]) -> str:
    return f"{percent(figure['value'])} (95 %: {100 * figure['low']:.3g} to {percent(figure['high'])})"


def _plain(name: str) -> str:
    """Markdown's signs are shown as they are."""
    return "".join(f"\\{char}" if char in r"\`*_{}[]<>()#+-.!|~:$" else char for char in name)
