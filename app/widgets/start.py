"""The first run: three ways in."""

from __future__ import annotations

import streamlit as st


def first_steps() -> None:
    st.markdown("There is no gallery yet. Three ways to make the first one:")
    demo, folder, upload = st.columns(3)
    with demo, st.container(border=True):
        st.subheader("The demo")
        st.markdown("2,000 rendered pictures, made on this machine in a minute or two. No download.")
        if st.button("Make the demo gallery", type="primary", icon=":material/play_arrow:"):
            st.session_state["wanted"] = "demo"
            st.switch_page("views/galleries.py")
    with folder, st.container(border=True):
        st.subheader("Your folder")
        st.markdown("Pictures stay where they are; sub-folders become labels.")
        if st.button("Choose a folder", icon=":material/folder_open:"):
            st.session_state["wanted"] = "folder"
            st.switch_page("views/galleries.py")
    with upload, st.container(border=True):
        st.subheader("An upload")
        st.markdown("Several pictures or a zip, straight from this browser.")
        if st.button("Upload pictures", icon=":material/upload:"):
            st.session_state["wanted"] = "upload"
            st.switch_page("views/galleries.py")
