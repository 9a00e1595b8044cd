"""Looking after one gallery: add, re-encode, try encoders, removed, rejected, export, delete."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from app.galleries.choice import READY, choose
from app.galleries.facts import facts_room
from app.galleries.finetune import finetune_room
from app.galleries.follow import follow_room
from app.galleries.new import add_pictures
from app.server import jobs, store
from app.server.exposure import offered_encoders
from app.widgets import downloads, states
from app.widgets.charts import as_csv
from app.widgets.literal import literal
from app.widgets.results_grid import results_grid, tile
from pipeline.errors import SemblanceError
from pipeline.exchange import exchange
from pipeline.gallery import ledgers
from pipeline.gallery.gallery import Gallery
from pipeline.ingest import sync
from pipeline.plugins import DEFAULT_ENCODER
from pipeline.records import GalleryInfo, SearchHit

TRIALS = [*(choice.spec for choice in READY), "torchvision:arch=mobilenet_v3_small", "torchvision:arch=resnet50"]
ROOMS = {
    "add": "Add pictures",
    "follow": "Follow files",
    "facts": "Facts",
    "reencode": "Re-encode",
    "finetune": "Fine-tune",
    "try": "Try encoders",
    "removed": "Removed",
    "rejected": "Rejected",
    "export": "Export",
    "delete": "Delete",
}


def care(gallery: Gallery, info: GalleryInfo) -> None:
    room = states.required(
        st.segmented_control,
        "What to do",
        list(ROOMS),
        default="add",
        required=True,
        format_func=ROOMS.__getitem__,
        key=f"room-{gallery.name}",
        label_visibility="collapsed",
    )
    try:
        if room != "add" and not info.fingerprint:
            st.info("Nothing ingested yet; add pictures first.")
        elif room == "add":
            add_pictures(gallery)
        else:
            {
                "follow": follow_room,
                "facts": facts_room,
                "reencode": _reencode,
                "finetune": finetune_room,
                "try": _try,
                "removed": _removed,
                "rejected": _rejected,
                "export": _export,
            }.get(room, _delete)(gallery)
    except SemblanceError as error:
        st.error(literal(error))


def had_former_default(gallery: Gallery) -> bool:
    """Whether it was made when another model was the default: who chose that model by its name today is not asked."""
    manifest = gallery.manifest()
    noted = manifest["encoders"].get(manifest["current"])
    return noted is not None and noted["spec"] != gallery.encoder()["spec"]


def offer_default(gallery: Gallery) -> None:
    """One click from the model that was the default before to the one that is."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("A better model is the default now: it sees *what* a photo shows, not only its colours.")
        busy = jobs.running("pipeline", "reencode", gallery=gallery.name)
        if st.button("Re-encode with it", icon=":material/upgrade:", disabled=busy, key=f"upgrade-{gallery.name}"):
            command = ["reencode", gallery.name, "--encoder", DEFAULT_ENCODER]
            _start(gallery, command, f"Re-encode {gallery.manifest()['title']} with the new default")


def _reencode(gallery: Gallery) -> None:
    st.markdown("Every picture is read and encoded again; the present embeddings stay, so there is a way back.")
    manifest = gallery.manifest()
    spec = choose(f"re-{gallery.name}")
    with st.container(horizontal=True):
        if st.button("Re-encode", type="primary", key=f"reencode-{gallery.name}"):
            _start(gallery, ["reencode", gallery.name, "--encoder", spec], f"Re-encode {manifest['title']} with {spec}")
        previous = manifest["encoders"].get(manifest["previous"], {}).get("spec", "")
        if previous and st.button(f"Back to {literal(previous)}", icon=":material/undo:", key=f"back-{gallery.name}"):
            _start(gallery, ["reencode", gallery.name, "--back"], f"{manifest['title']} back to {previous}")


