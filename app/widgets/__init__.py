"""Parts that several pages draw with."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import COMPONENTS


@st.cache_resource
def component(name: str, scripts: tuple[str, ...] = (), styles: tuple[str, ...] = ()) -> Any:
    """A component of ours: scripts and styles, each one after the other, by default NAME.js and NAME.css alone."""
    read = [(COMPONENTS / script).read_text(encoding="utf-8") for script in scripts or (f"{name}.js",)]
    usual = (f"{name}.css", *(("tick.css",) if "selection.js" in scripts else ()))
    css = "\n".join((COMPONENTS / style).read_text(encoding="utf-8") for style in styles or usual)
    return st.components.v2.component(f"semblance_{name}", html='<div class="root"></div>', css=css, js="\n".join(read))
