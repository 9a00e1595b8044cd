"""Groups of duplicates as rows of pictures; what is done with a group is shown in its place, with the way back."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import COMPONENTS
from app.server import resources, store
from app.server.routes import thumbnail_url
from app.widgets import selection, states
from app.widgets.faults import attempt, problem
from app.widgets.literal import literal
from pipeline.duplicates import find
from pipeline.duplicates.judging import evidence_pictures
from pipeline.errors import display_name
from pipeline.gallery.gallery import Gallery

CSS = COMPONENTS / "duplicates.css"
AT_ONCE = 8  # groups drawn before "more" is asked for
TILES = 24  # of one group
MEANING = {
    "identical": "the same bytes",
    "same": "one picture, saved more than once",
    "variant": "one picture, mirrored, turned by a quarter, without its colours, or altered in places",
    "lookalike": "two pictures that look alike",
}


@st.fragment
def groups_list(gallery: Gallery, groups: list[dict[str, Any]], counts: dict[str, int]) -> None:
    st.html(CSS)
    tiers = [tier for tier, count in counts.items() if count]
    tier = states.required(
        st.segmented_control,
        "Tier",
        tiers,
        default="same" if "same" in tiers else tiers[0],
        required=True,
        format_func=lambda tier: f"{tier} ({counts[tier]:,})",
        key=f"duplicates-tier-{gallery.name}",
        label_visibility="collapsed",
    )
    st.caption(f"{tier.capitalize()}: {MEANING[tier]}.")
    problem()
    chosen = [(number, group) for number, group in enumerate(groups) if group["tier"] == tier]
    there, gone, verdicts = resources.paths(gallery), gallery.removed(), find.judged(gallery)
    key = f"duplicates-shown-{gallery.name}-{tier}"
    shown = st.session_state.get(key, AT_ONCE)
    for number, group in chosen[:shown]:
        with st.container(border=True, gap="small", key=f"group-{gallery.name}-{number}"):
            _group(gallery, number, group, set(there), gone, verdicts)
    if shown < len(chosen):
        st.button(
            f"More ({len(chosen) - shown:,} groups)",
            icon=":material/expand_more:",
            on_click=lambda: st.session_state.update({key: shown + 4 * AT_ONCE}),
            key=f"duplicates-more-{gallery.name}",
        )


def address(gallery: Gallery, picture: str) -> str:
    return thumbnail_url(gallery.name, picture)


def _group(
    gallery: Gallery,
    number: int,
    group: dict[str, Any],
    there: set[str],
    gone: set[str],
    verdicts: dict[frozenset[str], bool],
) -> None:
    members = [member for member in group["members"] if member["id"] in there | gone]
    if group["tier"] == "identical":
        if members:
            st.html(_files(gallery, members))
        st.caption(literal(f"{group['reason'][0].upper()}{group['reason'][1:]}."))
        return
    keep, ids = group["keep"], [member["id"] for member in members]
    others = [one for one in ids if one != keep and one in there]
    taken = [one for one in ids if one != keep and one in gone]
    apart = bool(others) and all(verdicts.get(frozenset((keep, one))) is False for one in others)
    st.html(_tiles(gallery, keep, members, gone))
    said = (
        f"Keep the one with the {group['reason']}" if group["reason"].startswith("most") else f"Keep: {group['reason']}"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if apart:
            st.markdown("**Not duplicates.** The next search for duplicates leaves them apart.")
            _way_back(_take_back, gallery, ids, number)
        elif taken and not others:
            st.markdown(f"**{len(taken):,} removed**; files on disk are left alone.")
            _way_back(store.restore, gallery, taken, number)
        elif len(ids) < 2 or keep not in there:
            st.markdown("Dealt with elsewhere; find duplicates again.")
        else:
            st.markdown(literal(f"{said}."))
            st.button(
                "Remove the other" if len(others) == 1 else f"Remove the other {len(others):,}",
                icon=":material/delete:",
                on_click=attempt,
                args=(store.remove, gallery, others),
                help="From the gallery only, and it can be undone",
                key=f"remove-{gallery.name}-{number}",
            )
            st.button(
                "Not duplicates",
                icon=":material/call_split:",
                on_click=_judge_apart,
                args=(gallery, ids),
                help="Remembered: they are not put together again",
                key=f"apart-{gallery.name}-{number}",
            )
    _evidence(gallery, number, group)


def _evidence(gallery: Gallery, number: int, group: dict[str, Any]) -> None:
    """On demand: each member beside the kept picture laid over it, and their difference."""
    if not any("agreement" in member for member in group["members"]):
        return
    if not st.toggle("Show where they differ", key=f"evidence-{gallery.name}-{number}"):
        return
    shown = list(evidence_pictures(gallery, group))
    if not shown:
        st.caption("Neither thumbnails nor files are there any more.")
        return
    st.caption("The kept picture laid over the copy, the copy, and their difference: dark where they differ.")
    facts = {member["id"]: member for member in group["members"]}
    columns = st.columns(3, gap="small")
    for place, (picture, strip) in enumerate(shown):
        member = facts[picture]
        name = display_name(member["path"])
        caption = f"{_short(name)}: details agree {member['agreement']:.3f}"
        columns[place % 3].image(strip, caption=caption, width="stretch")


def _way_back(undo: Any, gallery: Gallery, ids: list[str], number: int) -> None:
    key = f"undo-{gallery.name}-{number}"
    st.button("Undo", icon=":material/undo:", on_click=attempt, args=(undo, gallery, ids), key=key)


def _judge_apart(gallery: Gallery, ids: list[str]) -> None:
    gallery.judge("not_same", ids)


def _take_back(gallery: Gallery, ids: list[str]) -> None:
    gallery.judge("not_same", ids, False)


def _tiles(gallery: Gallery, keep: str, members: list[dict[str, Any]], gone: set[str]) -> str:
    tiles = [_tile(gallery, member, "keep" if member["id"] == keep else "", member["id"] in gone) for member in members]
    more = f"<span>and {len(members) - TILES:,} more</span>" if len(members) > TILES else ""
    return f'<div class="copies" role="list">{"".join(tiles[:TILES])}{more}</div>'


def _tile(gallery: Gallery, member: dict[str, Any], kind: str, out: bool) -> str:
    name = display_name(member["path"])
    size = f"{member['width']:,} × {member['height']:,}"
    weight = f", {member['bytes'] / 1024:,.0f} KB" if member.get("bytes") else ""
    where = ", ".join(filter(None, (member["label"], member["split"])))
    alt = f"{'the copy to keep, ' if kind else ''}{'removed, ' if out else ''}{name}, {size} px{weight}"
    link = html.escape("/?" + urlencode({"gallery": gallery.name, "ids": member["id"]}))
    evidence = member.get("kind", "") or (f"{member['agreement']:.0%} agree" if "agreement" in member else "")
    lines = (_short(name), f"{size}{weight}", evidence or f"score {member['score']:.3f}", where)
    caption = "".join(f"<span>{html.escape(line)}</span>" for line in lines)
    return (
        f'<div class="picked" role="listitem"><a class="{kind} {"out" if out else ""}" href="{link}" target="_self" '
        f'title="{html.escape(alt)}">'
        f'<span class="frame"><img src="{address(gallery, member["id"])}" alt="{html.escape(alt)}" loading="lazy"></span>'
        f"{caption}</a>{'' if out else selection.tick(gallery.name, member['id'], alt)}</div>"
    )


def _short(path: str) -> str:
    """The folder and the end of a long name: copies often differ only there."""
    folder, _, name = path.rpartition("/")
    folder = folder.rpartition("/")[2]
    return path if len(path) <= 18 else f"{folder}/…{name[-8:]}" if folder else f"…{name[-16:]}"


def _files(gallery: Gallery, members: list[dict[str, Any]]) -> str:
    """One picture beside the paths of its files."""
    where = [", ".join(filter(None, (member["label"], member["split"]))) for member in members]
    lines = [
        f"<li>{html.escape(display_name(member['path']))}{f' <small>{html.escape(place)}</small>' if place else ''}</li>"
        for member, place in zip(members[:TILES], where, strict=False)
    ]
    more = f"<li>and {len(members) - TILES:,} more</li>" if len(members) > TILES else ""
    first = members[0]
    link = html.escape("/?" + urlencode({"gallery": gallery.name, "ids": first["id"]}))
    alt = html.escape(f"{len(members)} files with the same bytes: {display_name(first['path'])}")
    return (
        f'<div class="copies one"><a href="{link}" target="_self" title="{alt}"><span class="frame">'
        f'<img src="{address(gallery, first["id"])}" alt="{alt}" loading="lazy"></span></a>'
        f'<ul class="files">{"".join(lines)}{more}</ul></div>'
    )