def _try(gallery: Gallery) -> None:
    st.markdown(
        "Speed and, where pictures have labels, map_at_r on 300 of this gallery's own pictures. Nothing is changed."
    )
    known = list(dict.fromkeys([*offered_encoders(TRIALS), gallery.encoder()["spec"]]))
    chosen = st.multiselect(
        "Encoders", known, default=[gallery.encoder()["spec"]], accept_new_options=True, key=f"trials-{gallery.name}"
    )
    if st.button("Try them", type="primary", disabled=not chosen, key=f"try-{gallery.name}"):
        command = ["try-encoders", gallery.name, "--json", *(part for spec in chosen for part in ("--encoder", spec))]
        _start(gallery, command, f"Try encoders on {gallery.manifest()['title']}")
    for job in jobs.recent(20):
        if job.gallery == gallery.name and "try-encoders" in job.command and (state := jobs.state(job)).exit_code == 0:
            _trial_table(state.output)
            return


def _trial_table(output: str) -> None:
    table = pd.DataFrame(json.loads(output.splitlines()[-1]))
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "encoder": "Encoder",
            "dim": st.column_config.NumberColumn("Dimensions"),
            "pictures_per_second": st.column_config.NumberColumn("Pictures/s", format="%.0f"),
            "bytes_each": st.column_config.NumberColumn("Bytes a picture", format="%d"),
            "map_at_r": st.column_config.NumberColumn("map_at_r", format="%.3f"),
            "pictures": "Pictures",
            "error": "Why not",
        },
    )


def _removed(gallery: Gallery) -> None:
    rows = gallery.rows(as_ingested=True).table
    gone = rows[rows["id"].isin(gallery.removed())]
    if gone.empty:
        st.info("No picture is removed. Remove one from its details on the search page.")
        return
    hits = [SearchHit(id=row.id, score=0, path=row.path, label=row.label) for row in gone.head(60).itertuples()]
    st.markdown(f"{len(gone):,} removed. They are in no answer, and ingesting their files again does not revive them.")
    results_grid([tile(gallery.name, hit) for hit in hits], key=f"removed-{gallery.name}", actions=("open",))
    restore, drop = st.columns(2)
    if restore.button("Restore all", icon=":material/undo:", key=f"restore-{gallery.name}"):
        store.restore(gallery, gone["id"].tolist())
        st.rerun()
    sure = drop.checkbox("I want them gone for good", key=f"sure-{gallery.name}")
    if drop.button("Drop for good", disabled=not sure, key=f"compact-{gallery.name}"):
        gallery.compact()
        st.rerun()


def _rejected(gallery: Gallery) -> None:
    table = pd.DataFrame(ledgers.read(gallery.root / ledgers.REJECTED), columns=["File", "Why it was left out"])
    if table.empty:
        st.info("Every file of this gallery could be read.")
        return
    st.dataframe(table, hide_index=True, width="stretch")
    downloads.button("CSV", f"{gallery.name}-rejected.csv", lambda: as_csv(table))


def _export(gallery: Gallery) -> None:
    st.markdown(
        "One Parquet file with every row and its embedding; `python -m pipeline import NAME FILE` takes it back."
    )
    downloads.button("Parquet", f"{gallery.name}.parquet", lambda: _parquet(gallery), key=f"export-{gallery.name}")


def _parquet(gallery: Gallery) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gallery.parquet"
        exchange.export_gallery(gallery, file)
        return file.read_bytes()


def _delete(gallery: Gallery) -> None:
    st.markdown(
        "The gallery's embeddings, thumbnails and uploads go; pictures in folders of yours stay. There is no undo."
    )
    typed = st.text_input(f"Write {literal(gallery.name)} to confirm", key=f"confirm-{gallery.name}")
    if st.button("Delete this gallery", disabled=typed != gallery.name, key=f"delete-{gallery.name}"):
        sync.drop(gallery, store.store())
        store.forget(gallery)
        st.session_state["managed"] = ""
        st.rerun()


def _start(gallery: Gallery, command: list[str], title: str) -> None:
    jobs.start(["pipeline", *command], title=title, gallery=gallery.name)
    st.rerun()
