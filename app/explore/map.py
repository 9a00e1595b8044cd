"""The Explore page's map: which one, coloured by what, and what a visitor picks, circles or isolates on it."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.explore import map_query
from app.explore.map_data import TILE, MapData, grid, map_data, point_map, shape_from
from app.explore.new_map import changed_settings, new_map
from app.explore.picture_panel import go_to_search, picture_panel
from app.explore.selection import selection_panel
from app.search import query_state
from app.search.query_panel import take
from app.server.routes import publish
from app.widgets import component, states
from app.widgets.literal import literal, told_apart
from app.widgets.upload import picture_field
from pipeline.analysis import map_files, projection
from pipeline.analysis.colouring import NONE, Colouring, columns
from pipeline.analysis.selection import Shape, shape_of
from pipeline.errors import SemblanceError
from pipeline.gallery.gallery import Gallery

LOOKS = ("pictures", "grid")  # beside points


@st.fragment
def map_section(gallery: Gallery) -> None:
    """The address holds map, colour, isolated entries, shape and picture: a link shows the same."""
    go_to_search()
    known = projection.saved_maps(gallery)
    if not known:
        _nothing_yet(gallery)
        return
    params = st.query_params
    names = [about["name"] for about in known]
    stage, side = st.columns([2.6, 1], gap="medium")
    panel = side.container(key="map-panel", gap="small")
    titles = told_apart({about["name"]: _title(about) for about in known})
    left, right = panel.columns(2, gap="small")
    name = left.selectbox(
        "Map",
        names,
        index=names.index(params["map"]) if params.get("map") in names else 0,
        format_func=titles.__getitem__,
        key=f"map-{gallery.name}",
        label_visibility="collapsed",
    )
    try:
        data = map_data(gallery, name)
    except SemblanceError as error:
        st.error(literal(error))
        _tools(gallery, panel, name)
        return
    query = _query(gallery)
    choices = columns(gallery, data, query=query is not None)
    wanted = params.get("colour", "")
    by = right.selectbox(
        "Colour by",
        list(choices),
        index=list(choices).index(wanted) if wanted in choices else 0,
        format_func=lambda key: choices[key] if key == NONE else f"Colour: {choices[key]}",
        key=f"colour-{gallery.name}-{len(choices)}",
        label_visibility="collapsed",
    )
    _tools(gallery, panel, name)
    _keep(map=name, colour=by)
    if data.map.stale:
        panel.info(literal(data.map.stale[0].upper() + data.map.stale[1:]))
    shown = map_query.colouring(gallery, data, by, query)
    _draw(gallery, data, shown, query, stage=stage, panel=panel)


def _draw(
    gallery: Gallery, data: MapData, shown: Colouring, query: Any, *, stage: DeltaGenerator, panel: DeltaGenerator
) -> None:
    params = st.query_params
    there = {name for _, name, _ in shown.legend}
    only = [name for name in params.get_all("only") if name in there]
    shape = shape_of(params.get("select", ""))
    picked = params.get("picture", "")
    key = f"point-map-{gallery.name}-{data.map.name}"
    with panel:
        component("map_legend")(key=f"map-legend-{gallery.name}")
        selection_panel(gallery, data, shown, only=only, shape=shape)
        near = picture_panel(gallery, data, picked, hint=not (only or shape))
    with stage:
        point_map(
            _component_data(gallery, data, shown, only=only, shape=shape, picked=picked, near=near)
            | {"query": map_query.spot(gallery, data, query) if query is not None else None},
            key=key,
            on_changed=lambda: _changed(key),
        )
        st.caption(literal(data.map.about["caption"]))


def _component_data(
    gallery: Gallery,
    data: MapData,
    shown: Colouring,
    *,
    only: list[str],
    shape: Shape | None,
    picked: str,
    near: list[str],
) -> dict[str, Any]:
    total, drawn = len(data.points), len(data.sample)
    look = st.query_params.get("look", "")
    cells = grid(gallery, data) if look == "grid" else None
    note = f"{drawn:,} of {total:,} drawn, each label with its share; selecting takes from all" if drawn < total else ""
    if cells and cells.pictures < total:
        note = f"{cells.pictures:,} of {total:,}, drawn at random, have a cell"
    return {
        "look": look if look in LOOKS else "points",
        "grid": publish(cells.sent) if cells else "",
        "sheet": publish(cells.sheet) if cells else "",
        "tile": TILE,
        "columns": cells.columns if cells else 0,
        "rows": cells.rows if cells else 0,
        "alt": f"Map of {total:,} pictures, coloured by {shown.title or 'nothing'}",
        "dimensions": data.points.shape[1],
        "points": data.address(),
        "codes": publish(shown.codes[data.sample].tobytes()),
        "thumbnails": f"/app/static/thumbnails/{gallery.name}/",
        "palette": list(shown.palette),
        "legend": [{"code": code, "name": name, "count": f"{count:,}"} for code, name, count in shown.legend],
        "range": list(shown.scale) if shown.scale else None,
        "title": shown.title,
        "only": only,
        "selection": {"polygon": [list(corner) for corner in shape.polygon], "turn": shape.turn and list(shape.turn)}
        if shape
        else None,
        "picked": picked,
        "near": near,
        "note": note,
    }


def _changed(key: str) -> None:
    if (found := states.sent(key, "changed")) is None:
        return
    shape, look = shape_from(states.part(found, "shape")), states.text(states.part(found, "look"))
    _keep(select=shape.text() if shape else "", look=look if look in LOOKS else "")
    st.query_params["only"] = list(states.texts(states.part(found, "only")))
    if "picked" in found:
        st.query_params["picture"] = states.text(found["picked"])
    if "add" in found:
        st.session_state["map-adds"] = bool(found["add"])


def _keep(**values: str) -> None:
    """Into the address, and out of it when empty. What was isolated goes with the colouring that it belongs to."""
    for name, value in values.items():
        if name == "colour" and st.query_params.get("colour", value) != value:
            st.query_params.pop("only", None)
        if name == "map" and st.query_params.get("map", value) != value:
            st.query_params.pop("select", None)
        if value and st.query_params.get(name) != value:
            st.query_params[name] = value
        elif not value:
            st.query_params.pop(name, None)


def _query(gallery: Gallery) -> Any:
    try:
        return map_query.embedding(gallery)
    except SemblanceError as error:
        st.warning(literal(error))
        return None


def _title(about: dict[str, Any]) -> str:
    made = about["made"][:16].replace("T", " ")
    return " · ".join([map_files.method_of(about), *changed_settings(about["method"], about.get("options", {})), made])


def _tools(gallery: Gallery, place: DeltaGenerator, name: str) -> None:
    with place.container(horizontal=True, gap="small"):
        with st.popover("Show a picture", icon=":material/add_location_alt:"):
            st.markdown("Show a picture on the map. It becomes the query of the Search page too.")
            key = f"place{st.session_state.setdefault('turn', 0)}"
            picture_field(
                "Drop a picture here",
                key=key,
                on_change=_place,
                args=(gallery.name, key),
                accept_multiple_files=True,
                label_visibility="collapsed",
            )
            for message in st.session_state.pop("refused", []):
                st.error(literal(message))
            if query_state.current().gallery == gallery.name and not query_state.current().empty:
                st.button("Take the query off the map", on_click=lambda: query_state.change(**query_state.NOTHING))
        with st.popover("Maps", icon=":material/map:"):
            new_map(gallery)
            if name:
                st.button(
                    "Delete this map",
                    icon=":material/delete:",
                    on_click=map_files.delete,
                    args=(gallery, name),
                    help="The pictures stay; the same settings make the same map again",
                    key=f"map-delete-{name}",
                )


def _place(gallery: str, key: str) -> None:
    if query_state.current().gallery != gallery:
        query_state.change(remember=False, gallery=gallery, ids=(), like=(), unlike=(), where=())
    take(key)


def _nothing_yet(gallery: Gallery) -> None:
    count = gallery.count()
    if count < projection.MIN_PICTURES:
        st.info(
            f"{count} pictures: a map needs {projection.MIN_PICTURES}. Add more on the Galleries page; the Search page shows these."
        )
        return
    st.markdown(
        "**No map yet.** A map puts pictures that are alike beside each other: see the groups of a collection, "
        "circle some, tag them, take them away, or place a picture of your own among them."
    )
    new_map(gallery)
