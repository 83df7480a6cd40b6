"""The button that leads to the next page."""

import streamlit as st


def next_step(page: str, label: str, primary: bool = True) -> None:
    """A button called `label` that opens pages/`page`.py."""
    kind = "primary" if primary else "secondary"
    if st.button(label, key=f"to_{page}", type=kind, icon=":material/arrow_forward:"):
        st.switch_page(f"pages/{page}.py")
