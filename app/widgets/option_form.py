"""Choosing a plugin: its options become widgets, read from its `build`."""

from __future__ import annotations

import streamlit as st

from app.server.exposure import offered_encoders
from pipeline import plugins
from pipeline.plugins import DEFAULT_ENCODER, Option
from pipeline.settings import exposed

HIDDEN = {"device"}


def encoder_choice(key: str) -> str:
    """A select box of encoders and a line for the options; returns the spec."""
    names = offered_encoders([name for name in plugins.available("encoders") if name != "pca"])
    left, right = st.columns(2)
    name = left.selectbox(
        "Encoder",
        names,
        index=names.index(DEFAULT_ENCODER),
        key=f"encoder-{key}",
        format_func=lambda name: describe(name),
    )
    if exposed():  # an option may open a file or take more memory than there is
        return name
    text = right.text_input(
        "Options",
        placeholder="arch=resnet50,weights=none",
        key=f"options-{key}",
        help="key=value, separated by commas. " + "  ".join(f"**{n}**: {options(n)}" for n in names),
    )
    return f"{name}:{text.strip()}" if text.strip() else name


def describe(name: str) -> str:
    lacking = plugins.missing("encoders", name)
    return f"{name}: {plugins.card('encoders', name).summary}" + (f" (not installed: {lacking})" if lacking else "")


def options(name: str) -> str:
    return (
        ", ".join(_option(option) for option in plugins.options("encoders", name) if option.name not in HIDDEN)
        or "none"
    )


def _option(option: Option) -> str:
    if option.choices:
        return f"{option.name}={'|'.join(option.choices)}"
    return option.name if option.required else f"{option.name}={option.default}"
