"""Making a map from the page: its method, what the method lets one set, and its seed."""

from __future__ import annotations

import importlib.util
from typing import Any

import streamlit as st

from app.widgets import report_section, states
from pipeline import plugins
from pipeline.gallery.gallery import Gallery
from pipeline.settings import exposed

METHODS = {
    "umap": "UMAP: keeps neighbours together; the usual choice",
    "tsne": "t-SNE: keeps the closest neighbours best; slower",
    "pca": "PCA: the two directions of most variance; at once",
}
# of a method: option, what it is called, least, most, step, help
SETTINGS = {
    "umap": (
        ("n_neighbors", "Neighbours", 2, 200, 1, "Few show small groups, many the whole"),
        ("min_dist", "Least distance", 0.0, 1.0, 0.05, "How close points may be: 0 packs groups tightly"),
    ),
    "tsne": (("perplexity", "Perplexity", 2.0, 100.0, 1.0, "About how many neighbours of a picture count"),),
}
ENGINES = {"auto": "As this machine has it", "cpu": "CPU", "gpu": "GPU, by cuML"}


def new_map(gallery: Gallery) -> None:
    method = st.radio("Method", list(METHODS), format_func=METHODS.get, key=f"map-method-{gallery.name}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dimensions = states.required(
            st.segmented_control,
            "Dimensions",
            [2, 3],
            default=2,
            required=True,
            format_func=lambda d: f"{d}-D",
            key=f"map-dims-{gallery.name}",
        )
        seed = st.number_input(
            "Seed", 0, 2**31, 0, width=150, key=f"map-seed-{gallery.name}", help="The same seed, the same map"
        )
    spec = method if exposed() or method not in SETTINGS else _settings(gallery, method)
    command = ["project", gallery.name, "--method", spec, "--dimensions", str(dimensions), "--seed", str(seed)]
    report_section.find_button(
        gallery, "Make the map", command, title="Map of", icon=":material/map:", primary=True, running="Making …"
    )


def _settings(gallery: Gallery, method: str) -> str:
    """The method with what differs from its usual settings. A visitor of an exposed app has the usual ones: others cost more."""
    usual = {option.name: option.default for option in plugins.options("projections", method)}
    asked = {}
    with st.expander("Settings", icon=":material/tune:"), st.container(horizontal=True, vertical_alignment="bottom"):
        for name, called, least, most, step, said in SETTINGS[method]:
            key = f"map-{method}-{name}-{gallery.name}"
            asked[name] = st.number_input(called, least, most, usual[name], step, help=said, width=150, key=key)
        engines = [name for name in ENGINES if name != "gpu" or importlib.util.find_spec("cuml")]
        lacking = "" if "gpu" in engines else ". A GPU needs cuML: https://docs.rapids.ai/install"
        asked["engine"] = st.selectbox(
            "Engine",
            engines,
            format_func=ENGINES.get,
            help=f"Maps of the GPU and the CPU differ{lacking}",
            width=190,
            key=f"map-{method}-engine-{gallery.name}",
        )
    changed = ",".join(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in asked.items() if value != usual[name])  # fmt: skip
    return f"{method}:{changed}" if changed else method


def changed_settings(method: str, options: dict[str, Any]) -> list[str]:
    """`perplexity 50` of each that is not the usual one, for a map's title."""
    if method not in plugins.available("projections"):
        return []
    usual = {option.name: option.default for option in plugins.options("projections", method)}
    return [
        f"{name.replace('_', ' ')} {value}" for name, value in options.items() if name in usual and value != usual[name]
    ]
