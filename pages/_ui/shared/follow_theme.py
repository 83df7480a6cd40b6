"""Which theme the browser shows. Streamlit reruns nothing when the user switches it, and may guess wrong on the first
run (streamlit#11920); figures drawn in Python would keep the old colours. This invisible component asks for a rerun."""

from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

KEY = "theme_of_browser"

_watch = component(
    "layerscope_theme", js=Path(__file__).with_name("follow_theme.js").read_text(encoding="utf-8"), isolate_styles=False
)


def follow_theme() -> None:
    """Mount the watcher: once a script run, in app.py, so that it is there on every page."""
    _watch(key=KEY, data={"type": theme_type()}, on_type_change=lambda: None)


def theme_type() -> str | None:
    """ "light" or "dark", or None before the browser has said."""
    seen = st.session_state.get(KEY)
    return (seen or {}).get("type") or st.context.theme.type
