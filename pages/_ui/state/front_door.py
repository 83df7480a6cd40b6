"""The list of pages, and the one way to them: by app.py, whichever address is opened first.

Until a script has called st.navigation, Streamlit makes a navigation of its own from the folder pages/ and runs the
page alone, without what app.py puts above it. A page that finds itself run so calls st.navigation and begins again.
"""

import streamlit as st

PAGES = (
    ("model", "Model", ":material/deployed_code:"),
    ("redundancy", "Redundancy", ":material/grid_on:"),
    ("plan", "Plan", ":material/content_cut:"),
    ("benchmark", "Benchmark", ":material/speed:"),
    ("runs", "Runs", ":material/history:"),
)
"""File, title and icon; the first is where one arrives."""


def enter() -> st.Page:
    """The page that was asked for, to be run by app.py, which says so by calling this."""
    st.session_state["entered"] = True
    return _navigation(icons=True)


def enter_by_the_front_door() -> None:
    """Begin again by app.py, where this session has not come through it; else do nothing."""
    if "entered" not in st.session_state:
        # No icons: app.py has not given the tab its own yet, and one that is named by word is fetched from the network.
        _navigation(icons=False)
        st.rerun()


def _navigation(icons: bool) -> st.Page:
    pages = [
        st.Page(f"pages/{name}.py", title=title, icon=icon if icons else None, default=name == PAGES[0][0])
        for name, title, icon in PAGES
    ]
    return st.navigation(pages, position="top")
