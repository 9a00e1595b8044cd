"""A decision in plain words: the verdict, the score against the threshold, and what the rate means in this gallery."""

from __future__ import annotations

import html

import streamlit as st

from app.widgets.literal import literal
from pipeline.gallery import calibration
from pipeline.gallery.gallery import Gallery
from pipeline.recognition import verification
from pipeline.recognition.verification import Curve, Decision


def verdict(
    gallery: Gallery,
    curve: Curve | None,
    score: float,
    *,
    rate: float,
    of: str = "",
    labels: tuple[str, str] = ("", ""),
) -> None:
    """of: the name compared with, whose best picture gave the score; "" = another picture. labels: of both pictures."""
    if curve is None:
        st.html(card("No verdict", f"score <b>{score:.3f}</b>", "open"))
        percentile = calibration.percentile(score, gallery.encoder()["calibration"])
        if percentile == percentile:
            st.markdown(f"Higher than **{percentile:.1f} %** of random pairs of this gallery.")
        return
    decision = verification.decide(curve, score, rate=rate)
    name = html.escape(of)
    title = (f"Same as {name}" if of else "Same") if decision.same else (f"Not {name}" if of else "Different")
    told = all(labels)
    if told and decision.same != (labels[0] == labels[1]):
        title = f"{title} by score, but not by label" if decision.same else f"{title} by score, but of one label"
    st.html(card(title, against_threshold(decision), "yes" if decision.same else "no"))
    if told:
        both = f"both are labelled **{literal(labels[0])}**"
        st.markdown(
            f"In this gallery {both}."
            if labels[0] == labels[1]
            else f"In this gallery one is labelled **{literal(labels[0])}**, the other **{literal(labels[1])}**."
        )
    st.markdown(at_this_score(decision))
    st.caption(what_the_rate_means(curve, rate))
    if of:
        st.caption(
            f"The score is the highest over all pictures of {literal(of)}. The rate is of one pair: the more pictures there are, the "
            "likelier one is taken for the same by mistake."
        )


def card(title: str, text: str, kind: str) -> str:
    """Markup; texts are the caller's to escape. kind: yes, no or open."""
    sign = {"yes": "=", "no": "≠", "open": "?"}[kind]
    return f'<div class="pair-verdict {kind}" role="status"><i>{sign}</i><div><b>{title}</b><span>{text}</span></div></div>'


def against_threshold(decision: Decision) -> str:
    sign = "≥" if decision.same else "&lt;"
    comparison = f"score <b>{decision.score:.3f}</b> {sign} threshold <b>{decision.threshold:.3f}</b>"
    return comparison + (
        ": two pictures that differ are copies, so no score is enough" if decision.threshold > 1 else ""
    )


def at_this_score(decision: Decision) -> str:
    return (
        f"**{decision.higher:,}** of {decision.n_different:,} different pairs of this gallery score at least as high "
        f"({percent(decision.higher / decision.n_different)}), **{decision.lower:,}** of {decision.n_same:,} same pairs score lower "
        f"({percent(decision.lower / decision.n_same)})."
    )


def what_the_rate_means(curve: Curve, rate: float) -> str:
    point = verification.point_of(curve, rate)
    true_accepted, false_accepted = point["true_accept"], point["false_accept"]
    text = (
        f"The threshold was chosen on half of the pictures so that at most {percent(rate)} of different pairs reach it. On the other "
        f"half {interval(false_accepted)} of different pairs did, and {interval(true_accepted)} of same pairs."
    )
    if not point["enough"]:
        n = curve.report["pairs"][verification.CHOOSE]["different"]
        text += (
            f" A rate of {percent(rate)} needs at least {1 / rate:,.0f} different pairs; here it was chosen on {n:,}."
        )
    if true_accepted["value"] < 0.5:
        text += " Most same pairs stay below it, so “different” says little; a higher rate finds more of them."
    return text


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def interval(figure: dict[str, float]) -> str:
    return f"{percent(figure['value'])} (95 %: {100 * figure['low']:.3g} to {percent(figure['high'])})"
