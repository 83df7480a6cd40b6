"""Every run: find, name, compare, run again, export, delete and restore."""

import streamlit as st

from pages._ui.runs.actions import action_bar, import_panel
from pages._ui.runs.table import filter_bar, table
from pages._ui.runs.trash import trash_panel, undo_bar
from pages._ui.runs.view import pareto_view, show_ticked
from pages._ui.shared.next_step import next_step
from pages._ui.state import session
from prune_core.store import catalogue

VIEWS = ("Table", "Quality against cost")

session.workspace()
st.title("Runs")
runs = catalogue.entries(session.store())
with st.container(horizontal=True, vertical_alignment="center"):
    st.write("Every run is kept, with all its settings and figures." if runs else "Runs are kept here.")
    import_panel()
    trash_panel()
undo_bar()
if not runs:
    st.info("No runs yet. A run builds a pruned model and compares it with its donor.", icon=":material/info:")
    next_step("redundancy", "Choose layers on the heat map")
    st.stop()
shown = filter_bar(runs)
if not shown:
    st.info("No runs match the search and the filters: widen them.", icon=":material/search_off:")
    st.stop()
a, b = st.columns([3, 2], vertical_alignment="center")
view = a.segmented_control(
    "Show as", VIEWS, key=session.seed("runs_view", VIEWS[0]), required=True, label_visibility="collapsed"
)
b.caption(f"{len(shown):,} of {len(runs):,} runs. Figures are for the pruned models.", text_alignment="right")
ticked = table(shown) if view == VIEWS[0] else pareto_view(shown)
action_bar(ticked, shown)
show_ticked(ticked)
