"""Which theme the browser shows. Streamlit does not rerun when the user switches it, and may guess wrong on the first
run (streamlit#11920); figures drawn in Python would keep the old colours. This invisible component asks for a rerun."""

from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

KEY = "theme_of_browser"

_watch = component(
    "layerscope_theme", js=Path(__file__).with_name("follow_theme.js").read_text(encoding="utf-8"), isolate_styles=False
)


def follow_theme() -> None:
    """Mount the watcher: once per script run, in app.py, so that every page has it."""
    _watch(key=KEY, data={"type": theme_type()}, on_type_change=lambda: None)


def theme_type() -> str | None:
    """ "light" or "dark", or None until the browser has reported it."""
    seen = st.session_state.get(KEY)
    return (seen or {}).get("type") or st.context.theme.type
